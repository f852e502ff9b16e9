"""What is promised at every moment, each under the name that a failure shows."""

from collections.abc import Iterator

from orchestrator.execute.history import RUNNING
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import Health
from orchestrator.model.observed import Phase, Record
from orchestrator.model.rollout import Rollout, RolloutPhase
from orchestrator.model.spec import GroupStrategy, RestartType
from orchestrator.plan.action import Action, ActionKind
from orchestrator.plan.make import make_plan
from orchestrator.rollout.course import Course, course
from orchestrator.supervise.service import Service
from tests.simulation.world import World

P = RolloutPhase
PAST_ITS_GATES = (P.PROGRESSING, P.PAUSED, P.PROMOTING, P.KEEPING, P.SUCCEEDED)


class Promises:
    """Looks at a world after each step, and remembers what a promise compares with.

    What is promised of a single message or deletion the world itself looks at, at that very moment.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._ready_before: dict[tuple[DeploymentKey, int, str], int] = {}

    def check(self) -> None:
        """Hold the world to what it promises at every moment."""
        assert not self._world.faults, self._world.faults
        self.every_message_has_at_most_one_outcome()
        self.every_request_has_at_most_one_outcome()
        self.a_group_restarts_only_whom_its_strategy_names()
        for record, service in self._alive():
            self.nobody_is_restarted_twice_for_one_failure(record, service)
            self.never_fewer_ready_instances_than_before(record, service)

    def check_after_a_pass(self) -> None:
        """Hold the controller to what it promises whenever it has looked."""
        for record, service in self._alive():
            self.never_traffic_to_a_version_that_failed_its_gate(record, service)
            self.never_two_versions_outside_a_rollout(record, service)

    def check_at_rest(self) -> None:
        """Hold the world to where it must arrive once it is left in peace."""
        self.check()
        self.check_after_a_pass()
        self.the_plan_is_empty_or_waits_for_somebody()
        self.a_plan_of_a_plans_result_is_empty()
        self.every_message_has_one_outcome()
        self.every_request_has_one_outcome()
        self.every_rollout_has_ended_or_waits_for_a_person()
        self.what_is_wanted_is_what_serves()
        self.what_serves_runs()
        self.the_history_says_what_serves()
        self.no_guest_is_left_over()
        self.a_group_is_whole_or_has_given_up()

    def every_message_has_at_most_one_outcome(self) -> None:
        for sent in self._world.sent:
            assert len(sent.outcomes) + sent.was_withdrawn <= 1, f"message {sent.number}: {sent.outcomes}"
            assert not (sent.was_withdrawn and self._world.started[sent.number]), f"message {sent.number} was started"

    def every_message_has_one_outcome(self) -> None:
        waiting = [sent.number for sent in self._world.sent if not sent.is_settled]
        assert not waiting, f"messages {waiting} wait for ever"

    def every_request_has_at_most_one_outcome(self) -> None:
        for id, asked in self._world.asked.items():
            assert len(asked.answers) + asked.was_cancelled <= 1, f"request {id}: {asked.answers}"

    def every_request_has_one_outcome(self) -> None:
        waiting = [id for id, asked in self._world.asked.items() if not asked.is_over]
        assert not waiting, f"requests {waiting} wait for ever"
        for _, service in self._alive():
            seen = service.route.requests.seen()
            assert seen.waiting == 0, f"{service.key}: {seen}"

    def a_group_restarts_only_whom_its_strategy_names(self) -> None:
        strategy = self._world.strategy
        for other, failed in self._world.listener.group_restarts:
            is_after = other.name > failed.name  # in these histories, what is needed comes first by name as well
            may = strategy is GroupStrategy.ONE_FOR_ALL or (strategy is GroupStrategy.REST_FOR_ONE and is_after)
            assert may, f"{other} is restarted after {failed} ({strategy})"

    def nobody_is_restarted_twice_for_one_failure(self, record: Record, service: Service) -> None:
        listener = self._world.listener
        with_group = listener.with_group[record.key]
        all_together = self._world.strategy is GroupStrategy.ONE_FOR_ALL
        beside = sum(count for of, count in listener.exits.items() if of.deployment == record.key)
        for seen in service.observe():
            alone = listener.exits[ComponentId(record.key.namespace, record.key.name, seen.name)]
            own = beside if all_together else alone
            assert seen.restarts <= own + with_group, (
                f"{record.key}/{seen.name}: {seen.restarts} restarts for {own} ends"
            )

    def a_group_is_whole_or_has_given_up(self) -> None:
        for record, service in self._alive():
            group = service.group()
            if group is None or record.stable is None:
                continue
            assert not group.restarting, f"group {group.name} never ends to start {group.restarting}"
            own = [i.phase for i in service.observe() if i.revision == record.stable.revision.id]
            ended = {Phase.GAVE_UP, Phase.STOPPED}
            assert not group.gave_up or ended.issuperset(own), f"{record.key} runs, though {group.name} gave up"

    def never_fewer_ready_instances_than_before(self, record: Record, service: Service) -> None:
        rollout = record.rollout
        beside = rollout is not None and course(rollout) in (Course.SIDE_BY_SIDE, Course.CANARY)
        if rollout is None or rollout.phase.is_over or not beside or self._is_leaving(record):
            return
        story = (record.key, rollout.started_ms, rollout.target.revision.id)
        ready = {revision: _ready(service, revision) for revision in service.revisions()}
        if story not in self._ready_before:
            self._ready_before[story] = ready.get(rollout.stable or "", 0)
            self._world.disturbed.discard(record.key)
        group = service.group()
        if group is not None and (group.restarting or group.gave_up):
            self._world.disturbed.add(record.key)
        if any(i.health is Health.UNHEALTHY for i in service.observe()) or _is_suspended(record):
            self._world.disturbed.add(record.key)
        if record.key in self._world.disturbed or not service.route.weights:
            return
        serving = sum(ready.get(revision, 0) for revision in service.route.weights)
        wanted = min(d.replicas for d in (rollout.target, record.stable, record.wanted) if d is not None)
        least = min(self._ready_before[story], wanted)
        assert serving >= least, f"{record.key}: {serving} ready instances take messages, {least} did before"

    def never_traffic_to_a_version_that_failed_its_gate(self, record: Record, service: Service) -> None:
        rollout = record.rollout
        allowed = {record.stable.revision.id} if record.stable else set()
        if rollout is not None:
            allowed |= {rollout.stable} if rollout.stable else set()
            allowed |= {rollout.target.revision.id} if rollout.phase in PAST_ITS_GATES else set()
        if not _is_suspended(record) and not self._is_leaving(record):
            assert set(service.route.weights) <= allowed, f"{record.key} sends messages where it must not"

    def never_two_versions_outside_a_rollout(self, record: Record, service: Service) -> None:
        alive = {revision for revision in service.revisions() if service.find(revision) is not None}
        allowed = {record.stable.revision.id} if record.stable else set()
        if _in_progress(record.rollout):
            assert record.rollout is not None
            allowed |= {record.rollout.target.revision.id, record.rollout.stable or ""}
        if not self._is_leaving(record):
            assert alive <= allowed, f"{record.key} has {len(alive)} versions alive"

    def the_plan_is_empty_or_waits_for_somebody(self) -> None:
        left = [action for action in self._actions() if not action.kind.is_stopped and not self._waits(action)]
        assert not left, f"still to do: {[(a.kind.value, str(a.key), a.note) for a in left]}"

    def a_plan_of_a_plans_result_is_empty(self) -> None:
        serial = self._world.store.serial
        for _ in range(3):
            self._world.look()
            self._world.control()
        assert self._world.store.serial == serial, "passes at rest write decisions"

    def every_rollout_has_ended_or_waits_for_a_person(self) -> None:
        for record, service in self._alive():
            rollout = record.rollout
            if rollout is None or rollout.phase.is_over or rollout.target.suspend:
                continue
            is_whole = _ready(service, rollout.target.revision.id) == rollout.target.replicas
            waits = rollout.phase is P.PAUSED or (rollout.phase is P.KEEPING and not is_whole)
            assert waits, f"{record.key} stays {rollout.phase.value}"

    def what_is_wanted_is_what_serves(self) -> None:
        stopped = {action.key for action in self._actions()}
        for key, wanted in self._world.source.files.items():
            record = self._world.ledger.records.get(key)
            if key in stopped or (record is not None and _in_progress(record.rollout)):
                continue
            assert record is not None, f"{key} is wanted and unknown"
            assert record.stable == wanted, f"{key} is not what is wanted, and nothing says so"

    def what_serves_runs(self) -> None:
        for record, service in self._alive():
            if record.stable is None or record.stable.suspend or _in_progress(record.rollout):
                continue
            own = [i for i in service.observe() if i.revision == record.stable.revision.id]
            assert len(own) == record.stable.replicas, f"{record.key} has {len(own)} instances"
            is_missed = record.stable.restart.type is RestartType.PERMANENT
            ended = {Phase.GAVE_UP} if is_missed else {Phase.GAVE_UP, Phase.STOPPED}
            bad = [i for i in own if not i.ready and i.phase not in ended and i.health is not Health.UNHEALTHY]
            assert not bad, f"{record.key}: {bad}"

    def the_history_says_what_serves(self) -> None:
        for record, _ in self._alive():
            numbers = self._world.store.history(record.key)
            running = [n.revision.id for n in numbers if n.outcome == RUNNING]
            assert len(running) <= 1, f"{record.key}: {len(running)} entries are said to be running"
            open_ended = [n.number for n in numbers if not n.outcome]
            assert not open_ended or _in_progress(record.rollout), f"{record.key}: {open_ended} never ended"
            if record.stable is not None and not _in_progress(record.rollout):
                assert running == [record.stable.revision.id], f"{record.key}: what serves is not what is said to run"

    def no_guest_is_left_over(self) -> None:
        running = {
            (record.key, i.name)
            for record, service in self._alive()
            for i in service.observe()
            if i.phase is Phase.RUNNING
        }
        alive = sorted((guest.id.deployment, guest.id.instance) for guest in self._world.runtime.open)
        assert alive == sorted(running), f"open guests {alive}, instances {running}"

    def _alive(self) -> Iterator[tuple[Record, Service]]:
        for key, record in self._world.ledger.records.items():
            service = self._world.fleet.services.get(key)
            if service is not None:
                yield record, service

    def _actions(self) -> list[Action]:
        observed = self._world.controller.observe()
        return [action for d in self._world.ledger.desired.values() for action in make_plan(d, observed).actions]

    def _is_leaving(self, record: Record) -> bool:
        wanted = [d.key for desired in self._world.ledger.desired.values() for d in desired.deployments]
        invalid = [key for desired in self._world.ledger.desired.values() for key in desired.invalid]
        return record.deleted or record.key not in (*wanted, *invalid)

    def _waits(self, action: Action) -> bool:
        """Whether it is a first version that waits for something to be Ready that never is."""
        if action.kind is not ActionKind.CREATE:
            return False
        waiting = [o.key for left in self._world.controller.outcomes.not_done.values() for o in left]
        return action.key in waiting


def _ready(service: Service, revision: str) -> int:
    found = service.find(revision)
    return found.ready if found else 0


def _in_progress(rollout: Rollout | None) -> bool:
    return rollout is not None and not rollout.phase.is_over


def _is_suspended(record: Record) -> bool:
    rollout = record.rollout
    return any(d.suspend for d in (record.stable, record.wanted, rollout.target if rollout else None) if d is not None)
