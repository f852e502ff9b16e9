"""DSSE envelopes (https://github.com/secure-systems-lab/dsse) ↔ bytes: JSON Lines, one envelope a line.

This is the form of the file `Component.toml.dsse`; `statement.py` reads the payloads.
"""

from collections.abc import Iterator

import msgspec

from orchestrator.decoding import from_json

SUFFIX = ".dsse"  # of the file beside a Component.toml
FILE_MAX_BYTES = 64 << 10
ENVELOPES_MAX = 32
SIGNATURES_MAX = 8  # of one envelope


class NotAnEnvelope(ValueError):
    """A line that is no DSSE envelope; the message says why."""


class KeySignature(msgspec.Struct, frozen=True, rename={"key_id": "keyid"}):
    """One signature, and the id of the key that it is said to be of."""

    sig: bytes
    key_id: str = ""


class SignedEnvelope(msgspec.Struct, frozen=True, rename="camel"):
    """A payload, its type, and signatures on both. Fields that DSSE may get later are passed over."""

    payload: bytes
    payload_type: str
    signatures: tuple[KeySignature, ...]


def signed_bytes(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed (DSSE's pre-authentication encoding)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def lines_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the number, from 1, and the bytes of each line that is not blank."""
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            yield number, line.strip()


def read_envelope(line: bytes) -> SignedEnvelope:
    """Read one envelope.

    Raises:
        NotAnEnvelope: it is none.
    """
    try:
        envelope = from_json(line, SignedEnvelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise NotAnEnvelope(f"it is no DSSE envelope: {problem}") from None
    if not 1 <= len(envelope.signatures) <= SIGNATURES_MAX:
        raise NotAnEnvelope(f"it has {len(envelope.signatures)} signatures; 1 to {SIGNATURES_MAX} are allowed")
    return envelope


def written(envelope: SignedEnvelope) -> bytes:
    """Write an envelope as a line, without its end."""
    return msgspec.json.encode(envelope)
