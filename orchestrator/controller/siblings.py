"""The sources beside each source: what they want, and whether they were read since it was.

A deployment that leaves one of them may have moved to another, whichever of the two is read first. So that a removal
waits until each of the others that is watched was read after the wish that does without it.
"""

from orchestrator.controller.watched import WatchedSources
from orchestrator.execute.ledger import Ledger
from orchestrator.model.desired import DesiredState
from orchestrator.model.source import FolderSpec, GitSpec, SourceSpec, are_siblings
from orchestrator.plan.action import Reason
from orchestrator.plan.document import Plan
from orchestrator.plan.siblings import Sibling, Siblings


class SourceSiblings:
    """Knows the siblings of every source. `of` may be called from any thread, the rest from the controller's."""

    def __init__(self, ledger: Ledger, sources: WatchedSources) -> None:
        self._ledger, self._sources = ledger, sources
        self._asked: dict[str, tuple[DesiredState, dict[str, int]]] = {}  # by source: since its wish, each sibling

    def of(self, desired: DesiredState) -> Siblings:
        """Return the siblings of a source by their last known wishes, sorted by name."""
        place = self._place(desired.source, desired)
        if place is None:
            return ()
        others = sorted(self._ledger.desired.items())
        wishes = (wish for name, wish in others if name != desired.source and self._is_beside(place, wish))
        known = [self._sibling(wish) for wish in wishes]
        return [*known, *self._never_read(desired.source, place)]

    def _sibling(self, wish: DesiredState) -> Sibling:
        watched = self._sources.find(wish.source)
        return Sibling(wish, watched.unknown if watched is not None else "", watched=watched is not None)

    def _never_read(self, source: str, place: SourceSpec) -> Siblings:
        """Return the siblings of which nothing is known yet: each may want anything."""
        names = sorted(name for name in self._ledger.sources if name != source and name not in self._ledger.desired)
        unread = (DesiredState(source=name) for name in names if self._sources.find(name) is not None)
        return [self._sibling(wish) for wish in unread if self._is_beside(place, wish)]

    def _is_beside(self, place: SourceSpec, wish: DesiredState) -> bool:
        other = self._place(wish.source, wish)
        return other is not None and are_siblings(place, other)

    def _place(self, source: str, wish: DesiredState) -> SourceSpec | None:
        record = self._ledger.sources.get(source)
        return record.spec if record is not None and record.spec is not None else _guessed(wish)

    def unread(self, source: str) -> tuple[str, ...]:
        """Name the watched siblings that were not read since a source's wish is what it is; asks each of them once."""
        wish = self._ledger.desired.get(source)
        if wish is None:
            return ()
        if source not in self._asked or self._asked[source][0] is not wish:
            self._asked[source] = (wish, {})
        asked = self._asked[source][1]
        return tuple(each.name for each in self.of(wish) if each.watched and not self._is_read(each.name, wish, asked))

    def _is_read(self, name: str, wish: DesiredState, asked: dict[str, int]) -> bool:
        watched, record = self._sources.find(name), self._ledger.sources.get(name)
        if watched is None:
            return True
        is_commit = record is not None and isinstance(record.spec, GitSpec)  # and not a folder that stands at one
        if is_commit and watched.snapshot is not None and watched.snapshot.commit == wish.commit is not None:
            return True
        if name not in asked:
            asked[name] = watched.reader.ask()
        return watched.reader.taken >= asked[name]

    def at_stake(self, plan: Plan, wish: DesiredState, *, is_whole: bool) -> Siblings | None:
        """Return the siblings of a source where a deployment may go to one or come from one; None where none does."""
        is_coming = any(Reason.OWNED_BY_OTHER_SOURCE in action.reasons for action in plan.actions)
        if is_coming:
            self.unread(wish.source)  # of which one may own it, and name it no more
        is_at_stake = is_coming or (is_whole and self._is_leaving(wish))
        return (self.of(wish) or None) if is_at_stake else None

    def _is_leaving(self, wish: DesiredState) -> bool:
        wanted = {deployment.key for deployment in wish.deployments}
        records = self._ledger.records.items()
        return any(record.source == wish.source and key not in wanted for key, record in records)

    def forget(self, source: str) -> None:
        """Keep nothing of a source that was removed."""
        self._asked.pop(source, None)


def _guessed(wish: DesiredState) -> SourceSpec | None:
    """Return the place of a source that the agent never read itself, as far as its wish tells."""
    if not wish.root:
        return None
    if not wish.source.startswith(f"{wish.root}#"):
        return FolderSpec(identity=wish.source, root=wish.root, root_reason=wish.root_reason, folder="")
    ref, _, path = wish.source.removeprefix(f"{wish.root}#").partition(":")
    return GitSpec(identity=wish.source, repository=wish.root, ref=ref, path=path, transport="")
