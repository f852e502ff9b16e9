"""Everything in this folder is real: planning has no effects, so there is nothing to stand in for."""

import pytest
from hypothesis import HealthCheck, settings

# A loaded machine is no reason to fail: nothing here is about time.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture
def updates_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))
