"""`airs render`: the plain manifests that a source comes to, its overlays applied."""

import os
from pathlib import Path

import click

from orchestrator.cli.context import Settings, command, plain_http_option
from orchestrator.cli.excerpts import of_snapshot
from orchestrator.cli.planning import root_option
from orchestrator.cli.reading import NamedSource, read_source, refuse_invalid
from orchestrator.cli.show import show_diagnostics
from orchestrator.cli.verifying import verification, verify_options
from orchestrator.contract.codes import USAGE
from orchestrator.contract.problem import Failure
from orchestrator.manifest.node import plain
from orchestrator.manifest.overlay.render import SourceDocument, source_documents
from orchestrator.manifest.overlay.text import canonical, yaml_text
from orchestrator.model.base import Value
from orchestrator.model.diagnostic import Diagnostic
from orchestrator.model.snapshot import Snapshot
from orchestrator.model.spec import Json

BESIDE = "rendered.yaml"  # as which the documents are written on a terminal: beside the named folder's manifests


class RenderedDocument(Value, frozen=True):
    """A document of `render`, its file, and the overlays that changed it, the innermost first."""

    file: str
    overlays: tuple[str, ...]
    document: Json


class RenderedSource(Value, frozen=True):
    """The documents that a source comes to, and what is wrong with it."""

    documents: tuple[RenderedDocument, ...]
    diagnostics: tuple[Diagnostic, ...]


@command()
@click.argument("path")
@root_option
@verify_options
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write one manifest, with paths from there."
)
@click.option("--force", is_flag=True, help="Let --out overwrite a file that is there.")
@plain_http_option
def render(settings: Settings, path: str, root: str | None, out: Path | None, force: bool) -> None:
    """Print the plain manifests that a source comes to, its overlays applied."""
    if out is not None and out.exists() and not force:
        raise Failure(f"{out} exists already", suggestion="Use --force to overwrite it, or name another file.")
    source = read_source(NamedSource(path, root=root, verify=verification(settings)), settings)
    snapshot, diagnostics = source.snapshot, source.resolution().diagnostics
    to = _beside(snapshot) if out is None else _below_root(out, snapshot.root)
    documents = [one.placed(to) for one in source_documents(snapshot)]
    if settings.is_json:
        shown = (
            RenderedDocument(file=one.file, overlays=one.overlays, document=plain(canonical(one.root)))
            for one in documents
        )
        settings.print_json(RenderedSource(documents=tuple(shown), diagnostics=diagnostics))
    elif out is None:
        click.echo(_text(documents), nl=False)
    if out is not None:
        _write(out, _text(documents))
    if not settings.is_json:
        show_diagnostics(settings.err(), diagnostics, of_snapshot(snapshot))
    refuse_invalid(diagnostics)


def _shown(one: SourceDocument) -> RenderedDocument:
    return RenderedDocument(file=one.file, overlays=one.overlays, document=plain(canonical(one.root)))


def _text(documents: list[SourceDocument]) -> str:
    return "---\n".join(f"# {_told(one)}\n{yaml_text(canonical(one.root), one.remark)}" for one in documents)


def _told(one: SourceDocument) -> str:
    return f"{one.file}, changed by {' and '.join(one.overlays)}" if one.overlays else one.file


def _beside(snapshot: Snapshot) -> str:
    """Return where the documents would lie as a manifest of the folder that was named."""
    folder = snapshot.folder if not snapshot.folder.endswith((".yaml", ".yml")) else os.path.dirname(snapshot.folder)
    return f"{folder}/{BESIDE}" if folder else BESIDE


def _below_root(out: Path, root: str) -> str:
    where = os.path.realpath(out)
    if not where.startswith(root.rstrip("/") + "/"):
        detail = "Paths of components are relative to the file that they are written in, and do not leave the root."
        raise Failure(f"{out} lies outside the root {root}", detail, "Name a file inside it.", USAGE)
    return os.path.relpath(where, root)


def _write(out: Path, text: str) -> None:
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise Failure(f"cannot write {out}", str(problem.strerror)) from None
