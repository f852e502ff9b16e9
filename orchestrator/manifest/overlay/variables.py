"""The variables of an overlay: declared with a type, given a value, and put where `{$var: NAME}` stands.

A variable stands for one whole scalar. No text is searched for names, so that no value can bring another in, and none
can become more than a scalar.
"""

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.manifest.node import Node, Place, Unplaced, find, items, text_at
from orchestrator.manifest.printable import did_you_mean, excerpt
from orchestrator.manifest.units import duration_ms, meant, size_bytes

VAR = "$var"
TEXT_MAX_CHARACTERS = 4096
_WORDS = {
    "string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "duration": "a duration like `5s`", "size": "a size like `16MiB`",
}  # fmt: skip


class Variables:
    """The declared variables of one overlay and their values, and which of them were used so far."""

    def __init__(self, spec: Node | None, given: Mapping[str, Node], missing: Place | None) -> None:
        """Take the declarations of an overlay's `spec`, and values from around it.

        `missing` is where a value could have been given; None where nothing is around, and the declaration is.
        """
        self.problems: list[Unplaced] = []
        self._used: set[str] = set()
        declared = find(spec, "variables")
        self._declared = declared.value if declared is not None and isinstance(declared.value, dict) else {}
        self._places = declared.keys if declared is not None else {}
        self._values = {name: self._value(name, given.get(name), missing) for name in self._declared}

    @property
    def names(self) -> frozenset[str]:
        """The names that are declared."""
        return frozenset(self._declared)

    def substituted(self, node: Node) -> Node:
        """Return a tree with a value for each variable; what names none stands as nothing, and is told of."""
        value = node.value
        if isinstance(value, dict):
            if VAR in value:
                return self._named(node, value)
            return Node({key: self.substituted(child) for key, child in value.items()}, *node.place, node.keys)
        if isinstance(value, list):
            return Node([self.substituted(child) for child in value], *node.place)
        return node

    def unused(self) -> list[Unplaced]:
        """Warn of each variable that nothing used."""
        return [
            Unplaced(*self._places[name], f"variable {excerpt(name)} is declared, but not used",
                     suggestion=f"remove it, or use it as `{{{VAR}: NAME}}`", is_error=False)
            for name in self._declared if name not in self._used
        ]  # fmt: skip

    def _named(self, node: Node, value: dict[str, Node]) -> Node:
        name = value[VAR].value
        place = value[VAR].place
        self._used.add(str(name))
        if len(value) > 1 or not isinstance(name, str):
            self._note(place, f"`{VAR}` stands alone, with the name of a variable", f"write `{{{VAR}: NAME}}`")
        elif name not in self._declared:
            hint = did_you_mean(name, self._declared) if self._declared else "declare it under `spec.variables`"
            self._note(place, f"there is no variable {excerpt(name)}", hint)
        else:
            return self._values[name] or Node(None, *node.place)
        return Node(None, *node.place)

    def _value(self, name: str, given: Node | None, missing: Place | None) -> Node | None:
        """Return the value of a variable; None, with a problem noted, for one that has none of its type."""
        declaration = self._declared[name]
        kind, choices = text_at(declaration, "type") or "", list(items(find(declaration, "enum")))
        default = find(declaration, "default")
        for one in (default, given, *choices):
            if one is not None:
                self._check(name, kind, one)
        for one in (default, given):
            if one is not None and choices and not any(_same(one, choice) for choice in choices):
                shown = " or ".join(excerpt(str(choice.value)) for choice in choices[:8])
                self._note(one.place, f"variable {excerpt(name)} is none of its `enum`", f"write {shown}")
        value = given if given is not None else default
        if value is None:
            hint = "give it in `values`, beside the base's `path`" if missing else "give it a `default`"
            where = missing if missing is not None else self._places.get(name, declaration.place)
            self._note(where, f"variable {excerpt(name)} has no value", hint)
        return value

    def _check(self, name: str, kind: str, value: Node) -> None:
        fits = _FITS.get(kind)
        if fits is None or fits(value.value):
            return
        unit = kind if kind in ("duration", "size") else ""
        hint = meant(unit, str(value.value)) if unit else ("quote it" if kind == "string" else "")
        what = f"variable {excerpt(name)} must be {_WORDS[kind]}, but is {_said(value.value)}"
        self._note(value.place, what, hint)

    def _note(self, place: Place, summary: str, suggestion: str) -> None:
        self.problems.append(Unplaced(*place, summary, suggestion=suggestion))


def _same(one: Node, other: Node) -> bool:
    return type(one.value) is type(other.value) and one.value == other.value


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "text" if len(value) <= TEXT_MAX_CHARACTERS else f"text of more than {TEXT_MAX_CHARACTERS} characters"
    if isinstance(value, int | float):
        return "a number"
    return "nothing" if value is None else "a list or a mapping"


def _reads(measure: Callable[[str], int]) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        try:
            return isinstance(value, str) and measure(value) >= 0
        except ValueError:
            return False

    return fits


_FITS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str) and len(value) <= TEXT_MAX_CHARACTERS,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "duration": _reads(duration_ms),
    "size": _reads(size_bytes),
}
