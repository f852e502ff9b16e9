"""What a message is made of on the command line, and what becomes of one whose codec its receiver does not accept."""

import json
from pathlib import Path

import cbor2
import pytest

from orchestrator.contract.codes import FAILED, INVALID, USAGE
from orchestrator.encoding.codec import prefix

from .stage import Stage


def accepting(stage: Stage, name: str, *codecs: str, **spec) -> None:
    """Write a deployment of a copy of `faulty` that accepts these codecs."""
    stage.write(name, "faulty", **spec)
    there = stage.folder / "components" / "faulty" / "Component.toml"
    text = there.read_text().split("[codec]")[0]
    there.write_text(f"{text}\n[codec]\naccepts = {json.dumps(codecs)}\n")


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        (("echo plain",), "plain"),
        (("--text", "echo -- dashed"), "-- dashed"),
        (("--hex", "65 63 68 6f 20 c3 a4"), "ä"),
        (("--file", "FILE"), "from a file"),
    ],
)
def test_a_message_is_written_in_one_of_several_ways(stage: Stage, tmp_path: Path, written, sent):
    file = tmp_path / "message"
    file.write_text("echo from a file")
    stage.have("one", "faulty")
    arguments = [str(file) if argument == "FILE" else argument for argument in written]
    assert stage.run("request", "one", *arguments).out == f"{sent}\n"
    stage.run("send", "one", *arguments)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ((), "what is to be sent?"),
        (("a", "--text", "b"), "PAYLOAD and --text are each a message"),
        (("--json", "{a: 1}"), "--json is not JSON: '{a: 1}'"),
        (("--cbor", "nothing"), "--cbor is not JSON: 'nothing'"),
        (("--hex", "abc"), "--hex is not hexadecimal: 'abc'"),
        (("--hex", "zz"), "--hex is not hexadecimal: 'zz'"),
        (("--file", "/nowhere/at/all"), "'/nowhere/at/all' cannot be read"),
        (("--file", "BIG"), "the message has 2097152 bytes; at most 1048576 (1 MiB) are sent"),
    ],
)
def test_what_is_none_is_refused_before_anything_is_sent(stage: Stage, tmp_path: Path, written, why):
    big = tmp_path / "big"
    big.write_bytes(bytes(2 << 20))
    stage.have("one", "faulty")
    arguments = [str(big) if argument == "BIG" else argument for argument in written]
    for verb in ("send", "request"):
        assert why in stage.run(verb, "one", *arguments, code=USAGE).err
    assert stage.view("one").traffic.received == 0


def test_json_and_cbor_are_named_to_who_accepts_codecs_and_to_nobody_else(stage: Stage):
    accepting(stage, "one", "cbor", "json")
    stage.apply()
    said = stage.run("request", "one", "--json", '{"a": 1}', code=FAILED).err
    assert "runtime-error" in said, "it reached the guest, which knows no such order"
    assert stage.view("one").accepts == ("cbor", "json")
    sent = prefix("cbor") + cbor2.dumps({"a": [1, 2.5, None]})
    assert stage.run("request", "one", "--cbor", '{"a": [1, 2.5, null]}', code=FAILED).err.count("runtime-error") == 1
    assert stage.run("request", "one", "--hex", sent.hex(), code=FAILED).err.count("runtime-error") == 1
    assert stage.view("one").traffic.received == 3


def test_a_codec_that_is_not_accepted_is_refused_before_delivery_with_what_to_do(stage: Stage):
    accepting(stage, "one", "json")
    stage.write("sender", "faulty", grants={"messaging.send": ["default/one"]})
    stage.apply()
    for verb in ("send", "request"):
        refused = stage.run(verb, "one", "--cbor", "{}", code=FAILED).err
        assert "invalid-message: not for default/one: it is cbor, and json is accepted; convert it first" in refused
    assert stage.run("request", "one", "echo unnamed").out == "unnamed\n"
    answer = stage.ask("sender", "send one Quick brown fox")  # Q is what CBOR begins with
    assert "it is cbor, and json is accepted" in answer
    assert stage.view("one").traffic.received == 1
    lines = stage.folder / "lines"
    lines.write_bytes(b"log a\nQ\nlog b\n")
    assert "it is cbor" in stage.run("send", "one", "--lines", str(lines), code=FAILED).err


def test_accepts_is_of_the_revision_and_a_wrong_one_is_named_with_its_place(stage: Stage):
    stage.have("one", "faulty")
    before = stage.view("one")
    assert before.accepts == ()
    accepting(stage, "one", "json")
    assert "codec" in stage.apply().said
    assert stage.view("one").revision != before.revision
    accepting(stage, "one", "jsn")
    said = stage.apply(code=INVALID).said
    assert "Component.toml" in said
    assert "codec.accepts" in said
    assert "json" in said
