"""The process around guests and supervisors, as they see it: time, neighbours, events."""

import threading
from collections.abc import Callable, Mapping, Sequence

from orchestrator.concurrency.clock import Clock
from orchestrator.model.event import NOTHING_MORE, About, Event, EventReason, LogLine
from orchestrator.model.exits import ExitReason
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import Exited, Outcome, Refused, Undelivered
from orchestrator.model.snapshot import SourceFailure
from orchestrator.model.source import SourceStatus
from orchestrator.observe.events import Journals, printable
from orchestrator.observe.rate import GAP_MS, Rate
from orchestrator.supervise.service import Service
from orchestrator.time_of_day import wall_ns

UNHEARD_PER_S = 10  # events about messages of one deployment whose sender does not wait; a guest can make any number


class HostSurroundings:
    """The real surroundings of guests. `services` and `version_of` are asked anew on each call."""

    def __init__(
        self, services: Callable[[], Mapping[DeploymentKey, Service]],
        describe: Callable[[DeploymentKey], tuple[str, str] | None],
    ) -> None:  # fmt: skip
        self._services, self._describe = services, describe

    def now_ns(self) -> int:
        """Return wall-clock nanoseconds since 1970."""
        return wall_ns()

    def components(self) -> Sequence[ComponentId]:
        """Name every instance that is Ready."""
        return [
            ComponentId(key.namespace, key.name, instance.name)
            for key, service in sorted(self._services().items())
            for instance in service.observe()
            if instance.ready
        ]

    def component_info(self, target: ComponentId) -> tuple[str, str, str] | None:
        """Return name, version and health of a deployment, None when there is none."""
        service = self._services().get(target.deployment)
        described = self._describe(target.deployment)
        if service is None or described is None:
            return None
        states = [i.health.value for i in service.observe() if target.instance in ("", i.name)]
        worst = next((word for word in ("unhealthy", "degraded", "unknown", "healthy") if word in states), "unknown")
        return (*described, worst)


class Announcer:
    """Turns what happens into events, and wakes the controller where that may change what it would do."""

    def __init__(self, journals: Journals, say: Callable[[Event], None], clock: Clock) -> None:
        self._journals, self._say, self._clock = journals, say, clock
        self._lock = threading.Lock()
        self._stale: dict[str, SourceFailure | None] = {}  # by source; as many as were looked at
        self._unheard: dict[DeploymentKey, Rate] = {}  # by who sent
        self.look_at: Callable[[DeploymentKey], None] = _nothing
        self.noticed: Callable[[DeploymentKey | str], None] = _nothing  # told which deployment or source may be news

    def announce(
        self, key: DeploymentKey | None, reason: str, message: str, about: About = NOTHING_MORE, /
    ) -> None:  # fmt: skip
        """Record one event."""
        what = EventReason(reason)
        event = Event(
            at_ms=self._clock.wall_ms(), reason=what, message=printable(message), key=key, type=what.severity,
            by=about.by, commit=about.commit, revision=about.revision, instance=about.instance,
        )  # fmt: skip
        self._journals.events.append(event)
        self._say(event)
        if key is not None:
            self.noticed(key)

    def looked(self, status: SourceStatus) -> None:
        """Keep what a look at a source found, and record when it becomes stale or readable again, or is refused."""
        before, failure = self._stale.get(status.source), status.failure
        self._stale[status.source] = failure
        self._journals.looks.append(status)
        self.noticed(status.source)
        if failure is not None and (before is None or failure.refused not in (None, before.refused)):
            why = printable(f"{status.source}: {failure.summary}: {failure.detail}")
            what = EventReason.COMMIT_REFUSED if failure.refused else EventReason.SOURCE_STALE
            commit = failure.refused.commit if failure.refused else None
            stale = Event(at_ms=self._clock.wall_ms(), reason=what, message=why, type=what.severity, commit=commit)
            self._journals.events.append(stale)  # and not said: the report on sources says more
        if failure is None and before is not None:
            self.announce(None, "source-readable", f"{status.source} is readable again")

    def changed(self, key: DeploymentKey) -> None:
        """Let the controller look at a deployment of which an instance changed."""
        self.look_at(key)
        self.noticed(key)

    def exited(self, instance: ComponentId, reason: ExitReason, then: str) -> None:
        """Record an exit, and the guest's backtrace among its log lines."""
        about = About(instance=instance.instance)
        self.announce(instance.deployment, "exited", f"{instance.instance} {reason}; it {then}", about)
        told = (str(reason), *(f"  {frame}" for frame in reason.backtrace)) if reason.backtrace else ()
        for text in told:
            line = LogLine(
                at_ms=self._clock.wall_ms(),
                key=instance.deployment,
                instance=instance.instance,
                level="error",
                text=printable(text),
            )
            self._journals.logs.append(line)

    def unheard(self, sender: ComponentId, target: ComponentId, outcome: Outcome) -> None:
        """Record how a message ended whose sender does not wait for it, when it did not end well; within a rate."""
        if isinstance(outcome, Refused | Exited | Undelivered) and self._admits(sender.deployment):
            what = outcome.reason if isinstance(outcome, Exited) else outcome
            self.announce(target.deployment, "undelivered", f"message from {sender}: {what}")

    def _admits(self, sender: DeploymentKey) -> bool:
        now = self._clock.monotonic_ms()
        with self._lock:
            rate = self._unheard.get(sender)
            if rate is None:
                rate = self._unheard[sender] = Rate(UNHEARD_PER_S, now)
            if rate.admits(now):
                return True
            if rate.drop(1, now):
                self._clock.call_later(GAP_MS, lambda: self._tell_more(sender, rate))
            return False

    def _tell_more(self, sender: DeploymentKey, rate: Rate) -> None:
        with self._lock:
            more = rate.take_dropped()
        self.announce(sender, "undelivered", f"{more} more of its messages did not end well")


def _nothing(_key: DeploymentKey | str) -> None:
    return
