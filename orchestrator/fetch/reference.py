"""A reference as people type it → the component that it names."""

import re

from orchestrator.manifest.component_source import BadReferenceError, oci_component
from orchestrator.model.component_source import GitComponent, RemoteComponent, UrlComponent

_ARCHIVES = (".tar.gz", ".tgz")
_SHA256 = re.compile(r"(?:sha256=)?([0-9a-f]{64})")


def remote_of(text: str) -> RemoteComponent:
    """Read oci://HOST/NAME:TAG, https://HOST/FILE.tar.gz#SHA256 (or a .wasm), or REPOSITORY#ref:path.

    Raises:
        BadReferenceError: it is none of these.
    """
    if text.startswith("oci://"):
        return oci_component(text)
    url, mark, rest = text.partition("#")
    if url.endswith((*_ARCHIVES, ".wasm")):
        digest = _SHA256.fullmatch(rest)
        if digest is None:
            raise BadReferenceError("a URL needs the file's digest behind it: #SHA256, of 64 hex digits")
        return UrlComponent(url=url, sha256=digest[1], is_bare=url.endswith(".wasm"))
    if "://" not in url and "@" not in url:
        raise BadReferenceError("it begins with no scheme")
    ref, _, path = rest.partition(":")
    if not mark or not ref:
        raise BadReferenceError("a repository needs a branch, a tag or a commit behind it: #ref:path")
    return GitComponent(url=url, ref=ref, path="/".join(part for part in path.split("/") if part not in ("", ".")))
