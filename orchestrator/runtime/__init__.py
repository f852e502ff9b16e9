"""Components in, answers out: the only package that imports wasmtime.

`Runtime.load` turns an artifact's bytes into a `Loaded` component, `Runtime.start` that into a `Guest` under its
revision's limits. `supervise` gets the start as a callable; `host` hands its functions in as `HostImport` values.
Grants, restarts and the meaning of messages are decided elsewhere.
"""

from orchestrator.model.plain import Err, Ok, Some, Variant
from orchestrator.runtime.component.lifecycle import environment
from orchestrator.runtime.component.loaded import CodeOrigin, Loaded, digest_of_bytes
from orchestrator.runtime.engine.cell import CallAborted
from orchestrator.runtime.engine.host_import import GuestTrap, HostImport, Wait
from orchestrator.runtime.engine.path import Path, chosen
from orchestrator.runtime.guest.direct import Direct, start_here
from orchestrator.runtime.guest.guest import Guest, Start, read_metadata
from orchestrator.runtime.runtime import Runtime
from orchestrator.runtime.trial import trial
from orchestrator.runtime.wasi.config import Folder, Output, Wasi
from orchestrator.runtime.wasi.pipes import Pipes, Sink

__all__ = [
    "CallAborted",
    "CodeOrigin",
    "Direct",
    "Err",
    "Folder",
    "Guest",
    "GuestTrap",
    "HostImport",
    "Loaded",
    "Ok",
    "Output",
    "Path",
    "Pipes",
    "Runtime",
    "Sink",
    "Some",
    "Start",
    "Variant",
    "Wait",
    "Wasi",
    "chosen",
    "digest_of_bytes",
    "environment",
    "read_metadata",
    "start_here",
    "trial",
]
