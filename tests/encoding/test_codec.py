"""Multicodec prefixes, whatever is written where one should be."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from orchestrator.encoding.codec import CODES, named, prefix, read_varint, varint, why_not


@given(st.integers(0, 2**63 - 1), st.binary(max_size=8))
def test_what_is_written_is_read_back_whatever_follows(number, rest):
    assert read_varint(varint(number) + rest) == (number, len(varint(number)))


@given(st.binary(max_size=12))
def test_only_what_would_be_written_so_is_read(data):
    found = read_varint(data)
    if found is not None:
        number, length = found
        assert varint(number) == data[:length]
        assert length <= 9


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80" * 9, b"\xff" * 20, b"\x80\x00", b"\xd1\x80\x00"])
def test_what_is_cut_off_too_long_or_longer_than_need_be_is_none(data):
    assert read_varint(data) is None
    assert named(data) is None


@pytest.mark.parametrize("codec", CODES)
def test_a_payload_with_a_prefix_names_its_codec(codec):
    assert named(prefix(codec) + b"anything") == codec
    assert named(prefix(codec)) == codec


def test_the_codes_are_those_of_the_registry():
    assert (prefix("cbor"), prefix("json"), prefix("messagepack")) == (b"\x51", b"\x80\x04", b"\x81\x04")


@pytest.mark.parametrize("payload", [b'{"a": 1}', b"", b"\xff\xfe", b"hello"])
def test_a_payload_without_a_known_prefix_is_for_anybody(payload):
    assert why_not(payload, frozenset({"cbor"})) is None


def test_another_codec_is_not_accepted_and_what_is_is_said():
    why = why_not(prefix("cbor") + b"\xa0", frozenset({"messagepack", "json"}))
    assert why == "it is cbor, and json, messagepack is accepted; convert it first, as airs never translates"
    assert why_not(prefix("json") + b"{}", frozenset({"json"})) is None
