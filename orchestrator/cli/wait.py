"""`airs wait`: for scripts that go on once deployments are as they should be."""

import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple

import click

from orchestrator.cli.context import Settings, command
from orchestrator.cli.durations import DURATION
from orchestrator.cli.filters import Filter, filter_options
from orchestrator.cli.names import NAME, WORD
from orchestrator.cli.terminal import Live, Text
from orchestrator.cli.waiting import ended, key_of, progress, where_why
from orchestrator.client import AgentClient
from orchestrator.contract.codes import FAILED, OK, TIMED_OUT, USAGE
from orchestrator.contract.documents import DeploymentView, SourceView
from orchestrator.contract.problem import Failure
from orchestrator.model.condition import ConditionType, Truth
from orchestrator.model.ids import DeploymentKey
from orchestrator.observe.events import printable

LOOK_S = 0.1
COMMIT_LEAST = 7  # digits of a commit's id


class Awaited(Enum):
    """The state that is waited for."""

    READY = "ready"
    SYNCED = "synced"
    REST = "rest"
    GONE = "gone"


class Wish(NamedTuple):
    """The deployments that are meant, the state that is waited for, and the commit that has to be read before."""

    keys: tuple[DeploymentKey, ...]
    only: Filter
    source: str | None
    until: Awaited
    commit: str


class Sight(NamedTuple):
    """One look: the deployments that are meant and there, their sources, and what is still missing, in words."""

    views: list[DeploymentView]
    sources: dict[str, SourceView]
    missing: list[str]


@command()
@click.argument("names", metavar="[NAME...]", nargs=-1, type=NAME)
@filter_options
@click.option("--source", "source", metavar="SOURCE", type=WORD, help="All deployments of a source, and it is read.")
@click.option(
    "--for",
    "until",
    type=click.Choice([each.value for each in Awaited]),
    default="ready",
    help="The state to wait for.",
)
@click.option("--commit", metavar="ID", help="Only once this commit of their git source has been read.")
@click.option("--timeout", type=DURATION, default="5m", help="How long to wait.")
def wait(
    settings: Settings, names: tuple[DeploymentKey, ...], only: Filter, source: str | None, until: str,
    commit: str | None, timeout: int,
) -> int:  # fmt: skip
    """Wait until deployments are ready, synced, at rest or gone, and say how that ended.

    ready: all instances of what serves answer; a job has ended well. synced: moreover, it is what the source wants.
    rest: whatever it is, it waits for nothing but a person. gone: it is not there any more.

    Exits 1 as soon as one of them waits for a person instead, and 124 when time is up.
    """
    wish = Wish(_meant(names, only, source), only, source, Awaited(until), _checked(commit or ""))
    client, deadline = settings.client(), time.monotonic() + timeout / 1000
    with Live(settings.err()) as live:
        while waiting := _left(found := _look(client, wish), wish):
            if time.monotonic() > deadline:
                what = f"not {until} after {timeout / 1000:g}s"
                raise Failure(what, "\n".join(waiting), "`airs status -w` shows it.", TIMED_OUT)
            if settings.err().is_drawable:
                live.show("\n".join(waiting))
            time.sleep(LOOK_S)
    _tell(settings, found, wish)
    return OK


def _meant(names: tuple[DeploymentKey, ...], only: Filter, source: str | None) -> tuple[DeploymentKey, ...]:
    if not names and only.is_open and source is None:
        raise Failure("nothing is named to wait for", "", "Name deployments, or give --source, -n or -l.", USAGE)
    return tuple(key for key in map(only.named, names) if key is not None)


def _checked(commit: str) -> str:
    if commit and (len(commit) < COMMIT_LEAST or not all(c in "0123456789abcdef" for c in commit)):
        why = f"write {COMMIT_LEAST} or more of its hexadecimal digits"
        raise Failure(f"{commit[:80]!a} is no commit's id", why, "`git rev-parse HEAD` prints one.", USAGE)
    return commit


def _look(client: AgentClient, wish: Wish) -> Sight:
    keys = {*wish.keys}
    # First, so that no deployment is shown as it was before the commit that its source shows.
    sources = {each.name: each for each in client.sources()} if wish.source or wish.commit else {}
    views = [
        view
        for view in wish.only.of(client.deployments())
        if (not keys or key_of(view) in keys) and wish.source in (None, view.source)
    ]
    absent = keys - {key_of(view) for view in views}
    missing = [f"{key}  is not there" for key in sorted(absent)]
    if not keys and wish.source is None and not views:
        missing.append("no deployment is so")
    return Sight(views, sources, missing if wish.until is not Awaited.GONE else [])


def _left(found: Sight, wish: Wish) -> list[str]:
    """Say what is still waited for; empty once all is as wished.

    Raises:
        Failure: one of them waits for a person.
    """
    unread = _unread(found, wish)
    if not unread:
        _refuse_stalled(found, wish)
    return [*found.missing, *unread, *(progress(view) for view in found.views if not _REACHED[wish.until](view))]


def _unread(found: Sight, wish: Wish) -> list[str]:
    """Say which sources were not read yet, or not at the commit that is meant."""
    names = {view.source for view in found.views} | ({wish.source} if wish.source else set())
    told = []
    for name in sorted(names) if found.sources or wish.source else ():
        source = found.sources.get(name)
        at = source.revision or "" if source is not None else ""
        if source is None:
            told.append(f"source {printable(name)}  is not there")
        elif wish.commit and not at.startswith(wish.commit):
            told.append(f"source {printable(name)}  is at {at or 'no commit'}, not at {wish.commit} yet")
        elif wish.source and not source.read_at:
            told.append(f"source {printable(name)}  has not been read yet")
    return told


def _refuse_stalled(found: Sight, wish: Wish) -> None:
    if wish.until in (Awaited.REST, Awaited.GONE):
        return
    left = [view for view in found.views if not _REACHED[wish.until](view) and not _is(view, ConditionType.RECONCILING)]
    told = {key_of(view): why for view in left if (why := _why_nothing_comes(view))}
    if told:
        lines = "\n".join(f"{key}  {why}" for key, why in told.items())
        hint = where_why(next(view for view in left if key_of(view) in told))
        raise Failure(f"not {wish.until.value}, and waits for a person", lines, hint, FAILED)


def _why_nothing_comes(view: DeploymentView) -> str:
    """Say why it stays as it is until somebody acts; empty where it does not."""
    if _is(view, ConditionType.STALLED):
        return _condition(view, ConditionType.STALLED)
    return _condition(view, ConditionType.READY) if view.ending in ("suspended", "stopped") else ""


def _is(view: DeploymentView, about: ConditionType) -> bool:
    return any(each.type is about and each.status is Truth.TRUE for each in view.conditions)


def _condition(view: DeploymentView, about: ConditionType) -> str:
    found = next(each for each in view.conditions if each.type is about)
    return f"{found.reason}: {printable(found.message)}" if found.message else found.reason


def _is_synced(view: DeploymentView) -> bool:
    has_arrived = view.sync in ("synced", "applied") and not _is(view, ConditionType.RECONCILING)
    return has_arrived and _is(view, ConditionType.READY) and not _is(view, ConditionType.STALLED)


_REACHED: dict[Awaited, Callable[[DeploymentView], bool]] = {
    Awaited.READY: lambda view: _is(view, ConditionType.READY),
    Awaited.SYNCED: _is_synced,
    Awaited.REST: lambda view: bool(view.ending),
    Awaited.GONE: lambda _view: False,
}


def _tell(settings: Settings, found: Sight, wish: Wish) -> None:
    if settings.is_json:
        settings.print_json(found.views)
        return
    lines: Sequence[str] = [ended(view) for view in found.views]
    if wish.until is Awaited.GONE:
        lines = [f"{key} is gone" for key in wish.keys] or ["none of them is there"]
    for line in lines:
        settings.err().print(Text(printable(line)))
