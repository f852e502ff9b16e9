"""The instances of one revision of one deployment, as many as are wanted, supervised one for one."""

import threading
from collections.abc import Callable
from functools import reduce
from operator import or_

from orchestrator.messaging.mailbox.route import Route
from orchestrator.model.observed import ObservedInstance, ObservedSession, Phase
from orchestrator.model.spec import Deployment
from orchestrator.supervise.environment import Environment
from orchestrator.supervise.groups import InstanceFailure, Standing, standing_of
from orchestrator.supervise.instance import Instance
from orchestrator.supervise.life import ENDINGS, LifeEvent, State
from orchestrator.supervise.policy import Decision
from orchestrator.supervise.ports import Membership
from orchestrator.supervise.rolling import RollingRestart

NAME_DIGITS = 6  # of the revision's id in an instance's name


class InstanceSet:
    """Replicas of one revision; `stop` ends them, `is_gone` says when the last one has."""

    __slots__ = (
        "_environment", "_instances", "_leaving", "_lock", "_membership_of", "_rolling", "_route", "deployment",
        "is_stopping", "lane",
    )  # fmt: skip

    def __init__(
        self,
        deployment: Deployment,
        route: Route,
        environment: Environment,
        membership_of: Callable[[str], Membership | None],
    ) -> None:
        self.deployment = deployment
        self.lane = deployment.revision.id
        self.is_stopping = False
        self._route, self._environment, self._membership_of = route, environment, membership_of
        self._lock = threading.Lock()
        self._instances: dict[int, Instance] = {}
        self._leaving: list[Instance] = []
        self._rolling = RollingRestart()

    def scale(self, deployment: Deployment) -> None:
        """Take over the deployment's in-place fields: so many replicas, this restart and health policy."""
        with self._lock:
            if self.is_stopping:
                return
            # A changed spec is a new chance: for what was given up always, for what was let go when that rule changed.
            same_rule = deployment.restart == self.deployment.restart
            ended = (Phase.GAVE_UP,) if same_rule else (Phase.GAVE_UP, Phase.STOPPED)
            self.deployment = deployment
            surplus = [self._instances.pop(n) for n in sorted(self._instances) if n >= deployment.replicas]
            self._leaving += surplus
            revived = [i for i in self._instances.values() if i.state.phase in ended]
            missing = self._fill()
            staying = [*self._instances.values()]
        for instance in staying:  # one that a policy ends now was looked at above: the same change does not revive it
            instance.take_over(deployment)
        for instance in surplus:
            instance.tell(LifeEvent.STOP)
        if (revived or missing) and _revive(self._membership_of(self.lane)):
            revived = [i for i in revived if i.state.phase is Phase.STOPPED]
        for instance in revived:
            instance.tell(LifeEvent.RESTART)
        for instance in missing:
            instance.tell(LifeEvent.START)

    def stop(self) -> None:
        """Stop every instance, the youngest first."""
        with self._lock:
            self.is_stopping = True
            members = [*self._instances.values()]
        self._rolling.end()
        for instance in reversed(members):
            instance.tell(LifeEvent.STOP)

    def restart(self) -> None:
        """Restart every instance, one after another, so that the others keep answering; nothing if it is stopping."""
        with self._lock:
            if self.is_stopping:
                return
            instances = [self._instances[n] for n in sorted(self._instances)]
        self._rolling.begin(instances)

    def tell_all(self, event: LifeEvent) -> None:
        """Tell every instance an event at once; one that ends them, the youngest first."""
        instances = self._present()
        for instance in reversed(instances) if event in ENDINGS else instances:
            instance.tell(event)

    @property
    def standing(self) -> Standing:
        """How its instances are, for its group."""
        return reduce(or_, (standing_of(instance.state) for instance in self._present()), Standing())

    def observe(self) -> tuple[ObservedInstance, ...]:
        """Describe the instances, by ordinal; those scaled away are shown until they have ended."""
        with self._lock:
            members = [*(self._instances[n] for n in sorted(self._instances)), *self._leaving]
        return tuple(instance.observe() for instance in members)

    def sessions(self) -> tuple[ObservedSession, ...]:
        """Describe the sessions of its instances."""
        return tuple(session for instance in self.members for session in instance.guest_side.sessions())

    @property
    def is_gone(self) -> bool:
        """Whether the set was stopped and every instance has ended."""
        return self.is_stopping and all(i.state.phase is Phase.STOPPED for i in self.members)

    @property
    def ready(self) -> int:
        """How many instances are Ready."""
        return sum(instance.state.ready for instance in self.members)

    @property
    def has_given_up(self) -> bool:
        """Whether the supervisor gave up on an instance, or has no reason to start one again that never was Ready."""
        return any(i.state.phase is Phase.GAVE_UP or _never_was(i) for i in self.members)

    @property
    def is_dead(self) -> bool:
        """Whether no instance is left that could ever take a message, unless someone asks for a restart."""
        return all(i.state.phase in (Phase.GAVE_UP, Phase.STOPPED) for i in self.members)

    @property
    def is_ill(self) -> bool:
        """Whether an instance that had been Ready is not any more, because `health()` says so."""
        return any(_is_ill(i) for i in self.members)

    @property
    def is_restarting(self) -> bool:
        """Whether an instance is still to be restarted by request, or not back yet."""
        return not self._rolling.is_over

    @property
    def asks(self) -> bool:
        """Whether an instance waits for an answer to a request of its own, or is at work on one."""
        return any(i.guest_side.asks for i in self.members)

    def _present(self) -> list[Instance]:
        with self._lock:
            return [self._instances[n] for n in sorted(self._instances)]

    @property
    def members(self) -> list[Instance]:
        """Return its instances, with those scaled away that have not ended."""
        with self._lock:
            return [*self._instances.values(), *self._leaving]

    def _fill(self) -> list[Instance]:
        # A place is taken again once the instance that had it has ended: where one may work, two never do.
        taken = {i.id.instance for i in self._leaving if i.state.phase is not Phase.STOPPED}
        missing = {n: f"{self.lane[:NAME_DIGITS]}-{n}" for n in range(self.deployment.replicas)}
        added = {
            n: Instance(name, self.deployment, self._route, self._environment, self._changed, self._escalate)
            for n, name in missing.items()
            if n not in self._instances and name not in taken
        }
        self._instances |= added
        return [*added.values()]

    def _escalate(self, failure: InstanceFailure, again: bool) -> Decision:
        membership = self._membership_of(self.lane)
        return failure.alone if membership is None else membership.escalate(failure, again=again)

    def _changed(self) -> None:
        with self._lock:
            self._leaving = [i for i in self._leaving if i.state.phase is not Phase.STOPPED]
            missing = [] if self.is_stopping else self._fill()
        if missing:
            _revive(self._membership_of(self.lane))
        for instance in missing:
            instance.tell(LifeEvent.START)
        self._rolling.go_on()
        membership = self._membership_of(self.lane)
        if membership is not None:
            membership.look()
        self._environment.listener.changed(self.deployment.key)


def _revive(membership: Membership | None) -> bool:
    """Start a group that gave up again, as its members live together; whether it had given up."""
    return membership is not None and membership.revive()


def _is_ill(instance: Instance) -> bool:
    """Whether an instance had been Ready and now is not, because its health was found wanting."""
    health = instance.health
    return health.was_ready and not instance.state.ready and not health.found.is_well


def _never_was(instance: Instance) -> bool:
    """Whether an instance ended without having been Ready, is not started again, and nobody told it to end."""
    return instance.state is State.ENDED and not instance.health.was_ready
