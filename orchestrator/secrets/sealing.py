"""Seals values for one agent and opens them: libsodium's sealed boxes (PyNaCl), bound to namespace and name.

A box holds a header that names the secret it is for, and the value, filled up so that the length of a box does not tell
that of the value. PyNaCl is imported when it is first needed, which most commands never do.
"""

import base64
import binascii
from hashlib import sha256
from typing import Any

from orchestrator.model.secret import SECRET_MAX_BYTES, SealedSecret, Secret, SecretName

KEY_BYTES = 32
_MAGIC = b"airs-sealed-1"
_PADDED_TO = 256
_BOX_MAX_BYTES = SECRET_MAX_BYTES + 4 * _PADDED_TO
_PUBLIC = "airs-sealing-key"


class SealingProblem(Exception):
    """A box or a key that cannot be used: `str` says why, `hint` what to do. Nothing of a value is in it."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.hint = hint


def new_private_key() -> bytes:
    """Return a fresh private key."""
    return bytes(_nacl().PrivateKey.generate())


def public_of(private: bytes) -> bytes:
    """Return the public key of a private one."""
    return bytes(_nacl().PrivateKey(private).public_key)


def key_id(public: bytes) -> str:
    """Return the 16 hex digits that a public key is known by."""
    return sha256(public).hexdigest()[:16]


def written_public(public: bytes) -> str:
    """Write a public key as the line that `--for` reads."""
    return f"{_PUBLIC} {base64.b64encode(public).decode()} {key_id(public)}\n"


def read_public(data: bytes) -> bytes:
    """Read a public key.

    Raises:
        SealingProblem: it is none.
    """
    words = data[:1024].split()
    problem = SealingProblem("this is no public key for sealing", "`airs secret public-key` prints one")
    if len(words) < 2 or words[0] != _PUBLIC.encode():
        raise problem
    try:
        public = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        raise problem from None
    if len(public) != KEY_BYTES or (len(words) > 2 and words[2] != key_id(public).encode()):
        raise problem
    return public


def seal(public: bytes, name: SecretName, value: Secret) -> SealedSecret:
    """Seal a value for the owner of a public key."""
    nacl = _nacl()
    header = b"\0".join((_MAGIC, name.namespace.encode(), name.name.encode(), b""))
    plain = header + value.reveal().encode() + b"\x80"  # ISO 7816-4: a one, then zeroes
    plain += bytes(-len(plain) % _PADDED_TO)
    box = bytes(nacl.SealedBox(nacl.PublicKey(public)).encrypt(plain))
    return SealedSecret(
        namespace=name.namespace, name=name.name, key=key_id(public), sealed=base64.b64encode(box).decode()
    )


def unseal(keys: dict[str, bytes], sealed: SealedSecret) -> Secret:
    """Open a sealed value with one of our private keys, by their ids.

    Raises:
        SealingProblem: it is for another key or another secret, or was changed.
    """
    private = keys.get(sealed.key)
    if private is None:
        hint = "seal it with `--for` this agent's key, which `airs secret public-key` prints"
        raise SealingProblem(f"is sealed for key {sealed.key}, which is not this agent's", hint)
    damaged = SealingProblem("was changed since it was sealed, or is not whole", "seal the value again")
    try:
        box = base64.b64decode(sealed.sealed, validate=True)
    except (binascii.Error, ValueError):
        raise damaged from None
    if len(box) > _BOX_MAX_BYTES:
        raise damaged
    magic, _, rest = _opened(private, box, damaged).partition(b"\0")
    namespace, _, rest = rest.partition(b"\0")
    name, _, filled = rest.partition(b"\0")
    value, end, zeroes = filled.rpartition(b"\x80")
    if magic != _MAGIC or not end or zeroes.strip(b"\0"):
        raise damaged
    if (namespace, name) != (sealed.namespace.encode(), sealed.name.encode()):
        raise SealingProblem("is sealed for another secret", "a value is bound to namespace and name: seal it again")
    try:
        return Secret(value.decode())
    except UnicodeDecodeError:
        raise damaged from None


def _opened(private: bytes, box: bytes, damaged: SealingProblem) -> bytes:
    nacl = _nacl()
    from nacl.exceptions import CryptoError

    try:
        return bytes(nacl.SealedBox(nacl.PrivateKey(private)).decrypt(box))
    except (CryptoError, ValueError, TypeError):  # ValueError: shorter than any box
        raise damaged from None


def _nacl() -> Any:
    from nacl import public

    return public
