"""A payload, as it is typed: text, JSON, CBOR, hexadecimal digits, or a file; checked before anybody is asked."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from orchestrator.cli.names import WORD
from orchestrator.contract.codes import USAGE
from orchestrator.contract.problem import Failure
from orchestrator.encoding.codec import prefix
from orchestrator.encoding.strict_json import NotJson, read_json
from orchestrator.model.message import MESSAGE_MAX_BYTES

OPTIONS = (
    click.option("--text", metavar="TEXT", help="Send a text, also one that begins with a dash."),
    click.option("--json", "json_text", metavar="JSON", help="Send JSON, as it is written."),
    click.option("--cbor", metavar="JSON", help="Send CBOR, written as JSON."),
    click.option("--hex", "digits", metavar="DIGITS", help="Send bytes, two hexadecimal digits each."),
    click.option("--file", metavar="FILE", help="Send what a file holds, or - (standard input)."),
)
conversation_option = click.option(
    "--conversation", type=WORD, help="Messages of one conversation stay on one version."
)


class Written(msgspec.Struct, frozen=True):
    """A payload as it was written; at most one is not None, but for those that are made of lines."""

    argument: str | None
    text: str | None
    json_text: str | None
    cbor: str | None
    digits: str | None
    file: str | None

    def given(self) -> Sequence[str]:
        """Name those that were given."""
        names = {
            "PAYLOAD": self.argument, "--text": self.text, "--json": self.json_text, "--cbor": self.cbor,
            "--hex": self.digits, "--file": self.file,
        }  # fmt: skip
        return [name for name, value in names.items() if value is not None]


def payload_options(function: Any) -> Any:
    """Add the options by which a payload is written."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


def written(options: dict[str, str | None]) -> Written:
    """Return what was written, as the options say it."""
    return Written(argument=options["payload"], **{name: text for name, text in options.items() if name != "payload"})


def payload(written: Written, accepts: Callable[[], Sequence[str]]) -> bytes:
    """Return the bytes that were meant. JSON and CBOR are named by a prefix where the deployment `accepts` codecs.

    Raises:
        Failure: none or several were given, or the one is not what it says.
    """
    given = written.given()
    if len(given) != 1:
        what = f"{' and '.join(given)} are each a message" if given else "what is to be sent?"
        raise Failure(what, "", "Give one of PAYLOAD, --text, --json, --cbor, --hex, --file.", USAGE)
    data = _data(written, accepts)
    if len(data) > MESSAGE_MAX_BYTES:
        most = f"{MESSAGE_MAX_BYTES} ({MESSAGE_MAX_BYTES >> 20} MiB)"
        raise Failure(f"the message has {_size(written, data)}; at most {most} are sent", _TOO_MUCH, _IN_PARTS, USAGE)
    return data


_TOO_MUCH = "Every message is copied into its mailbox and into the component's memory."
_IN_PARTS = "Send it in parts, or send where it is: a directory that is granted to the component, say."


def _size(written: Written, data: bytes) -> str:
    """Say how much it is, as far as that is known: of a file only the begin was read, and a pipe has no size."""
    if written.file is None:
        return f"{len(data)} bytes"
    try:
        size = 0 if written.file == "-" else Path(written.file).stat().st_size
    except OSError:
        size = 0
    return f"{size} bytes" if size > MESSAGE_MAX_BYTES else f"over {MESSAGE_MAX_BYTES} bytes"


def _data(written: Written, accepts: Callable[[], Sequence[str]]) -> bytes:
    if written.json_text is not None:
        _json(written.json_text, "--json")
        return _prefix("json", accepts) + _bytes(written.json_text)
    if written.cbor is not None:
        return _prefix("cbor", accepts) + _cbor(written.cbor)
    if written.digits is not None:
        return _hex(written.digits)
    if written.file is not None:
        return _file(written.file)
    return _bytes(written.argument if written.text is None else written.text)


def _bytes(text: str | None) -> bytes:
    """Return what was typed, byte for byte, where it is no UTF-8."""
    return (text or "").encode("utf-8", "surrogateescape")


def _prefix(codec: str, accepts: Callable[[], Sequence[str]]) -> bytes:
    return prefix(codec) if accepts() else b""


def _json(text: str, option: str) -> Any:
    try:
        return read_json(text)
    except NotJson as problem:
        hint = "Numbers and true/false go as they are; a string needs its quotes: '\"text\"'."
        raise Failure(f"{option} is not JSON: {text[:40]!a}", str(problem), hint, USAGE) from None


def _cbor(text: str) -> bytes:
    import cbor2  # rarely wanted, and costs every command its import

    value = _json(text, "--cbor")
    try:
        return cbor2.dumps(value)
    except (cbor2.CBOREncodeError, RecursionError, ValueError) as problem:
        raise Failure(f"--cbor cannot be written as CBOR: {text[:40]!a}", str(problem), exit_code=USAGE) from None


def _hex(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError as problem:
        hint = "Two digits of 0-9 and a-f for each byte; blanks between bytes are allowed."
        raise Failure(f"--hex is not hexadecimal: {digits[:40]!a}", str(problem), hint, USAGE) from None


def _file(name: str) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read(MESSAGE_MAX_BYTES + 1)
        with Path(name).open("rb") as opened:
            return opened.read(MESSAGE_MAX_BYTES + 1)
    except OSError as problem:
        raise Failure(f"{name[:80]!a} cannot be read", problem.strerror or str(problem), exit_code=USAGE) from None
