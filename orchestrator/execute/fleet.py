"""The services that are alive in this process, reachable through the router, and the groups that they are in."""

from collections.abc import Iterable, Mapping

from orchestrator.concurrency.table import Table
from orchestrator.execute.grouping import GroupKey, grouped
from orchestrator.messaging.rates import Rates
from orchestrator.messaging.router import Router, renamed_words
from orchestrator.messaging.topics import Topics
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import Undelivered
from orchestrator.model.spec import Deployment, Grant, Revision
from orchestrator.security.grants import given_at_start, may_subscribe
from orchestrator.supervise.environment import Environment
from orchestrator.supervise.group_supervisor import GroupMembership, GroupSupervisor, Member
from orchestrator.supervise.service import Service


class Fleet:
    """One service per deployment, made on demand. Changed by the controller's thread alone; read by any."""

    def __init__(self, environment: Environment, router: Router) -> None:
        self.router = router
        self.topics = Topics()
        self.rates = Rates(environment.clock.monotonic_ms)
        self.clock = environment.clock
        self._environment = environment
        self._services: Table[DeploymentKey, Service] = Table()
        self._grants: dict[DeploymentKey, tuple[Grant, ...]] = {}
        self._in_place: dict[DeploymentKey, tuple[Deployment, bool]] = {}
        self._groups: dict[GroupKey, GroupSupervisor] = {}

    @property
    def services(self) -> Mapping[DeploymentKey, Service]:
        """The services by key; any thread may read them."""
        return self._services

    def have(self, deployment: Deployment) -> Service:
        """Return the deployment's service, making it if there is none."""
        found = self._services.get(deployment.key)
        if found is None:
            found = Service(deployment, self._environment)
            self._services.put(deployment.key, found)
            self.router.add(found.route)
        return found

    def stop(self, key: DeploymentKey, becomes: DeploymentKey | None = None) -> bool:
        """Stop a deployment's instances and answer its waiting messages; True once nothing of it is left.

        Those whose messages are refused are told the name that it gets, if it `becomes` another.
        """
        service = self._services.get(key)
        if service is None:
            return True
        self.topics.drop(key)
        self._in_place.pop(key, None)
        why = f"{key} is being removed" if becomes is None else renamed_words(key, becomes)
        if not service.stop(Undelivered("target-not-found", why)):
            return False
        self.router.remove(key)
        self._services.drop(key)
        self._grants.pop(key, None)
        self.rates.forget(key)
        return True

    def put_in_place(self, deployment: Deployment, *, takes_messages: bool) -> None:
        """Put a deployment's subscriptions and its rate limit in force; of no cost where they are."""
        key, own = deployment.key, deployment.revision.grants
        before = self._in_place.get(key)
        if before is not None and before[0] is deployment and before[1] is takes_messages:
            return
        self._in_place[key] = deployment, takes_messages

        def granted(pattern: str) -> bool:
            return all(may_subscribe(grants, pattern) for grants in (own, self._grants.get(key, own)))

        self.topics.declare(key, deployment.subscribe if takes_messages else (), granted)
        self.rates.limit(key, deployment.rate_limit)

    def regroup(self, serving: Iterable[Deployment]) -> None:
        """Make the serving deployments of every group its members, in the order of their start."""
        wanted = grouped(serving)
        if not wanted and not self._groups:
            return
        for group in wanted.keys() - self._groups.keys():
            self._groups[group] = GroupSupervisor(self._environment.clock, self._environment.listener)
        members = {group: [self._member(one) for one in found] for group, found in wanted.items()}
        places = {one.key: (one.revision, self._groups[group]) for group, found in members.items() for one in found}
        for key, service in self._services.items():
            place = places.get(key)
            service.join(*((place[0], GroupMembership(place[1])) if place else ("", None)))
        for group, supervisor in [*self._groups.items()]:
            supervisor.regroup(members.get(group, ()))
            if group not in members:
                del self._groups[group]

    def _member(self, deployment: Deployment) -> Member:
        service, revision = self.have(deployment), deployment.revision.id
        assert deployment.group is not None
        return Member(deployment.key, revision, deployment.group, lambda: service.find(revision))

    def put_in_force(self, key: DeploymentKey, grants: tuple[Grant, ...]) -> None:
        """Set what the source grants now; a grant that is missing here is denied at once.

        Only a restart takes back the directories and the network that an instance was handed; this begins it.
        """
        before, self._grants[key] = self._grants.get(key), grants
        if before != grants:
            self.topics.look_anew(key)
        service = self._services.get(key)
        if before is None or before == grants or service is None:
            return

        def is_changed(revision: Revision) -> bool:
            return given_at_start((revision.grants, before)) != given_at_start((revision.grants, grants))

        service.start_anew(is_changed)

    def grants_in_force(self, key: DeploymentKey) -> tuple[Grant, ...] | None:
        """Return what the source grants now, None before anybody said."""
        return self._grants.get(key)
