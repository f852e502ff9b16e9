"""Signatures: a package of 1 MiB verified from its bytes, and one signature alone."""

from hashlib import sha256

from nacl.bindings import crypto_sign_open

from benchmarks.measure import Effort, Row, Table, race
from orchestrator.signing.dsse import read_envelope, signed_bytes, written
from orchestrator.signing.keys import public_of
from orchestrator.signing.statement import Subject, signed
from orchestrator.signing.verify import signatures

MIB = 1 << 20
SEED = bytes(range(32))
NOTES = (
    "A package is verified from the bytes of its artifact: their digest, the envelope, its statement, the signature. "
    "Wanted are 2 ms for 1 MiB, of which the digest takes nearly all: SHA-256 of OpenSSL, beside.",
)


def measure(effort: Effort) -> Table:
    """Measure what a signature takes of a start."""
    return Table("Signatures", tuple(_rows(effort)), NOTES)


def _rows(effort: Effort) -> list[Row]:
    artifact = bytes(MIB)
    subject = Subject(_digest(artifact), "sha256:" + "ab" * 32, "counter", "1.0.0")
    envelope = signed(subject, SEED, 1)
    line, public = written(envelope), public_of(SEED)
    message = envelope.signatures[0].sig + signed_bytes(envelope.payload_type, envelope.payload)
    assert signatures(line, subject).signers

    def verify() -> None:
        assert signatures(line, subject._replace(artifact=_digest(artifact))).signers

    whole = race({"airs": verify, "beside": lambda: sha256(artifact).digest()}, effort)
    one = race({"airs": lambda: signatures(line, subject), "beside": lambda: crypto_sign_open(message, public)}, effort)
    parsed = race({"airs": lambda: read_envelope(line)}, effort)
    return [
        Row("a package of 1 MiB verified", whole["airs"], "SHA-256 of 1 MiB", whole["beside"]),
        Row("one signature", one["airs"], "libsodium's verification alone", one["beside"]),
        Row("an envelope read", parsed["airs"]),
    ]


def _digest(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"
