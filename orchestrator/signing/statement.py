"""The signed statement: this artifact, with this Component.toml, is what the key's owner released under a name.

The public key stands in the statement, so that a signature can be told good or broken where its key is not known. It
proves nothing about who that is: a key goes by its id, which is its digest, and trust is in ids.
"""

from typing import Annotated, NamedTuple

import msgspec

from orchestrator.decoding import from_json
from orchestrator.model.base import Value, canonical_json
from orchestrator.signing.dsse import KeySignature, SignedEnvelope, signed_bytes
from orchestrator.signing.keys import key_id, public_of, sign

LATEST_MS = 253_402_300_799_000  # the end of the year 9999
Moment = Annotated[int, msgspec.Meta(ge=0, le=LATEST_MS)]
PAYLOAD_TYPE = "application/vnd.airs.component-signature.v1+json"


class Subject(NamedTuple):
    """The package that is signed: digests of its artifact and its canonical Component.toml, its name and version."""

    artifact: str
    manifest: str
    name: str
    version: str


class Statement(Value, frozen=True):
    """The statement of a signature. `expires_ms` is in wall-clock milliseconds; 0 is for ever."""

    artifact: str
    manifest: str
    name: str
    version: str
    public_key: bytes
    signed_ms: Moment = 0
    expires_ms: Moment = 0

    @property
    def subject(self) -> Subject:
        """The package that it is about."""
        return Subject(self.artifact, self.manifest, self.name, self.version)


class NotAStatement(ValueError):
    """A payload that is no statement of ours; the message says why."""


def signed(subject: Subject, seed: bytes, signed_ms: int, expires_ms: int = 0) -> SignedEnvelope:
    """Sign a package with a private key."""
    public = public_of(seed)
    statement = Statement(**subject._asdict(), public_key=public, signed_ms=signed_ms, expires_ms=expires_ms)
    payload = canonical_json(statement)
    signature = sign(seed, signed_bytes(PAYLOAD_TYPE, payload))
    return SignedEnvelope(payload, PAYLOAD_TYPE, (KeySignature(signature, key_id(public)),))


def statement_of(envelope: SignedEnvelope) -> Statement:
    """Read what an envelope states, good or not.

    Raises:
        NotAStatement: that is nothing about a component.
    """
    if envelope.payload_type != PAYLOAD_TYPE:
        raise NotAStatement(f"it signs {envelope.payload_type[:80]!a}, not {PAYLOAD_TYPE}")
    try:
        return from_json(envelope.payload, Statement)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise NotAStatement(f"its statement cannot be read: {problem}") from None
