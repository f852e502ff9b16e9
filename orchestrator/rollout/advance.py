"""One tick of a rollout: (Rollout, Facts, now) → Rollout, at most one transition at a time.

Called by the executor on every pass, and again while the result differs, each time after the changed rollout was
written and its `shape` applied. A tick that has nothing to do returns the rollout as it is.

Times are wall-clock milliseconds, because they must outlive the process. Where the clock is behind what the rollout
has already recorded, everything recorded moves back with it: nothing ends early, and nothing waits longer than its
full time once more. A clock that jumps forward ends waits early; that cannot be told from time going by.
"""

from collections.abc import Callable

from msgspec.structs import replace

from orchestrator.model.rollout import Cause, Rollout, RolloutPhase, WaitsFor
from orchestrator.model.spec import Deployment
from orchestrator.rollout import steps
from orchestrator.rollout.analysis import checked, counted_from, gathered, impatience, next_check_ms, vouched_for
from orchestrator.rollout.course import Course, course
from orchestrator.rollout.facts import Facts
from orchestrator.rollout.phases import entered, promoting, rolling_back

NO_INSTANCES = "replicas is 0: it goes on once there are instances again"


def begin(
    target: Deployment, stable: str | None, cause: Cause, now_ms: int, number: int = 0, old: Deployment | None = None
) -> Rollout:
    """Begin the way from `stable` (a revision id; None where nothing serves yet) to `target`.

    `number` is its entry in the history, `old` what serves.
    """
    return Rollout(
        target=target,
        stable=stable,
        cause=cause,
        started_ms=now_ms,
        phase_since_ms=now_ms,
        deadline_ms=now_ms + target.rollout.progress_deadline_ms,
        number=number,
        old=old,
    )


def advance(rollout: Rollout, facts: Facts, now_ms: int) -> Rollout:
    """Take one tick.

    On `keeping` or `succeeded` the caller records the target as stable, on `failed` the rejection with its conclusion.
    """
    if rollout.phase.is_over:
        return rollout
    return TICKS[rollout.phase](_in_the_clocks_past(rollout, now_ms), facts, now_ms)


def due_ms(rollout: Rollout) -> int | None:
    """Say when the next tick can change something by time alone; None when only new facts or a person can."""
    if rollout.phase in (RolloutPhase.STARTING, RolloutPhase.GATING):
        return rollout.deadline_ms
    if rollout.phase is RolloutPhase.PROGRESSING:
        return (
            next_check_ms(rollout) if steps.are_over(rollout) else min(next_check_ms(rollout), steps.done_ms(rollout))
        )
    if rollout.phase is RolloutPhase.PAUSED:
        return next_check_ms(rollout)
    return rollout.keep_until_ms if rollout.phase is RolloutPhase.KEEPING else None


def _in_the_clocks_past(rollout: Rollout, now_ms: int) -> Rollout:
    past = (rollout.phase_since_ms, rollout.step_since_ms, rollout.last_check_ms, rollout.evidence_since_ms)
    latest = max(rollout.started_ms, *past)
    back = latest - now_ms
    if back <= 0:
        return rollout
    times = (
        "started_ms", "phase_since_ms", "deadline_ms", "step_since_ms", "last_check_ms", "evidence_since_ms",
        "keep_until_ms",
    )  # fmt: skip
    recorded = {name: getattr(rollout, name) for name in times}
    return replace(rollout, **{name: time - back for name, time in recorded.items() if time})


def _pending(rollout: Rollout, facts: Facts, now_ms: int) -> Rollout:
    deadline_ms = now_ms + rollout.target.rollout.progress_deadline_ms
    return replace(entered(rollout, RolloutPhase.STARTING, now_ms), deadline_ms=deadline_ms)


def _starting(rollout: Rollout, facts: Facts, now_ms: int) -> Rollout:
    if _makes_way(rollout):
        return _making_way(rollout, facts, now_ms)
    after = _with_newly_healthy(rollout, facts, now_ms)
    if facts.is_ready:
        return entered(after, RolloutPhase.GATING, now_ms)
    reason = _hopeless(after, facts, now_ms)
    return rolling_back(after, reason, now_ms) if reason else after


def _gating(rollout: Rollout, facts: Facts, now_ms: int) -> Rollout:
    if not facts.is_ready:
        reason = _hopeless(rollout, facts, now_ms)
        return rolling_back(rollout, reason, now_ms) if reason else entered(rollout, RolloutPhase.STARTING, now_ms)
    if course(rollout) is not Course.CANARY or facts.wanted == 0:  # no instance, no message to judge it by
        return promoting(rollout, now_ms)
    # An earlier life of this revision may have counted messages already: they are not the canary's.
    begun = counted_from(entered(rollout, RolloutPhase.PROGRESSING, now_ms), facts, now_ms)
    return replace(begun, step=-1, step_since_ms=now_ms)


def _progressing(rollout: Rollout, facts: Facts, now_ms: int) -> Rollout:
    if facts.wanted == 0:
        return steps.paused(rollout, WaitsFor.INSTANCES, NO_INSTANCES, now_ms)
    if facts.breakage:
        return rolling_back(rollout, facts.breakage, now_ms)
    if course(rollout) is not Course.CANARY:  # the strategy was edited: a set that has passed its gates takes over
        return promoting(rollout, now_ms)
    if now_ms >= next_check_ms(rollout):
        return _checked(rollout, facts, now_ms)
    if steps.are_over(rollout):
        # Never promoted by silence, nor right after a failure: the newest check that said anything must have passed.
        return promoting(rollout, now_ms) if rollout.passed_checks else rollout
    return steps.next_step(rollout, now_ms) if now_ms >= steps.done_ms(rollout) else rollout


def _paused(rollout: Rollout, facts: Facts, now_ms: int) -> Rollout:
    if facts.wanted == 0:  # an operator's pause stays; any other rollout waits for instances, and says so
        stays = rollout.waits_for in (WaitsFor.PERSON, WaitsFor.INSTANCES)
        return rollout if stays else steps.paused(rollout, WaitsFor.INSTANCES, NO_INSTANCES, now_ms)
    if facts.breakage:
        return rolling_back(rollout, facts.breakage, now_ms)
    if course(rollout) is not Course.CANARY:
        return promoting(rollout, now_ms)
    if rollout.waits_for is WaitsFor.INSTANCES:
        return _with_instances_again(rollout, facts, now_ms)
    return _checked(rollout, facts, now_ms) if now_ms >= next_check_ms(rollout) else rollout


def _with_instances_again(rollout: Rollout, facts: Facts, now_ms: int) -> Rollout:
    """Carry out the step from its beginning, once the new set is whole."""
    if not facts.is_ready:
        return rollout
    begun = replace(vouched_for(counted_from(rollout, facts, now_ms)), step_since_ms=now_ms)
    return steps.waiting(begun, now_ms) if steps.is_endless(steps.current(begun)) else steps.going_on(begun, now_ms)


def _promoting(rollout: Rollout, facts: Facts, now_ms: int) -> Rollout:
    way = course(rollout)
    if way is Course.FIRST:
        return entered(rollout, RolloutPhase.SUCCEEDED, now_ms)
    if facts.breakage and _may_go_back(way, facts):
        return rolling_back(rollout, facts.breakage, now_ms)
    if way.holds:
        return entered(rollout, RolloutPhase.SUCCEEDED, now_ms) if facts.old_gone else rollout
    if not facts.old_drained:
        return rollout
    keep_until_ms = now_ms + rollout.target.rollout.keep_previous_ms
    return replace(entered(rollout, RolloutPhase.KEEPING, now_ms), keep_until_ms=keep_until_ms)


def _keeping(rollout: Rollout, facts: Facts, now_ms: int) -> Rollout:
    # While the new version is not whole, the old one is the way out and stays.
    over = now_ms >= rollout.keep_until_ms and facts.is_ready
    return entered(rollout, RolloutPhase.SUCCEEDED, now_ms) if over else rollout


def _rolling_back(rollout: Rollout, facts: Facts, now_ms: int) -> Rollout:
    return entered(rollout, RolloutPhase.FAILED, now_ms, rollout.conclusion) if facts.new_gone else rollout


TICKS: dict[RolloutPhase, Callable[[Rollout, Facts, int], Rollout]] = {
    RolloutPhase.PENDING: _pending,
    RolloutPhase.STARTING: _starting,
    RolloutPhase.GATING: _gating,
    RolloutPhase.PROGRESSING: _progressing,
    RolloutPhase.PAUSED: _paused,
    RolloutPhase.PROMOTING: _promoting,
    RolloutPhase.KEEPING: _keeping,
    RolloutPhase.ROLLING_BACK: _rolling_back,
}


def _makes_way(rollout: Rollout) -> bool:
    return course(rollout).holds and not rollout.handed_over


def _making_way(rollout: Rollout, facts: Facts, now_ms: int) -> Rollout:
    has_done_all = facts.old_drained and not facts.old_asks  # an answer may have it write, as a message may
    is_out = facts.old_gone if course(rollout) is Course.REPLACE else has_done_all
    if is_out:
        return replace(rollout, handed_over=True)
    if now_ms < rollout.deadline_ms:
        return rollout
    return rolling_back(rollout, f"the old version was still at work {_deadline(rollout)}", now_ms)


def _with_newly_healthy(rollout: Rollout, facts: Facts, now_ms: int) -> Rollout:
    if facts.ready <= rollout.healthy_instances:
        return rollout
    deadline_ms = max(rollout.deadline_ms, now_ms + rollout.target.rollout.progress_deadline_ms)
    return replace(rollout, healthy_instances=facts.ready, deadline_ms=deadline_ms)


def _hopeless(rollout: Rollout, facts: Facts, now_ms: int) -> str:
    """Why a set that is not ready will not be waited for; empty while it will."""
    if facts.gave_up:
        return facts.breakage
    if course(rollout).holds and (facts.failed_start or facts.unhealthy):
        return f"the new version failed while messages were held for it{facts.because}"
    if now_ms < rollout.deadline_ms:
        return ""
    return f"{facts.ready} of {facts.wanted} instances were ready {_deadline(rollout)}{facts.because}"


def _deadline(rollout: Rollout) -> str:
    return f"when the progress deadline of {rollout.target.rollout.progress_deadline_ms / 1000:g}s passed"


def _checked(rollout: Rollout, facts: Facts, now_ms: int) -> Rollout:
    after, policy = checked(rollout, facts, now_ms), rollout.target.rollout.analysis
    if after.failed_checks > policy.failure_limit:
        judged = gathered(rollout, facts)
        checks = f"{after.failed_checks} failed check{'s' * (after.failed_checks != 1)}, {policy.failure_limit} allowed"
        found = f"{judged.errors} error{'s' * (judged.errors != 1)} in {judged.handled} messages"
        why = f"{found}, over the {policy.error_rate_max * 100:.4g} % allowed ({checks})"
        return rolling_back(after, why, now_ms)
    why = impatience(after, now_ms) if rollout.phase is RolloutPhase.PROGRESSING else ""
    if not why:
        return after
    goes_on = f"{why}; `airs rollout promote {rollout.target.key}` goes on"
    return steps.paused(after, WaitsFor.MESSAGES, goes_on, now_ms)


def _may_go_back(way: Course, facts: Facts) -> bool:
    """Whether the old version is better than the broken new one that already serves."""
    if way.holds:
        # The old instances' memory is stale by now: only when they have gone can fresh ones take over.
        return facts.old_gone and facts.ready == 0
    return facts.old_ready > 0 or facts.ready == 0
