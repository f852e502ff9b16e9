"""`airs logs` and `airs events`: what guests said and what happened, of those entries that are asked for."""

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click
import msgspec

from orchestrator.cli.context import Settings, command
from orchestrator.cli.durations import MOMENT
from orchestrator.cli.names import WORD, optional_key_argument
from orchestrator.cli.show import PHASE_STYLES
from orchestrator.cli.terminal import Text
from orchestrator.cli.times import clock
from orchestrator.client import AgentClient
from orchestrator.contract.codes import USAGE
from orchestrator.contract.documents import HistoryView
from orchestrator.contract.problem import Failure
from orchestrator.model.event import Event, LogLine
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.selection import EVENT_LEVELS, LOG_LEVELS, Selection

T = TypeVar("T")
_ID = re.compile(r"[0-9a-f]{4,64}", re.ASCII)


def _selecting(levels: tuple[str, ...]) -> Callable[[Any], Any]:
    """Add the options that choose entries."""
    options = (
        click.option("-f", "--follow", is_flag=True, help="Keep printing what comes."),
        click.option("--since", type=MOMENT, help="From then on: 10m ago, or 2026-11-28T18:00."),
        click.option("--until", type=MOMENT, help="Before then."),
        click.option("--tail", type=click.IntRange(0), metavar="N", help="Only the newest N entries so far."),
        click.option("--level", type=click.Choice(levels), help="At least of this level."),
        click.option("--revision", type=WORD, help="Of one revision: its number in `airs history`, or its id."),
        click.option("--grep", type=WORD, help="Only what contains this text."),
    )

    def add(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return add


@command()
@optional_key_argument
@_selecting(LOG_LEVELS)
def logs(settings: Settings, name: DeploymentKey | None, follow: bool, **chosen: Any) -> None:
    """Print what a deployment's guests logged. Options combine."""
    client = settings.client()
    if name is not None:
        client.deployment(name)  # a misspelt name is an error, not an empty log
    _show(settings, client.logs(name, _selection(client, name, chosen), follow=follow), _log_text)


def _log_text(line: LogLine) -> Text:
    extra = "".join(f" {k}={v}" for k, v in line.context)
    style = {"error": "red", "warn": "yellow", "debug": "dim", "trace": "dim"}.get(line.level, "")
    who = f"{line.key}/{line.instance}"
    return Text.assemble((clock(line.at_ms), "dim"), f" {who} ", (f"{line.level:5}", style), f" {line.text}{extra}")


@command()
@optional_key_argument
@_selecting(EVENT_LEVELS)
def events(settings: Settings, name: DeploymentKey | None, follow: bool, **chosen: Any) -> None:
    """Print what happened since the agent started. Options combine."""
    client = settings.client()
    any_shown = _show(settings, client.events(name, _selection(client, name, chosen), follow=follow), event_text)
    if name is not None and not any_shown:
        client.deployment(name)  # one that is gone still has events; a misspelt name has neither


def event_text(event: Event) -> Text:
    """Write an event on one line."""
    who = str(event.key) if event.key else "-"
    style = PHASE_STYLES.get(event.reason, "yellow" if event.type.value == "warning" else "")
    return Text.assemble((clock(event.at_ms), "dim"), f"  {who:24}  ", (f"{event.reason:16}", style), event.message)


def _selection(client: AgentClient, name: DeploymentKey | None, chosen: dict[str, Any]) -> Selection:
    since, until = chosen["since"], chosen["until"]
    if since is not None and until is not None and until <= since:
        raise Failure("--until is not after --since", "", "Nothing lies between them.", USAGE)
    revision = chosen["revision"]
    return Selection(
        since_ms=since, until_ms=until, tail=chosen["tail"], level=chosen["level"], grep=chosen["grep"],
        revision=None if revision is None else _revision(client, name, revision),
    )  # fmt: skip


def _revision(client: AgentClient, name: DeploymentKey | None, given: str) -> str:
    """Return the id that is meant: that of a number in the history, if there is one."""
    if name is not None and given.isascii() and given.isdecimal():
        numbers = {str(n.number): n.revision for n in client.history(name) if isinstance(n, HistoryView)}
        if given in numbers:
            return numbers[given]
    if not _ID.fullmatch(given):
        if name is None and given.isdecimal():
            hint = "Name the deployment as well, or give four and more digits of the revision's id."
            raise Failure(f"{given[:80]} is a number in the history of one deployment", "", hint, USAGE)
        hint = "Give its number in `airs history NAME`, or four and more digits of its id."
        raise Failure(f"{given[:80]} is no revision" + (f" of {name}" if name else ""), "", hint, USAGE)
    return given


def _show(settings: Settings, entries: Iterable[T], text: Callable[[T], Text]) -> bool:
    """Print entries as they come, and return whether there were any."""
    console, any_shown = settings.out(), False
    for entry in entries:
        any_shown = True
        if settings.is_json:
            settings.print_document(msgspec.json.encode(entry))
        else:
            console.print(text(entry))
    return any_shown
