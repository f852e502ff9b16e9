"""What inspecting an artifact found is kept, and found again without compiling, or loading, anything."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from orchestrator.compiled.worlds import VERSION
from orchestrator.model.compiling import Compiling
from orchestrator.model.world import ArtifactFault, World
from orchestrator.runtime import CodeOrigin, Runtime, digest_of_bytes
from tests.runtime.guests import ROOT, TRAPS, wasm
from tests.runtime.test_cache import COMPONENTS
from tests.runtime.test_ruled_out import PLAIN, UNFIT

COMPONENT = wasm(TRAPS)
OF_OUR_TYPES = ROOT / "examples/08-types/components/types-1.0.0/types.wasm"
FOUND = {1: "b5332d05cf0cb0d3"}  # what inspecting finds in components that do not change, by `worlds.VERSION`
Inspect = Callable[[bytes], World]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def heard() -> list[Compiling]:
    """What was compiled."""
    return []


@pytest.fixture
def inspect(folder: Path, heard: list[Compiling]) -> Inspect:
    """Inspect with a new engine, as in a process of its own."""

    def inspect(data: bytes) -> World:
        runtime = Runtime(folder, compiling=lambda told: heard.append(told) if told.took_s is None else None)
        try:
            return runtime.inspect(data)
        finally:
            runtime.close()

    return inspect


def kept(folder: Path, suffix: str) -> list[Path]:
    return list(folder.glob(f"*{suffix}"))


@pytest.mark.parametrize("data", COMPONENTS, ids=lambda path: path.stem)
def test_the_world_that_is_kept_is_the_one_that_was_found(inspect: Inspect, folder: Path, heard, data: Path):
    found = inspect(data.read_bytes())
    for code in kept(folder, ".cwasm"):
        code.unlink()
    heard.clear()
    assert inspect(data.read_bytes()) == found
    assert heard == kept(folder, ".cwasm") == []


def test_what_nothing_is_known_of_is_compiled(inspect: Inspect, folder: Path, heard):
    inspect(COMPONENT)
    inspect(wasm("(component)"))
    assert (len(heard), len(kept(folder, ".world"))) == (2, 2)


def test_a_damaged_world_is_found_again_from_the_compiled_code(inspect: Inspect, folder: Path, heard):
    found = inspect(COMPONENT)
    (file,) = kept(folder, ".world")
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    assert inspect(COMPONENT) == found
    assert file.read_bytes() == content
    assert len(heard) == 1


def test_the_world_of_what_was_loaded_from_the_cache_is_kept(make_runtime, inspect: Inspect, folder: Path, heard):
    loaded = make_runtime(cache=folder).load(digest_of_bytes(COMPONENT), lambda: COMPONENT)
    assert kept(folder, ".world") == []
    assert inspect(COMPONENT) == loaded.world
    assert len(kept(folder, ".world")) == 1
    assert heard == []


def test_what_was_inspected_without_loading_it_is_loaded_from_the_cache(make_runtime, inspect: Inspect, folder: Path):
    inspect(COMPONENT)
    runtime = make_runtime(cache=folder)
    runtime.inspect(COMPONENT)
    assert runtime.load(digest_of_bytes(COMPONENT), lambda: COMPONENT).origin is CodeOrigin.CACHE


def test_the_world_of_what_its_imports_rule_out_is_kept_though_no_code_is(inspect: Inspect, folder: Path, heard):
    component = wasm(f'(component {UNFIT["HTTP"]} {PLAIN} (export "f" (func $f)))')
    assert inspect(component) == inspect(component)
    assert (len(kept(folder, ".world")), kept(folder, ".cwasm"), heard) == (1, [], [])


def test_a_fault_is_never_kept(inspect: Inspect, folder: Path):
    for _ in range(2):
        with pytest.raises(ArtifactFault, match="truncated"):
            inspect(COMPONENT[:-1])
    assert kept(folder, ".world") == []


def test_another_finding_in_the_same_bytes_has_another_version(make_runtime):
    runtime = make_runtime(cache=None)
    components = [f'(component {imports} {PLAIN} (export "f" (func $f)))' for imports in UNFIT.values()]
    worlds = [runtime.inspect(data) for data in (*map(wasm, components), COMPONENT, OF_OUR_TYPES.read_bytes())]
    found = [msgspec.json.encode(replace(world, refused=()), order="deterministic") for world in worlds]
    assert FOUND.get(VERSION) == sha256(b"".join(found)).hexdigest()[:16], (
        "inspecting finds something else than before in the same bytes: raise `VERSION` of compiled/worlds.py, "
        "so that what was kept is not believed any more, and note here what is found now"
    )
