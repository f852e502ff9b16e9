"""The headers and the body of a request → whether its sender knows a secret, by the habits of each forge.

A body is taken piece by piece as it comes, so that nothing of it needs to be kept for this. Every comparison takes the
same time wherever two texts differ.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

STANDARD = "webhook-signature"  # of the Standard Webhooks, which GitLab's signing tokens follow
STANDARD_ID, STANDARD_TIME = "webhook-id", "webhook-timestamp"
STANDARD_PREFIX = "whsec_"  # before a secret in base64
STANDARD_AGE_S = 300  # how old a signed time may be, or how far ahead
SIGNATURES_MAX = 8  # in one header, as while a secret changes
HEX_DIGITS = 64  # of a SHA-256
TOKEN = "x-gitlab-token"  # noqa: S105 — a header

_HEADERS = {
    "github": ("x-hub-signature-256",),
    "gitea": ("x-gitea-signature", "x-forgejo-signature", "x-hub-signature-256"),
    "forgejo": ("x-forgejo-signature", "x-gitea-signature", "x-hub-signature-256"),
}


class Proof(Protocol):
    """A proof that is checked once the body was read; one that `is_told` needs none of it."""

    is_told: bool

    def update(self, chunk: bytes, /) -> None:
        """Take a piece of the body."""

    def holds(self) -> bool:
        """Say whether the sender knows one of the secrets; after the whole body."""


class RequestClaim(NamedTuple):
    """A sender's claim to know a secret, as the headers make it: how it is checked against the secrets."""

    against: Callable[[Sequence[str]], Proof]


def claim_of(kind: str, header: str, headers: Mapping[str, str], now_s: float) -> RequestClaim | None:
    """Find what a request of a `kind` claims; None where it claims nothing that could hold, whatever the secret.

    The names of `headers` are in lower case; `header` is the one that `generic` requests are signed in.
    """
    if kind in ("gitlab", "generic") and STANDARD in headers:
        return _standard_claim(headers, now_s)
    if kind == "gitlab":
        token = headers.get(TOKEN)
        return RequestClaim(lambda secrets: _Known(token, secrets)) if token else None
    names = (header.lower(),) if kind == "generic" else _HEADERS[kind]
    claimed = next((headers[name] for name in names if name in headers), "").removeprefix("sha256=")
    try:
        digest = bytes.fromhex(claimed) if len(claimed) == HEX_DIGITS else b""
    except ValueError:
        return None
    return RequestClaim(lambda secrets: _Signed((digest,), map(str.encode, secrets))) if digest else None


def _standard_claim(headers: Mapping[str, str], now_s: float) -> RequestClaim | None:
    """Read a signature over an id, a time and the body; one of another hour is a replay."""
    id, time = headers.get(STANDARD_ID, ""), headers.get(STANDARD_TIME, "")
    is_time = time.isascii() and time.isdecimal() and len(time) < 12
    if not id or not is_time or abs(int(time) - now_s) > STANDARD_AGE_S:
        return None
    said = [part.partition(",") for part in headers[STANDARD].split(" ")[:SIGNATURES_MAX]]
    digests = tuple(filter(None, (_unpacked(digest) for version, _, digest in said if version == "v1")))
    first = f"{id}.{time}.".encode()
    return RequestClaim(lambda secrets: _Signed(digests, map(standard_key, secrets), first)) if digests else None


def standard_key(secret: str) -> bytes:
    """Return the key that a secret stands for."""
    packed = secret.removeprefix(STANDARD_PREFIX)
    return (_unpacked(packed) if packed != secret else None) or secret.encode()


def standard_signature(secret: str, id: str, time_s: int, body: bytes) -> str:
    """Sign a body as the Standard Webhooks do."""
    digest = hmac.digest(standard_key(secret), f"{id}.{time_s}.".encode() + body, "sha256")
    return "v1," + base64.b64encode(digest).decode("ascii")


def _unpacked(packed: str) -> bytes | None:
    try:
        return base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        return None


class _Known:
    """A secret that is said aloud; whether it is the right one is decided before a byte of the body is read."""

    is_told = True

    def __init__(self, said: str, secrets: Sequence[str]) -> None:
        digest = hashlib.sha256(said.encode()).digest()  # of equal length, whatever is said
        found = [hmac.compare_digest(digest, hashlib.sha256(secret.encode()).digest()) for secret in secrets]
        self._holds = any(found)

    def update(self, chunk: bytes) -> None:
        """Do nothing: the body is not signed."""

    def holds(self) -> bool:
        """Say whether it is the secret."""
        return self._holds


class _Signed:
    """A body that is signed by one of some keys."""

    is_told = False

    def __init__(self, claimed: Sequence[bytes], keys: "map[bytes]", first: bytes = b"") -> None:
        self._claimed = claimed
        self._made = [hmac.new(key, first, "sha256") for key in keys]

    def update(self, chunk: bytes) -> None:
        """Take a piece of the body."""
        for made in self._made:
            made.update(chunk)

    def holds(self) -> bool:
        """Say whether a signature is that of the body by one of the keys."""
        found = [hmac.compare_digest(made.digest(), claimed) for made in self._made for claimed in self._claimed]
        return any(found)
