"""Follows the sources that the agent's `airs.toml` declares, and forgets those that it declares no more.

Called once, before the controller starts. A place that cannot be told yet (a folder that is not there, say) keeps
nobody from starting: its source is stale, and looked up again now and then.
"""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from orchestrator.agent.sources import Sources, shown_in_full, spec_of
from orchestrator.agent.trouble import Trouble
from orchestrator.concurrency.clock import Clock
from orchestrator.contract.bodies import SourceWish
from orchestrator.controller.loop import Controller
from orchestrator.execute.ledger import Ledger
from orchestrator.model.desired import Permissions
from orchestrator.model.event import Announce
from orchestrator.model.settings import SourceSection
from orchestrator.model.snapshot import SourceFailure
from orchestrator.model.source import (
    Declaration,
    Follow,
    SourceNote,
    SourceRecord,
    SourceSpec,
    SourceStatus,
    place_of,
)
from orchestrator.store.notes import Notes

AGAIN_MS = 10_000  # until a place is looked up again that could not be told


class DeclaredPlace(NamedTuple):
    """The place that a declaration names, or the reason why that cannot be told."""

    spec: SourceSpec | None
    failure: SourceFailure | None = None


def wish_of(section: SourceSection) -> SourceWish:
    """Return a declaration as what `airs source add` would ask for."""
    permissions = Permissions(allow_mass_prune=section.allow_mass_prune, allow_empty=section.allow_empty)
    return SourceWish(
        path=section.place, cwd="/", name=section.name, root=section.root or None, interval_ms=section.interval,
        permissions=permissions, verify=section.verify.wanted, namespaces=section.namespaces,
    )  # fmt: skip


def recorded(
    section: SourceSection, place: DeclaredPlace, before: SourceRecord | None, now_ms: int
) -> SourceRecord:  # fmt: skip
    """Return the record of a declared source, after what was recorded of its name `before`.

    A person's suspension outlives the start of an agent; that of the file ends where the file says so.
    """
    by_hand = before is not None and before.follow is Follow.SUSPENDED and not (
        before.declared is not None and before.declared.suspend
    )  # fmt: skip
    follow = Follow.SUSPENDED if section.suspend or by_hand else Follow.WATCHED
    spec = place.spec if place.spec is not None else before.spec if before is not None else None
    since_ms = before.since_ms if before is not None and before.follow is follow else now_ms
    wish = wish_of(section)
    return SourceRecord(
        name=section.name, follow=follow, since_ms=since_ms, spec=spec, interval_ms=wish.interval_ms,
        permissions=wish.permissions, declared=Declaration(suspend=section.suspend),
    )  # fmt: skip


class DeclaredSources:
    """Brings what an `airs.toml` declares into the records. On the controller's thread, or while that does not run."""

    def __init__(
        self, sources: Sources, controller: Controller, ledger: Ledger, notes: Notes, clock: Clock, announce: Announce
    ) -> None:
        self._sources, self._controller, self._ledger, self._notes = sources, controller, ledger, notes
        self._clock, self._announce = clock, announce
        self._untold: dict[str, SourceSection] = {}  # whose places cannot be told yet

    def begin(self, sections: Sequence[SourceSection]) -> frozenset[str]:
        """Record the sources of these sections, and forget those that were declared before and are not any more.

        Returns those that read another place than before, of which nothing was accepted yet.
        """
        before = dict(self._ledger.sources)
        declared = {section.name: section for section in sections}
        for name, record in [*self._ledger.sources.items()]:
            if record.declared is not None and name not in declared:
                self._sources.removals.forget_undeclared(name)
        for section in sections:
            self._declare(section)
        self._look_later()
        now = self._ledger.sources
        return frozenset(
            name for name in declared if name in before and _place_of(before[name]) != _place_of(now[name])
        )

    def look_again(self) -> None:
        """Look up the places that could not be told, and follow those that now can; on the controller's thread."""
        for name, section in [*self._untold.items()]:
            self._declare(section)
            record = self._ledger.sources.get(name)
            if name not in self._untold and record is not None and record.follow is Follow.WATCHED:
                self._sources.followed.follow(record, self._notes.all().get(name), None)
        self._look_later()

    def _look_later(self) -> None:
        if self._untold:
            self._clock.call_later(AGAIN_MS, self._ask_to_look)

    def _ask_to_look(self) -> None:
        self._controller.submit(self.look_again)

    def _declare(self, section: SourceSection) -> None:
        before, place = self._ledger.sources.get(section.name), _place(section)
        record = recorded(section, place, before, self._clock.wall_ms())
        if record != before:
            self._sources.followed.put(record)
        if before is None or before.declared is None or _place_of(before) != _place_of(record):
            self._announce(None, "source-added", f"{section.name} is declared in airs.toml, and watched")
        if place.failure is None:
            self._untold.pop(section.name, None)
        else:
            self._untold[section.name] = section
            self._note(section.name, place.failure)

    def _note(self, name: str, failure: SourceFailure) -> None:
        before = self._notes.all().get(name)
        status = before.status if before is not None else SourceStatus(source=name)
        since_ms = status.stale_since_ms or self._clock.wall_ms()
        status = replace(status, failure=failure, stale_since_ms=since_ms)
        self._sources.followed.note(SourceNote(status=status, read_ms=before.read_ms if before is not None else 0))


def _place(section: SourceSection) -> DeclaredPlace:
    try:
        return DeclaredPlace(shown_in_full(spec_of(wish_of(section))))
    except Trouble as trouble:
        why = trouble.problem
        return DeclaredPlace(None, SourceFailure(
            source=section.name, summary=why.summary, detail=why.detail,
            suggestion=why.suggestion or "Its place stands in airs.toml; it is looked up again.",
        ))  # fmt: skip


def _place_of(record: SourceRecord) -> str:
    return place_of(record.spec) if record.spec is not None else ""
