"""Reads where a deployment's component comes from: a path beside it, or one of the sources that are fetched.

`references` and `entries` call it. It knows how a source is written, not whether anything is there.
"""

import re
from collections.abc import Iterator

from orchestrator.manifest.node import Node, Unplaced, find, nearest, text_at
from orchestrator.manifest.paths import BadPathError, folder_of, join_confined
from orchestrator.manifest.printable import excerpt
from orchestrator.manifest.toml import read_toml
from orchestrator.manifest.units import duration_ms
from orchestrator.model.component_source import (
    COMPONENT_FILE,
    REFRESH_MS,
    ComponentUse,
    GitComponent,
    OciComponent,
    RemoteComponent,
    UrlComponent,
)

SOURCES = ("path", "git", "url", "oci")
REMOTE = SOURCES[1:]
WITH_MANIFEST = ("url", "oci")
_OCI = re.compile(
    r"(?:oci://)?(?P<host>(?:localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::[0-9]{1,5})?|[a-z0-9-]+:[0-9]{1,5}|\[[0-9a-f:]+\](?::[0-9]{1,5})?)"
    r"/(?P<name>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


class BadReferenceError(ValueError):
    """A reference that names nothing; its text says why."""


def oci_component(text: str) -> OciComponent:
    """Read a reference to a registry; where it names a tag and a digest, the digest counts.

    Raises:
        BadReferenceError: it is none, or names neither a tag nor a digest.
    """
    found = _OCI.fullmatch(text)
    if found is None:
        raise BadReferenceError(
            "a reference is HOST/NAME:TAG or HOST/NAME@sha256:DIGEST, all but the tag in lower case"
        )
    version = found["digest"] or found["tag"]
    if version is None:
        raise BadReferenceError("it names neither a tag nor a digest")
    return OciComponent(repository=f"{found['host']}/{found['name']}", version=version)


def use_of(root: Node, file: str) -> ComponentUse | None:
    """Return the component that the document `root` in the manifest `file` wants fetched; None where it wants none.

    Raises:
        BadPathError, BadReferenceError: it is written wrongly.
    """
    component = find(root, "spec", "component")
    given = [kind for kind in REMOTE if find(component, kind) is not None]
    if len(given) != 1 or find(component, "path") is not None:
        return None
    remote = _READ[given[0]](find(component, given[0]))
    if remote is None:
        return None
    return ComponentUse(remote=remote, manifest=_manifest(component, file), refresh_ms=_refresh_ms(component))


def local_file(root: Node, file: str) -> str | None:
    """Return the root-relative path of the Component.toml in the source that the document names; None for none.

    Raises:
        BadPathError: it may not be followed.
    """
    component = find(root, "spec", "component")
    written = text_at(component, "path") or text_at(component, "manifest")
    return None if written is None else component_path(file, written)


def component_path(manifest: str, written: str) -> str:
    """Return the root-relative path of the Component.toml that `written`, in `manifest`, means.

    Raises:
        BadPathError: it may not be followed.
    """
    path = join_confined(folder_of(manifest), written)
    if path.endswith(".toml"):
        return path
    return f"{path}/{COMPONENT_FILE}" if path else COMPONENT_FILE


def artifact_name(data: bytes) -> str | None:
    """Return the path of the artifact that a Component.toml names, relative to its folder; None for no such path."""
    written = text_at(read_toml(data).root, "artifact", "path")
    try:
        return None if written is None else join_confined("", written)
    except BadPathError:
        return None


def package_name(data: bytes) -> tuple[str, str]:
    """Return the name and version that a Component.toml gives, empty where it does not."""
    root = read_toml(data).root
    return text_at(root, "package", "name") or "", text_at(root, "package", "version") or ""


def source_problems(root: Node) -> Iterator[Unplaced]:
    """Yield what is wrong with how a component's source is written, beyond what the schema says."""
    component = find(root, "spec", "component")
    if component is None or not isinstance(component.value, dict):
        return
    given = [kind for kind in SOURCES if kind in component.value]
    place = component.place
    if not given:
        yield Unplaced(*place, "`spec.component.path` is missing", suggestion="add `path`, `git`, `url` or `oci`")
    elif len(given) > 1:
        summary = f"a component has one source, not {len(given)}: {' and '.join(f'`{kind}`' for kind in given)}"
        yield Unplaced(*component.keys.get(given[1], place), summary, suggestion="keep one of them")
    else:
        yield from _contradictions(component, given[0])


def _contradictions(component: Node, kind: str) -> Iterator[Unplaced]:
    for key, kinds in (("refresh", REMOTE), ("manifest", WITH_MANIFEST)):
        if find(component, key) is not None and kind not in kinds:
            summary = f"`spec.component.{key}` means nothing beside `{kind}`"
            yield Unplaced(*nearest(component, key), summary, suggestion="remove it")
    if kind == "oci":
        try:
            _oci(find(component, "oci"))
        except BadReferenceError as error:
            place = nearest(component, "oci", "reference")
            written = text_at(component, "oci", "reference") or ""
            yield Unplaced(*place, f"`spec.component.oci.reference` is {excerpt(written)}: {error}")
    if kind == "url":
        yield from _url_problems(component)


def _url_problems(component: Node) -> Iterator[Unplaced]:
    url = find(component, "url")
    place = nearest(component, "url")
    given = [key for key in ("component", "artifact") if find(url, key) is not None]
    if len(given) != 1:
        summary = "`spec.component.url` needs `component`, an archive, or `artifact`, a .wasm file, and not both"
        yield Unplaced(*place, summary, suggestion="write one of them")
    elif given[0] == "artifact" and find(component, "manifest") is None:
        summary = "an artifact alone does not say what it asks for: `spec.component.manifest` is missing"
        yield Unplaced(*place, summary, suggestion="add `manifest: PATH` of a Component.toml in the source")
    elif given[0] == "component" and find(component, "manifest") is not None:
        yield Unplaced(
            *nearest(component, "manifest"), "an archive brings its own Component.toml", suggestion="remove `manifest`"
        )


def _manifest(component: Node | None, file: str) -> str:
    written = text_at(component, "manifest")
    return "" if written is None else component_path(file, written)


def _refresh_ms(component: Node | None) -> int:
    written = text_at(component, "refresh")
    try:
        return REFRESH_MS if written is None else duration_ms(written)
    except ValueError:  # malformed, and said to be
        return REFRESH_MS


def _git(node: Node | None) -> RemoteComponent | None:
    url, ref, path = (text_at(node, key) for key in ("url", "ref", "path"))
    if not url or not ref:
        return None
    return GitComponent(url=url, ref=ref, path=_in_repository(path or ""))


def _in_repository(path: str) -> str:
    return join_confined("", path) if path.strip("./") or ".." in path else ""


def _url(node: Node | None) -> RemoteComponent | None:
    sha256 = text_at(node, "sha256")
    archive, artifact = text_at(node, "component"), text_at(node, "artifact")
    if not sha256 or (archive is None) == (artifact is None):
        return None
    return UrlComponent(url=archive or artifact or "", sha256=sha256, is_bare=archive is None)


def _oci(node: Node | None) -> RemoteComponent | None:
    written = text_at(node, "reference")
    return None if written is None else oci_component(written)


_READ = {"git": _git, "url": _url, "oci": _oci}
