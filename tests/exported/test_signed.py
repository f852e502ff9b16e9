"""The file of an exported state: who signed it, and what is refused."""

import base64
import json
import zlib
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from orchestrator.exported.document import ExportedState
from orchestrator.exported.signed import (
    DOCUMENT_MAX_BYTES,
    PAYLOAD_TYPE,
    STATE_MAX_BYTES,
    StateRefused,
    opened_state,
    sealed_state,
    signing_seed,
)
from orchestrator.model.base import canonical_json
from orchestrator.signing.dsse import KeySignature, SignedEnvelope, signed_bytes, written
from orchestrator.signing.keys import key_id, public_of, sign
from tests.plan.build import deployment, observed

SEED, OTHER = signing_seed(b"k" * 32), signing_seed(b"o" * 32)
STATE = ExportedState(state=observed(deployment()), made_ms=5, airs="0.1.0")


def signed_anew(document: bytes, kind: str = PAYLOAD_TYPE) -> bytes:
    """Sign any document by the key that it names."""
    return packed_anew(zlib.compress(document), kind)


def packed_anew(payload: bytes, kind: str = PAYLOAD_TYPE) -> bytes:
    return written(SignedEnvelope(payload, kind, (KeySignature(sign(SEED, signed_bytes(kind, payload))),)))


def payload_with(**fields: object) -> bytes:
    document = json.loads(canonical_json(replace(STATE, public_key=public_of(SEED))))
    return json.dumps(document | fields).encode()


def test_a_state_comes_back_as_it_was_signed_whoever_the_reader_trusts():
    data = sealed_state(STATE, SEED)
    whole = replace(STATE, public_key=public_of(SEED))
    assert opened_state(data) == opened_state(data, key_id(public_of(SEED))) == whole
    assert sealed_state(STATE, SEED) == data
    assert sealed_state(STATE, OTHER) != data


def test_keys_of_state_directories_sign_apart_and_are_not_those_keys():
    assert len({SEED, OTHER, b"k" * 32}) == 3


def edited(data: bytes) -> bytes:
    envelope = json.loads(data)
    text = zlib.decompress(base64.b64decode(envelope["payload"])).replace(b'"serial":7', b'"serial":8')
    return json.dumps(envelope | {"payload": base64.b64encode(zlib.compress(text)).decode()}).encode()


REFUSED: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "edited": (lambda: edited(sealed_state(STATE, SEED)), "", "was changed after it was signed"),
    "of another agent": (lambda: sealed_state(STATE, OTHER), key_id(public_of(SEED)), "signed by another key"),
    "signed by a stranger under our name": (
        lambda: signed_anew(payload_with(publicKey=base64.b64encode(public_of(OTHER)).decode())), "", "was changed",
    ),
    "of another major version": (lambda: signed_anew(payload_with(formatVersion="2.0")), "", "another format"),
    "with a field that nobody knows": (lambda: signed_anew(payload_with(more=1)), "", "not an exported state"),
    "with a type that is not ours": (lambda: signed_anew(payload_with(), "text/plain"), "", "not an exported state"),
    "without signatures": (
        lambda: written(SignedEnvelope(zlib.compress(payload_with()), PAYLOAD_TYPE, ())), "", "not an exported state",
    ),
    "plain JSON": (payload_with, "", "not an exported state"),
    "nested deeply": (lambda: signed_anew(payload_with(worlds=[]).replace(b"[]", b"[" * 9_999)), "", "not an exported"),
    "no text": (lambda: signed_anew(b"\xff\xfe"), "", "not an exported state"),
    "not packed": (lambda: packed_anew(payload_with()), "", "not an exported state"),
    "cut": (lambda: packed_anew(zlib.compress(payload_with())[:-9]), "", "not an exported state"),
    "going on": (lambda: packed_anew(zlib.compress(payload_with()) + b"x"), "", "not an exported state"),
    "a bomb": (lambda: packed_anew(zlib.compress(b" " * (DOCUMENT_MAX_BYTES + 1), 1)), "", "too large"),
    "empty": (lambda: b"", "", "not an exported state"),
    "too large": (lambda: b" " * (STATE_MAX_BYTES + 1), "", "too large"),
    "made at no time": (lambda: signed_anew(payload_with(madeMs=2**60)), "", "not an exported state"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_state_of_that_agent_is_refused(case: str):
    data, key, says = REFUSED[case]
    with pytest.raises(StateRefused, match=says) as refused:
        opened_state(data(), key)
    assert refused.value.suggestion
    assert all(text.isprintable() for text in (refused.value.summary, refused.value.detail))


def test_a_newer_minor_version_is_read():
    assert opened_state(signed_anew(payload_with(formatVersion="1.9"))).format_version == "1.9"
