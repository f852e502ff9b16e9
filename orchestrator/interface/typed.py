"""A typed call as its caller wrote it → the export that is meant and plain arguments; plain results → JSON.

`Guest.call` uses it; nothing here enters a guest. Everything about a call that the caller can get wrong is found here,
before any guest code runs, with the path to the place: `args[1].items[3].price: expected u32, got -1`.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orchestrator.encoding.strict_json import shown
from orchestrator.interface.exports import Export
from orchestrator.interface.json_values import Enough, Handles, JsonReader, err_value, to_json
from orchestrator.interface.versions import stands_for
from orchestrator.model.base import canonical_json
from orchestrator.model.plain import Err
from orchestrator.model.spec import Json
from orchestrator.model.wit import HandleOf, Opaque, ResultOf, WitType, parts
from orchestrator.model.world import LIFECYCLE

MAX_LISTED = 10  # functions named where none is meant: those that are named most like it
MAX_NAME = 100  # characters of a function's name that are quoted back
MAX_USAGE = 1_000  # characters of a function's name and type

_OF_RESOURCE = re.compile(r"\[(constructor|method|static)\](.+)")


class Unsuitable(Exception):
    """A call that cannot be made: what is wrong with it, what to do, and each problem where there are several."""

    def __init__(self, problem: str, suggestion: str = "", detail: str = "") -> None:
        super().__init__(problem)
        self.problem, self.suggestion, self.detail = problem, suggestion, detail


def find(function: str, exports: Mapping[str, Export]) -> Export:
    """Find the export that a full name or a unique end of one means.

    Raises:
        Unsuitable: none or several are meant, or it is one that only the host calls.
    """
    callable_ones = {name: export for name, export in exports.items() if export.interface != LIFECYCLE}
    if function in exports and function not in callable_ones:
        raise Unsuitable(f"{function} belongs to the component's lifecycle", "Use `airs request` to send it a message.")
    found = [export for export in callable_ones.values() if _is_meant(function, export)]
    exact = [export for export in found if export.name == function]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        names = ", ".join(export.name for export in found)
        raise Unsuitable(f"{function} is exported more than once", f"Write one of {names}.")
    raise Unsuitable(f"there is no function {_quoted(function)}", *_instead(function, callable_ones))


def _is_meant(function: str, export: Export) -> bool:
    """Decide whether a name means an export: by any end of its own, or under a version that it stands for."""
    interface, mark, name = function.rpartition("#")
    is_named = name in (export.function, _spoken(export.function))
    is_later = bool(mark) and is_named and stands_for(export.interface or "", interface)
    return is_later or function in _names(export)


def _names(export: Export) -> set[str]:
    """Every way to write an export: `a:b/c@1.0.0#f`, without version, `b/c#f`, `c#f`, `c.f`, `f`."""
    functions = {export.function, _spoken(export.function)}
    if export.interface is None:
        return functions
    bare = export.interface.partition("@")[0]
    path = bare.partition(":")[2] or bare
    last = path.rpartition("/")[2]
    heads = (export.interface, bare, path, last)
    return functions | {f"{head}{mark}{function}" for head in heads for mark in "#." for function in functions}


def _spoken(function: str) -> str:
    """Return how a resource's function is called in speech: `counter.new`, `counter.increment`."""
    found = _OF_RESOURCE.fullmatch(function)
    if found is None:
        return function
    return f"{found[2]}.new" if found[1] == "constructor" else found[2]


def _quoted(name: str) -> str:
    return name if name.isprintable() and len(name) <= MAX_NAME else shown(name[:MAX_NAME])


def _instead(function: str, exports: Mapping[str, Export]) -> tuple[str, str]:
    """Say which function may have been meant, and list those there are, a line each."""
    if not exports:
        return "This component exports no function that can be called; send it a message with `airs request`.", ""
    wrong = function[:MAX_NAME]
    short = {_spoken(export.function) for export in exports.values()}
    names = {name for export in exports.values() for name in _names(export)}
    close = next((found for known in (short, names) if (found := difflib.get_close_matches(wrong, known, n=1))), [])
    return f"Did you mean {close[0]}?" if close else "Call one of these.", "\n".join(
        _listed(_spoken(wrong.rpartition("#")[2]), exports)
    )


def _listed(function: str, exports: Mapping[str, Export]) -> Iterable[str]:
    """Yield each interface, and below it its functions with their types, as they can be called."""
    interface: str | None = None
    nearest = sorted(exports.values(), key=lambda export: -_likeness(function, export))[:MAX_LISTED]
    for export in sorted(nearest, key=lambda export: export.interface or ""):
        if export.interface is not None and export.interface != interface:
            yield export.interface
        interface = export.interface
        indent = "" if interface is None else "  "
        yield indent + _cut(f"{_spoken(export.function)}: {export.kind}")
    if len(exports) > MAX_LISTED:
        yield f"and {len(exports) - MAX_LISTED} more, which `airs component info` lists"


def _likeness(function: str, export: Export) -> float:
    return difflib.SequenceMatcher(None, function, _spoken(export.function)).ratio()


def _usage(export: Export) -> str:
    return _cut(f"{export.name} is {export.kind}")


def _cut(text: str) -> str:
    return text if len(text) <= MAX_USAGE else text[: MAX_USAGE - 1] + "…"


def arguments(export: Export, values: Sequence[Json], handles: Handles | None = None) -> list[Any]:
    """Check JSON arguments against an export's parameters and return them as plain values.

    Raises:
        Unsuitable: too many, too few, some that do not fit, or a type that cannot be passed, or not without a session.
    """
    params, usage = export.kind.params, _usage(export)
    _check_types(export, handles)
    if len(values) != len(params):
        raise Unsuitable(f"expected {len(params)} argument{'' if len(params) == 1 else 's'}, got {len(values)}", usage)
    reader = JsonReader(handles)
    plain = []
    try:
        for index, ((_, kind), value) in enumerate(zip(params, values, strict=True)):
            plain.append(reader.read(kind, value, ((), f"args[{index}]")))
    except Enough:
        reader.problems.append("and perhaps more")
    if reader.problems:
        raise _unsuitable(reader, usage)
    return plain


def _unsuitable(reader: JsonReader, usage: str) -> Unsuitable:
    suggestion = reader.hints[0] if reader.hints else usage
    if len(reader.problems) == 1:
        return Unsuitable(reader.problems[0], suggestion)
    return Unsuitable("some arguments do not fit", usage, "\n".join(reader.problems))


def _check_types(export: Export, handles: Handles | None) -> None:
    for part in _all_parts(export):
        if isinstance(part, Opaque):
            raise Unsuitable(f"{export.name} has a {part} in its type, which airs cannot pass", _usage(export))
        if isinstance(part, HandleOf) and handles is None:
            raise Unsuitable(
                f"{export.name} takes or returns a resource, whose handle lives in a session",
                "Call it with --session and a name that you choose; `airs session end` ends it.",
                _usage(export),
            )


def _all_parts(export: Export) -> Iterable[WitType]:
    for kind in (*(kind for _, kind in export.kind.params), export.kind.result):
        yield from parts(kind)


def needs_session(export: Export) -> bool:
    """Decide whether it takes or returns a resource, which only a session can hold."""
    return any(isinstance(part, HandleOf) for part in _all_parts(export))


def expected(export: Export, value: Json) -> Json:
    """Return a JSON value as `result_json` would print that very result.

    Raises:
        Unsuitable: the function returns no such thing.
    """
    kind = export.kind.result
    kind = kind.ok if isinstance(kind, ResultOf) else kind
    if kind is None:
        raise Unsuitable(f"{export.name} returns nothing that could be compared", _usage(export))
    reader = JsonReader()
    try:
        plain = reader.read(kind, value, ((), "expect"))
    except Enough:
        reader.problems.append("and perhaps more")
    if reader.problems:
        raise _unsuitable(reader, _usage(export))
    return to_json(kind, plain, None)


def result_json(export: Export, value: Any, handles: Handles | None = None) -> Json:
    """Return a plain result as JSON; an ok result as what it carries."""
    kind = export.kind.result
    if isinstance(kind, ResultOf):
        return None if kind.ok is None else to_json(kind.ok, value.value, handles)
    return None if kind is None else to_json(kind, value, handles)


def err_text(export: Export, err: Err, handles: Handles | None = None) -> str:
    """Return what an err result carries as canonical JSON, empty where it carries nothing."""
    kind = export.kind.result
    assert isinstance(kind, ResultOf)
    if kind.err is None:
        return ""
    return canonical_json(to_json(kind.err, err_value(kind.err, err), handles)).decode()
