"""The sources that this agent follows: added, suspended, resumed and removed durably, or for as long as an `airs up`.

The verbs block until the controller's thread has decided; they never wait for a source. The threads of a source lie in
`followed.py`, how it is described in `describe_sources.py`.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from orchestrator.agent.describe_sources import SourceSeen, overlaps_of, seen_sources, source_views
from orchestrator.agent.followed import FollowedSources, Reading
from orchestrator.agent.source_removal import SourceRemoval
from orchestrator.agent.trouble import Trouble, refused, unknown_source
from orchestrator.concurrency.clock import Clock
from orchestrator.contract.bodies import SourceWish
from orchestrator.contract.codes import USAGE
from orchestrator.contract.documents import SourceAdded, SourcesAsked, SourceView
from orchestrator.contract.problem import Problem
from orchestrator.controller.loop import Controller
from orchestrator.execute.ledger import Ledger
from orchestrator.model.event import About, Announce
from orchestrator.model.outcome import Status
from orchestrator.model.source import (
    FolderSpec,
    Follow,
    GitSpec,
    SourceNote,
    SourceRecord,
    SourceSpec,
    SourceStatus,
    place_of,
)
from orchestrator.model.who import By
from orchestrator.source.spec import SourceRefused, parse_source
from orchestrator.store.decisions import DeleteSource
from orchestrator.store.notes import Notes

FOLLOWED_MAX = 256  # sources of one agent
KNOWN_MAX = 1_024  # sources, with those that applied something once; more than these only while each owns something
T = TypeVar("T")


def spec_of(wish: SourceWish) -> SourceSpec:
    """Decide what a wish names.

    Raises:
        Trouble: it is nothing that can be read.
    """
    try:
        if not (wish.name or "named").isprintable():
            raise SourceRefused("the source's name has control characters")
        return parse_source(
            wish.path, name=wish.name, root=wish.root, cwd=Path(wish.cwd), verify=wish.verify,
            namespaces=wish.namespaces,
        )  # fmt: skip
    except SourceRefused as problem:
        raise Trouble(400, Problem(
            summary=problem.summary, detail=problem.detail, suggestion=problem.suggestion, exit_code=USAGE,
        )) from None  # fmt: skip
    except (OSError, ValueError) as problem:  # a path longer than any, say
        raise Trouble(
            400, Problem(summary="the source cannot be looked up", detail=str(problem), exit_code=USAGE)
        ) from None


class Sources:
    """The verbs about sources, to be called from any thread but the controller's. They act on what is `followed`.

    Each verb that decides something has a private twin of its name, which does so on the controller's thread.
    """

    def __init__(
        self, controller: Controller, ledger: Ledger, notes: Notes, reading: Reading, clock: Clock, announce: Announce
    ) -> None:
        self._controller, self._ledger, self._notes = controller, ledger, notes
        self._clock, self._announce = clock, announce
        self.followed = FollowedSources(controller, ledger, notes, reading, clock, announce)
        self.removals = SourceRemoval(controller, ledger, notes, self.followed, announce)

    def add(self, spec: SourceSpec, wish: SourceWish, by: By) -> SourceAdded:
        """Follow a source from now on, also after a restart.

        Raises:
            Trouble: something else has its name, it is suspended, or there are too many.
        """
        return self._decide(lambda: self._add(shown_in_full(spec), wish, by))

    def _add(self, spec: SourceSpec, wish: SourceWish, by: By) -> SourceAdded:
        name, before = spec.identity, self._ledger.sources.get(spec.identity)
        if before is not None and before.declared is not None:
            raise refused(f"{name} is declared in the agent's airs.toml", "Change it there, and start the agent again.")
        _check_name(self._ledger.sources, before, spec)
        if before is not None and before.follow is Follow.SUSPENDED:
            raise refused(f"{name} is suspended", f"`airs source resume {name}` follows it again.")
        now = self._clock.wall_ms()
        since = before.since_ms if before is not None and before.follow is Follow.WATCHED else now
        record = SourceRecord(
            name=name, follow=Follow.WATCHED, since_ms=since, spec=spec, interval_ms=wish.interval_ms,
            permissions=wish.permissions,
        )  # fmt: skip
        self.followed.put(record)
        self.followed.follow(record, _afresh(self._notes.all().get(name)), accepted=None)
        self._announce(None, "source-added", f"{name} is watched", About(by=by))
        return SourceAdded(
            name=name, at=now,
            told=(
                *_before_words(name, before), *_less_verified(before, spec), *_overlaps(self._ledger.sources, record),
            ),
        )  # fmt: skip

    def begin_up(self, spec: SourceSpec, wish: SourceWish, by: By) -> bool:
        """Follow a source as long as an `up` runs; returns whether that ends with it, as an added source stays.

        Raises:
            Trouble: something else has its name, it is suspended, another `up` watches it, or there are too many.
        """
        ends = self._decide(lambda: self.begin_up_here(spec, wish))
        if ends:
            told = f"{spec.identity} is watched while an `airs up` runs"
            self._announce(None, "source-watched", told, About(by=by))
        return ends

    def begin_up_here(self, spec: SourceSpec, wish: SourceWish) -> bool:
        """Do what `begin_up` does, before the controller has started."""
        name, before = spec.identity, self._ledger.sources.get(spec.identity)
        _check_name(self._ledger.sources, before, spec)
        if before is not None and before.follow is Follow.WATCHED:
            return False
        if before is not None and before.follow is Follow.SUSPENDED:
            raise refused(f"{name} is suspended", f"`airs source resume {name}` follows it again.")
        if before is not None and before.follow is Follow.UP:
            raise refused(f"another `airs up` watches {name}", "End that one first, or use `airs events -f`.")
        record = SourceRecord(
            name=name, follow=Follow.UP, since_ms=self._clock.wall_ms(), spec=spec, interval_ms=wish.interval_ms,
            permissions=wish.permissions,
        )  # fmt: skip
        self.followed.put(record)
        self.followed.follow(record, _afresh(self._notes.all().get(name)), accepted=None)
        return True

    def end_up(self, name: str, by: By) -> None:
        """Stop following a source that an `up` began, unless it was added meanwhile; waits for nothing."""

        def told(ended: Future[None]) -> None:
            if ended.exception() is not None:
                self._announce(None, "host-fault", f"{name} could not be let go of: {ended.exception()}")

        self._controller.submit(lambda: self._end_up(name, by)).add_done_callback(told)

    def _end_up(self, name: str, by: By) -> None:
        record = self._ledger.sources.get(name)
        if record is not None and record.follow is Follow.UP:
            self.followed.put_unwatched(record, self._clock.wall_ms())
            self.followed.unfollow(name)
            told = f"{name} is not watched any more; its deployments keep running"
            self._announce(None, "source-ended", told, About(by=by))

    def note_applied(self, name: str) -> None:
        """Note that `airs apply` brought what a source holds; on the controller's thread."""
        now, record = self._clock.wall_ms(), self._ledger.sources.get(name)
        if record is not None and (record.follow.is_watched or record.follow.is_added):
            return
        if record is None or record.follow is not Follow.APPLIED:
            self._forget_idle()
            self.followed.put(SourceRecord(name=name, follow=Follow.APPLIED, since_ms=now))
        desired = self._ledger.desired.get(name)
        revision, commit = (desired.revision, desired.commit) if desired is not None else (None, None)
        status = SourceStatus(source=name, revision=revision, commit=commit)
        self.followed.note(SourceNote(status=status, read_ms=now))

    def _forget_idle(self) -> None:
        """Forget sources that once applied something and own nothing any more, before there are too many of them."""
        if len(self._ledger.sources) < KNOWN_MAX:
            return
        owners = {record.source for record in self._ledger.records.values()}
        for name, record in self._ledger.sources.items():
            if name not in owners and not (record.follow.is_watched or record.follow.is_added):
                self._ledger.decide([DeleteSource(name=name)])
                self._notes.drop(name)

    def look(self, name: str | None) -> SourcesAsked:
        """Ask for a look at a source, or at all that are watched, without waiting for it.

        Raises:
            Trouble: there is no such source, or nobody watches it.
        """
        records, at = self._ledger.sources, self._clock.wall_ms()
        if name is not None and name not in records:
            raise unknown_source(records, name)
        if name is not None and not records[name].follow.is_watched:
            hint = f"`airs source resume {name}`." if records[name].follow is Follow.SUSPENDED else "`airs apply PATH`."
            raise refused(f"nobody watches {name}: it is {records[name].follow.value}", hint)
        names = tuple(each for each in sorted(self.followed.specs()) if name in (None, each))
        for each in names:
            self._controller.sources.ask(each)
        return SourcesAsked(names=names, at=at)

    def suspend(self, name: str, by: By) -> str:
        """Stop following a source, and leave its deployments alone; returns what was done.

        Raises:
            Trouble: it is not one that was added.
        """
        return self._decide(lambda: self._suspend(name, by))

    def _suspend(self, name: str, by: By) -> str:
        record = _added(self._ledger.sources, name, "suspended")
        if record.follow is Follow.SUSPENDED:
            return f"{name} is suspended already"
        self.followed.put(replace(record, follow=Follow.SUSPENDED, since_ms=self._clock.wall_ms()))
        self.followed.unfollow(name)
        self._announce(None, "source-suspended", f"{name} is not followed until it is resumed", About(by=by))
        return f"{name} is suspended: it is not looked at, and its deployments keep running"

    def resume(self, name: str, by: By) -> str:
        """Follow a suspended source again; returns what was done.

        Raises:
            Trouble: it is not one that was added.
        """
        return self._decide(lambda: self._resume(name, by))

    def _resume(self, name: str, by: By) -> str:
        record = _added(self._ledger.sources, name, "resumed")
        if record.follow is Follow.WATCHED:
            return f"{name} is watched already"
        if record.declared is not None and record.declared.suspend:
            raise refused(f"the agent's airs.toml suspends {name}", "Change it there, and start the agent again.")
        if record.spec is None:
            raise refused(f"{name} cannot be read", "`airs source show` says why.")
        resumed = replace(record, follow=Follow.WATCHED, since_ms=self._clock.wall_ms())
        self.followed.put(resumed)
        self.followed.follow(resumed, _afresh(self._notes.all().get(name)), self.followed.accepted(name))
        self._announce(None, "source-resumed", f"{name} is followed again", About(by=by))
        return f"{name} is watched again"

    def seen(self) -> dict[str, SourceSeen]:
        """Return what is known of every source, by name."""
        notes = self._notes.all() | self._controller.sources.notes_in_force()
        left = self._controller.outcomes.not_done
        owners = {record.source for record in self._ledger.records.values()}
        owners |= {name for name, some in left.items() if any(each.status is Status.BLOCKED for each in some)}
        seen = seen_sources(self._ledger.sources, notes, self._ledger.desired, owners, is_agent_running=True)
        return {
            name: each._replace(left={outcome.key: outcome for outcome in left.get(name, ())})
            for name, each in seen.items()
        }

    def views(self) -> list[SourceView]:
        """Describe every source, sorted by name."""
        return source_views(self.seen(), self._controller.outcomes.not_done)

    def _decide(self, act: Callable[[], T]) -> T:
        result = self._controller.submit(act).result()
        self._controller.wake()
        return result


def _added(sources: Mapping[str, SourceRecord], name: str, verb: str) -> SourceRecord:
    record = sources.get(name)
    if record is None:
        raise unknown_source(sources, name)
    if record.follow.is_added:
        return record
    if record.follow is Follow.UP:
        raise refused(f"{name} cannot be {verb}: an `airs up` watches it", "It ends with Ctrl-C where it runs.")
    raise refused(f"{name} cannot be {verb}: it is {record.follow.value}", "`airs source add` follows it.")


def _check_name(sources: Mapping[str, SourceRecord], before: SourceRecord | None, spec: SourceSpec) -> None:
    if before is not None and before.declared is not None and before.follow is not Follow.WATCHED:
        raise refused(f"{before.name} is declared in the agent's airs.toml", f"`airs source resume {before.name}`.")
    if before is not None and _reads_elsewhere(before, spec):
        hint = "Give another --name, or remove that one first."
        raise refused(f"{before.name} is another source", hint, f"it reads {_place(before)}")
    others = [each for each in sources.values() if each.name != spec.identity]
    if sum(each.follow.is_watched or each.follow.is_added for each in others) >= FOLLOWED_MAX:
        raise refused(f"there are {FOLLOWED_MAX} sources already", "`airs source remove` makes room.")


def _overlaps(sources: Mapping[str, SourceRecord], record: SourceRecord) -> tuple[str, ...]:
    return tuple(
        f"{name} reads some of the same files; a deployment that both want belongs to the first that did"
        for name in overlaps_of(record, sources)
    )


def _reads_elsewhere(before: SourceRecord, spec: SourceSpec) -> bool:
    is_followed = before.follow.is_added or before.follow.is_watched
    return is_followed and before.spec is not None and _place(before) != place_of(spec)


def _place(record: SourceRecord) -> str:
    return place_of(record.spec) if record.spec is not None else ""


def _before_words(name: str, before: SourceRecord | None) -> tuple[str, ...]:
    if before is None:
        return ()
    match before.follow:
        case Follow.WATCHED:
            return (f"{name} was watched already; its options are those given now",)
        case Follow.UP:
            return ("the `airs up` that watches it may end; it stays watched",)
    return ()


def _less_verified(before: SourceRecord | None, spec: SourceSpec) -> tuple[str, ...]:
    """Warn that commits need no signature any more."""
    was = isinstance(before.spec, GitSpec) and before.spec.verify is not None if before is not None else False
    is_left = was and isinstance(spec, GitSpec) and spec.verify is None
    return ("its commits were verified, and are not any more: it was added without --verify",) if is_left else ()


def _afresh(note: SourceNote | None) -> SourceNote | None:
    """Forget that a source was stale when nobody looked any more."""
    return replace(note, status=replace(note.status, failure=None, stale_since_ms=None)) if note is not None else None


def shown_in_full(spec: SourceSpec) -> SourceSpec:
    """Let diagnostics name files by their whole paths: their readers do not stand where the source was added."""
    return replace(spec, display=spec.root.rstrip("/") + "/", here="") if isinstance(spec, FolderSpec) else spec
