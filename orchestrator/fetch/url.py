"""A URL and its digest → the files of a component: an archive with a Component.toml, or a .wasm file alone."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from orchestrator.fetch.archive import files_of, unpacked
from orchestrator.fetch.credentials import url_login
from orchestrator.fetch.download import Download, Downloads
from orchestrator.fetch.http import target_of
from orchestrator.fetch.limits import (
    SIGNATURES_MAX_BYTES,
    TOML_MAX_BYTES,
    FetchedFiles,
    FetchFailed,
    FetchSettings,
)
from orchestrator.manifest.component_source import artifact_name
from orchestrator.model.component_source import COMPONENT_FILE, SIGNATURES_FILE, UrlComponent


def fetch_url(
    remote: UrlComponent, downloads: Downloads, settings: FetchSettings,
    keep: Callable[[FetchedFiles], object] = lambda _: None, held: Callable[[], FetchedFiles | None] = lambda: None,
) -> FetchedFiles:  # fmt: skip
    """Fetch what a URL names, unless it is `held` by another URL's name; `keep` makes it so before anybody asks again.

    Raises:
        FetchFailed: it cannot be fetched, or is no component.
    """
    login = url_login(settings, target_of(remote.url).host)
    name = remote.url.rpartition("/")[2] or remote.url
    resolved = f"sha256:{remote.sha256}"
    wanted = Download(remote.url, remote.sha256, settings.max_bytes, name, login.basic if login else "")

    def taken(path: Path) -> FetchedFiles:
        if remote.is_bare:
            found = FetchedFiles(resolved, path.read_bytes())
        else:
            unpacking = unpacked(_chunks(path), 2 * settings.max_bytes)
            found = component_in(files_of(unpacking, settings.max_bytes), resolved)
        keep(found)
        return found

    return downloads.fetch(wanted, taken, held)


def component_in(files: Mapping[str, bytes], resolved: str) -> FetchedFiles:
    """Find the component among the files of an archive: at its top, or in the one folder that it holds.

    Raises:
        FetchFailed: there is none, or it is not whole.
    """
    tops = {name.partition("/")[0] for name in files}
    folder = "" if COMPONENT_FILE in files or len(tops) != 1 else f"{next(iter(tops))}/"
    manifest = files.get(f"{folder}{COMPONENT_FILE}")
    if manifest is None:
        shown = ", ".join(sorted(files)[:5])
        raise FetchFailed(f"the archive has no {COMPONENT_FILE} at its top", f"it holds {shown or 'nothing'}")
    if len(manifest) > TOML_MAX_BYTES:
        raise FetchFailed(f"the archive's {COMPONENT_FILE} is too large", f"it has more than {TOML_MAX_BYTES} bytes")
    artifact = artifact_name(manifest)
    if artifact is None or f"{folder}{artifact}" not in files:
        detail = f"{COMPONENT_FILE} names {artifact}" if artifact else f"{COMPONENT_FILE} names none that it could hold"
        raise FetchFailed("the archive lacks its artifact", detail)
    signatures = files.get(f"{folder}{SIGNATURES_FILE}", b"")
    if len(signatures) > SIGNATURES_MAX_BYTES:
        raise FetchFailed("the archive's signatures are too large", f"more than {SIGNATURES_MAX_BYTES} bytes")
    return FetchedFiles(resolved, files[f"{folder}{artifact}"], manifest, signatures)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(64 << 10):
            yield chunk
