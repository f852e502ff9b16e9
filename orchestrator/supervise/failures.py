"""The failures of one instance, and what follows them: the memory that `policy.py` and `groups.py` decide by.

Its instance's lock is held in every method. `escalate` asks the instance's group, and makes no call.
"""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import ComponentId
from orchestrator.model.spec import RestartPolicy
from orchestrator.supervise.environment import Environment
from orchestrator.supervise.groups import InstanceFailure
from orchestrator.supervise.life import LifeEvent
from orchestrator.supervise.policy import Decision, Forget, GiveUp, RestartAfter, StandBy, decide

Escalate = Callable[[InstanceFailure, bool], Decision]
RESTARTS_KEPT = 1_000  # times remembered for the window; no intensity is larger


class FailureRecord:
    """The failures of one instance. `left_ms` is its back-off from now on, `next_start_ms` its end on the wall."""

    __slots__ = (
        "_chance", "_environment", "_escalate", "_faults_ms", "_id", "_restarts_ms", "_unanswered", "last_exit",
        "left_ms", "next_start_ms", "restarts",
    )  # fmt: skip

    def __init__(self, id: ComponentId, environment: Environment, escalate: Escalate) -> None:
        self._id, self._environment, self._escalate = id, environment, escalate
        self._restarts_ms: Sequence[int] = ()  # the times of the failures after which it was started again
        self._faults_ms: Sequence[int] = ()  # the times of those that were the host's
        self._unanswered: InstanceFailure | None = None  # the failure after which it was not started again yet
        self._chance = 0.0  # drawn for that failure's back-off
        self.last_exit: ExitReason | None = None
        self.restarts = 0
        self.left_ms = self.next_start_ms = 0

    def failed(self, reason: ExitReason, policy: RestartPolicy) -> tuple[LifeEvent, str]:
        """Return what follows a failure, also in words."""
        self._chance = self._environment.chance()
        at_ms = self._environment.clock.monotonic_ms()
        return self._follow(InstanceFailure(self._id, at_ms, reason, Forget()), policy, again=False)

    def decided_anew(self, policy: RestartPolicy) -> tuple[LifeEvent, str] | None:
        """Return what follows the latest failure under an edited policy; None where something has followed it."""
        return None if self._unanswered is None else self._follow(self._unanswered, policy, again=True)

    def count(self) -> None:
        """Count its latest failure in the decision on the next: its own back-off is over."""
        failure, self._unanswered = self._unanswered, None
        if failure is not None and isinstance(failure.alone, RestartAfter) and failure.alone.counts:
            self._restarts_ms = [*self._restarts_ms[-RESTARTS_KEPT:], failure.at_ms]
        elif failure is not None and failure.reason.kind is ExitKind.HOST_FAULT:
            self._faults_ms = [*self._faults_ms[-RESTARTS_KEPT:], failure.at_ms]

    def clear(self) -> None:
        """Begin anew."""
        self._unanswered = None
        self._restarts_ms = self._faults_ms = ()

    def _follow(self, failure: InstanceFailure, policy: RestartPolicy, *, again: bool) -> tuple[LifeEvent, str]:
        alone = decide(failure.reason, policy, self._restarts_ms, failure.at_ms, self._chance, self._faults_ms)
        self._unanswered = replace(failure, alone=alone)
        match self._escalate(self._unanswered, again):
            case RestartAfter(delay):
                elapsed = self._environment.clock.monotonic_ms() - failure.at_ms if again else 0
                self.left_ms = max(0, delay - elapsed)
                self.next_start_ms = self._environment.clock.wall_ms() + self.left_ms
                return LifeEvent.RETRY, f"starts again in {self.left_ms} ms"
            case StandBy(said):
                return LifeEvent.STAND_BY, said
            case GiveUp(why):
                return LifeEvent.GIVE_UP, f"gave up: {why}"
            case Forget():
                return LifeEvent.FORGET, "is not started again"
