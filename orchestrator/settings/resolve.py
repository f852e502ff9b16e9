"""Decides which value of each key is in force: a flag before a variable, before the file, before the default."""

import os.path
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from orchestrator.decoding import from_plain
from orchestrator.manifest.check import check
from orchestrator.manifest.node import Node, items, plain
from orchestrator.manifest.schema import schema
from orchestrator.manifest.units import duration_ms, size_bytes
from orchestrator.model.base import Value
from orchestrator.model.diagnostic import Diagnostic, Location, Severity
from orchestrator.model.settings import AgentSettings, Origin, Setting
from orchestrator.settings.file import KIND, SettingsFile
from orchestrator.settings.paths import placed

Key = tuple[str | int, ...]  # a number names an entry of a list of tables
_HOST_AND_PATH = re.compile(r"[^/]+@[^/]+:")  # of a repository that ssh reaches
_MEASURES = {"duration": duration_ms, "size": size_bytes}


class GivenSettings(NamedTuple):
    """The surroundings of a command: its flags by name, its variables, computed defaults by key, and two folders."""

    flags: Mapping[str, str]
    variables: Mapping[str, str]
    defaults: Mapping[str, str]
    here: str  # relative paths of flags and variables begin there
    home: str  # of the user, for `~/` in the file


class ResolvedSettings(Value, frozen=True):
    """The settings in force, None where a diagnostic is an error; each value by itself with its origin."""

    values: AgentSettings | None
    settings: tuple[Setting, ...]
    diagnostics: tuple[Diagnostic, ...] = ()


class _Leaf(NamedTuple):
    key: Key
    field: dict[str, Any]
    node: Node | None


def resolve_settings(file: SettingsFile | None, given: GivenSettings) -> ResolvedSettings:
    """Resolve the file, which may be missing, and what is given beside it."""
    diagnostics = [*(file.diagnostics if file else ()), *_variable_problems(given)]
    if any(each.is_error for each in diagnostics):
        return ResolvedSettings(values=None, settings=(), diagnostics=tuple(diagnostics))
    whole = schema(KIND)
    settings: list[Setting] = []
    tree: dict[str | int, Any] = {}
    for leaf in _leaves(whole, whole, file.root if file else None, ()):
        setting = _in_force(leaf, file.path if file else "", given)
        settings.append(setting)
        _put(tree, leaf.key, _converted(leaf.field, setting.value))
    return ResolvedSettings(values=from_plain(_with_lists(tree), AgentSettings), settings=tuple(settings))


def misplaced_state_dir(resolved: ResolvedSettings, actual: str) -> ResolvedSettings:
    """Refuse settings whose file lies in the state directory `actual`, and names another."""
    setting = next(setting for setting in resolved.settings if setting.key == "state-dir")
    if setting.origin is not Origin.FILE:  # written in another way, which is no other directory
        return resolved
    at = setting.where.rsplit(":", 2)
    location = Location(file=at[0], line=int(at[1]), column=int(at[2]))
    problem = Diagnostic(
        severity=Severity.ERROR,
        summary="a file that lies in a state directory cannot name another",
        location=location,
        detail=f"It was found in {actual}.",
        suggestion="remove `state-dir`, or move the file to `~/.config/airs/airs.toml`",
    )
    return ResolvedSettings(values=None, settings=resolved.settings, diagnostics=(problem,))


def _leaves(raw: dict[str, Any], whole: dict[str, Any], node: Node | None, key: Key) -> Iterator[_Leaf]:
    """Yield every key that has a value of its own, those of named sections (`[registries."host"]`) as written.

    Of a list of tables (`[[webhooks.endpoints]]`), each entry's keys are yielded, those that it leaves out as well.
    """
    field = _followed(raw, whole)
    inside = node.value if node is not None and isinstance(node.value, dict) else {}
    named = _followed(extra, whole) if isinstance(extra := field.get("additionalProperties"), dict) else {}
    entry = _followed(field.get("items", {}), whole)
    if "properties" in entry:
        for index, child in enumerate(items(node)):
            yield from _leaves(entry, whole, child, (*key, index))
    elif "properties" in named:
        for name, child in inside.items():
            yield from _leaves(named, whole, child, (*key, name))
    elif "properties" in field:
        for name, property_ in field["properties"].items():
            yield from _leaves(property_, whole, inside.get(name), (*key, name))
    else:
        yield _Leaf(key, field | {"x-path": field.get("x-path", entry.get("x-path"))}, node)


def _followed(raw: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in raw:
        return raw
    return {**_followed(whole["$defs"][raw["$ref"].removeprefix("#/$defs/")], whole), **raw}


def _in_force(leaf: _Leaf, path: str, given: GivenSettings) -> Setting:
    field, name = leaf.field, shown_key(leaf.key)
    flag, variable = field.get("x-flag", ""), field.get("x-variable", "")
    if flag in given.flags:
        value = _placed(field, given.flags[flag], given.here, "")
        return Setting(key=name, value=value, origin=Origin.FLAG, where=flag)
    if given.variables.get(variable):
        value = _placed(field, given.variables[variable], given.here, "")
        return Setting(key=name, value=value, origin=Origin.VARIABLE, where=variable)
    if leaf.node is not None:
        where = f"{path}:{leaf.node.line}:{leaf.node.column}"
        value = _placed(field, plain(leaf.node), os.path.dirname(path), given.home)
        return Setting(key=name, value=value, origin=Origin.FILE, where=where)
    return Setting(key=name, value=given.defaults.get(name, field.get("default")), origin=Origin.DEFAULT)


def shown_key(key: Key) -> str:
    """Write a key as TOML does, and the number of a list's entry in brackets behind the list's name."""
    return "".join(map(_shown_part, key)).removeprefix(".")


def _shown_part(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if part.replace("-", "").replace("_", "").isalnum() else f'."{part}"'


def _placed(field: dict[str, Any], value: Any, folder: str, home: str) -> Any:
    """Make a path, or each of a list, absolute, that of a repository here among them; other values are as they are."""
    kind = field.get("x-path")
    if kind and isinstance(value, list):
        return [_placed(field, each, folder, home) for each in value]
    if not kind or not isinstance(value, str):
        return value
    path, mark, rest = value.partition("#") if kind == "source" else (value, "", "")
    if kind == "source" and ("://" in path or _HOST_AND_PATH.match(path)):
        return value
    return placed(path, folder, home) + mark + rest


def _converted(field: dict[str, Any], value: Any) -> Any:
    measure = _MEASURES.get(field.get("x-unit", ""))
    return measure(value) if measure is not None and isinstance(value, str) else value


def _put(tree: dict[str | int, Any], key: Key, value: Any) -> None:
    for part in key[:-1]:
        tree = tree.setdefault(part, {})
    if value is not None:
        tree[key[-1]] = value


def _with_lists(tree: Any) -> Any:
    """Make lists of the mappings whose keys are numbers."""
    if not isinstance(tree, dict):
        return tree
    inside = {part: _with_lists(child) for part, child in tree.items()}
    return [inside[index] for index in sorted(inside)] if any(isinstance(part, int) for part in inside) else inside


def _variable_problems(given: GivenSettings) -> Iterator[Diagnostic]:
    """Hold variables against the schema, as if they were written in the file."""
    whole = schema(KIND)
    for leaf in _leaves(whole, whole, None, ()):
        variable = leaf.field.get("x-variable", "")
        text = given.variables.get(variable)
        if text:
            node = Node(text, 0, 0)
            for part in reversed(leaf.key):
                node = Node({str(part): node}, 0, 0)
            yield from (problem.within(variable) for problem in check(KIND, node))
