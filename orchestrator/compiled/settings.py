"""The settings that compiled code depends on, as text and in the names of files: without loading wasmtime."""

import os
import sys
from hashlib import sha256
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

MAX_WASM_STACK_BYTES = 512 << 10  # Python threads have 8 MiB; a guest's recursion ends long before

SETTINGS: dict[str, Any] = {
    "consume_fuel": True,
    "epoch_interruption": True,
    "wasm_component_model": True,
    "wasm_threads": False,  # a shared memory is not counted, and a guest that waits on one cannot be ended
    "max_wasm_stack": MAX_WASM_STACK_BYTES,
    "cranelift_opt_level": "speed",
    "cranelift_nan_canonicalization": True,  # the same answer on every machine
    "wasm_relaxed_simd_deterministic": True,
    "memory_init_cow": False,  # wasmtime refuses copy-on-write data in memories that we make
}
WITHOUT_GUARDS: dict[str, Any] = {  # every access is checked, so a memory needs no address space around it
    "memory_reservation": 0,
    "memory_reservation_for_growth": 0,
    "memory_guard_size": 0,
}


def settings_text(adapter: str) -> str:
    """Name everything beside the component that compiled code depends on; `adapter` is put around the component."""
    settings = sorted(SETTINGS.items()), sorted(WITHOUT_GUARDS.items())
    machine = f"{sys.platform}-{os.uname().machine}"
    return f"wasmtime {wasmtime_version()} {machine} adapter {adapter} {settings}"


def file_name(artifact: str, settings: str, suffix: str) -> str:
    """Name the file for an artifact under these settings."""
    return f"{artifact.removeprefix('sha256:')}-{sha256(settings.encode()).hexdigest()[:16]}{suffix}"


def wasmtime_version() -> str:
    """Return the installed version, read off its metadata's folder: reading the metadata takes far longer."""
    found = PathFinder.find_spec("wasmtime")
    if found is not None and found.origin is not None:
        folders = [*Path(found.origin).parent.parent.glob("wasmtime-*.dist-info")]
        if len(folders) == 1:
            return folders[0].name.removesuffix(".dist-info").partition("-")[2]
    from importlib.metadata import version

    return version("wasmtime")
