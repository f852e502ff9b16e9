"""What a group makes of a failure: restart type × exit kind × the member's window × the group's × strategy × member."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import ComponentId
from orchestrator.model.spec import Backoff, Group, GroupStrategy, RestartPolicy, RestartType
from orchestrator.supervise.groups import (
    BackoffWait,
    GroupRestart,
    GroupStep,
    GroupVerb,
    InstanceFailure,
    Standing,
    advance,
    affected,
    decide_again,
    decide_together,
    only,
    revived,
    standing_of,
)
from orchestrator.supervise.life import READY, STOPPING, State
from orchestrator.supervise.policy import Forget, GiveUp, RestartAfter, StandBy, decide
from tests.plan.build import key

NOW = 1_000_000
A, B, C = ORDER = tuple(map(key, "abc"))
ALONE, ALL, REST = GroupStrategy
OWN_WINDOWS = {"none": (), "all that it may have": (NOW - 2, NOW - 1), "long ago": (NOW - 60_000, NOW - 70_000)}
GROUP_WINDOWS = {
    "none": (),
    "one less than allowed": (NOW - 9_999, NOW - 1),
    "as many as allowed": (NOW - 3, NOW - 2, NOW - 1),
    "more, but long ago": (NOW - 10_000, NOW - 20_000, NOW - 30_000, NOW - 40_000),
}
RESTARTED = {
    (ALONE, A): (), (ALONE, B): (), (ALONE, C): (),
    (ALL, A): (A, B, C), (ALL, B): (A, B, C), (ALL, C): (A, B, C),
    (REST, A): (A, B, C), (REST, B): (B, C), (REST, C): (C,),
}  # fmt: skip


def group(strategy: GroupStrategy, intensity: int = 3) -> Group:
    return Group(name="g", strategy=strategy, intensity=intensity, period_ms=10_000)


def trap(of, alone=None, at_ms=NOW) -> InstanceFailure:
    return InstanceFailure(instance_of(of), at_ms, ExitReason(kind=ExitKind.TRAPPED), alone or RestartAfter(100))


def instance_of(of) -> ComponentId:
    return ComponentId(of.namespace, of.name, "0")


def waiting(*dues: tuple) -> tuple[BackoffWait, ...]:
    return tuple(BackoffWait(instance_of(of), due_ms) for of, due_ms in dues)


@pytest.mark.parametrize(
    ("restart", "kind", "own", "window", "strategy", "failed"),
    list(itertools.product(RestartType, ExitKind, OWN_WINDOWS, GROUP_WINDOWS, GroupStrategy, ORDER)),
)
def test_every_failure_has_the_answer_of_its_group(restart, kind, own, window, strategy, failed):
    reason = ExitReason(kind=kind, detail="d")
    policy = RestartPolicy(type=restart, intensity=2, period_ms=60_000, backoff=Backoff(initial_ms=100, jitter=0))
    alone = decide(reason, policy, OWN_WINDOWS[own], NOW)
    failure = InstanceFailure(instance_of(failed), NOW, reason, alone)
    decided = decide_together(group(strategy), GroupRestart(), ORDER, failure, GROUP_WINDOWS[window])
    if isinstance(alone, Forget) or kind in (ExitKind.CANCELLED, ExitKind.HOST_FAULT):
        assert (decided.decision, decided.restart, decided.counts) == (alone, GroupRestart(), False)
    elif isinstance(alone, GiveUp) or window == "as many as allowed":
        assert isinstance(decided.decision, GiveUp)
        assert (decided.restart.to_stop, decided.restart.to_start) == (ORDER, ())
        assert f"{kind.value}: d" in decided.restart.gave_up
        assert str(failed) in decided.restart.gave_up
        assert decided.counts
    elif strategy is ALONE:
        assert (decided.decision, decided.restart, decided.counts) == (alone, GroupRestart(), True)
    else:
        assert isinstance(decided.decision, StandBy)
        assert decided.restart.to_start == RESTARTED[strategy, failed]
        assert set(decided.restart.to_stop) | {failed} == set(RESTARTED[strategy, failed])
        assert decided.restart.due_ms == NOW + 100
        assert decided.counts


@pytest.mark.parametrize(("strategy", "failed"), list(itertools.product((ALL, REST), ORDER)))
def test_a_member_that_was_to_be_stopped_anyway_is_not_answered_twice(strategy, failed):
    restart = decide_together(group(strategy), GroupRestart(), ORDER, trap(failed), ()).restart
    for other in restart.to_stop:
        again = decide_together(group(strategy), restart, ORDER, trap(other, at_ms=NOW + 1), (NOW,))
        assert isinstance(again.decision, StandBy)
        assert (again.restart, again.counts, again.others) == (restart, False, ())


def test_an_earlier_member_that_fails_meanwhile_makes_the_restart_larger():
    restart = decide_together(group(REST), GroupRestart(), ORDER, trap(C), ()).restart
    grown = decide_together(group(REST), restart, ORDER, trap(A, RestartAfter(10), NOW + 1), (NOW,))
    assert (grown.restart.to_stop, grown.restart.to_start) == ((B, C), ORDER)
    assert grown.restart.due_ms == NOW + 100  # whoever waits for longest
    assert grown.counts


def test_a_member_that_fails_as_it_is_started_again_begins_anew_and_counts():
    restart = GroupRestart(to_start=(B, C), waits=waiting((A, NOW)))  # a is back already
    decided = decide_together(group(ALL), restart, ORDER, trap(A, at_ms=NOW + 5), (NOW - 1,))
    assert decided.restart == GroupRestart(to_stop=ORDER, to_start=ORDER, waits=waiting((A, NOW + 105)))
    assert decided.counts


def test_what_fails_while_its_group_gives_up_gives_up_with_it():
    gone = GroupRestart(to_stop=(A, B), gave_up="why")
    assert isinstance(decide_together(group(ALL), gone, ORDER, trap(A), ()).decision, GiveUp)


WAITING = GroupRestart(to_start=ORDER, waits=waiting((A, NOW + 100), (B, NOW + 900)))


def again(alone, restart=WAITING, *, strategy=ALL, intensity=3, earlier=(), counted=True):
    return decide_again(group(strategy, intensity), restart, ORDER, trap(B, alone), earlier, counted=counted)


def test_a_group_waits_for_the_back_off_that_an_edited_policy_says():
    decided = again(RestartAfter(250))
    assert isinstance(decided.decision, StandBy)
    assert decided.restart == GroupRestart(to_start=ORDER, waits=waiting((A, NOW + 100), (B, NOW + 250)))
    assert not decided.counts


def test_a_group_waits_no_more_for_what_an_edited_policy_misses_no_more():
    decided = again(Forget())
    assert decided.decision == Forget()
    assert decided.restart == GroupRestart(to_start=ORDER, waits=waiting((A, NOW + 100)))


@pytest.mark.parametrize("how", [{"intensity": 1, "earlier": (NOW - 1,)}, {"alone": GiveUp("its own limit")}])
@pytest.mark.parametrize(("strategy", "restart"), [(ALL, WAITING), (ALONE, GroupRestart())])
def test_a_failure_that_an_edited_policy_does_not_allow_has_the_group_give_up(strategy, restart, how):
    decided = again(**{"alone": RestartAfter(900), "restart": restart, "strategy": strategy, **how})
    assert isinstance(decided.decision, GiveUp)
    assert (decided.restart.to_stop, decided.restart.to_start) == (ORDER, ())


def test_one_for_one_has_the_failed_member_wait_by_itself_as_its_edited_policy_says():
    decided = again(RestartAfter(250), GroupRestart(), strategy=ALONE)
    assert (decided.decision, decided.restart) == (RestartAfter(250), GroupRestart())


def test_what_stands_by_because_its_group_was_about_to_stop_it_anyway_goes_on_to_do_so():
    assert isinstance(again(GiveUp("its own limit"), counted=False).decision, StandBy)


def test_a_failure_from_before_it_joined_its_group_is_its_own():
    assert again(RestartAfter(250), GroupRestart(), counted=False).decision == RestartAfter(250)


def test_a_group_is_asked_for_again_with_all_its_members_in_order():
    assert revived(ORDER, GroupRestart(to_stop=(A,), gave_up="why")) == GroupRestart(to_stop=(A,), to_start=ORDER)


def test_who_leaves_a_group_is_out_of_its_restart():
    restart = GroupRestart(to_stop=(A, B), to_start=(A, B, C), waits=waiting((A, NOW), (B, NOW)))
    assert only(restart, (C, A)) == GroupRestart(to_stop=(A,), to_start=(C, A), waits=waiting((A, NOW)))


def test_an_instance_stands_as_its_state_says():
    runs, comes, goes = Standing(runs=True), Standing(runs=True, comes=True), Standing(goes=True)
    told = {
        **dict.fromkeys(State, comes),
        **dict.fromkeys(READY, runs),
        **dict.fromkeys((State.INSTALLED, *STOPPING), goes),
        State.BACKING_OFF: runs,
        State.STANDING_BY: Standing(stands_by=True),
        State.GAVE_UP: Standing(gave_up=True),
        State.ENDED: Standing(),
        State.LEFT: Standing(),
    }
    assert {state: standing_of(state) for state in State} == told
    assert runs | Standing(goes=True) == Standing(runs=True, goes=True)


class Members:
    """Members that obey at once or, being `slow`, a look later."""

    def __init__(self, running, slow=()) -> None:
        self.phases = dict.fromkeys(ORDER, "down") | dict.fromkeys(running, "up")
        self.slow, self.told = slow, []

    def standing(self, key) -> Standing:
        phase = self.phases[key]
        words = {
            "up": Standing(runs=True), "down": Standing(stands_by=True), "gave up": Standing(gave_up=True),
            "going": Standing(goes=True), "coming": Standing(runs=True, comes=True),
        }  # fmt: skip
        return words[phase]

    def obey(self, step: GroupStep) -> None:
        self.told.append((step.verb, step.key.name))
        done, under_way = {
            GroupVerb.STOP: ("down", "going"), GroupVerb.GIVE_UP: ("gave up", "going"),
            GroupVerb.START: ("up", "coming"),
        }[step.verb]  # fmt: skip
        self.phases[step.key] = under_way if step.key in self.slow else done
        self.ends = {"going": done, "coming": done}

    def follow(self, restart: GroupRestart, now: int = NOW) -> GroupRestart:
        for _ in range(50):
            restart, step = advance(restart, self.standing, now)
            if step is not None:
                self.obey(step)
            elif "going" in self.phases.values() or "coming" in self.phases.values():
                under_way = [k for k, phase in self.phases.items() if phase in ("going", "coming")]
                assert len(under_way) == 1, "one member at a time"
                self.phases[under_way[0]] = self.ends[self.phases[under_way[0]]]
            else:
                return restart
        raise AssertionError("never comes to an end")


@pytest.mark.parametrize("slow", [(), ORDER])
@pytest.mark.parametrize(("strategy", "failed"), list(itertools.product((ALL, REST), ORDER)))
def test_members_stop_from_the_last_to_the_first_and_start_the_other_way_round_one_at_a_time(strategy, failed, slow):
    members = Members([k for k in ORDER if k != failed], slow)
    restart = decide_together(group(strategy), GroupRestart(), ORDER, trap(failed, RestartAfter(0)), ()).restart
    assert members.follow(restart).is_over
    names = [k.name for k in RESTARTED[strategy, failed]]
    stopped = [(GroupVerb.STOP, name) for name in reversed(names) if name != failed.name]
    assert members.told == stopped + [(GroupVerb.START, name) for name in names]


def test_nothing_is_started_before_the_back_off_is_over():
    waits = waiting((B, NOW + 100), (C, NOW + 50))
    restart, members = GroupRestart(to_stop=(C,), to_start=(B, C), waits=waits), Members([A, C])
    assert members.follow(restart, NOW + 99) == GroupRestart(to_start=(B, C), waits=waits)
    assert members.told == [(GroupVerb.STOP, "c")]
    assert members.follow(restart, NOW + 100) == GroupRestart()


def test_a_group_that_gives_up_ends_from_the_last_to_the_first_also_who_waited_to_be_started():
    members = Members([A, C])
    assert members.follow(GroupRestart(to_stop=ORDER, gave_up="why")).is_over
    assert members.told == [(GroupVerb.GIVE_UP, "c"), (GroupVerb.GIVE_UP, "b"), (GroupVerb.GIVE_UP, "a")]


@given(st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1), st.data())
def test_rest_for_one_touches_exactly_those_after(names, data):
    order = list(map(key, names))
    failed = data.draw(st.sampled_from(order))
    assert [*affected(REST, order, failed)] == order[order.index(failed) + 1 :]
    assert affected(ALL, order, failed) == tuple(order)
    assert affected(ALONE, order, failed) == ()
