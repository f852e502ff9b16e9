"""The signatures beside a package → the keys that signed it, and each signature that is broken, with why.

A signature counts where it verifies under the key in its statement, that key has the id that it goes by, and the
statement names this very artifact, Component.toml, name and version. Time and trust are the reader's: an expired
signature is as good as it was, and `trust.py` says which keys are known here.
"""

from orchestrator.model.base import Value
from orchestrator.model.signed import Signer
from orchestrator.signing.dsse import (
    ENVELOPES_MAX,
    FILE_MAX_BYTES,
    NotAnEnvelope,
    lines_of,
    read_envelope,
    signed_bytes,
)
from orchestrator.signing.keys import is_signed, key_id
from orchestrator.signing.statement import NotAStatement, Statement, Subject, statement_of


class BrokenSignature(Value, frozen=True):
    """A line of the file that is no good signature on the package, and why; `key_id` is empty where it tells none."""

    line: int
    why: str
    key_id: str = ""


class Signatures(Value, frozen=True):
    """The keys that signed a package, each once and sorted, and the lines that are broken."""

    signers: tuple[Signer, ...] = ()
    broken: tuple[BrokenSignature, ...] = ()


def signatures(data: bytes, subject: Subject) -> Signatures:
    """Check every signature in a file's bytes on one package; never raises, whatever they are."""
    if len(data) > FILE_MAX_BYTES:
        return Signatures(broken=(BrokenSignature(line=1, why=f"it has more than {FILE_MAX_BYTES >> 10} KiB"),))
    found: dict[str, Signer] = {}
    broken: list[BrokenSignature] = []
    for count, (number, line) in enumerate(lines_of(data)):
        if count == ENVELOPES_MAX:
            broken.append(BrokenSignature(line=number, why=f"it has more than {ENVELOPES_MAX} signatures"))
            break
        checked = checked_line(number, line, subject)
        if isinstance(checked, BrokenSignature):
            broken.append(checked)
            continue
        for signer in checked:
            found[signer.key_id] = _longer(found.get(signer.key_id), signer)
    if not (found or broken):
        broken.append(BrokenSignature(line=1, why="it holds no signature"))
    return Signatures(signers=tuple(sorted(found.values())), broken=tuple(broken))


def checked_line(number: int, line: bytes, subject: Subject) -> tuple[Signer, ...] | BrokenSignature:
    """Check one line: its signers, or what is broken about it."""
    try:
        envelope = read_envelope(line)
        statement = statement_of(envelope)
    except (NotAnEnvelope, NotAStatement) as problem:
        return BrokenSignature(line=number, why=str(problem))
    own = key_id(statement.public_key)
    message = signed_bytes(envelope.payload_type, envelope.payload)
    good = [one for one in envelope.signatures if one.key_id in ("", own)]
    if not good:
        return BrokenSignature(line=number, why="it goes by the id of another key", key_id=own)
    if not any(is_signed(statement.public_key, message, one.sig) for one in good):
        return BrokenSignature(line=number, why="the statement was changed after it was signed", key_id=own)
    other = _difference(statement, subject)
    if other:
        return BrokenSignature(line=number, why=other, key_id=own)
    return (Signer(key_id=own, expires_ms=statement.expires_ms),)


def _difference(statement: Statement, subject: Subject) -> str:
    """Say what a good signature was made for, where that is not this package; empty where it is."""
    if statement.artifact != subject.artifact:
        return f"it is for another artifact, {statement.artifact[:19]!s}"
    if (statement.name, statement.version) != (subject.name, subject.version):
        return f"it is for {statement.name[:64]} {statement.version[:64]}"
    if statement.manifest != subject.manifest:
        return "the Component.toml was changed after it was signed"
    return ""


def _longer(one: Signer | None, other: Signer) -> Signer:
    """Of two signatures of one key, keep the one that holds for longer."""
    if one is None or (one.expires_ms and (not other.expires_ms or other.expires_ms > one.expires_ms)):
        return other
    return one
