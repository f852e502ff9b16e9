"""An exported state ↔ the bytes of its file: one DSSE envelope on one line, signed with the agent's own key.

Its payload is JSON that zlib has compressed, to a fortieth where there are thousands of deployments.

A reader who names the key believes that agent and nobody else. Without a key, the signature still tells that nobody
changed the file, and the plan names the key. A file without a good signature is refused in any case.
"""

import hmac
import zlib

import msgspec

from orchestrator.decoding import T, from_json
from orchestrator.exported.checked import problem_in
from orchestrator.exported.document import FORMAT_VERSION, ExportedState
from orchestrator.model.base import canonical_json
from orchestrator.signing.dsse import KeySignature, NotAnEnvelope, SignedEnvelope, read_envelope, signed_bytes, written
from orchestrator.signing.keys import is_signed, key_id, public_of, sign

PAYLOAD_TYPE = "application/vnd.airs.state.v1+zlib"
STATE_MAX_BYTES = 32 << 20  # of a file
DOCUMENT_MAX_BYTES = 128 << 20  # of the JSON in it; 10 000 deployments have 36 MB
_LEVEL = 1  # higher ones take three times as long for a tenth less
_PURPOSE = b"airs: signing of exported states"


class StateRefused(Exception):
    """A file that is no state to plan against: `summary` says what is wrong, `detail` why, `suggestion` what to do."""

    def __init__(self, summary: str, detail: str = "", suggestion: str = "") -> None:
        super().__init__(summary)
        self.summary, self.detail, self.suggestion = summary, detail, suggestion


class _Header(msgspec.Struct, rename="camel"):
    """As much of a document of any version as tells which version it is, and by whose key it is signed."""

    format_version: str
    public_key: bytes
    airs: str = ""


def signing_seed(state_key: bytes) -> bytes:
    """Return the private key that a state directory's states are signed with, derived from its own key."""
    return hmac.digest(state_key, _PURPOSE, "sha256")


def sealed_state(state: ExportedState, seed: bytes) -> bytes:
    """Write a state as the bytes of its file.

    Raises:
        StateRefused: it is larger than would be read back.
    """
    public = public_of(seed)
    document = canonical_json(msgspec.structs.replace(state, public_key=public))
    if len(document) > DOCUMENT_MAX_BYTES:
        raise _too_large(len(document), DOCUMENT_MAX_BYTES)
    payload = zlib.compress(document, _LEVEL)
    signature = KeySignature(sign(seed, signed_bytes(PAYLOAD_TYPE, payload)), key_id(public))
    data = written(SignedEnvelope(payload, PAYLOAD_TYPE, (signature,))) + b"\n"
    _check_size(data)
    return data


def opened_state(data: bytes, wanted_key: str = "") -> ExportedState:
    """Read the file of a state; with `wanted_key`, the id of a key, only one that is signed by it.

    Raises:
        StateRefused: it is none, of another format, changed, or signed by another key.
    """
    _check_size(data)
    try:
        envelope = read_envelope(data.strip())
    except NotAnEnvelope as problem:
        raise _not_a_state(str(problem)) from None
    if envelope.payload_type != PAYLOAD_TYPE:
        raise _not_a_state(f"it signs {envelope.payload_type[:80]!a}")
    document = _unpacked(envelope.payload)
    header = _decoded(document, _Header)
    _check_signature(envelope, header.public_key)
    _check_key(key_id(header.public_key), wanted_key)
    _check_version(header)
    state = _decoded(document, ExportedState)
    why = problem_in(state)
    if why:
        raise _not_a_state(why)
    return state


def _check_size(data: bytes) -> None:
    if len(data) > STATE_MAX_BYTES:
        raise _too_large(len(data), STATE_MAX_BYTES)


def _too_large(size: int, limit: int) -> StateRefused:
    return StateRefused(
        "the state is too large", f"It has {size} bytes; {limit} are the limit.",
        "Plan on the machine itself, where no state is exported.",
    )  # fmt: skip


def _unpacked(payload: bytes) -> bytes:
    """Unpack the document, and no more of it than a document may have."""
    unpacking = zlib.decompressobj()
    try:
        document = unpacking.decompress(payload, DOCUMENT_MAX_BYTES)
    except zlib.error as problem:
        raise _not_a_state(f"it cannot be unpacked: {problem}") from None
    if unpacking.unconsumed_tail:
        raise _too_large(DOCUMENT_MAX_BYTES + 1, DOCUMENT_MAX_BYTES)
    if not unpacking.eof or unpacking.unused_data:
        raise _not_a_state("it is cut, or goes on behind its end")
    return document


def _check_signature(envelope: SignedEnvelope, public: bytes) -> None:
    said = signed_bytes(envelope.payload_type, envelope.payload)
    if not any(is_signed(public, said, signature.sig) for signature in envelope.signatures):
        raise StateRefused(
            "the state was changed after it was signed", "Its signature is not that of its content.",
            "Export it again with `airs state export --out FILE`.",
        )  # fmt: skip


def _check_key(found: str, wanted: str) -> None:
    if wanted and found != wanted:
        raise StateRefused(
            "the state is signed by another key", f"It is signed by {found}, and {wanted} was asked for.",
            "Ask who wrote the file; `airs state key` prints the key of an agent.",
        )  # fmt: skip


def _check_version(header: _Header) -> None:
    if header.format_version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        detail = f"Its format is {header.format_version[:20]!a}, made by airs {header.airs[:20]!a}; this airs reads "
        raise StateRefused("the state has another format", detail + f"{FORMAT_VERSION}.", "Use the same airs on both.")


def _decoded(payload: bytes, kind: type[T]) -> T:
    try:
        return from_json(payload, kind)
    except RecursionError:
        detail = "it is nested too deeply"
    except (msgspec.MsgspecError, ValueError) as problem:  # ValueError: text that is not UTF-8
        detail = str(problem)
    raise _not_a_state(detail)


def _not_a_state(detail: str) -> StateRefused:
    shown = "".join(letter if letter.isprintable() else "?" for letter in detail)[:300]
    return StateRefused("this is not an exported state", f"{shown}.", "Export one with `airs state export --out FILE`.")
