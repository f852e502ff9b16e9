"""Ed25519 keys ↔ PEM as `openssl` reads and writes it (PKCS#8 and SPKI), and the id of a key.

A key has one form in DER, which is compared byte by byte: no parser of ASN.1 sees a foreign file. Only a private key
with a passphrase is PBES2 with AES, which `cryptography` reads.
"""

import base64
import binascii
import re

PEM_MAX_BYTES = 16 << 10
KEY_BYTES = 32
ID_PREFIX = "ed25519:"
ID_DIGITS = 32  # 128 bits: nobody finds a second key to an id
_SPKI = bytes.fromhex("302a300506032b6570032100")
_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----\s(.*?)-----END \1-----", re.DOTALL)
_PUBLIC, _PRIVATE, _ENCRYPTED = "PUBLIC KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"


class KeyRefused(ValueError):
    """A file that is no Ed25519 key in PEM, or one that cannot be opened; the message says why."""


class PassphraseNeeded(KeyRefused):
    """A private key that only its passphrase opens."""


def key_id(public: bytes) -> str:
    """Return the id of a public key: what `openssl pkey -pubin -outform DER | sha256sum` begins with."""
    from hashlib import sha256

    return ID_PREFIX + sha256(_SPKI + public).hexdigest()[:ID_DIGITS]


def public_of(seed: bytes) -> bytes:
    """Return the public key of a private one."""
    from nacl.bindings import crypto_sign_seed_keypair

    public: bytes = crypto_sign_seed_keypair(seed)[0]
    return public


def sign(seed: bytes, message: bytes) -> bytes:
    """Sign a message: 64 bytes, the same each time."""
    from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

    signed: bytes = crypto_sign(message, crypto_sign_seed_keypair(seed)[1])
    return signed[:64]


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature is that of the key on the message; libsodium refuses forged keys and second forms."""
    from nacl.bindings import crypto_sign_open
    from nacl.exceptions import CryptoError

    if len(public) != KEY_BYTES or len(signature) != 64:
        return False
    try:
        crypto_sign_open(signature + message, public)
    except CryptoError:
        return False
    return True


def public_pem(public: bytes) -> bytes:
    """Write a public key as PEM."""
    return _pem(_PUBLIC, _SPKI + public)


def read_public(data: bytes) -> bytes:
    """Read a public key from PEM.

    Raises:
        KeyRefused: it is none.
    """
    kind, der = _block(data)
    if kind in (_PRIVATE, _ENCRYPTED):
        raise KeyRefused("it is a private key; the public one lies beside it and ends in `.pub`")
    if kind != _PUBLIC:
        raise KeyRefused(f"it is a {kind.lower()}, not a public key")
    return _raw(der, _SPKI, "public")


def private_pem(seed: bytes, passphrase: bytes = b"") -> bytes:
    """Write a private key as PEM; with a passphrase, only that opens it."""
    if not passphrase:
        return _pem(_PRIVATE, _PKCS8 + seed)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    key = Ed25519PrivateKey.from_private_bytes(seed)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))


def read_private(data: bytes, passphrase: bytes = b"") -> bytes:
    """Read a private key from PEM: its 32 bytes.

    Raises:
        PassphraseNeeded: it has a passphrase, and none was given.
        KeyRefused: it is no key, or the passphrase is another.
    """
    kind, der = _block(data)
    if kind == _PRIVATE:
        return _raw(der, _PKCS8, "private")
    if kind == _PUBLIC:
        raise KeyRefused("it is a public key; only the private one signs")
    if kind != _ENCRYPTED:
        raise KeyRefused(f"it is a {kind.lower()}, not a private key in PKCS#8")
    if not passphrase:
        raise PassphraseNeeded("it has a passphrase")
    return _decrypted(der, passphrase)


def _decrypted(der: bytes, passphrase: bytes) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:
        key = load_der_private_key(der, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyRefused("its passphrase is another, or it is damaged") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyRefused("it is no Ed25519 key")
    return key.private_bytes_raw()


def _pem(kind: str, der: bytes) -> bytes:
    return f"-----BEGIN {kind}-----\n{base64.b64encode(der).decode()}\n-----END {kind}-----\n".encode()


def _block(data: bytes) -> tuple[str, bytes]:
    """Return the kind and the bytes of the only block of a PEM file."""
    if len(data) > PEM_MAX_BYTES:
        raise KeyRefused(f"it has more than {PEM_MAX_BYTES >> 10} KiB")
    found = _BLOCK.findall(data.decode("ascii", errors="replace"))
    if len(found) != 1:
        raise KeyRefused(f"it has {len(found)} PEM blocks, not one" if found else "it is not PEM")
    kind, body = found[0]
    try:
        return kind, base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        raise KeyRefused("its PEM is damaged: not base64") from None


def _raw(der: bytes, prefix: bytes, which: str) -> bytes:
    if not der.startswith(prefix) or len(der) != len(prefix) + KEY_BYTES:
        raise KeyRefused(f"it is no Ed25519 {which} key; `airs keygen` makes one")
    return der[len(prefix) :]
