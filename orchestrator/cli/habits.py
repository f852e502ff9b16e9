"""Words of other tools, and what they are here: hints under a refusal, never another meaning."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import click
from click.exceptions import BadParameter, NoSuchCommand, NoSuchOption

from orchestrator.cli.commands import COMMANDS, GROUP_HABITS, HABITS, KIND_HABITS, OPTION_HABITS

SHOWN_MAX = 40
CLOSE_ENOUGH = 0.6
_COMMAND = re.compile(r"airs .*?(?=,| with |$)")  # of which a hint may name two


def meant(args: Sequence[str]) -> str:
    """Say that there is no such command, and which one does what was probably meant."""
    name = args[0]
    said = f"There is no command {name[:SHOWN_MAX]!a}."
    if name in HABITS:
        return f"{said} Use {_COMMAND.sub(_in_ticks, HABITS[name])}."
    return f"{said}{_close(name, COMMANDS)}"


def _in_ticks(command: re.Match[str]) -> str:
    return f"`{command[0]}`"


def hint(error: click.UsageError) -> str:
    """Name what was probably meant; empty where nothing is known."""
    command = error.ctx.info_name if error.ctx is not None else None
    if isinstance(error, NoSuchOption):
        return OPTION_HABITS.get((command or "", error.option_name)) or OPTION_HABITS.get(("*", error.option_name), "")
    if isinstance(error, NoSuchCommand) and error.ctx is not None:
        return _command_meant(error.command_name, error.ctx)
    if command == "get" and isinstance(error, BadParameter) and error.param is not None and error.param.name == "kind":
        return _kind_meant(error)
    return ""


def _command_meant(name: str, group: click.Context) -> str:
    """Name what a group does not have: a command outside of it, or one of its own that is written alike."""
    if group.info_name in GROUP_HABITS:
        return GROUP_HABITS[group.info_name]
    if name in COMMANDS:
        return f"airs {name}"
    if name in HABITS:
        return HABITS[name]
    own = group.command.list_commands(group) if isinstance(group.command, click.Group) else []
    close = get_close_matches(name, own, 1, CLOSE_ENOUGH)
    return f"{group.command_path} {close[0]}" if close else ""


def _kind_meant(error: BadParameter) -> str:
    words = error.message.split("'")
    given = words[1].lower() if len(words) > 1 else ""
    found = KIND_HABITS.get(given)
    if found is None:
        close = get_close_matches(given, [*KIND_HABITS, *KIND_HABITS.values()], 1, CLOSE_ENOUGH)
        found = KIND_HABITS.get(close[0], close[0]) if close else None
    return f"airs get {found}" if found else ""


def _close(name: str, names: Iterable[str]) -> str:
    close = get_close_matches(name, names, 3, CLOSE_ENOUGH)
    return f" Did you mean {' or '.join(close)}?" if close else " `airs --help` lists them."
