"""The instances of one revision of one deployment, as many as are wanted, supervised one for one."""

import threading

from orchestrator.messaging.route import Route
from orchestrator.model.observed import ObservedInstance, Phase
from orchestrator.model.spec import Deployment
from orchestrator.supervise.instance import Instance, Surroundings

NAME_DIGITS = 6  # of the revision's id in an instance's name


class InstanceSet:
    """Replicas of one revision; `stop` ends them, `is_gone` says when the last one has."""

    def __init__(self, deployment: Deployment, route: Route, around: Surroundings) -> None:
        self.deployment = deployment
        self.lane = deployment.revision.id
        self.is_stopping = False
        self._route, self._around = route, around
        self._lock = threading.Lock()
        self._instances: dict[int, Instance] = {}
        self._leaving: list[Instance] = []
        self._to_restart: list[Instance] = []
        self._restarting: Instance | None = None

    def scale(self, deployment: Deployment) -> None:
        """Take over the deployment's in-place fields: so many replicas, this restart and health policy."""
        with self._lock:
            self.deployment = deployment
            for instance in self._instances.values():
                instance.deployment = deployment
            surplus = [self._instances.pop(n) for n in sorted(self._instances) if n >= deployment.replicas]
            self._leaving += surplus
            missing = [self._add(n) for n in range(deployment.replicas) if n not in self._instances]
        for instance in surplus:
            instance.stop()
        for instance in missing:
            instance.start()

    def stop(self) -> None:
        """Stop every instance, the youngest first."""
        self.is_stopping = True
        with self._lock:
            self._to_restart.clear()
            members = [*self._instances.values()]
        for instance in reversed(members):
            instance.stop()

    def restart(self) -> None:
        """Restart every instance, one after another, so that the others keep answering."""
        with self._lock:
            self._to_restart = [self._instances[n] for n in sorted(self._instances)]
        self._restart_next()

    def observe(self) -> tuple[ObservedInstance, ...]:
        """Describe the instances, by ordinal; those scaled away are shown until they have ended."""
        with self._lock:
            members = [*(self._instances[n] for n in sorted(self._instances)), *self._leaving]
        return tuple(instance.observe() for instance in members)

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
        """Whether the supervisor gave up on an instance."""
        return any(i.phase is Phase.GAVE_UP for i in self._members())

    @property
    def is_dead(self) -> bool:
        """Whether no instance is left that could ever take a message, unless someone asks for a restart."""
        return all(i.phase in (Phase.GAVE_UP, Phase.STOPPED) for i in self._members())

    @property
    def is_ill(self) -> bool:
        """Whether an instance that had been Ready is not any more, because `health()` says so."""
        return any(i.is_ill for i in self._members())

    def _members(self) -> list[Instance]:
        with self._lock:
            return [*self._instances.values(), *self._leaving]

    def _add(self, ordinal: int) -> Instance:
        name = f"{self.lane[:NAME_DIGITS]}-{ordinal}"
        instance = Instance(name, self.deployment, self._route, self._around, self._changed)
        self._instances[ordinal] = instance
        return instance

    def _changed(self) -> None:
        with self._lock:
            self._leaving = [i for i in self._leaving if i.phase is not Phase.STOPPED]
        self._restart_next()
        self._around.listener.changed()

    def _restart_next(self) -> None:
        with self._lock:
            busy = self._restarting
            if busy is not None and not busy.ready and busy.phase in _UNDER_WAY:
                return
            following = self._to_restart.pop(0) if self._to_restart else None
            self._restarting = following
        if following is not None:
            following.restart()


_UNDER_WAY = (Phase.STOPPING, Phase.STOPPED, Phase.STARTING)
