"""Since when each condition of each deployment is as it is.

A thread of its own looks at the deployments that the controller has settled, so that a change is noticed when it
happens and not when somebody asks. That a deployment waits for a person is noted in the store: it outlives the agent.
"""

import logging
import threading
from collections.abc import Callable, Collection, Mapping

from msgspec.structs import replace

from orchestrator.agent.conditions import Conditions, conditions_of
from orchestrator.agent.describe import describe
from orchestrator.agent.describe_sources import SourceSeen, seen_source
from orchestrator.concurrency.clock import Clock
from orchestrator.model.condition import Condition, ConditionType, Truth
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedDeployment
from orchestrator.store.database import DatabaseFault
from orchestrator.store.stalls import Stall, Stalls

LOG = logging.getLogger("conditions")
GATHER_S = 0.25  # for what is settled several times in a row, as a deployment is that starts
Known = tuple[str | int, ...]  # of each condition its reason and since when; one flat tuple, as there are thousands

Observe = Callable[[DeploymentKey], ObservedDeployment | None]
Sources = Callable[[], Mapping[str, SourceSeen]]


class ConditionTimes:
    """The times of all conditions. `settled` is told by the controller, `dated` asked by whoever describes."""

    def __init__(self, observe: Observe, sources: Sources, stalls: Stalls, clock: Clock) -> None:
        self._observe, self._sources, self._stalls, self._clock = observe, sources, stalls, clock
        self._lock = threading.Lock()
        self._known: dict[DeploymentKey, Known] = {}
        self._noted = stalls.all()
        self._due: set[DeploymentKey] = set()
        self._asked, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="conditions", daemon=True)

    def begin(self) -> None:
        """Look at what is settled from now on."""
        self._thread.start()

    def close(self) -> None:
        """Look no more, before the store is closed."""
        self._closing.set()
        self._asked.set()
        if self._thread.is_alive():
            self._thread.join()

    def settled(self, keys: Collection[DeploymentKey]) -> None:
        """Look at these soon; from any thread."""
        with self._lock:
            self._due |= {*keys}
        self._asked.set()

    def dated(self, key: DeploymentKey, conditions: Conditions) -> Conditions:
        """Say since when each is so: since now, unless it was so before, or its record says it."""
        now_ms = self._clock.wall_ms()
        with self._lock:
            known = self._known.get(key, ())
            dated = tuple(self._since(key, each, known, now_ms) for each in conditions)
            now_known = tuple(part for each in dated for part in (each.reason, each.since))
            if now_known != known:
                self._known[key] = now_known
                self._note(key, dated)
        return dated

    def _since(self, key: DeploymentKey, condition: Condition, known: Known, now_ms: int) -> Condition:
        if condition.since:
            return condition
        at = 2 * _PLACES[condition.type]
        if known and known[at] == condition.reason:
            return replace(condition, since=known[at + 1])
        noted = noted_since(self._noted.get(key), condition)
        return noted if noted.since else replace(condition, since=now_ms)

    def _note(self, key: DeploymentKey, dated: Conditions) -> None:
        stalled = next(each for each in dated if each.type is ConditionType.STALLED)
        if stalled.status is Truth.TRUE:
            stall = Stall(key=key, reason=stalled.reason, since_ms=stalled.since)
            if self._noted.get(key) != stall:
                self._noted[key] = stall
                self._write(lambda: self._stalls.keep(stall))
        else:
            self._forget(key)

    def _forget(self, key: DeploymentKey) -> None:
        if self._noted.pop(key, None) is not None:
            self._write(lambda: self._stalls.drop(key))

    def _write(self, write: Callable[[], None]) -> None:
        """Write a note; where the store cannot be written, which it tells of itself, the next agent knows less."""
        try:
            write()
        except DatabaseFault as fault:
            LOG.warning("it could not be noted since when a deployment waits: %s", fault)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._asked.wait()
            self._closing.wait(GATHER_S)
            self._asked.clear()
            with self._lock:
                due, self._due = self._due, set()
            if due and not self._closing.is_set():
                self._look(due)

    def _look(self, due: Collection[DeploymentKey]) -> None:
        try:
            sources = self._sources()
        except DatabaseFault as fault:  # the store tells of it; some times are less exact for it
            LOG.warning("it could not be seen how deployments are: %s", fault)
            return
        for key in due:
            self._look_at(key, sources)

    def _look_at(self, key: DeploymentKey, sources: Mapping[str, SourceSeen]) -> None:
        seen = self._observe(key)
        if seen is not None:
            source = seen_source(sources, seen.record.source)
            self.dated(key, conditions_of(seen, describe(seen, source), source))
            return
        with self._lock:
            self._known.pop(key, None)
            self._forget(key)


def noted_since(stall: Stall | None, condition: Condition) -> Condition:
    """Say since when a deployment waits, by what an agent noted; other conditions are as they were."""
    is_it = stall is not None and condition.type is ConditionType.STALLED and stall.reason == condition.reason
    return replace(condition, since=stall.since_ms) if stall is not None and is_it else condition


_PLACES = {each: place for place, each in enumerate(ConditionType)}
