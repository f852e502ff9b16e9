"""Whether components can be compiled and called on this machine; `airs doctor` asks."""

import wasmtime

from orchestrator.model.calls import Calls, UnknownLayout
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import Exited, Returned
from orchestrator.model.spec import Limits, Revision
from orchestrator.model.world import ArtifactFault
from orchestrator.runtime.component.loaded import digest_of_bytes
from orchestrator.runtime.guest.direct import start_here
from orchestrator.runtime.guest.guest import Start
from orchestrator.runtime.runtime import Runtime

_SEVEN = """
(component
  (core module $m (memory 1) (func (export "seven") (result i32) (i32.const 7)))
  (core instance $i (instantiate $m))
  (func (export "seven") (result u32) (canon lift (core func $i "seven"))))
"""
_LIMITS = Limits(memory_bytes=1 << 20, fuel=1_000_000, timeout_ms=5_000)


def trial(calls: Calls) -> str:
    """Compile and call a small component as asked; return the failure, empty when all went well."""
    try:
        runtime = Runtime(None, calls=calls)
    except UnknownLayout as unknown:
        return str(unknown)
    try:
        return _called(runtime, bytes(wasmtime.wat2wasm(_SEVEN)))
    except (ArtifactFault, wasmtime.WasmtimeError) as fault:
        return str(fault)
    finally:
        runtime.close()


def _called(runtime: Runtime, data: bytes) -> str:
    revision = Revision(
        id="", component="", version="", artifact="", stateful=False, config="{}", grants=(), limits=_LIMITS
    )
    loaded = runtime.load(digest_of_bytes(data), lambda: data)
    guest = start_here(Start(id=ComponentId("airs", "doctor", "0"), revision=revision, loaded=loaded))
    if isinstance(guest, Exited):
        return str(guest.reason)
    try:
        answer = guest.call("seven", [])
    finally:
        guest.close()
    return "" if answer == Returned(7) else f"it answered {answer}"
