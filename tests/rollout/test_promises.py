"""What holds for every world, kind or not, drawn at random."""

import hypothesis.strategies as st
from hypothesis import given, settings
from msgspec.structs import replace

from orchestrator.decoding import from_json
from orchestrator.model.base import canonical_json
from orchestrator.model.rollout import Cause, RolloutPhase
from orchestrator.model.spec import PauseStep, Strategy, WeightStep
from orchestrator.rollout.advance import advance
from orchestrator.rollout.course import Course, course
from orchestrator.rollout.facts import Facts
from orchestrator.rollout.shape import NewSet, OldSet, shape
from tests.rollout.worlds import T0, rollout, settle

P = RolloutPhase
SERVED = {P.PROMOTING, P.KEEPING, P.SUCCEEDED}

steps = st.lists(
    st.builds(WeightStep, weight=st.integers(1, 100))
    | st.builds(PauseStep, duration_ms=st.none() | st.integers(0, 9_000)),
    max_size=5,
).map(tuple)
rollouts = st.builds(
    rollout,
    st.sampled_from(Strategy),
    stable=st.sampled_from([None, "a" * 64]),
    cause=st.sampled_from(Cause),
    stateful=st.booleans(),
    steps=steps,
)
facts = st.builds(
    Facts,
    wanted=st.integers(0, 3),
    ready=st.integers(0, 3),
    old_ready=st.integers(0, 3),
    gave_up=st.sampled_from([False] * 9 + [True]),
    unhealthy=st.sampled_from([False] * 9 + [True]),
    failed_start=st.sampled_from([""] * 9 + ["trap"]),
    old_drained=st.booleans(),
    old_asks=st.booleans(),
    old_gone=st.booleans(),
    new_gone=st.booleans(),
    new_messages=st.integers(0, 10_000),
    new_errors=st.integers(0, 100),
)
streams = st.lists(st.tuples(facts, st.integers(-20_000, 40_000)), max_size=40)


def histories(value, stream):
    now_ms = T0
    for seen, passed_ms in stream:
        now_ms += passed_ms
        after = advance(value, seen, now_ms)
        yield value, seen, now_ms, after
        value = after


@given(rollouts, streams)
def test_nothing_is_promoted_beyond_the_failure_limit(value, stream):
    for _, _, _, after in histories(value, stream):
        assert after.phase not in SERVED or after.failed_checks <= after.target.rollout.analysis.failure_limit


@given(rollouts, streams)
def test_a_canary_is_promoted_only_on_a_passed_check_or_when_no_instance_could_be_judged(value, stream):
    for before, seen, _, after in histories(value, stream):
        if course(value) is Course.CANARY and after.phase is P.PROMOTING and before.phase is not P.PROMOTING:
            assert after.passed_checks > 0 or seen.wanted == 0


@given(rollouts, streams)
def test_a_weight_comes_from_the_steps_or_is_nothing_or_everything(value, stream):
    weights = {step.weight for step in value.target.rollout.steps if isinstance(step, WeightStep)}
    for _, _, _, after in histories(value, stream):
        expected = {100} if after.phase in SERVED else {0}
        if after.phase in (P.PROGRESSING, P.PAUSED):
            expected = weights | {0}
        assert shape(after).weight in expected


@given(rollouts, streams)
def test_no_traffic_goes_to_a_version_that_has_not_passed_its_gates(value, stream):
    passed = False
    for before, seen, _, after in histories(value, stream):
        passed |= before.phase is P.GATING and seen.is_ready
        assert passed or shape(after).weight == 0


@given(rollouts, streams)
def test_the_old_version_serves_whole_until_the_new_one_is_ready(value, stream):
    for _, _, _, after in histories(value, stream):
        if after.stable and not course(after).holds and after.phase not in SERVED:
            assert shape(after).old is OldSet.SERVING
            assert not shape(after).hold


@given(rollouts, streams)
def test_two_versions_never_work_at_once_where_only_one_may(value, stream):
    for before, seen, _, after in histories(value, stream):
        form = shape(after)
        if course(after).holds and form.new is NewSet.RUNNING:
            assert form.old in (OldSet.DRAINED, OldSet.STOPPED)
        if course(after).holds and after.phase is P.FAILED and before.phase is not P.FAILED:
            assert seen.new_gone


@given(rollouts, streams)
def test_messages_are_held_only_while_one_set_makes_way_for_the_other(value, stream):
    for _, _, _, after in histories(value, stream):
        if shape(after).hold:
            assert course(after).holds
            assert after.phase in (P.STARTING, P.GATING, P.ROLLING_BACK)


@given(rollouts, streams)
def test_a_second_look_at_the_same_instant_settles(value, stream):
    for _, seen, now_ms, after in histories(value, stream):
        settled = settle(after, seen, now_ms)
        assert advance(settled, seen, now_ms) == settled


def obeyed(value, *, healthy, messages, errors) -> Facts:
    """What a world that does as the shape says looks like."""
    form = shape(value)
    new, old = form.new is NewSet.RUNNING, form.old is not OldSet.STOPPED
    return Facts(
        wanted=2,
        ready=2 if new and healthy else 0,
        old_ready=2 if old else 0,
        gave_up=False,
        unhealthy=False,
        failed_start="",
        old_drained=form.old is not OldSet.SERVING,
        old_asks=False,
        old_gone=not old,
        new_gone=not new,
        new_messages=messages,
        new_errors=errors,
    )


@given(rollouts, streams, st.booleans(), st.integers(0, 200), st.sampled_from([0, 1]))
@settings(max_examples=200)
def test_every_rollout_ends_or_waits_for_a_person_in_a_world_that_obeys(value, stream, healthy, rate, errs):
    past = [*histories(value, stream)]
    now_ms, value = (past[-1][2], past[-1][3]) if past else (T0, value)
    total = 0
    for _ in range(2_000):
        now_ms, total = now_ms + 1_000, total + rate
        value = advance(value, obeyed(value, healthy=healthy, messages=total, errors=total * errs), now_ms)
        if value.phase.is_over or value.phase is P.PAUSED:
            break
    # A version that broke while it was the only one is its supervisor's business; the rollout keeps the old one warm.
    may_keep = value.phase is P.KEEPING and not healthy
    assert value.phase in (P.SUCCEEDED, P.FAILED, P.PAUSED) or may_keep


@given(rollouts)
def test_a_rollout_survives_being_written_and_read(value):
    assert from_json(canonical_json(value), type(value)) == value


def test_a_rollout_continues_after_a_crash_at_every_step_to_the_same_end():
    value, now_ms, total = rollout(Strategy.CANARY, steps=(WeightStep(weight=10), PauseStep(duration_ms=7_000))), T0, 0
    seen = []
    while not value.phase.is_over:
        now_ms, total = now_ms + 1_000, total + 100
        kept = replace(value)  # all that a restarted agent has
        world = obeyed(value, healthy=True, messages=total, errors=0)
        assert advance(kept, world, now_ms) == advance(value, world, now_ms)
        value = advance(value, world, now_ms)
        seen.append(value.phase)
    assert value.phase is P.SUCCEEDED
    assert P.KEEPING in seen
