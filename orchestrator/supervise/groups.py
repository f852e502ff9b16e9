"""Decides for a group of members what follows the failure of one: who is stopped, who is started, in which order.

Pure: a `GroupRestart` is what a group is in the middle of, `decide_together` begins one, `advance` says its next step,
and `group_supervisor.py` carries it out. A member is a deployment with all its instances; members are in the order of
their start: dependencies first, then by name.
"""

from collections.abc import Callable, Sequence
from enum import Enum

import msgspec

from orchestrator.model.exits import ExitReason
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.observed import Phase
from orchestrator.model.spec import Group, GroupStrategy
from orchestrator.supervise.life import State
from orchestrator.supervise.policy import Decision, Forget, GiveUp, RestartAfter, StandBy, within

Key = DeploymentKey


class BackoffWait(msgspec.Struct, frozen=True):
    """The back-off of one failed instance, for whose end its group waits."""

    instance: ComponentId
    due_ms: int


class GroupRestart(msgspec.Struct, frozen=True):
    """The rest of a group's restart: members still to be stopped, last one first, then those to be started.

    Nothing is started before every wait is over. `gave_up` is why it gave up, empty while it has not.
    """

    to_stop: tuple[Key, ...] = ()
    to_start: tuple[Key, ...] = ()
    waits: tuple[BackoffWait, ...] = ()
    gave_up: str = ""

    @property
    def due_ms(self) -> int:
        """When the longest wait is over, 0 without one."""
        return max((wait.due_ms for wait in self.waits), default=0)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return not self.to_stop and not self.to_start


class InstanceFailure(msgspec.Struct, frozen=True):
    """One exit of a member's instance, and what would follow it without a group."""

    instance: ComponentId
    at_ms: int
    reason: ExitReason
    alone: RestartAfter | GiveUp | Forget

    @property
    def of(self) -> Key:
        """The member."""
        return self.instance.deployment


class GroupDecision(msgspec.Struct, frozen=True):
    """The decision for the instance that failed and for its group; `counts` towards the group's intensity.

    `others` are the members that are stopped and started with it.
    """

    decision: Decision
    restart: GroupRestart
    counts: bool = False
    others: tuple[Key, ...] = ()


def decide_together(
    group: Group, restart: GroupRestart, order: Sequence[Key], failure: InstanceFailure, failures_ms: Sequence[int]
) -> GroupDecision:
    """Decide what follows a member's failure; `failures_ms` are the times of those that counted before."""
    alone = failure.alone
    given = _given(group, restart, failure)
    if given is not None:
        return GroupDecision(given, restart)
    why = _too_many(group, failure, failures_ms)
    if why:
        return GroupDecision(GiveUp(why), GroupRestart(to_stop=tuple(order), gave_up=why), counts=True)
    assert isinstance(alone, RestartAfter)
    if group.strategy is GroupStrategy.ONE_FOR_ONE:
        return GroupDecision(alone, restart, counts=True)
    return _restart_of(group, restart, order, failure, alone.delay_ms)


def decide_again(
    group: Group, restart: GroupRestart, order: Sequence[Key], failure: InstanceFailure, failures_ms: Sequence[int],
    *, counted: bool,
) -> GroupDecision:  # fmt: skip
    """Decide anew what follows a failure after which nothing has started yet, because a policy was edited meanwhile.

    `counted` says whether the failure did; `failures_ms` are the times of those before it. Nobody is stopped for it a
    second time: an edited strategy is for the next failure.
    """
    alone, others = failure.alone, _of_others(restart.waits, failure.instance)
    if isinstance(alone, Forget):
        return GroupDecision(alone, msgspec.structs.replace(restart, waits=others))
    if restart.gave_up:
        return GroupDecision(GiveUp(f"its group {group.name} gave up"), restart)
    if not counted:
        in_hand = failure.of in restart.to_start
        return GroupDecision(StandBy(f"starts again with its group {group.name}") if in_hand else alone, restart)
    why = _too_many(group, failure, failures_ms)
    if why:
        return GroupDecision(GiveUp(why), GroupRestart(to_stop=tuple(order), gave_up=why))
    assert isinstance(alone, RestartAfter)
    if len(others) == len(restart.waits):
        return GroupDecision(alone, restart)
    wait = BackoffWait(failure.instance, failure.at_ms + alone.delay_ms)
    said = f"starts again {alone.delay_ms} ms after its failure, with its group {group.name}"
    return GroupDecision(StandBy(said), msgspec.structs.replace(restart, waits=(*others, wait)))


def _given(group: Group, restart: GroupRestart, failure: InstanceFailure) -> Decision | None:
    """Return what follows whatever the strategy, None where that is to be decided."""
    alone = failure.alone
    if isinstance(alone, Forget):  # it ended as it should, which concerns nobody
        return alone
    if restart.gave_up:
        return GiveUp(f"its group {group.name} gave up")
    if failure.of in restart.to_stop:  # it would have been stopped anyway: one failure is not answered twice
        return StandBy(f"starts again with its group {group.name}")
    return alone if isinstance(alone, RestartAfter) and not alone.counts else None


def _too_many(group: Group, failure: InstanceFailure, failures_ms: Sequence[int]) -> str:
    """Say why the group gives up, empty when it does not: a member's own limit ends it as well as the group's."""
    if isinstance(failure.alone, GiveUp):
        return f"{failure.of} gave up: {failure.alone.reason}"
    recent = within(group.period_ms, failures_ms, failure.at_ms)
    if len(recent) < group.intensity:
        return ""
    return f"{len(recent)} failures within {group.period_ms / 1000:g}s; the last was {failure.of}: {failure.reason}"


def _restart_of(
    group: Group, restart: GroupRestart, order: Sequence[Key], failure: InstanceFailure, delay_ms: int
) -> GroupDecision:
    failed = failure.of
    to_stop = affected(group.strategy, order, failed)
    to_start = {failed, *to_stop, *restart.to_start}
    others = tuple(key for key in to_stop if key != failed)
    after = GroupRestart(
        to_stop=tuple(key for key in order if key in {*to_stop, *restart.to_stop}),
        to_start=tuple(key for key in order if key in to_start),
        waits=(*_of_others(restart.waits, failure.instance), BackoffWait(failure.instance, failure.at_ms + delay_ms)),
    )
    with_whom = f" and {', '.join(map(str, others))}" if others else ""
    said = f"starts again in {delay_ms} ms{with_whom} with it (group {group.name}, {group.strategy.value})"
    return GroupDecision(StandBy(said), after, counts=True, others=others)


def affected(strategy: GroupStrategy, order: Sequence[Key], failed: Key) -> tuple[Key, ...]:
    """Return the members that are stopped when an instance of one has failed.

    The failed one is among them only if its other instances are stopped too: where all are.
    """
    match strategy:
        case GroupStrategy.ONE_FOR_ONE:
            return ()
        case GroupStrategy.ONE_FOR_ALL:
            return tuple(order)
        case GroupStrategy.REST_FOR_ONE:
            return tuple(order[order.index(failed) + 1 :]) if failed in order else ()


def revived(order: Sequence[Key], restart: GroupRestart) -> GroupRestart:
    """Return the restart that starts every member of a group that gave up, in order."""
    return GroupRestart(to_stop=restart.to_stop, to_start=tuple(order))


def only(restart: GroupRestart, order: Sequence[Key]) -> GroupRestart:
    """Return a restart without those that are no members any more, in the order that holds now."""
    return msgspec.structs.replace(
        restart,
        to_stop=tuple(key for key in order if key in restart.to_stop),
        to_start=tuple(key for key in order if key in restart.to_start),
        waits=tuple(wait for wait in restart.waits if wait.instance.deployment in order),
    )


def _of_others(waits: Sequence[BackoffWait], instance: ComponentId) -> tuple[BackoffWait, ...]:
    return tuple(wait for wait in waits if wait.instance != instance)


class Standing(msgspec.Struct, frozen=True):
    """The state of a member's instances, each field true when it is so of one of them.

    `runs`: alive, and not told to stop. `goes`: told to, or not begun yet. `stands_by`: waits for its group to start
    it. `gave_up`. `comes`: alive, and not Ready yet; one that waits for its own back-off does not.
    """

    runs: bool = False
    goes: bool = False
    stands_by: bool = False
    gave_up: bool = False
    comes: bool = False

    def __or__(self, other: "Standing") -> "Standing":
        """Return how both are, taken together."""
        names = self.__struct_fields__
        return Standing(**{name: getattr(self, name) or getattr(other, name) for name in names})


def standing_of(state: State) -> Standing:
    """Return how one instance is."""
    match state.phase:
        case Phase.STOPPED:
            return Standing()
        case Phase.GAVE_UP:
            return Standing(gave_up=True)
        case Phase.INSTALLED | Phase.STOPPING:
            return Standing(goes=True)
        case Phase.BACKING_OFF:
            return Standing(stands_by=state is State.STANDING_BY, runs=state is State.BACKING_OFF)
        case _:
            return Standing(runs=True, comes=not state.ready)


class GroupVerb(Enum):
    """The next act on one member."""

    STOP = "stop"
    GIVE_UP = "give-up"
    START = "start"


class GroupStep(msgspec.Struct, frozen=True):
    """One thing to do to one member."""

    verb: GroupVerb
    key: Key


def advance(
    restart: GroupRestart, standing: Callable[[Key], Standing], now_ms: int
) -> tuple[GroupRestart, GroupStep | None]:
    """Return what is left of a restart, and the next thing to do; None when it waits for members or for time."""
    while restart.to_stop:
        last = restart.to_stop[-1]
        step, waits = _next_of_stop(last, standing(last), gives_up=bool(restart.gave_up))
        if step or waits:
            return restart, step
        restart = msgspec.structs.replace(restart, to_stop=restart.to_stop[:-1])
    while restart.to_start and now_ms >= restart.due_ms:
        first = restart.to_start[0]
        seen = standing(first)
        if seen.stands_by or seen.gave_up:
            return restart, GroupStep(GroupVerb.START, first)
        if seen.comes or seen.goes:
            return restart, None
        restart = msgspec.structs.replace(restart, to_start=restart.to_start[1:])
    # The waits of a finished restart must not be taken for those of the next.
    return (msgspec.structs.replace(restart, waits=()) if restart.is_over else restart), None


def _next_of_stop(key: Key, seen: Standing, *, gives_up: bool) -> tuple[GroupStep | None, bool]:
    if seen.runs or (gives_up and seen.stands_by):
        return GroupStep(GroupVerb.GIVE_UP if gives_up else GroupVerb.STOP, key), True
    return None, seen.goes
