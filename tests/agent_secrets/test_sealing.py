"""A sealed value opens for its agent, its namespace and name, and for nobody else; any other bytes are refused."""

import base64
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrator.model.secret import SECRET_MAX_BYTES, SealedSecret, Secret, SecretName
from orchestrator.secrets import keys as sealing
from orchestrator.secrets.resealing import reseal
from orchestrator.secrets.sealing import (
    SealingProblem,
    key_id,
    new_private_key,
    public_of,
    read_public,
    seal,
    unseal,
    written_public,
)

PRIVATE = new_private_key()
PUBLIC = public_of(PRIVATE)
KEYS = {key_id(PUBLIC): PRIVATE}
NAME = SecretName(namespace="shop", name="api-key")


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=600))
@settings(max_examples=30)
def test_what_is_sealed_is_opened_whole(value: str):
    assert unseal(KEYS, seal(PUBLIC, NAME, Secret(value))).reveal() == value


def test_the_largest_value_is_opened():
    value = "x" * SECRET_MAX_BYTES
    assert unseal(KEYS, seal(PUBLIC, NAME, Secret(value))).reveal() == value


def test_the_length_of_a_value_cannot_be_told_from_its_box():
    short, long = (seal(PUBLIC, NAME, Secret("x" * size)) for size in (1, 150))
    assert len(short.sealed) == len(long.sealed)
    assert short.sealed != seal(PUBLIC, NAME, Secret("x")).sealed, "and equal values give other boxes"


def test_a_box_is_refused_for_another_secret_key_or_content():
    sealed = seal(PUBLIC, NAME, Secret("hunter2"))
    changed = bytearray(base64.b64decode(sealed.sealed))
    changed[40] ^= 1
    refused = {
        "another secret": replace(sealed, name="other"),
        "for another secret": replace(sealed, namespace="default"),
        "not this agent's": seal(public_of(new_private_key()), NAME, Secret("hunter2")),
        "changed since": replace(sealed, sealed=base64.b64encode(changed).decode()),
        "changed": replace(sealed, sealed=sealed.sealed[:40]),
    }
    for why, one in refused.items():
        with pytest.raises(SealingProblem, match=why) as raised:
            unseal(KEYS, one)
        assert "hunter2" not in f"{raised.value} {raised.value.hint}"


@given(st.binary(max_size=400))
@settings(max_examples=200)
def test_any_box_is_opened_or_refused(box: bytes):
    sealed = SealedSecret(namespace="a", name="b", key=key_id(PUBLIC), sealed=base64.b64encode(box).decode())
    with pytest.raises(SealingProblem):
        unseal(KEYS, sealed)


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_any_public_key_is_read_or_refused(data: bytes):
    with pytest.raises(SealingProblem):
        read_public(data)


def test_a_public_key_is_read_as_it_was_written():
    assert read_public(written_public(PUBLIC).encode()) == PUBLIC
    with pytest.raises(SealingProblem):
        read_public(written_public(PUBLIC).replace(key_id(PUBLIC), "0" * 16).encode())


def test_older_keys_open_until_they_are_dropped(tmp_path: Path):
    first = sealing.have_keys(tmp_path)
    assert first.public is not None
    sealed = seal(first.public, NAME, Secret("hunter2"))
    second = sealing.rotate(tmp_path)
    assert second.ids[1:] == first.ids
    assert unseal(second.private, sealed).reveal() == "hunter2"
    assert (tmp_path / sealing.FILE).stat().st_mode & 0o777 == 0o600
    third = sealing.drop_old(tmp_path)
    assert third.ids == second.ids[:1]
    with pytest.raises(SealingProblem, match="not this agent's"):
        unseal(third.private, sealed)


@pytest.mark.parametrize("data", [b"", b"zz", b"\xff", b"00" * 31, b"00" * 32 + b"\n" + b"00"])
def test_a_damaged_file_of_keys_is_refused(tmp_path: Path, data: bytes):
    file = tmp_path / sealing.FILE
    file.write_bytes(data)
    file.chmod(0o600)
    with pytest.raises(SealingProblem, match="is damaged"):
        sealing.read_keys(tmp_path)
    file.chmod(0o644)
    with pytest.raises(SealingProblem, match="cannot be opened"):
        sealing.read_keys(tmp_path)


def document(sealed: SealedSecret, quote: str = '"') -> str:
    metadata = f"{{name: {sealed.name}, namespace: {sealed.namespace}}}"
    spec = f"# é\nspec:\n  key: {quote}{sealed.key}{quote}   # why\n  sealed: {quote}{sealed.sealed}{quote}\n"
    return f"apiVersion: airs.dev/v1\nkind: SealedSecret\nmetadata: {metadata}\n{spec}"


@pytest.mark.parametrize("quote", ['"', "'"])
def test_resealing_changes_keys_and_boxes_and_nothing_else(quote: str):
    new = new_private_key()
    sealed, other = (seal(PUBLIC, replace(NAME, name=name), Secret(name)) for name in ("one", "two"))
    text = f"{document(sealed, quote)}---\nkind: Other\n---\n{document(other, quote)}"
    found = reseal(text, KEYS, public_of(new))
    assert (found.done, found.refused) == ((sealed.id, other.id), ())
    gone = [part for one in (sealed, other) for part in (one.key, one.sealed) if part in found.text]
    assert gone == []
    again = reseal(found.text, {key_id(public_of(new)): new}, PUBLIC)
    assert again.done == found.done, "what was sealed anew opens"
    assert [len(line) for line in again.text.splitlines()] == [len(line) for line in text.splitlines()]
    assert "# why" in found.text


def test_what_cannot_be_opened_is_left_as_it_is():
    sealed = seal(public_of(new_private_key()), NAME, Secret("x"))
    text = document(sealed)
    found = reseal(text, KEYS, PUBLIC)
    assert (found.text, found.done) == (text, ())
    assert [(str(name), line) for name, _, line in found.refused] == [("shop/api-key", 1)]
