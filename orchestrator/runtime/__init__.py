"""Components in, answers out: the only package that imports wasmtime.

`Runtime.load` turns an artifact's bytes into a `Loaded` component, `Runtime.start` that into a `Guest` under its
revision's limits. `supervise` gets the start as a callable; `host` hands its functions in as `HostImport` values. What
a grant allows, who is started again and what a message means are decided elsewhere.
"""

from orchestrator.model.plain import Err, Ok, Some, Variant
from orchestrator.runtime.cell import Ending
from orchestrator.runtime.direct import Direct, start_here
from orchestrator.runtime.guest import Guest, Start, read_metadata
from orchestrator.runtime.lifecycle import environment
from orchestrator.runtime.loaded import Loaded, Origin, digest_of_bytes
from orchestrator.runtime.path import Path, chosen
from orchestrator.runtime.pipes import Pipes, Sink
from orchestrator.runtime.runtime import Runtime
from orchestrator.runtime.trial import trial
from orchestrator.runtime.values import GuestTrap, HostImport, Wait
from orchestrator.runtime.wasi import Folder, Output, Wasi

__all__ = [
    "Direct",
    "Ending",
    "Err",
    "Folder",
    "Guest",
    "GuestTrap",
    "HostImport",
    "Loaded",
    "Ok",
    "Origin",
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
