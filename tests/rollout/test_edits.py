"""Where a rollout stands once its policy was edited, and what an edit acts on."""

import hypothesis.strategies as st
import pytest
from hypothesis import given
from msgspec.structs import replace

from orchestrator.model.observed import Rejection
from orchestrator.model.rollout import RolloutPhase, WaitsFor
from orchestrator.model.spec import HealthPolicy, Job, PauseStep, RestartPolicy, Strategy, WeightStep
from orchestrator.rollout.commands import promote
from orchestrator.rollout.edits import edited, position
from orchestrator.rollout.in_place import put_in_place, with_edits
from orchestrator.rollout.phases import TRANSITIONS
from orchestrator.rollout.steps import weight_at
from tests.plan.build import deployment, record
from tests.rollout.test_promises import facts, rollouts, steps
from tests.rollout.worlds import CALM, STEPS, T0, rollout, settle, target

P = RolloutPhase
W, FOR_EVER, BRIEF = WeightStep, PauseStep(), PauseStep(duration_ms=1_000)
HALF = (W(weight=10), FOR_EVER, W(weight=50), FOR_EVER)


@pytest.mark.parametrize(
    ("before", "after", "index", "expected"),
    [
        (HALF, HALF, 1, 1),
        (HALF, (W(weight=10), BRIEF, W(weight=90)), 1, 1),  # a pause of another length
        (HALF, (W(weight=10), FOR_EVER), 1, 1),
        (HALF, (*HALF, W(weight=90)), 3, 3),
        (HALF, (W(weight=5), FOR_EVER, W(weight=10), FOR_EVER, W(weight=50)), 1, 2),  # both pauses of ten are to come
        (HALF, (W(weight=20), FOR_EVER), 1, -1),  # all of them give more than it has
        (HALF, (W(weight=10), W(weight=20), FOR_EVER), 1, 0),
        (HALF, (), 1, -1),
        (HALF, (W(weight=10),), 3, 0),
        (HALF, (FOR_EVER, *HALF), -1, -1),
        ((W(weight=10), BRIEF), (W(weight=10), BRIEF, W(weight=50)), 2, 1),  # the last was done: go on after it
    ],
)
def test_the_place_among_other_steps(before, after, index, expected):
    assert position(before, after, index) == expected


@given(steps, steps, st.data())
def test_an_edit_alone_never_gives_the_new_version_more(before, after, data):
    index = data.draw(st.integers(-1, len(before)))
    found = position(before, after, index)
    assert -1 <= found <= max(index, len(after) - 1)
    assert weight_at(after, found) <= weight_at(before, index)


@given(rollouts, st.lists(facts, max_size=12), rollouts)
def test_an_edited_rollout_stands_where_the_table_allows_and_settles(value, seen, other):
    for now_ms, fact in enumerate(seen, T0):
        value = settle(value, fact, now_ms)
    policy = other.target.rollout
    after = edited(value, replace(value.target, rollout=policy, replicas=1), T0 + 100)
    assert after.phase is value.phase or after.phase in TRANSITIONS[value.phase]
    assert after.target.rollout == policy
    assert (after.phase is P.PAUSED) == (after.waits_for is not None)
    assert value.phase not in (P.PROGRESSING, P.PAUSED) or after.weight <= value.weight
    settle(after, CALM, T0 + 200)


def paused(which=HALF):
    return settle(rollout(Strategy.CANARY, steps=which), CALM, T0)


def edit(value, **policy):
    return edited(value, replace(value.target, rollout=replace(value.target.rollout, **policy)), T0 + 5)


def test_a_pause_that_is_given_an_end_is_no_wait_for_a_person_any_more():
    after = edit(paused(), steps=(W(weight=10), PauseStep(duration_ms=60_000)))
    assert (after.phase, after.step, after.conclusion, after.step_since_ms) == (P.PROGRESSING, 1, "", T0)


def test_a_pause_that_is_moved_says_where_it_is_now():
    after = edit(paused(), steps=(W(weight=5), FOR_EVER, W(weight=10), FOR_EVER))
    after = settle(after, CALM, T0 + 6)
    assert (after.phase, after.step, after.weight) == (P.PAUSED, 3, 10)
    assert after.conclusion == "step 4 of 4 waits for `airs rollout promote default/hello`"
    assert promote(edit(paused(), steps=(*HALF, W(weight=90), FOR_EVER)), T0 + 6).step == 2


def test_deadlines_move_by_what_they_were_changed():
    waiting = rollout()
    assert edit(waiting, progress_deadline_ms=90_000).deadline_ms == waiting.deadline_ms + 30_000
    keeping = settle(rollout(), replace(CALM, old_drained=True), T0)
    assert edit(keeping, keep_previous_ms=0).keep_until_ms == T0


def test_an_edited_analysis_ends_a_wait_for_messages():
    value = paused((W(weight=10), PauseStep(duration_ms=600_000)))
    for tick in (1, 2, 3):
        value = settle(value, CALM, T0 + tick * 100_000)
    assert value.waits_for is WaitsFor.MESSAGES
    after = edit(value, analysis=replace(value.target.rollout.analysis, minimum_messages=1))
    assert (after.phase, after.inconclusive_checks, after.step) == (P.PROGRESSING, 0, value.step)


@pytest.mark.parametrize("strategy", [Strategy.BLUE_GREEN, Strategy.RECREATE])
@pytest.mark.parametrize("which", [HALF, STEPS])
def test_a_canary_that_is_to_be_one_no_more_takes_over(strategy, which):
    after = settle(edit(paused(which), strategy=strategy), CALM, T0 + 6)
    assert after.phase is P.PROMOTING


@pytest.mark.parametrize("which", [HALF, STEPS])
def test_without_instances_a_canary_waits_and_then_carries_its_step_out_anew(which):
    before = paused(which)
    none = replace(CALM, wanted=0, ready=0, old_ready=0)
    waits = settle(before, none, T0 + 10**7)
    assert (waits.phase, waits.step, waits.weight) == (P.PAUSED, before.step, before.weight)
    assert settle(waits, replace(CALM, ready=1), T0 + 2 * 10**7).phase is P.PAUSED
    after = settle(waits, CALM, T0 + 3 * 10**7)
    assert (after.phase, after.step) == (before.phase, before.step)
    assert after.step_since_ms == T0 + 3 * 10**7


ONE, TWO = deployment("one"), deployment("one", "2.0.0")
SEEN = replace(TWO, health=HealthPolicy(failure_threshold=1))


def test_only_what_was_edited_since_acts_on_another_revision():
    wanted = replace(SEEN, replicas=3, restart=RestartPolicy(intensity=1))
    assert with_edits(ONE, SEEN, wanted) == replace(ONE, replicas=3, restart=RestartPolicy(intensity=1))
    assert with_edits(ONE, SEEN, SEEN) is ONE
    assert with_edits(TWO, SEEN, wanted) == wanted


def test_what_makes_no_sense_for_the_other_revision_does_not_act_on_it():
    job = replace(ONE, revision=replace(ONE.revision, job=Job()))
    wanted = replace(SEEN, replicas=3, labels=(("a", "b"),))
    assert with_edits(job, SEEN, wanted) == replace(job, labels=(("a", "b"),))
    single = replace(ONE, revision=replace(ONE.revision, stateful=True))
    assert with_edits(single, SEEN, wanted).replicas == 1


def test_an_edit_and_its_taking_back_both_act_on_what_serves_beside_a_hold():
    held = record(ONE, wanted=SEEN, rejected=(Rejection(revision=TWO.revision.id, reason="", at_ms=1, seen=SEEN),))
    once = put_in_place(held, replace(SEEN, replicas=3), T0)
    assert once.stable == replace(ONE, replicas=3)
    assert put_in_place(once, replace(SEEN, replicas=1), T0).stable == replace(ONE, replicas=1)


def test_an_edit_during_a_rollout_acts_on_what_is_kept_warm_too():
    keeping = replace(settle(rollout(), replace(CALM, old_drained=True), T0), old=ONE)
    wanted = replace(keeping.target, replicas=5)
    after = put_in_place(record(keeping.target, rollout=keeping), wanted, T0)
    assert (after.stable.replicas, after.rollout.target.replicas, after.rollout.old.replicas) == (5, 5, 5)
    assert after.rollout.old.revision == ONE.revision
    assert target() == keeping.target
