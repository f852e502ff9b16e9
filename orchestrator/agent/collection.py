"""Collects artifacts that no decision names any more: when something left the records or a history, and now and then.

A collection reads every row that may name an artifact, and so has a thread of its own. It spares an artifact until a
decision was recorded after its last claim: before that, a saved plan that needs the artifact may still be applied. An
agent does not know when decisions of an earlier agent were recorded, and collects nothing before the first of its own.

The artifacts of the component store are spared; its packages are collected here, too, when nothing needs them for long.
"""

import threading
from collections.abc import Callable, Sequence

from orchestrator.concurrency.clock import Clock
from orchestrator.model.event import Announce
from orchestrator.store.artifacts import Artifacts, Collected
from orchestrator.store.database import DatabaseFault
from orchestrator.store.decisions import Change, DeleteDesired, DeleteHistory, DeleteRecord, PutDesired
from orchestrator.store.packages import Packages, PackagesCollected
from orchestrator.store.store import Store

CLAIM_MS = 300_000  # how long an artifact stays that was claimed, for a decision to name it
LOOK_S = 60.0  # how long nothing may leave before it is looked all the same
PACKAGES_MS = 600_000  # between two looks at the component store
GATHER_S = 1.0  # how long a look waits for what leaves together, as many deployments do
RESTS = 50  # times as long as a look read, and LOOK_S at most, the next waits: 10 000 deployments take it a second
_LEAVE = (DeleteRecord, DeleteHistory, DeleteDesired, PutDesired)
KIB = 1024
Collect = Callable[[], None]


class PackageCollector:
    """Collects the packages of the component store that nothing has needed for `retain_ms`, now and then.

    With them go the `signatures` on artifacts that are not there any more.
    """

    def __init__(
        self, packages: Packages, store: Store, clock: Clock, announce: Announce, retain_ms: int, signatures: Collect
    ) -> None:
        self._packages, self._store, self._clock, self._announce = packages, store, clock, announce
        self._signatures = signatures
        self._retain_ms = retain_ms
        self._looked_ms: float | None = None
        self._fault = ""

    def artifacts(self) -> set[str]:
        """Name the artifacts that packages need."""
        return self._packages.artifacts()

    def collect(self, retain_ms: int) -> tuple[PackagesCollected, int]:
        """Collect what nothing has needed for so long; returns what went, and how many stayed.

        Raises:
            DatabaseFault, OSError: it cannot be done.
        """
        before_s = (self._clock.wall_ms() - retain_ms) / 1000
        return self._packages.collect(self._store.artifacts, before_s), len(self._packages.all())

    def look(self) -> None:
        """Collect, if it is time."""
        now_ms = self._clock.monotonic_ms()
        if self._looked_ms is not None and now_ms - self._looked_ms < PACKAGES_MS:
            return
        self._looked_ms = now_ms
        try:
            collected, _ = self.collect(self._retain_ms)
            self._signatures()
        except (DatabaseFault, OSError) as fault:  # the next look tries again
            if str(fault) != self._fault:
                self._announce(None, "host-fault", f"components that nothing needs cannot be removed: {fault}")
            self._fault = str(fault)
            return
        for package in collected.packages:
            name = f"{package.name or package.artifact} {package.version}".rstrip()
            self._announce(None, "components-removed", f"{name} left the component store: nothing needs it")


class Collector:
    """The thread that collects. `decided` is told of every decision, on the thread that made it."""

    def __init__(
        self, artifacts: Artifacts, packages: Packages, store: Store, clock: Clock, announce: Announce, retain_ms: int,
        signatures: Collect = lambda: None,
    ) -> None:  # fmt: skip
        self._artifacts, self._store, self._clock, self._announce = artifacts, store, clock, announce
        self._packages = PackageCollector(packages, store, clock, announce, retain_ms, signatures)
        self._asked, self._closing = threading.Event(), threading.Event()
        self._decided_ms = 0  # when the newest decision of this agent was recorded
        self._looked_ms = 0
        self._fault = ""
        self._rest_s = GATHER_S
        self._thread = threading.Thread(target=self._run, name="artifacts", daemon=True)

    def begin(self) -> None:
        """Begin to collect."""
        self._thread.start()

    def collect_packages(self, retain_ms: int) -> tuple[PackagesCollected, int]:
        """Collect the component store now, on the caller's thread, and the artifacts soon after.

        Raises:
            DatabaseFault, OSError: it cannot be done.
        """
        collected = self._packages.collect(retain_ms)
        self._asked.set()
        return collected

    def close(self) -> None:
        """Collect no more, before the store is closed."""
        self._closing.set()
        self._asked.set()
        if self._thread.is_alive():
            self._thread.join()

    def decided(self, changes: Sequence[Change]) -> None:
        """Take note of what was decided."""
        self._decided_ms = self._clock.wall_ms()
        if any(isinstance(change, _LEAVE) for change in changes):
            self._asked.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            if self._asked.wait(LOOK_S):
                self._closing.wait(self._rest_s)
                self._asked.clear()
            if not self._closing.is_set():
                self._packages.look()
                self.look()

    def look(self) -> None:
        """Collect, unless that was done since all that the newest decision left behind is old."""
        decided_ms, now_ms = self._decided_ms, self._clock.wall_ms()
        if not decided_ms or self._looked_ms > decided_ms + CLAIM_MS:
            return
        try:
            before_s = min(decided_ms, now_ms - CLAIM_MS) / 1000
            self._tell(self._artifacts.collect(self._named, before_s))
            self._looked_ms, self._fault = now_ms, ""
        except (DatabaseFault, OSError) as fault:  # the next look tries again
            self._tell_fault(f"artifacts that are not needed cannot be removed: {fault}")

    def _named(self) -> set[str]:
        began_ms = self._clock.monotonic_ms()
        named = self._store.artifacts() | self._packages.artifacts()
        self._rest_s = rest_after((self._clock.monotonic_ms() - began_ms) / 1000)
        return named

    def _tell(self, collected: Collected) -> None:
        if collected.artifacts:
            count, freed = collected.artifacts, max(1, collected.size_bytes // KIB)
            which = "1 artifact that nothing names" if count == 1 else f"{count} artifacts that nothing names"
            self._announce(None, "artifacts-removed", f"{which} any more: {freed} KiB freed")

    def _tell_fault(self, fault: str) -> None:
        if fault != self._fault:  # once, not with every look
            self._announce(None, "host-fault", fault)
        self._fault = fault


def rest_after(read_s: float) -> float:
    """Return how long the next look waits after one that read so long: while much leaves, few looks read all rows."""
    return min(LOOK_S, max(GATHER_S, read_s * RESTS))
