"""`airs diff`: two revisions of the history of a deployment, or of two deployments, side by side."""

import click

from orchestrator.cli.context import Settings, command
from orchestrator.cli.knowing import found_worlds
from orchestrator.cli.planning import PLAN_STYLES
from orchestrator.cli.terminal import Console, Text
from orchestrator.cli.world_changes import show_world_changes
from orchestrator.contract.codes import FAILED, OK, USAGE
from orchestrator.contract.documents import HistoryView
from orchestrator.contract.problem import Failure
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.spec import Revision
from orchestrator.observe.events import printable
from orchestrator.plan.revisions import NumberedRevision, RevisionDiff, compare_revisions
from orchestrator.plan.text import DEFAULT_WIDTH, difference_lines

STABLE, NOW = "stable", "now"
ID_MIN = 4  # hex digits that name a revision
NUMBER_MAX = 9  # digits of a number


@command()
@click.argument("old")
@click.argument("new")
@click.option("--exit-code", is_flag=True, help="Exit 1 when they differ.")
def diff(settings: Settings, old: str, new: str, exit_code: bool) -> int:
    """Say how two revisions of deployments differ: content, grants, limits, imports and exports.

    OLD and NEW are NAME@N by number in the history, NAME@ID by the beginning of an id, NAME@stable for what serves, or
    NAME@now for the newest. NEW may leave out the name.
    """
    first = _split(old, "")
    second = _split(new, first[0])
    found = compare_revisions(_revision(settings, *first), _revision(settings, *second), found_worlds(settings).world)
    if settings.is_json:
        settings.print_json(found)
    else:
        _show(settings.out(), found)
    return FAILED if exit_code and not found.same else OK


def _split(text: str, name: str) -> tuple[str, str]:
    """Return the name and the revision that an argument means; `name` is that of an argument without one."""
    before, mark, revision = text.rpartition("@")
    if not mark or not revision or not (before or name):
        hint = (
            "Write NAME@NUMBER, as `airs history NAME` lists them; `airs plan PATH` compares a source with what runs."
        )
        raise Failure(f"{text} names no revision", "", hint, USAGE)
    return before or name, revision


def _revision(settings: Settings, name: str, wanted: str) -> tuple[NumberedRevision, Revision]:
    key, client = DeploymentKey.parse(name), settings.client()
    entries = [entry for entry in client.history(key) if isinstance(entry, HistoryView)]
    entry = _entry(entries, wanted)
    if entry is None:
        numbers = ", ".join(str(each.number) for each in entries[-10:])
        raise Failure(f"{key} has no revision {wanted}", f"Its last are {numbers}." if numbers else "", "", USAGE)
    named = NumberedRevision(
        namespace=entry.namespace, name=entry.name, number=entry.number, version=entry.version, revision=entry.revision
    )
    return named, client.revision(key, entry.number).content


def _entry(entries: list[HistoryView], wanted: str) -> HistoryView | None:
    """Find the entry that is named; the newest of those with the same id."""
    if wanted == NOW:
        return entries[-1] if entries else None
    if wanted == STABLE:
        return next((entry for entry in reversed(entries) if entry.outcome == "running"), None)
    if wanted.isdecimal() and len(wanted) <= NUMBER_MAX:
        return next((entry for entry in entries if entry.number == int(wanted)), None)
    is_id = len(wanted) >= ID_MIN
    return next((entry for entry in reversed(entries) if is_id and entry.revision.startswith(wanted)), None)


def _show(console: Console, found: RevisionDiff) -> None:
    console.print(Text(printable(f"{_named(found.old)} → {_named(found.new)}"), style="bold"))
    if found.same:
        console.print("The same content.")
        return
    for line in difference_lines(found.changes, found.capabilities, DEFAULT_WIDTH):
        console.print(Text.assemble(*((segment.text, PLAN_STYLES[segment.style]) for segment in line)))
    for artifact in found.unknown:
        console.print(Text(f"The exports of {printable(artifact)} are not known here.", style="yellow"))
    if found.world is not None:
        console.print()
        show_world_changes(console, found.world)


def _named(one: NumberedRevision) -> str:
    return f"{one.namespace}/{one.name}@{one.number} ({one.version}, {one.revision[:10]})"
