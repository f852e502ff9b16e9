import pytest
from msgspec.structs import replace

from orchestrator.model.rollout import Cause, MessageCounts, RolloutPhase
from orchestrator.model.spec import PauseStep, Strategy, WeightStep
from orchestrator.rollout.advance import advance, due_ms
from orchestrator.rollout.edits import edited
from orchestrator.rollout.shape import NewSet, OldSet, Shape, shape
from tests.rollout.worlds import ANALYSIS, CALM, NOT_YET, STEPS, T0, phases, rollout, settle

P = RolloutPhase


def canary(steps=STEPS, **more):
    return rollout(Strategy.CANARY, steps=steps, **more)


def looks(value) -> tuple[str, str, int, bool]:
    seen = shape(value)
    return seen.new.value, seen.old.value, seen.weight, seen.hold


def served(facts, messages, errors=0):
    return replace(facts, new_messages=facts.new_messages + messages, new_errors=facts.new_errors + errors)


# -- a first version


def test_a_first_version_skips_the_strategy_and_keeps_nothing():
    first = canary(stable=None)
    assert phases(first, CALM, T0) == ["pending", "starting", "gating", "promoting", "succeeded"]
    done = settle(first, CALM, T0)
    assert looks(done) == ("running", "stopped", 100, False)
    assert done.keep_until_ms == 0


def test_messages_wait_unheld_for_a_first_version_that_is_starting():
    assert looks(settle(rollout(stable=None), NOT_YET, T0)) == ("running", "stopped", 0, False)


def test_a_first_version_that_never_gets_healthy_fails_at_its_deadline():
    facts = replace(NOT_YET, ready=1, failed_start="initialize said no")
    starting = settle(rollout(stable=None), facts, T0)
    assert settle(starting, facts, T0 + 59_999).phase is P.STARTING
    failing = settle(starting, facts, T0 + 60_000)
    assert failing.phase is P.ROLLING_BACK
    failed = settle(failing, replace(facts, new_gone=True), T0 + 60_001)
    assert failed.phase is P.FAILED
    assert (
        failed.conclusion == "1 of 2 instances were ready when the progress deadline of 60s passed: initialize said no"
    )
    assert looks(failed) == ("absent", "stopped", 0, False)


def test_a_first_version_whose_supervisor_gave_up_fails_without_waiting():
    given_up = settle(rollout(stable=None), replace(NOT_YET, gave_up=True), T0)
    assert given_up.phase is P.ROLLING_BACK
    assert "gave up" in given_up.conclusion


# -- blue-green


def test_blue_green_starts_beside_switches_drains_keeps_and_retires():
    value = settle(rollout(), NOT_YET, T0)
    assert (value.phase, looks(value)) == (P.STARTING, ("running", "serving", 0, False))
    value = settle(value, CALM, T0 + 10)
    assert (value.phase, looks(value)) == (P.PROMOTING, ("running", "warm", 100, False))
    value = settle(value, replace(CALM, old_drained=True), T0 + 20)
    assert (value.phase, looks(value)) == (P.KEEPING, ("running", "warm", 100, False))
    assert value.keep_until_ms == T0 + 20 + 600_000
    assert advance(value, replace(CALM, old_drained=True), value.keep_until_ms - 1) == value
    value = settle(value, CALM, value.keep_until_ms)
    assert (value.phase, looks(value)) == (P.SUCCEEDED, ("running", "stopped", 100, False))


def test_the_old_version_serves_whole_until_the_whole_new_set_is_ready():
    half = replace(CALM, ready=1)
    value = settle(rollout(), half, T0)
    assert (value.phase, looks(value)) == (P.STARTING, ("running", "serving", 0, False))


def test_an_instance_lost_while_gating_starts_the_wait_again():
    gating = advance(advance(rollout(), NOT_YET, T0), CALM, T0)
    assert gating.phase is P.GATING
    assert advance(gating, replace(CALM, ready=1), T0 + 1).phase is P.STARTING
    assert advance(gating, replace(CALM, unhealthy=True), T0 + 1).phase is P.STARTING


def test_a_failed_start_of_blue_green_is_left_to_the_supervisor():
    facts = replace(NOT_YET, failed_start="trap")
    assert settle(rollout(), facts, T0).phase is P.STARTING


@pytest.mark.parametrize("phase", [P.STARTING, P.GATING])
def test_the_progress_deadline_rolls_back_and_the_old_never_stops(phase):
    waiting = replace(settle(rollout(), NOT_YET, T0), phase=phase)
    back = settle(waiting, NOT_YET, T0 + 60_000)
    assert (back.phase, looks(back)) == (P.ROLLING_BACK, ("absent", "serving", 0, False))
    assert settle(back, NOT_YET, T0 + 10**9).phase is P.ROLLING_BACK, "failed only once the new has gone"
    failed = settle(back, replace(NOT_YET, new_gone=True), T0 + 60_001)
    assert (failed.phase, failed.conclusion) == (P.FAILED, back.conclusion)


def test_each_newly_healthy_instance_moves_the_deadline_but_a_flapping_one_does_not():
    one, none = replace(CALM, ready=1), NOT_YET
    value = settle(rollout(), one, T0 + 50_000)
    assert value.deadline_ms == T0 + 110_000
    value = settle(settle(value, none, T0 + 70_000), one, T0 + 80_000)
    assert value.deadline_ms == T0 + 110_000
    assert settle(value, one, T0 + 110_000).phase is P.ROLLING_BACK


def test_a_set_that_is_ready_at_its_deadline_is_in_time():
    starting = settle(rollout(), NOT_YET, T0)
    assert settle(starting, CALM, T0 + 10**9).phase is P.PROMOTING


@pytest.mark.parametrize(
    ("ready", "old_ready", "expected"),
    [(0, 2, P.ROLLING_BACK), (1, 2, P.ROLLING_BACK), (1, 0, P.PROMOTING), (0, 0, P.ROLLING_BACK)],
)
def test_a_promotion_that_fails_keeps_traffic_on_whichever_version_is_healthy(ready, old_ready, expected):
    promoting = settle(rollout(), CALM, T0)
    facts = replace(CALM, ready=ready, old_ready=old_ready, unhealthy=True)
    assert settle(promoting, facts, T0 + 1).phase is expected


def test_a_broken_stable_version_does_not_block_its_own_fix():
    facts = replace(CALM, old_ready=0, old_drained=True)
    assert settle(rollout(), facts, T0).phase is P.KEEPING


def test_the_old_version_stays_warm_while_the_new_one_is_not_whole():
    keeping = settle(rollout(), replace(CALM, old_drained=True), T0)
    assert settle(keeping, replace(CALM, ready=1), T0 + 10**9).phase is P.KEEPING
    assert settle(keeping, CALM, T0 + 10**9).phase is P.SUCCEEDED


# -- recreate


def test_recreate_stops_the_old_before_the_new_starts_and_holds_messages_meanwhile():
    value = settle(rollout(Strategy.RECREATE), replace(NOT_YET, old_drained=True), T0)
    assert looks(value) == ("absent", "stopped", 0, True)
    gone = replace(NOT_YET, old_ready=0, old_drained=True, old_gone=True)
    value = settle(value, gone, T0 + 10)
    assert (value.phase, looks(value)) == (P.STARTING, ("running", "stopped", 0, True))
    assert phases(value, replace(gone, ready=2), T0 + 20) == ["starting", "gating", "promoting", "succeeded"]
    assert looks(settle(value, replace(gone, ready=2), T0 + 20)) == ("running", "stopped", 100, False)


# -- stateful


def test_a_stateful_switch_holds_drains_starts_and_releases():
    one = replace(NOT_YET, wanted=1, old_ready=1)
    value = settle(rollout(stateful=True), one, T0)
    assert looks(value) == ("absent", "drained", 0, True)
    value = settle(value, replace(one, old_drained=True, old_asks=True), T0 + 5)
    assert looks(value) == ("absent", "drained", 0, True)
    value = settle(value, replace(one, old_drained=True), T0 + 10)
    assert looks(value) == ("running", "drained", 0, True)
    value = settle(value, replace(one, ready=1, old_drained=True), T0 + 20)
    assert (value.phase, looks(value)) == (P.PROMOTING, ("running", "stopped", 100, False))
    value = settle(value, replace(one, ready=1, old_drained=True, old_gone=True), T0 + 30)
    assert (value.phase, value.keep_until_ms) == (P.SUCCEEDED, 0)


@pytest.mark.parametrize("fault", [{"failed_start": "initialize-failed"}, {"gave_up": True}, {"unhealthy": True}])
@pytest.mark.parametrize("way", [{"stateful": True}, {"strategy": Strategy.RECREATE}])
def test_one_failed_start_rolls_back_at_once_while_messages_are_held(way, fault):
    out = replace(NOT_YET, old_drained=True, old_gone="strategy" in way)
    starting = settle(rollout(**way), out, T0)
    back = settle(starting, replace(out, **fault), T0 + 1)
    assert (back.phase, looks(back)) == (P.ROLLING_BACK, ("absent", "drained", 0, True))
    failed = settle(back, replace(out, new_gone=True), T0 + 2)
    assert (failed.phase, looks(failed)) == (P.FAILED, ("absent", "serving", 0, False))


def test_an_old_stateful_set_that_does_not_drain_ends_the_rollout_at_the_deadline():
    value = settle(rollout(stateful=True), NOT_YET, T0)
    back = settle(value, NOT_YET, T0 + 60_000)
    assert back.phase is P.ROLLING_BACK
    assert "still at work" in back.conclusion


def test_a_stateful_instance_whose_memory_may_be_stale_never_takes_again():
    ready = replace(CALM, wanted=1, ready=1, old_drained=True)
    promoting = settle(rollout(stateful=True), ready, T0)
    broken = replace(ready, ready=0, gave_up=True)
    assert settle(promoting, broken, T0 + 1).phase is P.PROMOTING, "the old instances are still there"
    assert settle(promoting, replace(broken, old_gone=True), T0 + 2).phase is P.ROLLING_BACK


# -- canary


def test_a_canary_walks_its_steps_and_promotes_after_passing_checks():
    facts, seen = CALM, []
    value = settle(canary(), facts, T0)
    for second in range(0, 70, 5):
        facts = served(facts, 100)
        value = settle(value, facts, T0 + second * 1000)
        seen.append((second, value.phase.value, value.weight))
    assert seen[0] == (0, "progressing", 10)
    assert (25, "progressing", 10) in seen
    assert (30, "progressing", 50) in seen
    assert (55, "progressing", 50) in seen
    assert (60, "promoting", 100) in seen
    assert looks(settle(canary(), CALM, T0)) == ("running", "serving", 10, False)


def test_the_weight_is_the_last_weight_step_at_or_before_the_current_step():
    value = settle(canary((PauseStep(duration_ms=1_000), *STEPS)), CALM, T0)
    assert (value.step, value.weight) == (0, 0)
    value = settle(value, CALM, T0 + 1_000)
    assert (value.step, value.weight) == (2, 10)


def test_errors_over_the_limit_roll_a_canary_back():
    value, facts = settle(canary(), CALM, T0), CALM
    facts = served(facts, 100, 20)
    value = settle(value, facts, T0 + 5_000)
    assert (value.phase, value.failed_checks) == (P.PROGRESSING, 1)
    facts = served(facts, 100)
    value = settle(value, facts, T0 + 10_000)
    assert (value.phase, value.failed_checks) == (P.PROGRESSING, 1), "failures are cumulative for the run"
    value = settle(value, served(facts, 100, 20), T0 + 15_000)
    assert (value.phase, looks(value)) == (P.ROLLING_BACK, ("absent", "serving", 0, False))
    assert value.conclusion.startswith("20 errors in 100 messages, over the 1 % allowed")


def test_an_error_rate_at_the_maximum_passes():
    value = settle(settle(canary(), CALM, T0), served(CALM, 100, 1), T0 + 5_000)
    assert (value.passed_checks, value.failed_checks) == (1, 0)


def test_only_messages_since_the_last_check_are_judged():
    value, facts = settle(canary(), CALM, T0), served(CALM, 10_000)
    value = settle(value, facts, T0 + 5_000)
    value = settle(value, served(facts, 50, 1), T0 + 10_000)
    assert value.failed_checks == 1


def test_counters_from_before_the_canary_are_not_its_own():
    warm = replace(CALM, new_messages=1_000, new_errors=900)
    value = settle(settle(canary(), warm, T0), served(warm, 100), T0 + 5_000)
    assert (value.passed_checks, value.failed_checks) == (1, 0)


def test_counters_that_began_again_with_the_agent_are_counted_from_zero():
    value = settle(settle(canary(), CALM, T0), served(CALM, 500), T0 + 5_000)
    value = settle(value, served(CALM, 60, 30), T0 + 10_000)
    assert value.failed_checks == 1


def test_silence_pauses_a_canary_for_a_person_and_never_promotes():
    value = settle(canary(), CALM, T0)
    for tick in (1, 2, 3):
        assert value.phase is P.PROGRESSING
        value = settle(value, CALM, T0 + tick * 5_000)
    assert (value.phase, value.weight) == (P.PAUSED, 10)
    assert value.conclusion == "3 checks in a row saw no message; `airs rollout promote default/hello` goes on"
    assert settle(value, CALM, T0 + 10**9).phase is P.PAUSED


def test_an_edited_analysis_ends_a_wait_for_messages_with_patience_anew():
    value = settle(canary(), CALM, T0)
    for tick in (1, 2, 3):
        value = settle(value, CALM, T0 + tick * 5_000)
    assert value.phase is P.PAUSED
    policy = replace(value.target.rollout, analysis=replace(ANALYSIS, minimum_messages=5))
    value = edited(value, replace(value.target, rollout=policy), T0 + 16_000)
    assert (value.phase, value.inconclusive_checks, value.silent_checks) == (P.PROGRESSING, 0, 0)
    value = settle(value, CALM, T0 + 20_000)
    assert value.phase is P.PROGRESSING
    assert settle(value, served(CALM, 5), T0 + 25_000).passed_checks == 1


def test_messages_that_come_slowly_add_up_until_a_check_can_judge_them():
    value, facts = settle(canary(), CALM, T0), CALM
    for tick in range(1, 5):
        facts = served(facts, 10)
        value = settle(value, facts, T0 + tick * 5_000)
        assert (value.passed_checks, value.inconclusive_checks, value.evidence.handled) == (0, tick, tick * 10)
    value = settle(value, served(facts, 10), T0 + 25_000)
    assert (value.passed_checks, value.inconclusive_checks) == (1, 0)
    assert (value.messages, value.evidence) == (50, MessageCounts())


def test_a_check_judges_all_evidence_since_the_last_one_that_said_anything_and_no_more():
    value, facts = settle(canary(), CALM, T0), served(CALM, 100)
    value = settle(value, facts, T0 + 5_000)
    facts = served(facts, 40, 20)
    value = settle(value, facts, T0 + 10_000)
    assert (value.passed_checks, value.failed_checks) == (1, 0)
    value = settle(value, served(facts, 10), T0 + 15_000)
    assert (value.passed_checks, value.failed_checks) == (0, 1)
    assert (value.messages, value.errors) == (150, 20)


def test_a_silence_between_messages_is_none_in_a_row():
    value, facts = settle(canary(), CALM, T0), CALM
    for tick in range(1, 10):
        facts = served(facts, 1) if tick % 3 == 0 else facts
        value = settle(value, facts, T0 + tick * 5_000)
        assert value.phase is P.PROGRESSING


def test_patience_with_messages_that_come_too_slowly_ends_with_the_progress_deadline():
    value, facts = settle(canary((WeightStep(weight=10), PauseStep(duration_ms=3_600_000))), CALM, T0), CALM
    for tick in range(1, 12):
        assert value.phase is P.PROGRESSING
        facts = served(facts, 1)
        value = settle(value, facts, T0 + tick * 5_000)
    for tick in range(12, 13):
        value = settle(value, served(facts, 1), T0 + tick * 5_000)
    assert value.phase is P.PAUSED
    assert value.conclusion.startswith("12 of the 50 messages of one check came within 60s; ")


def test_evidence_outlives_counters_that_began_again_with_the_agent():
    value = settle(settle(canary(), CALM, T0), served(CALM, 40), T0 + 5_000)
    value = settle(value, served(CALM, 10), T0 + 10_000)
    assert (value.passed_checks, value.messages) == (1, 50)


def test_what_an_earlier_life_of_the_revision_counted_is_shown_nowhere():
    warm = replace(CALM, new_messages=1_000, new_errors=900)
    value = settle(canary(), warm, T0)
    assert (value.messages, value.errors) == (0, 0)
    value = settle(value, served(warm, 100, 1), T0 + 5_000)
    assert (value.messages, value.errors) == (100, 1)


def test_a_canary_of_no_instances_has_nothing_to_be_judged_by_and_takes_over():
    none = replace(CALM, wanted=0, ready=0, old_ready=0)
    assert phases(canary(), none, T0) == ["pending", "starting", "gating", "promoting"]


def test_a_minimum_of_zero_messages_does_not_make_silence_pass():
    silent = canary(analysis=replace(ANALYSIS, minimum_messages=0))
    assert settle(settle(silent, CALM, T0), CALM, T0 + 5_000).inconclusive_checks == 1


def test_a_canary_whose_steps_are_over_before_any_check_waits_for_one():
    quick = (WeightStep(weight=10), PauseStep(duration_ms=1_000))
    value = settle(settle(canary(quick), CALM, T0), CALM, T0 + 2_000)
    assert (value.phase, value.weight) == (P.PROGRESSING, 10)
    assert settle(value, served(CALM, 100), T0 + 5_000).phase is P.PROMOTING


def test_a_canary_is_not_promoted_right_after_a_failed_check():
    quick = (WeightStep(weight=10), PauseStep(duration_ms=10_000))
    facts = served(CALM, 100)
    value = settle(settle(canary(quick), CALM, T0), facts, T0 + 5_000)
    facts = served(facts, 100, 50)
    value = settle(value, facts, T0 + 10_000)
    assert value.phase is P.PROGRESSING
    assert settle(value, served(facts, 100), T0 + 15_000).phase is P.PROMOTING


@pytest.mark.parametrize("fault", [{"unhealthy": True}, {"gave_up": True}])
@pytest.mark.parametrize("steps", [STEPS, (WeightStep(weight=5), PauseStep())])
def test_a_canary_that_turns_unhealthy_is_rolled_back(steps, fault):
    value = settle(canary(steps), CALM, T0)
    assert value.phase in (P.PROGRESSING, P.PAUSED)
    assert settle(value, replace(CALM, **fault), T0 + 1).phase is P.ROLLING_BACK


def test_a_pause_without_duration_waits_beyond_the_deadline_with_checks_running():
    value = settle(canary((WeightStep(weight=5), PauseStep())), CALM, T0)
    assert (value.phase, looks(value)) == (P.PAUSED, ("running", "serving", 5, False))
    assert "airs rollout promote default/hello" in value.conclusion
    facts = served(CALM, 100)
    value = settle(value, facts, T0 + 10**8)
    assert value.phase is P.PAUSED
    for tick in (1, 2):
        facts = served(facts, 100, 90)
        value = settle(value, facts, T0 + 10**8 + tick * 5_000)
    assert value.phase is P.ROLLING_BACK


def test_a_rollback_runs_the_fast_path_never_the_steps():
    assert phases(canary(cause=Cause.ROLLBACK), CALM, T0) == ["pending", "starting", "gating", "promoting"]


# -- time


def test_a_tick_that_has_nothing_to_do_returns_the_rollout_as_it_is():
    for value in (settle(rollout(), NOT_YET, T0), settle(canary(), CALM, T0), settle(rollout(), CALM, T0)):
        facts = NOT_YET if value.phase is P.STARTING else CALM
        assert advance(value, facts, T0 + 1) is value


def test_a_clock_that_steps_back_neither_ends_a_wait_early_nor_hangs_it():
    keeping = settle(rollout(), replace(CALM, old_drained=True), T0)
    year = 365 * 86_400_000
    back = settle(keeping, CALM, T0 - year)
    assert back.phase is P.KEEPING
    assert back.keep_until_ms == T0 - year + 600_000
    assert settle(back, CALM, T0 - year + 599_999).phase is P.KEEPING
    assert settle(back, CALM, T0 - year + 600_000).phase is P.SUCCEEDED
    assert advance(back, CALM, T0 - year) == back


def test_checks_go_on_after_the_clock_stepped_back():
    value = settle(settle(canary(), CALM, T0), CALM, T0 - 10**9)
    assert settle(value, served(CALM, 100), T0 - 10**9 + 5_000).passed_checks == 1


def test_the_next_moment_that_matters_is_named():
    starting = settle(rollout(), NOT_YET, T0)
    assert due_ms(starting) == T0 + 60_000
    assert due_ms(settle(canary(), CALM, T0)) == T0 + 5_000
    assert due_ms(settle(rollout(), replace(CALM, old_drained=True), T0)) == T0 + 600_000
    assert due_ms(settle(rollout(), CALM, T0)) is None


def test_a_shape_before_the_first_tick_changes_nothing():
    assert shape(rollout()) == Shape(new=NewSet.ABSENT, old=OldSet.SERVING, weight=0, hold=False)
