"""Removes sources: shown first, then done as it was shown; its deployments become nobody's, or are removed with it.

`sources.py` follows sources, `declared.py` forgets those that an `airs.toml` does not declare any more.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from msgspec.structs import replace

from orchestrator.agent.followed import FollowedSources
from orchestrator.agent.trouble import refused, unknown_source
from orchestrator.contract.documents import Removal
from orchestrator.controller.loop import Controller
from orchestrator.execute.ledger import Ledger
from orchestrator.model.event import About, Announce
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Record
from orchestrator.model.source import NOBODY, Follow
from orchestrator.model.who import By
from orchestrator.store.decisions import Change, DeleteDesired, DeleteSource, PutRecord
from orchestrator.store.notes import Notes

T = TypeVar("T")


class SourceRemoval:
    """The removal of sources. Verbs may be called from any thread but the controller's."""

    def __init__(
        self, controller: Controller, ledger: Ledger, notes: Notes, followed: FollowedSources, announce: Announce
    ) -> None:
        self._controller, self._ledger, self._notes = controller, ledger, notes
        self._followed, self._announce = followed, announce

    def removal(self, name: str, *, prune: bool) -> Removal:
        """Say what removing a source would do, and do nothing.

        Raises:
            Trouble: there is no such source, or an `up` watches it.
        """
        return self._decide(lambda: self._removal(name, prune))

    def _removal(self, name: str, prune: bool) -> Removal:
        record = self._ledger.sources.get(name)
        owned = owned_by(self._ledger.records, name)
        if record is None and not owned and name not in self._ledger.desired:
            raise unknown_source(self._ledger.sources, name)
        if record is not None and record.follow is Follow.UP:
            raise refused(f"an `airs up` watches {name}", "End that first, with Ctrl-C where it runs.")
        if record is not None and record.declared is not None:
            raise refused(
                f"{name} is declared in the agent's airs.toml", "Take it out there, and start the agent again."
            )
        if not prune:
            return Removal(source=name, kept=tuple(owned))
        others = [seen for key, seen in self._ledger.records.items() if key not in owned and not seen.deleted]
        needed = {need for seen in others for need in seen.wanted.depends_on}
        return Removal(source=name, pruned=tuple(owned), still_needed=tuple(key for key in owned if key in needed))

    def remove(self, shown: Removal, by: By, *, prune: bool) -> Removal:
        """Forget a source, as it was shown; its deployments stay as nobody's, or are removed.

        Raises:
            Trouble: as `removal`; or what it would do is not what was shown.
        """
        return self._decide(lambda: self._remove(shown, by, prune))

    def _remove(self, shown: Removal, by: By, prune: bool) -> Removal:
        now = self._removal(shown.source, prune)
        if now != shown:
            raise refused(f"the deployments of {shown.source} have changed since they were shown", "Ask again.")
        told = f"{len(now.pruned)} of its deployments are removed" if prune else _KEPT
        self._forget(now)
        self._announce(None, "source-removed", f"{now.source} is forgotten; {told}", About(by=by))
        return now

    def forget_undeclared(self, name: str) -> None:
        """Forget a source that no `airs.toml` declares any more, before the controller has started."""
        self._forget(Removal(source=name, kept=tuple(owned_by(self._ledger.records, name))))
        told = f"{name} is declared no more, and forgotten; {_KEPT}"
        self._announce(None, "source-removed", told)

    def _forget(self, what: Removal) -> None:
        name = what.source
        changes: list[Change] = [DeleteSource(name=name), DeleteDesired(source=name)]
        for key, record in owned_by(self._ledger.records, name).items():
            left = replace(record, deleted=True) if key in what.pruned else replace(record, source=NOBODY)
            changes.append(PutRecord(record=left))
        self._ledger.decide(changes)
        self._followed.unfollow(name)
        self._notes.drop(name)
        self._controller.forget(name)

    def _decide(self, act: Callable[[], T]) -> T:
        result = self._controller.submit(act).result()
        self._controller.wake()
        return result


_KEPT = "its deployments are nobody's now"


def owned_by(records: Mapping[DeploymentKey, Record], name: str) -> dict[DeploymentKey, Record]:
    """Return the deployments of a source."""
    return {key: record for key, record in sorted(records.items()) if record.source == name and not record.deleted}
