"""Options that every folder of tests shares."""

import compileall
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

HERE = Path(__file__).parent
COMPILED = "AIRS_TESTS_COMPILED"  # names the folder of the guests that the tests of this session have compiled
STARTS_PROCESSES = ("e2e", "project", "docs", "benchmarks")

# A loaded machine is no reason to fail: no property here is about time.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    os.environ["XDG_CONFIG_HOME"] = "/nonexistent"  # the settings of the person at this machine count for nothing here
    for name in ("AIRS_CONFIG", "AIRS_STATE_DIR", "AIRS_SECRETS_DIR"):
        os.environ.pop(name, None)
    if not hasattr(config, "workerinput"):  # once, by the process that starts the workers
        os.environ[COMPILED] = tempfile.mkdtemp(prefix="airs-compiled-")
        compileall.compile_dir(HERE.parent / "orchestrator", quiet=2)  # or each process that starts does
    # Who is started in the background or by `nohup` ignores one of them, and so do all processes that tests start.
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(COMPILED), ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes long first, whole modules together: then no worker begins it when the others are done."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, item.path.relative_to(HERE).parts[0] not in STARTS_PROCESSES))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files to what is produced now")
