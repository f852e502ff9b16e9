"""Turns what was typed on the command line into what to read: a folder, a file, or a place in a git repository.

The CLI calls it once per source. It looks at the file system to see what a path is and where its root lies; it reads no
manifest and contacts no host.
"""

import ipaddress
import os
import re
import socket
from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace

from orchestrator.model.source import FolderSpec, GitSpec, SourceSpec
from orchestrator.model.verification import Verification, VerifyMode
from orchestrator.source.gather import SUFFIXES
from orchestrator.source.ranges import version_range
from orchestrator.source.refs import candidates

MAX_TEXT = 2048  # characters of a source as typed

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCP = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*@[A-Za-z0-9_.-]+:[^:].*")
_REF_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|^\.|\.lock(/|$)|[/.]$|^/|^@$")
_METADATA = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")))


class SourceRefused(Exception):
    """A source that is not read at all: `summary` says which, `detail` why, `suggestion` what to type instead."""

    def __init__(self, summary: str, detail: str = "", suggestion: str = "") -> None:
        super().__init__(summary)
        self.summary, self.detail, self.suggestion = summary, detail, suggestion


def parse_source(
    text: str, *, name: str | None = None, root: str | None = None, cwd: Path, home: Path | None = None,
    verify: Verification | None = None, namespaces: tuple[str, ...] = (),
) -> SourceSpec:  # fmt: skip
    """Decide what `text` names: a folder, a file, or `REPOSITORY#ref:path` (ref HEAD and the whole tree by default).

    `name` becomes the identity, `root` overrides where a folder's root lies, relative paths start at `cwd`. `verify` is
    how the commits of a repository have to be signed, `namespaces` are the only ones that it may name, empty for any.

    Raises:
        SourceRefused: it does not exist, or is nothing that may be read.
    """
    spec = _parsed(text, name, root, cwd, home)
    spec = replace(spec, namespaces=tuple(sorted(set(namespaces))))
    return spec if verify is None else _verified(spec, verify)


def _verified(spec: SourceSpec, verify: Verification) -> GitSpec:
    if isinstance(spec, FolderSpec):
        raise SourceRefused(
            f"{spec.path} is a folder", "only the commits of a repository are signed", "Name REPOSITORY#ref:path."
        )
    if verify.mode is VerifyMode.TAG and not _may_be_tag(spec.ref):
        raise SourceRefused(
            f"{spec.ref} is no tag", "with `tag`, only a signed tag is accepted", "Name a tag, or a range such as v1.x."
        )
    return replace(spec, verify=verify)


def _may_be_tag(ref: str) -> bool:
    return ref.startswith("refs/tags/") or (ref != "HEAD" and bool(candidates(ref)) and not ref.startswith("refs/"))


def _parsed(text: str, name: str | None, root: str | None, cwd: Path, home: Path | None) -> SourceSpec:
    _refuse_odd_text(text)
    repository, hash_mark, place = _parted(text, cwd)
    local = os.path.join(cwd, text)
    if os.path.lexists(local) and not _is_bare_repository(local):
        return _folder(text, name, root, cwd, home if home is not None else Path.home())
    transport = _transport(repository)
    if transport is None and not hash_mark and not _is_bare_repository(local):
        raise SourceRefused(
            f"{text} does not exist",
            f"there is no file or folder {os.path.normpath(local)}",
            "Name a folder of manifests, one manifest, or REPOSITORY#ref:path.",
        )
    if root is not None:
        raise SourceRefused(
            "--root is for folders", f"the root of {repository} is the repository", "Leave --root away."
        )
    return _git(repository, transport or "file", place, name, cwd)


def _parted(text: str, cwd: Path) -> tuple[str, str, str]:
    """Part a repository from what is meant in it: at the first `#` behind a repository here, else at the first."""
    marks = [index for index, letter in enumerate(text) if letter == "#"]
    for index in marks if not _SCHEME.match(text) else ():
        path = os.path.join(cwd, text[:index])
        if os.path.lexists(os.path.join(path, ".git")) or _is_bare_repository(path):
            return text[:index], "#", text[index + 1 :]
    return text.partition("#")


def _refuse_odd_text(text: str) -> None:
    shown = text.encode("unicode_escape", "backslashreplace").decode("ascii")
    if not text or len(text) > MAX_TEXT:
        raise SourceRefused("a source needs a name", f"it has {len(text)} characters, of at most {MAX_TEXT}")
    if not text.isprintable():
        raise SourceRefused(f"cannot read {shown}", "its name has control characters or is not UTF-8", "Rename it.")
    if text.startswith("-"):
        raise SourceRefused(
            f"cannot read {shown}", "a source may not start with -", f"If it is a folder, write ./{text}."
        )


def _folder(text: str, name: str | None, root: str | None, cwd: Path, home: Path) -> FolderSpec:
    typed = os.path.normpath(os.path.join(cwd, text)) if ".." not in Path(text).parts else os.path.realpath(cwd / text)
    named = os.path.join(os.path.realpath(os.path.dirname(typed)), os.path.basename(typed))
    for path in (named, os.path.realpath(named)):  # a link named on the command line may lead out of its own root
        folder = path if os.path.isdir(path) else os.path.dirname(path)
        where, reason = _root_of(folder, root, cwd, home)
        if _is_below(os.path.realpath(path), where):
            break
    if not _is_below(path, where):
        raise SourceRefused(f"{text} lies outside the root {where}", reason, "Name a --root that holds it.")
    if not (path + where).isprintable():
        raise SourceRefused(f"cannot read {path!a}", "its path has control characters or is not UTF-8")
    file = None if folder == path else os.path.basename(path)
    if file is not None and not (os.path.isfile(path) and file.endswith(SUFFIXES)):
        raise SourceRefused(
            f"{text} is not a manifest",
            f"a manifest is a folder's {' or '.join('*' + s for s in SUFFIXES)}",
            f"Rename it to {os.path.splitext(text)[0]}{os.path.splitext(text)[1].lower()}."
            if file.lower().endswith(SUFFIXES)
            else "Name the folder or the YAML file that deploys it.",
        )
    display, here = _shown_from(where, os.path.realpath(cwd))
    return FolderSpec(
        identity=name or path,
        root=where,
        root_reason=reason,
        folder=os.path.relpath(folder, where) if folder != where else "",
        file=file,
        display=display,
        here=here,
        work_tree=_work_tree_of(folder, home),
    )


def _root_of(folder: str, root: str | None, cwd: Path, home: Path) -> tuple[str, str]:
    """Return the directory that nothing outside of is read, and why it is that one."""
    if root is not None:
        where = os.path.realpath(cwd / root)
        if not os.path.isdir(where):
            raise SourceRefused(f"the root {root} is not a directory", suggestion="Name an existing directory.")
        return where, "named with --root"
    if around := _work_tree_of(folder, home):
        return around, "the git work tree around it"
    return os.path.dirname(folder), "the parent of the folder, which is in no git work tree"


def _work_tree_of(folder: str, home: Path) -> str:
    """Return the git work tree around a folder, empty for none; a home kept in git is nobody's project."""
    home_path = os.path.realpath(home)
    for above in (folder, *map(str, Path(folder).parents)):
        if os.path.lexists(os.path.join(above, ".git")) and above not in (home_path, "/"):
            return above
    return ""


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _shown_from(root: str, cwd: str) -> tuple[str, str]:
    """Return what to put before root-relative paths, and what to take off them, for a reader who stands in `cwd`."""
    absolute = root.rstrip("/") + "/"
    if root == cwd:
        return "", ""
    if _is_below(root, cwd):
        return os.path.relpath(root, cwd) + "/", ""
    return absolute, os.path.relpath(cwd, root) + "/" if _is_below(cwd, root) else ""


def _transport(repository: str) -> str | None:
    """Tell how `repository` is reached: a URL's transport, `ssh` for USER@HOST:PATH, None for a local path."""
    if "::" in repository.partition("/")[0]:
        helper = repository.partition("::")[0]
        raise SourceRefused(
            f"cannot read {repository}",
            f"{helper}:: would start a program of that name",
            "Use https://, ssh:// or a local path.",
        )
    scheme = _SCHEME.match(repository)
    if scheme is None:
        return "ssh" if _SCP.fullmatch(repository) else None
    found = scheme[1].lower()
    if found not in ("https", "http", "ssh", "file"):
        why = "it is neither encrypted nor authenticated" if found == "git" else "only https, ssh and local paths are"
        raise SourceRefused(f"{found}:// is not read", why, "Use https://, ssh:// or a local path.")
    return found


def _git(repository: str, transport: str, place: str, name: str | None, cwd: Path) -> GitSpec:
    ref, _, path = place.partition(":")
    ref, path = ref or "HEAD", _path_in_tree(path)
    _refuse_ref(ref)
    host, port = "", 0
    if transport == "file":
        repository = _local_repository(repository, cwd)
    else:
        host, port = _address(repository, transport)
        _refuse_host(repository, host, transport)
    return GitSpec(
        identity=name or f"{repository}#{ref}:{path}",
        repository=repository,
        ref=ref,
        path=path,
        transport=transport,
        host=host,
        port=port,
    )


def _path_in_tree(path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or path.startswith("/"):
        raise SourceRefused(
            f"{path} is not a path in a repository", "it leaves the repository", "Write it from the repository's top."
        )
    return "/".join(parts)


def _refuse_ref(ref: str) -> None:
    if version_range(ref) is not None:
        return
    if ref.startswith("-") or len(ref) > 255 or _REF_FORBIDDEN.search(ref):
        raise SourceRefused(
            f"{ref} is not a ref",
            "git has no such names, and it is no range of versions",
            "Name a branch, a tag, a range of tags such as v1.x or ^1.2, a full commit id or HEAD.",
        )


def _local_repository(repository: str, cwd: Path) -> str:
    path = repository
    if _SCHEME.match(repository):
        url = urlsplit(repository)
        if url.netloc not in ("", "localhost"):
            raise SourceRefused(f"cannot read {repository}", "file:// names no other host", "Write file:///PATH.")
        path = unquote(url.path)
    found = os.path.realpath(cwd / path)
    if not found.isprintable() or not os.path.isdir(found):
        raise SourceRefused(
            f"{repository} does not exist",
            f"there is no repository {found}",
            "Name a local repository or a URL; in a URL, # is written %23.",
        )
    if not _is_bare_repository(found) and not os.path.lexists(os.path.join(found, ".git")):
        raise SourceRefused(
            f"{repository} is not a git repository",
            f"{found} has neither .git nor HEAD, objects and refs",
            "Leave the # away to read it as a folder.",
        )
    return found


def _is_bare_repository(path: str) -> bool:
    inside = (os.path.join(path, name) for name in ("objects", "refs"))
    return os.path.lexists(os.path.join(path, "HEAD")) and all(map(os.path.isdir, inside))


def _address(repository: str, transport: str) -> tuple[str, int]:
    """Return the host and port of a URL, refusing what hides in one."""
    if not _SCHEME.match(repository):
        host = repository.partition(":")[0].rpartition("@")[2]
        if host.startswith("-") or repository.partition(":")[2].startswith("-"):
            raise SourceRefused(f"cannot read {repository}", "a host or path may not start with -")
        return host, 22
    try:
        url = urlsplit(repository)
        host, port, user, password = url.hostname or "", url.port, unquote(url.username or ""), url.password
    except ValueError as error:
        raise SourceRefused(f"cannot read {repository}", str(error), "Check the URL.") from None
    if password is not None or (user and transport != "ssh"):
        raise SourceRefused(
            f"cannot read a URL of {host} with credentials in it",
            "a URL ends up in logs, status and history",
            "Use ssh:// with a key.",
        )
    if not host or host.startswith("-") or user.startswith("-") or not unquote(repository).isprintable():
        raise SourceRefused(f"cannot read {repository}", "its host or user is not one", "Check the URL.")
    if url.query or url.path.startswith("/-"):
        raise SourceRefused(f"cannot read {repository}", "a repository URL has no query, no path starting with -")
    return host, port or {"https": 443, "http": 80, "ssh": 22}[transport]


def _refuse_host(repository: str, host: str, transport: str) -> None:
    literal = literal_address(host)
    if literal is not None and is_forbidden(literal):
        raise SourceRefused(
            f"cannot read {repository}", f"{host} is a link-local or metadata address", "Name the host of a git server."
        )
    if transport == "http" and not is_loopback(host):
        raise SourceRefused(
            f"cannot read {repository}",
            "http:// is neither encrypted nor authenticated; it is allowed to this machine only",
            "Use https://.",
        )


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def literal_address(host: str) -> Address | None:
    """Read `host` as an address in any notation the C library takes (`127.1`, `0x7f000001`); None for a name."""
    try:
        return plain_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeEncodeError):
        return None


def plain_address(text: str) -> Address:
    """Read an address, taking IPv4 out of the IPv6 that may wrap it.

    Raises:
        ValueError: it is none.
    """
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in ipaddress.ip_network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_forbidden(address: Address) -> bool:
    """Tell whether nobody keeps a git server there: link-local, metadata services, multicast, the null address."""
    return address.is_link_local or address.is_multicast or address.is_unspecified or address in _METADATA


def is_loopback(host: str) -> bool:
    """Tell whether `host`, as it is written, is this machine."""
    literal = literal_address(host)
    return host.lower() == "localhost" if literal is None else literal.is_loopback
