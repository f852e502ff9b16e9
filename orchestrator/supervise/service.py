"""One deployment's running half: its route, and an instance set per revision that is alive."""

import threading
from collections.abc import Callable, Sequence

from orchestrator.messaging.mailbox.route import Route
from orchestrator.model.message import Undelivered
from orchestrator.model.observed import ObservedGroup, ObservedInstance, ObservedSession
from orchestrator.model.spec import Deployment, Revision
from orchestrator.supervise.environment import Environment
from orchestrator.supervise.instances import InstanceSet
from orchestrator.supervise.job import Runs
from orchestrator.supervise.life import LifeEvent
from orchestrator.supervise.ports import Membership

_ANY: frozenset[str] = frozenset()  # one for all: each that is made takes as much as a message


def _by_all(accepts: Sequence[frozenset[str]]) -> frozenset[str]:
    """Return the encodings that all sets with a choice accept; if there is none, those of the newest."""
    choosy = [codecs for codecs in accepts if codecs]
    return (frozenset.intersection(*choosy) or choosy[-1]) if choosy else _ANY


class Service:
    """Sets by revision id behind one mailbox. Every method may be repeated: it says what should be, not what to do."""

    def __init__(self, deployment: Deployment, environment: Environment) -> None:
        self.key = deployment.key
        self.route = Route(deployment.key, deployment.mailbox, environment.clock)
        self._environment = environment
        self._lock = threading.Lock()
        self._sets: dict[str, InstanceSet] = {}
        self.runs = Runs(deployment.key, environment)
        self._membership: tuple[str, Membership] | None = None  # the revision that is a member, and of what

    def join(self, revision: str, membership: Membership | None) -> None:
        """Make the set of this revision, and no other, a member of a group, or of none."""
        self._membership = None if membership is None else (revision, membership)

    def group(self) -> ObservedGroup | None:
        """Describe the group that it is in, None if it is in none."""
        return None if self._membership is None else self._membership[1].observe()

    def revive(self) -> bool:
        """Start the whole group that it is in again, if that gave up; whether it had."""
        return self._membership is not None and self._membership[1].revive()

    def _membership_of(self, revision: str) -> Membership | None:
        mine = self._membership
        return mine[1] if mine is not None and mine[0] == revision else None

    def ensure(self, deployment: Deployment) -> InstanceSet:
        """Return the set of the deployment's revision, made if missing, with its in-place fields in force."""
        self.route.mailbox = deployment.mailbox
        self.route.routing = deployment.routing
        with self._lock:
            found = self._sets.get(deployment.revision.id)
            if found is None or found.is_gone:
                found = self._sets[deployment.revision.id] = InstanceSet(
                    deployment, self.route, self._environment, self._membership_of
                )
            fresh = found.deployment != deployment or not found.members
            alone = any(one.deployment.revision.stateful for one in self._sets.values())
            alone = alone and not deployment.routing.is_keyed  # the route looks after each key
            accepts = [frozenset(one.deployment.revision.accepts) for one in self._sets.values()]
        self.route.accepts = _by_all(accepts)
        self.route.work_alone(alone)
        if fresh and not found.is_stopping:
            found.scale(deployment)
        return found

    def drop(self, revision: str) -> bool:
        """Stop the set of a revision; True once it is gone."""
        found = self._sets.get(revision)
        if found is None:
            return True
        if not found.is_stopping:
            found.stop()
        if not found.is_gone:
            return False
        with self._lock:
            self._sets.pop(revision, None)
        self.route.forget(revision)
        return True

    def drop_all_but(self, *alive: str) -> None:
        """Stop the sets of all other revisions."""
        for revision in self.revisions():
            if revision not in alive:
                self.drop(revision)

    def revisions(self) -> tuple[str, ...]:
        """Name the revisions that have a set."""
        with self._lock:
            return tuple(self._sets)

    def find(self, revision: str) -> InstanceSet | None:
        """Return the set of a revision that was not told to stop."""
        found = self._sets.get(revision)
        return None if found is None or found.is_stopping else found

    def start_anew(self, concerns: Callable[[Revision], bool]) -> None:
        """Restart every instance of the revisions that this concerns, all at once: it must not wait its turn."""
        with self._lock:
            sets = [one for one in self._sets.values() if concerns(one.deployment.revision)]
        for one in sets:
            one.tell_all(LifeEvent.RESTART)
        self.runs.cancel(lambda run: concerns(run.revision))

    def stop(self, refusal: Undelivered) -> bool:
        """Refuse messages, stop every set and end every run; True once all are gone."""
        self.route.refuse(refusal)
        gone = [self.drop(revision) for revision in self.revisions()]
        return self.runs.end_all() and all(gone)

    @property
    def is_restarting(self) -> bool:
        """Whether a restart by request is not over yet."""
        with self._lock:
            sets = [*self._sets.values()]
        return any(one.is_restarting for one in sets)

    def interrupt(self) -> None:
        """End the calls that are under way."""
        with self._lock:
            sets = [*self._sets.values()]
        for instance in (instance for one in sets for instance in one.members):
            instance.guest_side.interrupt()

    def observe(self) -> tuple[ObservedInstance, ...]:
        """Describe every instance, set by set, then the runs of a job."""
        with self._lock:
            sets = [*self._sets.values()]
        return (*(instance for one in sets for instance in one.observe()), *self.runs.observe())

    def sessions(self) -> tuple[ObservedSession, ...]:
        """Describe every session, by name."""
        with self._lock:
            sets = [*self._sets.values()]
        return tuple(sorted(session for one in sets for session in one.sessions()))
