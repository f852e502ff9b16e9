"""`airs component info` and `airs component diff`: what a file is and asks for, and what another version of it changes.

Both need neither an agent nor manifests. `interface` decides the meaning; here it is read and shown.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from orchestrator.cli.compiling import Progress
from orchestrator.cli.context import Settings, command, global_options
from orchestrator.cli.inspecting import shared_runtime
from orchestrator.cli.reading import read_wasm
from orchestrator.cli.show import table
from orchestrator.cli.stored import gc, install, list_, matching, packages_of, remove
from orchestrator.cli.terminal import Console, Text
from orchestrator.cli.visible import sink
from orchestrator.cli.world_changes import show_world_changes
from orchestrator.contract.codes import FAILED, INVALID, OK, USAGE
from orchestrator.contract.problem import Failure
from orchestrator.interface.anatomy import Producer, anatomy
from orchestrator.interface.changes import Comparison, compare
from orchestrator.interface.fitness import Unfitness, unfitness
from orchestrator.interface.needs import Need, asked
from orchestrator.interface.text import world_text
from orchestrator.model.base import Value
from orchestrator.model.calls import AdaptedAt, Adapter
from orchestrator.model.world import ArtifactFault, Drive, Function, World
from orchestrator.observe.events import printable
from orchestrator.runtime import Loaded, Runtime, digest_of_bytes
from orchestrator.store.layout import CACHE

KIB, MIB = 1 << 10, 1 << 20
DRIVEN = {
    Drive.ACTOR: "actor: messages (`airs send`, `airs request`)",
    Drive.CALLABLE: "callable: typed calls (`airs call`)",
    Drive.JOB: "job: runs to its end (`airs run`)",
    Drive.HTTP: "HTTP service, which this version does not run",
}
CARRIED = {
    AdaptedAt.WITHIN: "through an adapter within it, which copies payloads as blocks",
    AdaptedAt.PARTLY: "through an adapter within it; its calls out through one beside it, which copies byte by byte",
    AdaptedAt.BESIDE: "through an adapter beside it, by which payloads are copied byte by byte",
    AdaptedAt.NONE: "without an adapter, value by value",
}
NAME_WIDTH = len("processed-by")
FUNCTIONS_SHOWN = 6  # of an interface, in the table; the world below it has all


class Sizes(Value, frozen=True):
    """Bytes of the file, of its core modules, and of the machine code they were compiled to."""

    file_bytes: int
    core_modules: int
    core_bytes: int
    code_bytes: int


class ComponentInfo(Value, frozen=True):
    """The findings of `component info`; `unfit` says why it cannot run here, `wit` is its whole world as text.

    `adapter` is how messages reach an actor here; other components have none.
    """

    digest: str
    sizes: Sizes
    producers: tuple[Producer, ...]
    drives: tuple[Drive, ...]
    adapter: Adapter | None
    unfit: tuple[Unfitness, ...]
    imports: tuple[Need, ...]
    exports: tuple[Function, ...]
    wit: str


class ComponentDiff(Comparison, frozen=True):
    """The findings of `component diff`, and the artifacts compared."""

    old: str
    new: str


@click.group()
@global_options
def component() -> None:
    """Look into components, compare two, and manage the component store."""


@command()
@click.argument("named", metavar="COMPONENT")
@click.option("--wit", is_flag=True, help="Print the world as WIT text, and nothing else.")
def info(settings: Settings, named: str, wit: bool) -> None:
    """Say what a component is: its world as WIT, sizes, producers, what it asks for, how it is driven.

    COMPONENT is a file, or a component in the store: NAME, NAME@VERSION or a reference.
    """
    file = artifact_file(settings, named)
    data = read_wasm(file)
    found = _info(data, *_load(settings, file, data))
    if settings.is_json:
        settings.print_json(found)
    elif wit:
        sink(sys.stdout)(found.wit.encode())
    else:
        _show_info(settings.out(), found)


@command()
@click.argument("old")
@click.argument("new")
@click.option("--exit-code", is_flag=True, help="Exit 1 when callers of OLD cannot call NEW.")
def diff(settings: Settings, old: str, new: str, exit_code: bool) -> int:
    """Say what changed from component OLD to NEW, and whether callers of OLD can call NEW.

    Each is a file, or a component in the store: NAME, NAME@VERSION or a reference.
    """
    files = [(file, read_wasm(file)) for file in (artifact_file(settings, old), artifact_file(settings, new))]
    before, after = (_inspected(settings, file, data) for file, data in files)
    found = compare(before, after)
    if settings.is_json:
        digests = [digest_of_bytes(data) for _, data in files]
        settings.print_json(ComponentDiff(**msgspec.structs.asdict(found), old=digests[0], new=digests[1]))
    else:
        show_world_changes(settings.out(), found)
    return FAILED if exit_code and not found.compatible else OK


component.add_command(install)
component.add_command(list_)
component.add_command(info)
component.add_command(diff)
component.add_command(remove)
component.add_command(gc)


def artifact_file(settings: Settings, named: str) -> Path:
    """Return the file of a component: the one that is named, or its artifact in the store.

    Raises:
        Failure: it is neither, or several components have that name.
    """
    if Path(named).exists() or named.endswith(".wasm"):
        return Path(named)
    packages = packages_of(settings)
    found = {package.artifact: package for package in matching(packages, named)}
    if len(found) > 1:
        names = ", ".join(sorted(f"{one.name}@{one.version}" for one in found.values()))
        raise Failure(f"{named} means several components", f"There are {names}.", "Name one with its version.", USAGE)
    return packages.artifact_path(next(iter(found)))


def _load(settings: Settings, file: Path, data: bytes) -> tuple[Loaded, World]:
    """Compile a component, or take it from the agent's cache.

    Raises:
        Failure: it is none, or none that wasmtime takes.
    """
    with _runtime(settings, file) as runtime:
        loaded = runtime.load(digest_of_bytes(data), lambda: data)
        return loaded, loaded.world


def _inspected(settings: Settings, file: Path, data: bytes) -> World:
    """Find out what a component is, compiling it only where that is needed.

    Raises:
        Failure: it is none, or none that wasmtime takes.
    """
    with _runtime(settings, file) as runtime:
        return runtime.inspect(data)


@contextmanager
def _runtime(settings: Settings, file: Path) -> Iterator[Runtime]:
    """Lend a runtime that shows what it compiles, and make a failure of what is wrong with the component."""
    with Progress(settings.err()) as progress:
        runtime = shared_runtime(settings.state_dir / CACHE, progress.heard, settings.calls)
        try:
            yield runtime
        except ArtifactFault as fault:
            raise Failure(f"{file} is {fault.summary}", fault.detail, fault.suggestion, INVALID) from None
        finally:
            runtime.close()


def _info(data: bytes, loaded: Loaded, world: World) -> ComponentInfo:
    made = anatomy(data)
    return ComponentInfo(
        digest=loaded.artifact,
        sizes=Sizes(
            file_bytes=len(data),
            core_modules=made.core_modules,
            core_bytes=made.core_bytes,
            code_bytes=loaded.code_bytes,
        ),
        producers=made.producers,
        drives=tuple(drive for drive in Drive if drive in world.drives),
        adapter=loaded.description.adapter if Drive.ACTOR in world.drives else None,
        unfit=tuple(unfitness(world)),
        imports=asked(world),
        exports=world.exports,
        wit=world_text(data),
    )


def _show_info(console: Console, found: ComponentInfo) -> None:
    for name, text in _facts(found):
        console.print(Text.assemble((f"{name:<{NAME_WIDTH}} ", "bold"), printable(text)))
    for unfit in found.unfit:
        console.print(Text.assemble(("cannot run here: ", "bold red"), printable(unfit.summary)))
        if unfit.detail:
            console.print(Text("    " + printable(unfit.detail)))
        console.print(Text("    → " + printable(unfit.suggestion), style="cyan"))
    if found.imports:
        console.print()
        table(console, ("PROVIDER", "GRANTS", "IMPORTS", "FUNCTIONS"), map(_row, found.imports))
    console.print()
    for line in found.wit.splitlines():
        console.print(Text(printable(line)))


def _facts(found: ComponentInfo) -> Iterator[tuple[str, str]]:
    sizes = found.sizes
    modules = f"{sizes.core_modules} core module{'s' * (sizes.core_modules != 1)}"
    yield "digest", found.digest
    yield (
        "size",
        f"{_size(sizes.file_bytes)}, {modules} of {_size(sizes.core_bytes)}, compiled {_size(sizes.code_bytes)}",
    )
    for producer in found.producers:
        yield producer.role, f"{producer.name} {producer.version}".rstrip()
    for drive in found.drives:
        yield "driven as", DRIVEN[drive]
    if found.adapter is not None:
        why = f": {found.adapter.why}" if found.adapter.why else ""
        yield "messages", f"cross {CARRIED[found.adapter.place]}{why}"


def _row(imported: Need) -> tuple[str, str, str, str]:
    named, more = imported.functions[:FUNCTIONS_SHOWN], len(imported.functions) - FUNCTIONS_SHOWN
    functions = ", ".join(named) + (f" and {more} more" if more > 0 else "") or "types only"
    return imported.provider.value, ", ".join(imported.grants) or "none", imported.interface, functions


def _size(count: int) -> str:
    if count < KIB:
        return f"{count} B"
    return f"{count / KIB:.1f} KiB" if count < MIB else f"{count / MIB:.1f} MiB"
