"""Others' texts as a terminal may get them: their control characters written out, whoever chose them.

Guests, manifests, compilers and repositories choose texts that end on somebody's screen, where a control character is a
command: to clear it, to rename its window, to answer for the user. This is the one place that knows which those are.
The console writes out what it prints, `sink` bytes as they come, `document` JSON. Pipes and files get the very bytes.
"""

import codecs
import re
from collections.abc import Callable
from typing import TextIO

# All but line breaks and tabs; and those that turn the direction of a line, or break one, without being seen.
_ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_BYTE = 0x100


def visible(text: str) -> str:
    r"""Write out characters that a terminal would act on, as `\x1b`; line breaks and tabs stay."""
    return _ACTIVE.sub(_written, text)


def sink(stream: TextIO) -> Callable[[bytes], None]:
    """Return a function that writes bytes to a stream at once: as they are, or written out where it is a terminal."""
    if not stream.isatty():

        def pass_on(data: bytes) -> None:
            stream.buffer.write(data)
            stream.buffer.flush()

        return pass_on
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")  # a character may come in two pieces

    def show(data: bytes) -> None:
        stream.write(visible(decoder.decode(data)))
        stream.flush()

    return show


def document(data: bytes, stream: TextIO) -> bytes:
    """Return JSON as a stream may have it: on a terminal the same value, with nothing in its texts to act on."""
    return _ACTIVE.sub(_written_in_json, data.decode()).encode() if stream.isatty() else data


def _written(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < _BYTE else f"\\u{code:04x}"


def _written_in_json(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"
