"""Everything here is real: wasmtime, guests, files in a temporary folder. Only host functions are stand-ins.

Modules in `EACH` run on each path that calls take, the others on the quickest, or on the one that AIRS_CALLS names.
"""

import faulthandler
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

from orchestrator.model.calls import Calls
from orchestrator.runtime import HostImport, Runtime

MakeRuntime = Callable[..., Runtime]
EACH = {
    "test_actor", "test_async_exports", "test_host_imports", "test_limits", "test_sessions", "test_topics",
    "test_typed_calls",
}  # fmt: skip
TEST_LIMIT_S = 120.0  # many times what any test here takes


@pytest.fixture(autouse=True)
def limit_of_time(request: pytest.FixtureRequest) -> Iterator[None]:
    """End the process of a test whose guest is not ended by a limit: nothing else ends native code that spins."""
    stderr = request.config.stash[fault_handler_stderr_fd_key]
    faulthandler.dump_traceback_later(TEST_LIMIT_S, exit=True, file=stderr)
    yield
    faulthandler.cancel_dump_traceback_later()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what holds for each kind of calls with each."""
    if "calls" in metafunc.fixturenames and metafunc.module.__name__.rpartition(".")[2] in EACH:
        metafunc.parametrize("calls", Calls, ids=lambda calls: calls.value)


@pytest.fixture
def calls() -> Calls:
    return Calls(os.environ.get("AIRS_CALLS", Calls.NATIVE.value))


@pytest.fixture
def make_runtime(calls: Calls) -> Iterator[MakeRuntime]:
    made: list[Runtime] = []
    of_all_tests = Path(os.environ["AIRS_TESTS_COMPILED"])

    def make(imports: Sequence[HostImport] = (), cache: Path | None = of_all_tests) -> Runtime:
        made.append(Runtime(cache, imports, calls=calls))
        return made[-1]

    yield make
    for runtime in made:
        runtime.close()


@pytest.fixture
def runtime(make_runtime: MakeRuntime) -> Runtime:
    return make_runtime()
