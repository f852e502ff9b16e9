"""The body of a request → the repositories that it may be about, and the sources that may be worth a look for it.

A body only hints: nothing is looked at but the sources that its endpoint may ask for. A body that names none of them,
or is no JSON, asks for all.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from orchestrator.decoding import plain_from_json
from orchestrator.model.source import GitSpec, SourceSpec

HINT_MAX_BYTES = 1 << 20  # of a body that is looked at for a hint
URL_MAX = 2_048
_SECTIONS = ("repository", "project")
_KEYS = (
    "clone_url", "git_url", "ssh_url", "html_url", "svn_url", "url", "homepage", "web_url", "http_url",
    "git_http_url", "git_ssh_url",
)  # fmt: skip
_SCP = re.compile(r"(?:[^@/\s]+@)?([A-Za-z0-9._-]+):(?!//)(.+)")
_FORM = b"payload="


def hinted_repositories(body: bytes) -> frozenset[str]:
    """Return the repositories that a body names, as `repository_id` writes them; none for a body that says nothing."""
    try:
        said = plain_from_json(_unpacked(body))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return frozenset()
    sections = [said.get(name) for name in _SECTIONS] if isinstance(said, dict) else []
    found = (part.get(key) for part in sections if isinstance(part, dict) for key in _KEYS)
    return frozenset(filter(None, (repository_id(url) for url in found if isinstance(url, str))))


def _unpacked(body: bytes) -> bytes | str:
    """Return the JSON of a body, that of a form as well, as GitHub sends it unless told otherwise."""
    if not body.startswith(_FORM):
        return body
    fields: Mapping[str, Any] = parse_qs(body.decode(errors="replace"), max_num_fields=4)
    return str(fields.get("payload", [""])[0])


def repository_id(url: str) -> str:
    """Write a repository's address so that its addresses by https, ssh and scp are the same; empty for none."""
    if len(url) > URL_MAX or not url.isprintable():
        return ""
    scp = _SCP.fullmatch(url)
    if scp is not None:
        host, path = scp.groups()
    else:
        try:
            parts = urlsplit(url)
            host, path = parts.hostname or "", parts.path
        except ValueError:
            return ""
    path = path.strip("/").removesuffix(".git").casefold()
    return f"{host.casefold()}/{path}" if path else ""


def asked_for(
    body: bytes, sources: Mapping[str, SourceSpec], allowed: tuple[str, ...]
) -> frozenset[str]:  # fmt: skip
    """Name the sources to look at: those of the hinted repository, or else all that the endpoint may ask for.

    `sources` are those that are followed; `allowed` are names, empty for every source of a repository.
    """
    own = {name: spec for name, spec in sources.items() if name in allowed or (not allowed and _is_git(spec))}
    hinted = hinted_repositories(body)
    named = {
        name for name, spec in own.items() if isinstance(spec, GitSpec) and repository_id(spec.repository) in hinted
    }
    return frozenset(named or own)


def _is_git(spec: SourceSpec) -> bool:
    return isinstance(spec, GitSpec)
