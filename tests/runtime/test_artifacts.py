import pytest

from orchestrator.model.world import ArtifactFault, Drive, Import
from orchestrator.runtime import Runtime, digest_of_bytes
from orchestrator.runtime.component import artifact
from orchestrator.runtime.component.artifact import MAX_ARTIFACT_BYTES
from tests.runtime.guests import FAULTY, ROOT, TRAPS, wasm

HELLO = (ROOT / "examples/01-hello/components/hello-1.0.0/hello.wasm").read_bytes()
COMPONENT = wasm(TRAPS)
CORE = wasm("(module (func))")
PREVIEW1 = wasm('(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))))')
MENTIONS_PREVIEW1 = wasm('(module (memory 1) (data (i32.const 0) "wasi_snapshot_preview1"))')
HEADER = b"\0asm\x0d\0\x01\0"

FAULTS = [
    ("empty", b"", "an empty file", "Build it again"),
    ("text", b";; a comment\n(component)", "WebAssembly text, not a binary", "wasm-tools parse"),
    ("random", bytes(range(7, 200)), "not WebAssembly", "artifact.path"),
    ("archive", b"\x1f\x8b\x08\0rest", "a gzip archive, not WebAssembly", "artifact.path"),
    ("program", b"\x7fELF\x02\x01", "a native program or library, not WebAssembly", "artifact.path"),
    ("core module", CORE, "a core module, not a component", "wasm-tools component new"),
    ("preview 1", PREVIEW1, "a core module for WASI preview 1, not a component", "--adapt wasi_snapshot_preview1="),
    ("mentions preview 1", MENTIONS_PREVIEW1, "a core module, not a component", "wasm-tools component new"),
    ("newer format", b"\0asm\x0e\0\x01\0", "a component in a newer binary format", "Update airs"),
    ("older format", b"\0asm\x0a\0\x01\0", "a component in an older binary format", "current tools"),
    ("other layer", b"\0asm\x01\0\x02\0", "WebAssembly in an unknown binary format", "Update airs"),
    ("cut header", b"\0asm\x0d\0", "a truncated component", "Copy or build it again"),
    ("cut section", COMPONENT[:-20], "a truncated component", "Copy or build it again"),
    ("cut size", HEADER + b"\x01\x80", "a truncated component", "Copy or build it again"),
    ("unknown section", HEADER + b"\x20\x01\x00", "not a valid component", "wasm-tools validate"),
    ("too large", bytes(MAX_ARTIFACT_BYTES + 1), "too large for a component (128 MiB)", "wasm-tools strip"),
]


@pytest.mark.parametrize(("data", "summary", "suggestion"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_what_is_no_component_is_refused_with_what_it_is_instead(runtime, data, summary, suggestion):
    with pytest.raises(ArtifactFault) as caught:
        runtime.inspect(data)
    assert caught.value.summary == summary
    assert caught.value.detail
    assert suggestion in caught.value.suggestion


def section_ends(data: bytes) -> set[int]:
    ends, at = set(), 8
    while at < len(data):
        ends.add(at)
        size, shift, at = data[at + 1] & 0x7F, 7, at + 2
        while data[at - 1] >= 0x80:
            size, shift, at = size | (data[at] & 0x7F) << shift, shift + 7, at + 1
        at += size
    return ends


@pytest.mark.parametrize("at", sorted(set(range(9, len(COMPONENT), 5)) - section_ends(COMPONENT)))
def test_a_component_cut_off_anywhere_is_called_truncated(runtime, at):
    with pytest.raises(ArtifactFault, match="a truncated component"):
        runtime.inspect(COMPONENT[:at])


def fault_of(runtime, data: bytes) -> ArtifactFault | None:
    try:
        runtime.inspect(data)
    except ArtifactFault as fault:
        return fault
    return None


def test_a_damaged_component_is_refused_with_advice_or_still_is_one(runtime):
    for at in range(8, len(COMPONENT), 3):
        damaged = bytearray(COMPONENT)
        damaged[at] ^= 0x55
        fault = fault_of(runtime, bytes(damaged))
        assert fault is None or (fault.summary and fault.suggestion)


@pytest.mark.parametrize(
    "text",
    [
        "(component (core module (memory 1 (pagesize 1))))",
        "(component (core module (type $f (func)) (type (cont $f))))",
        "(component (core module (global (shared i32) (i32.const 1))))",
        "(component (core module (memory 1 1 shared)))",
        '(component (import "x" (value string)))',
        "(component (type (list u8 4)))",
    ],
)
def test_features_that_do_not_run_here_are_named_as_such(runtime, text):
    with pytest.raises(ArtifactFault, match="uses WebAssembly features this airs does not run") as caught:
        runtime.inspect(wasm(text))
    assert "update airs" in caught.value.suggestion


def test_bytes_that_do_not_match_their_digest_are_refused(runtime):
    with pytest.raises(ArtifactFault, match="not the artifact that was asked for"):
        runtime.load(digest_of_bytes(b"other"), lambda: COMPONENT)


def test_types_that_grow_without_bound_are_refused(runtime):
    doubling = "".join(f"(type $t{n} (tuple $t{n - 1} $t{n - 1}))" for n in range(1, 17))
    data = wasm(f"""
    (component
      (type $t0 u8) {doubling}
      (core module $m (memory (export "m") 1) (func (export "f") (result i32) (i32.const 0)))
      (core instance $i (instantiate $m))
      (func (export "f") (result $t16) (canon lift (core func $i "f") (memory (core memory $i "m")))))
    """)
    with pytest.raises(ArtifactFault, match="types are too large"):
        runtime.inspect(data)


def test_the_world_of_an_actor(runtime):
    world = runtime.inspect(HELLO)
    assert world.drives == {Drive.ACTOR}
    assert world.imports == tuple(sorted(world.imports))
    assert Import(interface="airssys:core/host-services@1.0.0", functions=("log",)) in world.imports
    signatures = {export.name: export.signature for export in world.exports}
    assert signatures["airssys:core/component-lifecycle@1.0.0#health"] == (
        "func() -> enum{healthy, degraded, unhealthy, unknown}"
    )


def test_the_world_of_a_callable_component(runtime):
    world = runtime.inspect(COMPONENT)
    assert world.drives == {Drive.CALLABLE}
    assert {export.name: export.signature for export in world.exports}["count"] == "func(rounds: u32)"


def test_a_component_may_be_driven_in_several_ways(runtime):
    interfaces = ("wasi:http/incoming-handler@0.2.0", "wasi:cli/run@0.2.0", "my:own/thing")
    exports = "".join(f'(export "{name}" (instance $n))' for name in interfaces)
    data = wasm(f"""
    (component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
      (func $f (canon lift (core func $i "f"))) (instance $n (export "f" (func $f))) {exports})
    """)
    assert runtime.inspect(data).drives == {Drive.HTTP, Drive.JOB, Drive.CALLABLE}


def test_a_component_without_functions_is_driven_in_no_way(runtime):
    assert runtime.inspect(wasm("(component)")).drives == frozenset()


def test_a_lifecycle_of_other_types_is_refused(runtime):
    data = wasm("""
    (component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
      (func $f (canon lift (core func $i "f")))
      (instance $n (export "initialize" (func $f)))
      (export "airssys:core/component-lifecycle@1.0.0" (instance $n)))
    """)
    with pytest.raises(ArtifactFault, match="initialize differs") as caught:
        runtime.inspect(data)
    assert "expected func(config: record{" in caught.value.detail


def test_every_guest_written_in_c_is_an_actor(runtime):
    assert runtime.inspect(FAULTY.read_bytes()).drives == {Drive.ACTOR}


def test_a_file_of_millions_of_empty_sections_costs_no_more_than_others():
    data = b"\0asm\x0d\0\1\0" + b"\0\1\0" * (artifact.MAX_SECTIONS * 2) + b"\0\x7f"
    artifact.check(data)  # only the beginning is walked here; what is wrong at its end is for wasmtime to say
    with pytest.raises(ArtifactFault):
        Runtime(None).inspect(data)
