"""Everything here is real: wasmtime, guests, files in a temporary folder. Only host functions are stand-ins."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from orchestrator.runtime import HostImport, Runtime

MakeRuntime = Callable[..., Runtime]


@pytest.fixture
def make_runtime() -> Iterator[MakeRuntime]:
    made: list[Runtime] = []

    def make(imports: Sequence[HostImport] = (), cache: Path | None = None) -> Runtime:
        made.append(Runtime(cache, imports))
        return made[-1]

    yield make
    for runtime in made:
        runtime.close()


@pytest.fixture
def runtime(make_runtime: MakeRuntime) -> Runtime:
    return make_runtime()
