"""Takes a raw commit or tag apart into its signature and the bytes that were signed; `verify.py` checks those.

An object is signed in exactly one way or not at all: a second signature, or anything behind one, is refused, as git and
others read such objects differently. Pure.
"""

from enum import Enum
from typing import NamedTuple

_HEADERS = {20: b"gpgsig", 32: b"gpgsig-sha256"}  # by the bytes of an id
_BLOCKS = {
    b"-----BEGIN SSH SIGNATURE-----": ("ssh", b"-----END SSH SIGNATURE-----"),
    b"-----BEGIN PGP SIGNATURE-----": ("openpgp", b"-----END PGP SIGNATURE-----"),
    b"-----BEGIN PGP MESSAGE-----": ("openpgp", b"-----END PGP MESSAGE-----"),
    b"-----BEGIN SIGNED MESSAGE-----": ("x509", b"-----END SIGNED MESSAGE-----"),
}


class SignatureKind(Enum):
    """The format of a signature."""

    SSH = "ssh"
    OPENPGP = "openpgp"
    X509 = "x509"


class SignedObject(NamedTuple):
    """A signature, and the bytes that it is about."""

    kind: SignatureKind
    payload: bytes
    signature: bytes


class NotSigned(Exception):
    """An object has no signature, or one that may be read in two ways."""


class TaggedCommit(NamedTuple):
    """The contents of an annotated tag: its own name, and the object that it names."""

    name: str
    object: str
    is_commit: bool


def signed_commit(data: bytes, id: str) -> SignedObject:
    """Take the signature out of a raw commit.

    Raises:
        NotSigned: there is none, or more than one.
    """
    wanted = _HEADERS[len(id) // 2]
    head, blank, message = data.partition(b"\n\n")
    payload: list[bytes] = []
    signature: list[bytes] = []
    taken = payload
    found = 0
    for line in head.split(b"\n"):
        name, _, rest = line.partition(b" ")
        if name in _HEADERS.values():
            found += 1
            taken = signature if name == wanted else []
            taken.append(rest)
            continue
        if not line.startswith(b" "):
            taken = payload
        taken.append(line if taken is payload else line[1:])
    if found > 1:
        raise NotSigned("it has more than one signature")
    if not signature:
        raise NotSigned("it is not signed")
    return _signed(b"\n".join(payload) + blank + message, b"\n".join(signature))


def signed_tag(data: bytes) -> SignedObject:
    """Take the signature off the end of a raw tag.

    Raises:
        NotSigned: there is none, or it is not at the end.
    """
    if any(data.startswith(header) or b"\n" + header in data.partition(b"\n\n")[0] for header in _HEADERS.values()):
        raise NotSigned("it has a signature among its headers")
    starts = [0] * data.startswith(tuple(_BLOCKS)) + [
        at + 1 for at in range(len(data)) if data[at] == 10 and data.startswith(tuple(_BLOCKS), at + 1)
    ]
    if not starts:
        raise NotSigned("it is not signed")
    return _signed(data[: starts[-1]], data[starts[-1] :])


def _signed(payload: bytes, signature: bytes) -> SignedObject:
    first, _, _ = signature.partition(b"\n")
    if first not in _BLOCKS:
        raise NotSigned("its signature is of no known kind")
    kind, last = _BLOCKS[first]
    lines = signature.rstrip(b"\n").split(b"\n")
    if lines[-1] != last or sum(line.startswith(b"-----") for line in lines) != 2:
        raise NotSigned("its signature is not one whole block")
    return SignedObject(SignatureKind(kind), payload, b"\n".join(lines) + b"\n")


def tagged(data: bytes) -> TaggedCommit:
    """Read the headers of a raw tag; of one that has none of them, the fields are empty."""
    headers: dict[bytes, bytes] = {}
    for line in data.partition(b"\n\n")[0].split(b"\n"):
        name, _, value = line.partition(b" ")
        headers.setdefault(name, value)
    own, object = (headers.get(key, b"").decode("utf-8", "replace") for key in (b"tag", b"object"))
    return TaggedCommit(own, object, headers.get(b"type") == b"commit")


def parents(data: bytes) -> tuple[str, ...]:
    """Return the parents of a raw commit, the first one first."""
    lines = data.partition(b"\n\n")[0].split(b"\n")
    return tuple(line[7:].decode("ascii", "replace") for line in lines if line.startswith(b"parent "))
