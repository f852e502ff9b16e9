"""The instances of one revision of one deployment, as many as are wanted, supervised one for one."""

import threading
from collections.abc import Callable
from functools import reduce
from operator import or_

from orchestrator.messaging.mailbox.route import Route
from orchestrator.model.observed import ObservedInstance, ObservedSession, Phase
from orchestrator.model.spec import Deployment
from orchestrator.supervise.environment import Environment
from orchestrator.supervise.groups import InstanceFailure, Standing
from orchestrator.supervise.instance import Instance
from orchestrator.supervise.lifecycle import Event
from orchestrator.supervise.policy import Decision
from orchestrator.supervise.ports import Membership

NAME_DIGITS = 6  # of the revision's id in an instance's name


class InstanceSet:
    """Replicas of one revision; `stop` ends them, `is_gone` says when the last one has."""

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
        self._to_restart: list[Instance] = []
        self._restarting: Instance | None = None
        self._restart_begun = False

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
            revived = [i for i in self._instances.values() if i.phase in ended]
            missing = self._fill()
            staying = [*self._instances.values()]
        for instance in staying:  # what a policy ends now was looked at above: it is not revived by the same change
            instance.take_over(deployment)
        for instance in surplus:
            instance.stop()
        if (revived or missing) and self._revive_group():
            revived = [i for i in revived if i.phase is Phase.STOPPED]
        for instance in revived:
            instance.restart()
        for instance in missing:
            instance.start()

    def stop(self) -> None:
        """Stop every instance, the youngest first."""
        with self._lock:
            self.is_stopping = True
            self._to_restart.clear()
            members = [*self._instances.values()]
        for instance in reversed(members):
            instance.stop()

    def restart(self) -> None:
        """Restart every instance, one after another, so that the others keep answering; nothing if it is stopping."""
        with self._lock:
            if self.is_stopping:
                return
            self._to_restart = [self._instances[n] for n in sorted(self._instances)]
        self._restart_next()

    def restart_at_once(self) -> None:
        """Restart every instance together, each as soon as the message it is at work on is done."""
        for instance in self._members():
            instance.restart()

    def pause(self, then: Event) -> None:
        """Stop every instance for its group, the youngest first; see `Instance.pause`."""
        for instance in reversed(self._present()):
            instance.pause(then)

    def go_on(self) -> None:
        """Start every instance that waits for its group, or gave up."""
        for instance in self._present():
            instance.go_on()

    @property
    def standing(self) -> Standing:
        """How its instances are, for its group."""
        return reduce(or_, (instance.standing for instance in self._present()), Standing())

    def interrupt(self) -> None:
        """End the calls that its instances have under way."""
        for instance in self._members():
            instance.interrupt()

    def observe(self) -> tuple[ObservedInstance, ...]:
        """Describe the instances, by ordinal; those scaled away are shown until they have ended."""
        with self._lock:
            members = [*(self._instances[n] for n in sorted(self._instances)), *self._leaving]
        return tuple(instance.observe() for instance in members)

    def sessions(self) -> tuple[ObservedSession, ...]:
        """Describe the sessions of its instances."""
        return tuple(session for instance in self._members() for session in instance.sessions())

    @property
    def is_gone(self) -> bool:
        """Whether the set was stopped and every instance has ended."""
        return self.is_stopping and all(i.phase is Phase.STOPPED for i in self._members())

    @property
    def ready(self) -> int:
        """How many instances are Ready."""
        return sum(instance.ready for instance in self._members())

    @property
    def has_given_up(self) -> bool:
        """Whether the supervisor gave up on an instance, or has no reason to start one again that never was Ready."""
        return any(i.phase is Phase.GAVE_UP or i.never_was for i in self._members())

    @property
    def is_dead(self) -> bool:
        """Whether no instance is left that could ever take a message, unless someone asks for a restart."""
        return all(i.phase in (Phase.GAVE_UP, Phase.STOPPED) for i in self._members())

    @property
    def is_ill(self) -> bool:
        """Whether an instance that had been Ready is not any more, because `health()` says so."""
        return any(i.is_ill for i in self._members())

    @property
    def is_restarting(self) -> bool:
        """Whether an instance is still to be restarted by request, or not back yet."""
        with self._lock:
            busy = self._restarting
            return bool(self._to_restart) or (busy is not None and not (self._restart_begun and _is_back(busy)))

    @property
    def asks(self) -> bool:
        """Whether an instance waits for an answer to a request of its own, or is at work on one."""
        return any(i.asks for i in self._members())

    def _present(self) -> list[Instance]:
        with self._lock:
            return [self._instances[n] for n in sorted(self._instances)]

    def _members(self) -> list[Instance]:
        with self._lock:
            return [*self._instances.values(), *self._leaving]

    def _fill(self) -> list[Instance]:
        # A place is taken again once the instance that had it has ended: where one may work, two never do.
        taken = {i.id.instance for i in self._leaving if i.phase is not Phase.STOPPED}
        missing = (n for n in range(self.deployment.replicas) if n not in self._instances)
        return [self._add(n) for n in missing if self._name(n) not in taken]

    def _name(self, ordinal: int) -> str:
        return f"{self.lane[:NAME_DIGITS]}-{ordinal}"

    def _add(self, ordinal: int) -> Instance:
        name = self._name(ordinal)
        instance = Instance(name, self.deployment, self._route, self._environment, self._changed, self._escalate)
        self._instances[ordinal] = instance
        return instance

    def _escalate(self, failure: InstanceFailure, again: bool) -> Decision:
        membership = self._membership_of(self.lane)
        return failure.alone if membership is None else membership.escalate(failure, again=again)

    def _changed(self) -> None:
        with self._lock:
            self._leaving = [i for i in self._leaving if i.phase is not Phase.STOPPED]
            missing = [] if self.is_stopping else self._fill()
        if missing:
            self._revive_group()
        for instance in missing:
            instance.start()
        self._restart_next()
        membership = self._membership_of(self.lane)
        if membership is not None:
            membership.look()
        self._environment.listener.changed(self.deployment.key)

    def _revive_group(self) -> bool:
        """Have the group that it gave up with start again, as its members live together; whether it had given up."""
        membership = self._membership_of(self.lane)
        return membership is not None and membership.revive()

    def _restart_next(self) -> None:
        while (following := self._next_to_restart()) is not None:
            following.restart()
            with self._lock:
                self._restart_begun = True

    def _next_to_restart(self) -> Instance | None:
        with self._lock:
            busy = self._restarting
            # Until its restart has begun, the one that was chosen last still looks as Ready as before.
            if busy is not None and not (self._restart_begun and _is_back(busy)):
                return None
            self._restarting = self._to_restart.pop(0) if self._to_restart else None
            self._restart_begun = False
            return self._restarting


def _is_back(instance: Instance) -> bool:
    return instance.ready or instance.phase in (Phase.GAVE_UP, Phase.STOPPED)
