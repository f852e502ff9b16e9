"""Turns the bytes of a YAML file into the trees of its documents, and says everything that is wrong on the way.

YAML 1.2's core schema, restricted: no merge keys, no tags but the core ones, no duplicate keys, and a limit on all that
can grow. It composes from libyaml's event stream with a stack of its own, because libyaml's composer overflows the C
stack on deep nesting while its event stream does not. Documents are cut apart first, at lines that begin with
`---` (which YAML lets mean nothing else), so that an error in one cannot hide the next. The fields of a document are
`check`'s business.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import yaml

from orchestrator.manifest.node import Node, Place, Scalar, Unplaced
from orchestrator.manifest.printable import excerpt
from orchestrator.manifest.scalars import LOOKS_BOOLEAN, BadScalarError, resolve_plain, resolve_tagged
from orchestrator.manifest.text import NotTextError, decode_text, within

FILE_MAX_BYTES = 4 << 20
DOCUMENT_MAX_BYTES = 1 << 20
DOCUMENTS_MAX = 10_000
DEPTH_MAX = 64
NODES_MAX = 20_000  # of one document, aliases counted as what they stand for
ALIASES_MAX = 100
PROBLEMS_MAX = 200  # of one document's form; more help nobody

_MARKER = re.compile(r"^(?:---(?=[ \t\n]|\Z)|\.\.\.[ \t]*(?:#[^\n]*)?(?:\n|\Z))", re.MULTILINE)
_BLANK = re.compile(r"(?:---(?=[ \t\n]|\Z))?(?:[ \t]*(?:#[^\n]*)?(?:\n|\Z))*\Z")
_YAML_DIRECTIVE = re.compile(r"\A(?:[ \t]*(?:#[^\n]*)?\n)*%YAML 1\.[12][ \t]*(?:#[^\n]*)?(?=\n)")


class Document(msgspec.Struct, frozen=True):
    """One document: its tree as far as it could be read, and where it begins.

    `whole` is False where reading stopped early, so that what is missing from the tree proves nothing.
    """

    root: Node | None
    line: int
    column: int
    problems: tuple[Unplaced, ...]
    whole: bool


class Documents(msgspec.Struct, frozen=True):
    """A file's documents, and the problems that belong to none of them."""

    documents: tuple[Document, ...]
    problems: tuple[Unplaced, ...]


def read_documents(data: bytes) -> Documents:
    """Read a YAML file; never raises, whatever the bytes."""
    try:
        text = decode_text(data, FILE_MAX_BYTES)
    except NotTextError as error:
        return Documents((), (error.problem,))
    chunks = list(_split(text))
    filled = [(line, chunk) for line, chunk in chunks if not _BLANK.match(chunk)]
    if not filled:
        what = "only comments" if any(chunk.strip().startswith("#") for _, chunk in chunks) else "no document"
        hint = "remove the file, so that what it deployed is removed, or write a deployment into it"
        return Documents((), (Unplaced(0, 0, f"the file holds {what}", _EMPTY_WHY, hint),))
    blank = [Unplaced(line, 1, "empty document", is_error=False) for line, chunk in chunks if _is_empty_document(chunk)]
    if len(filled) > DOCUMENTS_MAX:
        too_many = f"the file holds {len(filled)} documents; at most {DOCUMENTS_MAX} are read"
        return Documents((), (Unplaced(0, 0, too_many, suggestion="split it"),))
    return Documents(tuple(_read_document(line, chunk) for line, chunk in filled), tuple(blank))


_EMPTY_WHY = "An empty file is taken for a half-written one: its deployments run on unchanged."


def _split(text: str) -> Iterator[tuple[int, str]]:
    directive = _YAML_DIRECTIVE.match(text)
    if directive:
        text = text[: directive.end()].replace("%", "#", 1) + text[directive.end() :]
    line, start = 1, 0
    for marker in _MARKER.finditer(text):
        end = marker.start() if marker[0].startswith("-") else marker.end()
        if end > start:
            yield line, text[start:end]
        line += text.count("\n", start, end)
        start = end
    if start < len(text):
        yield line, text[start:]


def _is_empty_document(chunk: str) -> bool:
    return chunk.startswith("---") and _BLANK.match(chunk) is not None


def _read_document(line: int, chunk: str) -> Document:
    if len(chunk) > DOCUMENT_MAX_BYTES or len(chunk.encode()) > DOCUMENT_MAX_BYTES:
        problem = Unplaced(line, 1, f"the document is larger than {DOCUMENT_MAX_BYTES} bytes", suggestion="split it")
        return Document(None, line, 1, (problem,), whole=False)
    composer = _Composer(line)
    try:
        for event in yaml.parse(chunk, Loader=yaml.CSafeLoader):
            composer.take(event)
        whole = True
    except _StopReading:
        whole = False
    except yaml.MarkedYAMLError as error:
        whole = False
        began = error.context_mark
        detail = f"It began on line {line + began.line}, column {began.column + 1}." if began else ""
        composer.note(_place_of(error, line, chunk), f"not YAML: {_words_of(error)}", detail, _hint(error))
    except yaml.YAMLError:
        whole = False
        composer.note((line, 1), "not YAML: it has characters that YAML does not allow")
    root = composer.root
    begin = root.place if root is not None else (line, 1)
    return Document(root, *begin, tuple(composer.problems), whole)


def _place_of(error: yaml.MarkedYAMLError, first_line: int, chunk: str) -> Place:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return (first_line, 1)
    line, column = within(chunk, (mark.line + 1, mark.column + 1))
    return (first_line + line - 1, column)


def _words_of(error: yaml.MarkedYAMLError) -> str:
    # libyaml's own words, which never repeat what the file says.
    return ", ".join(part for part in (error.context, error.problem) if part)


def _hint(error: yaml.MarkedYAMLError) -> str:
    if "cannot start any token" in (error.problem or ""):
        return "indent with spaces, not tabs, and quote text that begins with @, ` or %"
    if "mapping values are not allowed" in (error.problem or ""):
        return "check the indentation, and quote text that contains `: `"
    return ""


class _StopReading(Exception):
    """A limit was passed; the rest of the document is not read."""


class _Frame(msgspec.Struct):
    """A list or mapping that is still open. `nodes` and `height` are what an alias to it would stand for."""

    node: Node
    anchor: str | None
    key: str | None = None
    has_key: bool = False
    nodes: int = 1
    height: int = 1


class _Anchored(msgspec.Struct, frozen=True):
    node: Node
    nodes: int
    height: int


class _Composer:
    """Builds one document's tree from its events, without recursion."""

    def __init__(self, first_line: int) -> None:
        self.root: Node | None = None
        self.problems: list[Unplaced] = []
        self._first_line = first_line
        self._stack: list[_Frame] = []
        self._anchors: dict[str, _Anchored | None] = {}  # None while it is open
        self._nodes = 0
        self._aliases = 0
        self._documents = 0
        self._take: dict[type[yaml.Event], Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._open,
            yaml.SequenceStartEvent: self._open,
            yaml.MappingEndEvent: self._close,
            yaml.SequenceEndEvent: self._close,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }

    def take(self, event: yaml.Event) -> None:
        """Add one event to the tree."""
        step = self._take.get(type(event))
        if step is not None:
            step(event)

    def note(self, place: Place, summary: str, detail: str = "", suggestion: str = "", is_error: bool = True) -> None:
        """Record a problem of the document's form."""
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(Unplaced(*place, summary, detail, suggestion, is_error))

    def _place(self, event: yaml.Event) -> Place:
        mark: Any = event.start_mark  # libyaml always sets it
        return (self._first_line + mark.line, mark.column + 1)

    def _document(self, event: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            self._stop(self._place(event), "a document begins where none can", "begin it with `---` on its own line")
        if event.tags:
            self._stop(self._place(event), "%TAG directives are not supported", "remove it")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        place = self._place(event)
        self._count(1, place)
        frame = self._stack[-1] if self._stack else None
        if frame is not None and isinstance(frame.node.value, dict) and not frame.has_key:
            self._key(frame, event, place)
            return
        node = Node(self._value(event, place), *place)
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(node, 1, 0)
        self._attach(node)
        self._grow(1, 0)

    def _value(self, event: yaml.ScalarEvent, place: Place) -> Scalar:
        try:
            if event.implicit[0]:
                if event.value in LOOKS_BOOLEAN:
                    self.note(place, _BOOLEAN, _BOOLEAN_WHY, "write true or false, or quote it", is_error=False)
                return resolve_plain(event.value)
            return event.value if event.tag is None else resolve_tagged(event.tag, event.value)
        except BadScalarError as error:
            self.note(place, str(error), suggestion="quote it if it is meant as text")
            return None

    def _key(self, frame: _Frame, event: yaml.ScalarEvent, place: Place) -> None:
        frame.key, frame.has_key = None, True
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(Node(event.value, *place), 1, 0)
        if event.implicit[0] and event.value == "<<":
            self.note(place, "merge keys (`<<`) are not supported", suggestion="write the keys out")
            return
        key = self._key_text(event, place)
        if key is None:
            return
        if key in frame.node.keys:
            line, column = frame.node.keys[key]
            self.note(
                place, f"duplicate key {excerpt(key)}", f"It is on line {line}, column {column} already.", "remove one"
            )
            return
        frame.node.keys[key] = place
        frame.key = key

    def _key_text(self, event: yaml.ScalarEvent, place: Place) -> str | None:
        try:
            if event.implicit[0]:
                key = resolve_plain(event.value)
            else:
                key = event.value if event.tag is None else resolve_tagged(event.tag, event.value)
        except BadScalarError:
            key = None
        if isinstance(key, str):
            return key
        self.note(place, "a key must be text", suggestion="quote it")
        return None

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        place = self._place(event)
        self._count(1, place)
        if len(self._stack) >= DEPTH_MAX:
            self._stop(place, f"nested deeper than {DEPTH_MAX} levels", "write it flatter")
        self._refuse_tag(event, place)
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        node = Node({}, *place, keys={}) if is_mapping else Node([], *place)
        frame = self._stack[-1] if self._stack else None
        if frame is not None and isinstance(frame.node.value, dict) and not frame.has_key:
            self.note(place, "a key must be text, not a list or a mapping")
            frame.key, frame.has_key = None, True
            self._stack.append(_Frame(node, None))
            return
        if event.anchor:
            self._anchors[event.anchor] = None
        self._attach(node)
        self._stack.append(_Frame(node, event.anchor))

    def _refuse_tag(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent, place: Place) -> None:
        own = "tag:yaml.org,2002:map" if isinstance(event, yaml.MappingStartEvent) else "tag:yaml.org,2002:seq"
        if event.tag not in (None, "!", own):
            self.note(place, "only the core tags !!map and !!seq are allowed on a mapping or a list")

    def _close(self, event: yaml.MappingEndEvent | yaml.SequenceEndEvent) -> None:
        frame = self._stack.pop()
        if frame.anchor:
            self._anchors[frame.anchor] = _Anchored(frame.node, frame.nodes, frame.height)
        self._grow(frame.nodes, frame.height)

    def _alias(self, event: yaml.AliasEvent) -> None:
        place = self._place(event)
        self._aliases += 1
        if self._aliases > ALIASES_MAX:
            self._stop(place, f"more than {ALIASES_MAX} aliases", "write the values out")
        frame = self._stack[-1] if self._stack else None
        if frame is not None and isinstance(frame.node.value, dict) and not frame.has_key:
            self.note(place, "a key must be text, not an alias")
            frame.key, frame.has_key = None, True
            return
        self._attach(self._named(event, place))

    def _named(self, event: yaml.AliasEvent, place: Place) -> Node:
        # The alias's name is not repeated: an unquoted password may begin with `*`.
        known = event.anchor in self._anchors
        target = self._anchors.get(event.anchor or "")
        if target is None:
            why = "an alias may not stand inside what it names" if known else "there is no anchor of this alias's name"
            self.note(place, why, suggestion="" if known else "quote it if it is meant as text")
            return Node(None, *place)
        if len(self._stack) + target.height > DEPTH_MAX:
            self._stop(place, f"nested deeper than {DEPTH_MAX} levels", "write it flatter")
        self._count(target.nodes, place)
        self._grow(target.nodes, target.height)
        return target.node

    def _attach(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        frame = self._stack[-1]
        if isinstance(frame.node.value, list):
            frame.node.value.append(node)
        elif isinstance(frame.node.value, dict):
            if frame.key is not None:
                frame.node.value[frame.key] = node
            frame.has_key = False

    def _grow(self, nodes: int, height: int) -> None:
        if self._stack:
            frame = self._stack[-1]
            frame.nodes += nodes
            frame.height = max(frame.height, height + 1)

    def _count(self, nodes: int, place: Place) -> None:
        self._nodes += nodes
        if self._nodes > NODES_MAX:
            self._stop(place, f"more than {NODES_MAX} values in one document", "split it")

    def _stop(self, place: Place, summary: str, suggestion: str) -> None:
        self.problems.append(Unplaced(*place, summary, suggestion=suggestion))
        raise _StopReading


_BOOLEAN = "an unquoted yes, no, on or off is text, not true or false"
_BOOLEAN_WHY = "YAML 1.2 has only true and false; older readers took these words for booleans."
