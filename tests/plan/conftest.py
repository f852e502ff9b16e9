"""Everything in this folder is real: planning has no effects, so there is nothing to stand in for."""

import pytest


@pytest.fixture
def updates_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))
