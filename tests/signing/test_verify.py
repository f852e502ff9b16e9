import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.model.signed import Signer
from orchestrator.signing.dsse import ENVELOPES_MAX, SIGNATURES_MAX, read_envelope, signed_bytes, written
from orchestrator.signing.statement import PAYLOAD_TYPE, Subject
from orchestrator.signing.trust import Trust, TrustedKey
from orchestrator.signing.verify import signatures
from tests.signing.samples import KEY, OTHER_KEY, OTHER_SEED, SEED, SUBJECT, line


def test_the_signed_bytes_are_those_of_the_dsse_specification():
    assert signed_bytes("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_each_key_that_signed_is_told_once_and_its_longest_time_counts():
    data = line(expires_ms=5_000) + line(expires_ms=9_000) + line(expires_ms=7_000) + line(seed=OTHER_SEED)
    assert signatures(data, SUBJECT).signers == tuple(
        sorted((Signer(key_id=KEY, expires_ms=9_000), Signer(key_id=OTHER_KEY)))
    )
    assert signatures(line(expires_ms=9_000) + line(), SUBJECT).signers == (Signer(key_id=KEY),)
    assert signatures(line() + line(expires_ms=9_000), SUBJECT).signers == (Signer(key_id=KEY),)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (SUBJECT._replace(artifact="sha256:" + "0" * 64), "another artifact"),
        (SUBJECT._replace(manifest="sha256:" + "0" * 64), "the Component.toml was changed after it was signed"),
        (SUBJECT._replace(name="ledger"), "it is for counter 1.0.0"),
        (SUBJECT._replace(version="1.0.1"), "it is for counter 1.0.0"),
    ],
)
def test_a_signature_holds_for_nothing_but_the_very_package(other: Subject, why: str):
    found = signatures(line(), other)
    assert found.signers == ()
    assert why in found.broken[0].why
    assert found.broken[0].key_id == KEY


def _changed(**fields) -> bytes:
    envelope = json.loads(line())
    statement = json.loads(base64.b64decode(envelope["payload"]))
    statement.update(fields)
    envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    return json.dumps(envelope).encode()


def _envelope(**fields) -> bytes:
    return json.dumps({**json.loads(line()), **fields}).encode()


OTHERS = read_envelope(line(seed=OTHER_SEED))
BROKEN = {
    "": "it holds no signature",
    "\n \n": "it holds no signature",
    "{": "it is no DSSE envelope",
    "[" * 30_000: "it is no DSSE envelope",
    "\xff\xfe": "it is no DSSE envelope",
    _envelope(signatures=[]): "it has 0 signatures",
    _envelope(signatures=json.loads(line())["signatures"] * (SIGNATURES_MAX + 1)): "it has 9 signatures",
    _envelope(payload="not base64!"): "it is no DSSE envelope",
    _envelope(payloadType="application/vnd.in-toto+json"): "it signs 'application/vnd.in-toto+json'",
    _envelope(payload=base64.b64encode(b"{}").decode()): "its statement cannot be read",
    _changed(expiresMs=1): "the statement was changed after it was signed",
    _changed(expiresMs=-1): "its statement cannot be read",
    _changed(expiresMs=10**30): "its statement cannot be read",
    _changed(version="2.0.0"): "the statement was changed after it was signed",
    _changed(unknown=True): "its statement cannot be read",
    _changed(publicKey=base64.b64encode(b"short").decode()): "it goes by the id of another key",
    written(OTHERS.__class__(read_envelope(line()).payload, PAYLOAD_TYPE, OTHERS.signatures)): "the id of another key",
    line() * (ENVELOPES_MAX + 1): f"more than {ENVELOPES_MAX}",
    " " * (65 << 10): "more than 64 KiB",
}


@pytest.mark.parametrize(("data", "why"), [*BROKEN.items()])
def test_a_line_that_is_no_good_signature_is_told_with_why(data: str | bytes, why: str):
    found = signatures(data.encode("latin-1") if isinstance(data, str) else data, SUBJECT)
    assert why in found.broken[0].why
    assert found.broken[0].line >= 1


def test_a_signature_without_the_id_of_its_key_counts_as_the_keys():
    envelope = json.loads(line())
    del envelope["signatures"][0]["keyid"]
    assert signatures(json.dumps(envelope).encode(), SUBJECT).signers == (Signer(key_id=KEY),)


def test_a_key_named_in_a_file_is_not_trusted_for_that():
    stranger = signatures(line(seed=OTHER_SEED), SUBJECT).signers
    trust = Trust(keys=(TrustedKey(key_id=KEY, name="acme", public_key=b""),))
    assert trust.recognised(stranger) == stranger
    assert not stranger[0].is_trusted
    known = trust.recognised(signatures(line(), SUBJECT).signers)
    assert (known[0].name, known[0].is_trusted) == ("acme", True)


def test_a_revoked_key_signs_for_nobody():
    trust = Trust(keys=(TrustedKey(key_id=KEY, name="acme", public_key=b"", revoked_ms=5),))
    (signer,) = trust.recognised(signatures(line(), SUBJECT).signers)
    assert (signer.name, signer.revoked, signer.is_trusted) == ("acme", True, False)


@given(st.integers(min_value=0, max_value=len(line()) - 2), st.integers(min_value=1, max_value=255))
@settings(max_examples=200, deadline=None)
def test_no_changed_byte_makes_another_signer_or_another_time(place: int, change: int):
    data = bytearray(line(expires_ms=9_000))
    data[place % len(data)] ^= change
    assert signatures(bytes(data), SUBJECT).signers in ((), (Signer(key_id=KEY, expires_ms=9_000),))


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_told_broken_and_nothing_is_raised(data: bytes):
    assert signatures(data, SUBJECT).signers == ()


def test_an_expired_signature_is_told_by_who_looks_at_the_clock():
    signer = Signer(key_id=KEY, expires_ms=2_000)
    assert not signer.has_expired(1_999)
    assert signer.has_expired(2_000)
    assert not Signer(key_id=KEY).has_expired(10**15)
    assert SEED != OTHER_SEED
