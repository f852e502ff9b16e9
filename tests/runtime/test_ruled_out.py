"""What a component imports tells that it cannot run here before it is compiled, in the words of afterwards."""

import pytest

from orchestrator.interface.fitness import unfitness
from orchestrator.model.compiling import Compiling
from orchestrator.model.world import ArtifactFault
from orchestrator.runtime import Runtime, digest_of_bytes
from tests.interface.test_text import COMPONENTS
from tests.runtime.guests import MESSAGING, STORAGE, wasm

PLAIN = (
    '(core module $m (func (export "f"))) (core instance $i (instantiate $m)) (func $f (canon lift (core func $i "f")))'
)
EMPTY = '(instance (export "f" (func)))'
LIFECYCLE = '(instance $l (export "health" (func $f))) (export "airssys:core/component-lifecycle@1.0.0" (instance $l))'
UNFIT = {
    "nobody's interface": f'(import "foo:bar/baz@1.0.0" {EMPTY})',
    "a bare function": '(import "plain" (func))',
    "a core module": '(import "m" (core module))',
    "another version of ours": f'(import "airssys:core/storage@2.0.0" {EMPTY})',
    "HTTP": f'(import "wasi:http/types@0.2.3" {EMPTY})',
    "WASI 0.3": f'(import "wasi:cli/stdout@0.3.0" {EMPTY})',
    "a function that ours does not have": f'(import "{STORAGE}" (instance (export "purge" (func))))',
    "another type than ours has": f'(import "{STORAGE}" (instance (export "exists" (func (result bool)))))',
    "a resource that ours does not have": f'(import "{STORAGE}" (instance (export "r" (type (sub resource)))))',
    "a function that WASI does not have": '(import "wasi:random/random@0.2.0" (instance (export "toss" (func))))',
    "and another type than WASI has": (
        '(import "wasi:random/random@0.2.0" (instance (export "get-random-u64" (func (result u32)))))'
        f'(import "foo:bar/baz@1.0.0" {EMPTY})'
    ),
    "and requests without answers": (
        f'(import "{MESSAGING}" (instance (export "request" (func)))) (import "foo:bar/baz@1.0.0" {EMPTY})'
    ),
}


@pytest.fixture
def heard() -> list[Compiling]:
    return []


@pytest.fixture
def watched(heard):
    runtime = Runtime(None, compiling=heard.append)
    yield runtime
    runtime.close()


@pytest.mark.parametrize("name", UNFIT)
def test_the_world_is_the_compiled_one_and_nothing_is_compiled(name: str, watched: Runtime, heard, make_runtime):
    component = wasm(f'(component {UNFIT[name]} {PLAIN} (export "f" (func $f)))')
    world = watched.inspect(component)
    assert heard == []
    assert unfitness(world)
    assert world == make_runtime(cache=None).load(digest_of_bytes(component), lambda: component).world


def test_a_lifecycle_that_is_not_ours_is_refused_as_ever(watched: Runtime, heard, make_runtime):
    component = wasm(f"(component {UNFIT['HTTP']} {PLAIN} {LIFECYCLE})")
    with pytest.raises(ArtifactFault) as early:
        watched.inspect(component)
    assert heard == []
    with pytest.raises(ArtifactFault) as late:
        make_runtime(cache=None).load(digest_of_bytes(component), lambda: component)
    assert vars(early.value) == vars(late.value)


@pytest.mark.parametrize("path", COMPONENTS, ids=lambda path: path.stem)
def test_every_component_here_is_inspected_as_it_is_loaded(path, runtime: Runtime, make_runtime):
    component = path.read_bytes()
    inspected = runtime.inspect(component)
    assert inspected == make_runtime(cache=None).load(digest_of_bytes(component), lambda: component).world


def test_of_what_its_bytes_do_not_tell_a_component_is_compiled(watched: Runtime, heard):
    component = wasm(f"(component {UNFIT['HTTP']})") + b"\x3f\x00"  # a section that nobody knows
    with pytest.raises(ArtifactFault, match="not a valid component"):
        watched.inspect(component)
    assert len(heard) == 2
