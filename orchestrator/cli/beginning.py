"""A reference to a component → all that `airs init` needs of it: its bytes, its name, and how a manifest names it."""

import re
from typing import NamedTuple

from orchestrator.cli.context import Settings
from orchestrator.cli.fetching import FetchProgress, fetcher_of
from orchestrator.cli.reading import state_of
from orchestrator.cli.stored import refused, wanted
from orchestrator.contract.codes import USAGE
from orchestrator.contract.problem import Failure
from orchestrator.fetch.limits import FetchFailed
from orchestrator.model.component_source import GitComponent, OciComponent, RemoteComponent, UrlComponent
from orchestrator.model.ids import NAME_MAX_LENGTH
from orchestrator.time_of_day import wall_ms


class FetchedStart(NamedTuple):
    """A component that was fetched; `source` is the line of `spec.component` that names it."""

    artifact: bytes
    name: str
    source: str
    has_manifest: bool


def begin_with(settings: Settings, reference: str) -> FetchedStart:
    """Fetch a component.

    Raises:
        Failure: it cannot be fetched.
    """
    remote = wanted(reference)
    state_of(settings)  # whose folder it is
    with FetchProgress(settings.err()) as progress:
        fetcher = fetcher_of(settings, progress)
        try:
            note = fetcher.look(remote, wall_ms())
        except FetchFailed as failed:
            raise refused([failed]) from None
    package = fetcher.packages.read(note.package).package
    data = fetcher.artifacts.read(package.artifact)
    return FetchedStart(data, package.name or _name_of(remote), _source(remote), package.has_manifest)


def _source(remote: RemoteComponent) -> str:
    match remote:
        case OciComponent():
            return f"oci: {{reference: {remote.reference.removeprefix('oci://')}}}"
        case GitComponent():
            path = f', path: "{remote.path}"' if remote.path else ""
            return f'git: {{url: "{remote.url}", ref: "{remote.ref}"{path}}}'
        case UrlComponent():
            kind = "artifact" if remote.is_bare else "component"
            return f'url: {{{kind}: "{remote.url}", sha256: {remote.sha256}}}'


def _name_of(remote: RemoteComponent) -> str:
    match remote:
        case OciComponent():
            text = remote.name
        case GitComponent():
            text = remote.path or remote.url.removesuffix(".git")
        case UrlComponent():
            text = remote.url.removesuffix(".wasm")
    name = re.sub(r"[^a-z0-9]+", "-", text.rpartition("/")[2].lower()).strip("-")[:NAME_MAX_LENGTH].rstrip("-")
    if not name or not name[0].isalpha():
        raise Failure(f"{text} gives no name", "a name begins with a letter", "Give one with --name.", USAGE)
    return name
