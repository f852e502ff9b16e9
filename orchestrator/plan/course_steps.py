"""An action → what will happen when it is carried out, step by step, in sentences. Asked by `explain.py`.

The steps are those of `rollout/`: the course that the rollout would take, and the steps of its manifest.
"""

from collections.abc import Iterator

from orchestrator.model.observed import Record
from orchestrator.model.rollout import Cause, Rollout
from orchestrator.model.spec import Deployment, PauseStep, RolloutPolicy, WeightStep
from orchestrator.plan.action import Action, ActionKind
from orchestrator.plan.findings.words import counted, span
from orchestrator.plan.ruled import is_barring
from orchestrator.rollout.advance import begin
from orchestrator.rollout.course import Course, course


def steps_of(action: Action, then: Deployment | None, record: Record | None) -> Iterator[str]:
    """Yield what is done for one action, in order; nothing for one that is stopped."""
    match action.kind:
        case ActionKind.CREATE if then is not None:
            yield from _creation(then)
        case ActionKind.ROLL_OUT if then is not None and record is not None:
            yield from rollout_steps(then, record)
        case ActionKind.UPDATE:
            yield from _update(action)
        case ActionKind.REMOVE:
            yield "its instances stop, each after the messages that it has begun, once those that need it have stopped"
            yield "its record is forgotten; its history and its data stay"
        case ActionKind.RESTART if then is not None:
            yield from _starts(then, "")
        case ActionKind.RENAME if then is not None:
            yield f"the instances of {action.formerly} stop, each after the messages that it has begun"
            yield f"messages to {action.formerly} are refused from then on, with the new name"
            yield "its record, history, acts, data and kept messages pass to the new name, all or nothing"
            yield from _starts(then, "")
        case ActionKind.ADOPT:
            yield "its record passes to this source, and nothing else changes; the next pass compares it"


def _creation(then: Deployment) -> Iterator[str]:
    if then.depends_on:
        yield f"it waits until {', '.join(map(str, then.depends_on))} is Ready"
    if then.suspend:
        yield "it is recorded, and runs nothing while it is suspended"
    elif then.revision.is_job:
        yield f"{then.revision.version} runs once, to its end"
    else:
        yield from _starts(then, "")
        yield "it takes messages and calls"


def _starts(then: Deployment, beside: str) -> Iterator[str]:
    deadline = span(then.rollout.progress_deadline_ms)
    starts = "starts" if then.replicas == 1 else "start"
    yield f"{counted(then.replicas, 'instance')} of {then.revision.version} {starts}{beside}"
    yield f"each has to be Ready: initialized and healthy, another one within every {deadline}"


def rollout_steps(then: Deployment, record: Record) -> Iterator[str]:
    """Yield what a rollout to a deployment does."""
    old, new = record.stable, then.revision.version
    if then.revision.is_job:
        yield f"{new} runs once, to its end"
        return
    if then.suspend or old is None or old.suspend:
        yield from _creation(then)
        return
    rollout = begin(then, old.revision.id, Cause.APPLY, 0, old=old)
    yield from COURSES[course(rollout)](rollout, old.revision.version)
    if course(rollout) is not Course.FIRST:
        yield f"if it fails before that: everything goes back to {old.revision.version}, and {new} is held"


def _side_by_side(rollout: Rollout, old: str) -> Iterator[str]:
    new = rollout.target.revision.version
    yield from _starts(rollout.target, f" beside {old}")
    yield f"all messages switch to {new} in one step; {old} finishes those that it has begun"
    yield _kept(rollout.target.rollout, old)


def _canary(rollout: Rollout, old: str) -> Iterator[str]:
    new, policy = rollout.target.revision.version, rollout.target.rollout
    yield from _starts(rollout.target, f" beside {old}")
    limit = counted(policy.analysis.failure_limit, "failed check")
    checked = f"checked every {span(policy.analysis.interval_ms)}: more than {limit} and it goes back"
    yield f"{new} gets a share of the conversations, {checked}"
    for step in policy.steps:
        match step:
            case WeightStep(weight=weight):
                yield f"{weight} % of conversations go to {new}"
            case PauseStep(duration_ms=None):
                yield f"it waits for `airs rollout promote {rollout.target.key}`"
            case PauseStep(duration_ms=pause_ms):
                yield f"it waits {span(pause_ms or 0)}"
    yield f"once a check has passed, all messages go to {new}"
    yield _kept(policy, old)


def _hand_over(rollout: Rollout, old: str) -> Iterator[str]:
    new = rollout.target.revision.version
    yield "messages are held in the mailbox"
    yield f"{old} finishes those that it has begun, and gets the answers to its requests"
    yield from _starts(rollout.target, "")
    yield f"messages go to {new}; {old} stops"


def _replace(rollout: Rollout, old: str) -> Iterator[str]:
    new = rollout.target.revision.version
    yield "messages are held in the mailbox"
    yield f"{old} finishes those that it has begun, and stops"
    yield from _starts(rollout.target, "")
    yield f"messages go to {new}"


def _first(rollout: Rollout, _old: str) -> Iterator[str]:
    yield from _creation(rollout.target)


def _kept(policy: RolloutPolicy, old: str) -> str:
    return f"{old} stays warm for {span(policy.keep_previous_ms)}, and stops"


COURSES = {
    Course.FIRST: _first,
    Course.SIDE_BY_SIDE: _side_by_side,
    Course.CANARY: _canary,
    Course.HAND_OVER: _hand_over,
    Course.REPLACE: _replace,
}


def _update(action: Action) -> Iterator[str]:
    if is_barring(action):
        yield "every instance stops, as a policy says" if action.interrupts else "it begins again"
        return
    fields = ", ".join(dict.fromkeys(change.field for change in action.changes)) or "where it was fetched"
    yield f"{fields}: in force at once, on the instances that run"
    if action.interrupts:
        yield action.interrupts
