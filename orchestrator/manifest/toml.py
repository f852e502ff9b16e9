"""Turns the bytes of a Component.toml into a positioned tree, or into the problem that keeps it from being one.

`tomllib` decides what the file says; it gives no positions, so a small scanner finds those of the keys and values. The
scanner runs first and also bounds nesting and dotted keys, on which `tomllib` takes quadratic time and memory or
overflows the stack.
"""

import re
import tomllib

import msgspec

from orchestrator.manifest.node import Node, Place, Scalar, Unplaced
from orchestrator.manifest.printable import EXCERPT_MAX_CHARACTERS, excerpt
from orchestrator.manifest.text import NotTextError, decode_text, within

FILE_MAX_BYTES = 64 << 10
DEPTH_MAX = 16
KEY_PARTS_MAX = 16
BARE_MAX_CHARACTERS = 256

Path = tuple[str | int, ...]

_TOKEN = re.compile(
    r"""
      (?P<skip>[ \t]+|\#[^\n]*)
    | (?P<text>\"{3}(?:[^\\]|\\.)*?(?:\"{3,5}|\Z)|'{3}.*?(?:'{3,5}|\Z)|"(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?)
    | (?P<bare>[^\s"'\#\[\]{},=.]+)
    | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class TomlFile(msgspec.Struct, frozen=True):
    """A file's tree, None where there is none, and what is wrong with its form."""

    root: Node | None
    problems: tuple[Unplaced, ...]


def read_toml(data: bytes) -> TomlFile:
    """Read a TOML file; never raises, whatever the bytes."""
    try:
        text = decode_text(data, FILE_MAX_BYTES)
        places = _Scanner(text).places()
        return TomlFile(_node(tomllib.loads(text), (), places), ())
    except (NotTextError, _RefusedError) as error:
        return TomlFile(None, (error.problem,))
    except tomllib.TOMLDecodeError as error:
        return TomlFile(None, (_syntax_problem(error, text),))
    except ValueError:  # a number or a date that tomllib lets through to int() or datetime()
        return TomlFile(None, (Unplaced(0, 0, "not TOML: it has a number or a date that cannot be read"),))


def _syntax_problem(error: tomllib.TOMLDecodeError, text: str) -> Unplaced:
    words = str(error)
    at = _AT.search(words)
    end = (text.count("\n") + 1, len(text) - text.rfind("\n"))
    place = within(text, (int(at[1]), int(at[2])) if at and at[1] else end)
    what = excerpt(words[: at.start()] if at else words)[1:-1]
    return Unplaced(*place, f"not TOML: {what[: EXCERPT_MAX_CHARACTERS + 1]}")


def _node(value: object, path: Path, places: dict[Path, Place]) -> Node:
    line, column = places.get(path, (1, 1))
    if isinstance(value, dict):
        keys = {key: places.get((*path, key, _KEY), (line, column)) for key in value}
        children = {key: _node(child, (*path, key), places) for key, child in value.items()}
        return Node(children, line, column, keys=keys)
    if isinstance(value, list):
        return Node([_node(child, (*path, index), places) for index, child in enumerate(value)], line, column)
    return Node(_scalar(value), line, column)


def _scalar(value: object) -> Scalar:
    # A date or a time has no place in our schemas: as text it fails there, at its own line.
    return value if isinstance(value, bool | int | float | str) else str(value)


_KEY = -1  # ends the path of a key's own place, as opposed to its value's


class _RefusedError(ValueError):
    def __init__(self, problem: Unplaced) -> None:
        super().__init__(problem.summary)
        self.problem = problem


class _Token(msgspec.Struct, frozen=True):
    kind: str
    text: str
    place: Place


_END = _Token("end", "", (0, 0))


class _Scanner:
    """Finds the places of keys and values; on text that is not TOML it stops, and `tomllib` says why."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._index = 0
        self._places: dict[Path, Place] = {}
        self._array_lengths: dict[Path, int] = {}

    def places(self) -> dict[Path, Place]:
        """Return the place of every value by path, and of every key by path and -1."""
        table: Path = ()
        while (token := self._peek()) is not _END:
            if token.text == "\n":
                self._index += 1
            elif token.text == "[" and token.kind == "mark":
                table = self._header()
            elif not self._pair(table, 0):
                break
        return self._places

    def _peek(self) -> _Token:
        return self._tokens[self._index] if self._index < len(self._tokens) else _END

    def _next(self) -> _Token:
        token = self._peek()
        self._index += 1
        return token

    def _at(self, mark: str) -> bool:
        token = self._peek()
        return token.kind == "mark" and token.text == mark

    def _take(self, mark: str) -> bool:
        found = self._at(mark)
        self._index += found
        return found

    def _header(self) -> Path:
        place = self._next().place
        is_array = self._take("[")
        path = self._resolve(self._key_path((), place))
        while not self._at("\n") and self._peek() is not _END:
            self._index += 1
        if not is_array:
            self._places.setdefault(path, place)
            return path
        index = self._array_lengths.get(path, 0)
        self._array_lengths[path] = index + 1
        self._places.setdefault(path, place)
        self._places[(*path, index)] = place
        return (*path, index)

    def _resolve(self, path: Path) -> Path:
        """Name the last element of every array of tables that `path` goes through."""
        resolved: Path = ()
        for part in path[:-1]:
            resolved = (*resolved, part)
            if resolved in self._array_lengths:
                resolved = (*resolved, self._array_lengths[resolved] - 1)
        return (*resolved, *path[-1:])

    def _key_path(self, table: Path, start: Place) -> Path:
        path = table
        while (token := self._peek()).kind in ("bare", "text"):
            self._index += 1
            path = (*path, _unquoted(token))
            if len(path) > KEY_PARTS_MAX:
                raise _RefusedError(Unplaced(*start, f"the path of a key has more than {KEY_PARTS_MAX} parts"))
            self._places.setdefault((*path, _KEY), token.place)
            self._places.setdefault(path, token.place)
            if not self._take("."):
                break
        return path

    def _pair(self, table: Path, depth: int) -> bool:
        path = self._key_path(table, self._peek().place)
        if path == table or not self._take("="):
            return False
        return self._value(path, depth)

    def _value(self, path: Path, depth: int) -> bool:
        token = self._next()
        self._places[path] = token.place
        if depth >= DEPTH_MAX:
            raise _RefusedError(Unplaced(*token.place, f"nested deeper than {DEPTH_MAX} levels"))
        if token.kind == "mark" and token.text == "[":
            return self._array(path, depth + 1)
        if token.kind == "mark" and token.text == "{":
            return self._inline_table(path, depth + 1)
        # A number or a date may be several tokens: `1.5`, `1979-05-27 07:32:00`.
        while token.kind == "bare" and (self._peek().kind == "bare" or self._at(".")):
            self._index += 1
        return token.kind in ("bare", "text")

    def _array(self, path: Path, depth: int) -> bool:
        index = 0
        while True:
            while self._take("\n"):
                pass
            if self._take("]"):
                return True
            if self._peek() is _END or not self._value((*path, index), depth):
                return False
            index += 1
            while self._take("\n"):
                pass
            if not self._take(",") and not self._at("]"):
                return False

    def _inline_table(self, path: Path, depth: int) -> bool:
        while not self._take("}"):
            if not self._pair(path, depth):
                return False
            if not self._take(",") and not self._at("}"):
                return False
        return True


def _unquoted(token: _Token) -> str:
    if token.kind == "bare":
        return token.text
    try:
        (key,) = tomllib.loads(f"{token.text} = 0")
    except ValueError:
        return ""
    return key


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    line, line_start = 1, 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind == "bare" and len(match[0]) > BARE_MAX_CHARACTERS:
            place = (line, match.start() - line_start + 1)
            raise _RefusedError(Unplaced(*place, f"a number or a key of more than {BARE_MAX_CHARACTERS} characters"))
        if kind != "skip":
            found.append(_Token(kind, match[0], (line, match.start() - line_start + 1)))
        breaks = match[0].count("\n")
        if breaks:
            line += breaks
            line_start = match.start() + match[0].rfind("\n") + 1
    return found
