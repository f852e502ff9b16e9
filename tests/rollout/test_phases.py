import itertools

import pytest
from msgspec.structs import replace

from orchestrator.model.job import JobOutcome
from orchestrator.model.rollout import Rollout, RolloutPhase, WaitsFor
from orchestrator.model.spec import PauseStep, Strategy, WeightStep
from orchestrator.rollout.advance import advance
from orchestrator.rollout.commands import Refusal, abort, pause, promote, resume
from orchestrator.rollout.jobs import RunFacts, advance_job
from orchestrator.rollout.phases import TRANSITIONS, diagram
from orchestrator.rollout.shape import shape
from tests.rollout.worlds import CALM, NOT_YET, STEPS, T0, rollout, settle

P = RolloutPhase
COMMANDS = (promote, pause, resume, abort)
WAYS = {
    "first": rollout(stable=None),
    "blue-green": rollout(),
    "recreate": rollout(Strategy.RECREATE),
    "stateful": rollout(stateful=True),
    "canary": rollout(Strategy.CANARY, steps=STEPS),
    "canary-pause": rollout(Strategy.CANARY, steps=(PauseStep(), *STEPS)),
}
FACTS = {
    "calm": CALM,
    "not-yet": NOT_YET,
    "half": replace(CALM, ready=1),
    "gave-up": replace(NOT_YET, gave_up=True),
    "unhealthy": replace(CALM, unhealthy=True),
    "failed-start": replace(NOT_YET, failed_start="trap"),
    "drained": replace(CALM, old_drained=True),
    "old-gone": replace(CALM, old_drained=True, old_gone=True, old_ready=0),
    "new-gone": replace(NOT_YET, new_gone=True),
    "busy": replace(CALM, new_messages=1_000),
    "erring": replace(CALM, new_messages=1_000, new_errors=900),
    "nobody": replace(NOT_YET, old_ready=0, unhealthy=True),
}
RUNS = (
    RunFacts(outcome=JobOutcome(code=0), none_at_work=True),
    RunFacts(outcome=JobOutcome(code=3), none_at_work=True),
    RunFacts(outcome=None, none_at_work=False),
)
TIMES = (T0 - 10**9, T0, T0 + 5_000, T0 + 10**9)


def in_phase(way: str, phase: RolloutPhase) -> Rollout:
    return replace(WAYS[way], phase=phase, step=0 if phase is P.PAUSED else -1, last_check_ms=T0, conclusion="why")


@pytest.mark.parametrize("phase", P)
@pytest.mark.parametrize("way", WAYS)
def test_every_fact_in_every_phase_leads_where_the_table_allows(way, phase):
    for facts, now_ms in itertools.product(FACTS.values(), TIMES):
        before = in_phase(way, phase)
        after = advance(before, facts, now_ms)
        assert after.phase is phase or after.phase in TRANSITIONS[phase]
        shape(after)


def test_every_transition_of_the_table_happens():
    seen = set()
    for way, phase, facts, now_ms in itertools.product(WAYS, P, FACTS.values(), TIMES):
        before = in_phase(way, phase)
        results = [advance(before, facts, now_ms), *(said(before, now_ms) for said in COMMANDS)]
        seen |= {(phase, r.phase) for r in results if isinstance(r, Rollout) and r.phase is not phase}
        seen |= {(phase, r.phase) for r in (advance_job(before, f, now_ms) for f in RUNS) if r.phase is not phase}
    assert seen == {(phase, after) for phase, following in TRANSITIONS.items() for after in following}


@pytest.mark.parametrize("said", COMMANDS)
@pytest.mark.parametrize("phase", P)
@pytest.mark.parametrize("way", WAYS)
def test_every_phase_answers_every_command_with_an_action_or_a_reason(way, phase, said):
    before = in_phase(way, phase)
    answer = said(before, T0 + 1)
    if isinstance(answer, Refusal):
        assert len(answer.reason) > 20
    else:
        assert answer != before
        assert answer.phase in TRANSITIONS[phase] or phase in (P.FAILED, P.PAUSED, P.PROGRESSING)


def test_promote_leaves_a_pause_for_the_next_step_and_the_last_pause_for_everything():
    walking = replace(rollout(Strategy.CANARY, steps=(PauseStep(), *STEPS)), phase=P.PAUSED, step=0)
    after = promote(walking, T0)
    assert (after.phase, after.step, after.weight) == (P.PROGRESSING, 1, 10)
    last = replace(rollout(Strategy.CANARY, steps=(*STEPS, PauseStep())), phase=P.PAUSED, step=len(STEPS))
    after = promote(last, T0)
    assert (after.phase, after.weight) == (P.PROMOTING, 100)


def test_promote_from_one_pause_to_the_next_says_which_one_waits_now():
    first = replace(rollout(Strategy.CANARY, steps=(PauseStep(), PauseStep())), phase=P.PAUSED, step=0)
    after = promote(first, T0)
    assert (after.phase, after.step) == (P.PAUSED, 1)
    assert "step 2 of 2" in after.conclusion


def test_a_pause_by_request_takes_nothing_of_the_time_that_its_step_has():
    steps = (WeightStep(weight=10), PauseStep(duration_ms=30_000), WeightStep(weight=50))
    walking = replace(rollout(Strategy.CANARY, steps=steps), phase=P.PROGRESSING, step=1, step_since_ms=T0, weight=10)
    paused = pause(replace(walking, last_check_ms=T0 + 10_000), T0 + 10_000)
    assert (paused.phase, paused.waits_for, paused.weight) == (P.PAUSED, WaitsFor.PERSON, 10)
    assert "airs rollout resume default/hello" in paused.conclusion
    assert isinstance(pause(paused, T0 + 11_000), Refusal)
    after = resume(paused, T0 + 60_000)
    assert (after.phase, after.step, after.step_since_ms, after.conclusion) == (P.PROGRESSING, 1, T0 + 50_000, "")
    assert promote(paused, T0 + 20_000).step == 2


def test_what_nobody_paused_is_not_resumed():
    endless = settle(rollout(Strategy.CANARY, steps=(PauseStep(), *STEPS)), CALM, T0)
    assert "step 1 of 5 waits for" in resume(endless, T0).reason


def test_promote_ends_the_wait_of_a_silent_canary_for_one_step():
    silent = replace(rollout(Strategy.CANARY, steps=STEPS), phase=P.PAUSED, step=1, inconclusive_checks=3)
    after = promote(silent, T0)
    assert (after.phase, after.step, after.weight, after.inconclusive_checks) == (P.PROGRESSING, 2, 50, 0)


@pytest.mark.parametrize("phase", [P.PROGRESSING, P.PAUSED])
def test_a_full_promotion_gives_everything_whatever_steps_are_left(phase):
    walking = replace(rollout(Strategy.CANARY, steps=(PauseStep(), *STEPS)), phase=phase, step=0)
    after = promote(walking, T0, full=True)
    assert (after.phase, after.weight) == (P.PROMOTING, 100)


@pytest.mark.parametrize("phase", [P.PENDING, P.STARTING, P.GATING])
def test_nobody_can_promote_past_the_gates(phase):
    assert isinstance(promote(in_phase("blue-green", phase), T0), Refusal)


@pytest.mark.parametrize("phase", [P.PENDING, P.STARTING, P.GATING, P.PROGRESSING, P.PAUSED, P.PROMOTING])
def test_abort_takes_everything_from_the_new_version(phase):
    after = abort(replace(in_phase("canary", phase), weight=50), T0)
    assert (after.phase, after.weight, after.conclusion) == (P.ROLLING_BACK, 0, "aborted by request")


def test_a_stateful_promotion_cannot_be_aborted():
    assert "airs rollback" in abort(in_phase("stateful", P.PROMOTING), T0).reason


def test_the_diagram_shows_every_arrow_of_the_table_and_both_ends():
    text = diagram()
    assert text.startswith("stateDiagram-v2\n    [*] --> pending\n")
    arrows = sum(len(following) for following in TRANSITIONS.values())
    assert text.count("-->") == arrows + 3
    assert "rolling_back --> failed" in text
    assert "succeeded --> [*]" in text
