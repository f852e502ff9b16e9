"""Options that every folder of tests shares."""

import pytest
from hypothesis import HealthCheck, settings

# A loaded machine is no reason to fail: no property here is about time.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files to what is produced now")
