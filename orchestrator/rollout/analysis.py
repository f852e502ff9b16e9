"""One look at a canary's own messages: passed, failed or inconclusive, and the counts of each.

A check judges the evidence since the last check that said anything: it accumulates until it is enough, or until
patience is at its end. An earlier life of the same revision is no evidence.
"""

from enum import Enum

from msgspec.structs import replace

from orchestrator.model.rollout import MessageCounts, Rollout, RolloutPhase
from orchestrator.model.spec import RolloutPolicy
from orchestrator.rollout.facts import Facts


class Verdict(Enum):
    """The finding of one check."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


def next_check_ms(rollout: Rollout) -> int:
    """Say when the next check is due."""
    return rollout.last_check_ms + interval_ms(rollout.target.rollout)


def interval_ms(policy: RolloutPolicy) -> int:
    """Return the time between two checks."""
    return max(policy.analysis.interval_ms, 1)


def wanted_messages(policy: RolloutPolicy) -> int:
    """Return how many messages a check judges at least: silence says nothing."""
    return max(policy.analysis.minimum_messages, 1)


def silence_limit(policy: RolloutPolicy) -> int:
    """Return how many checks in a row may see no message at all."""
    return max(policy.analysis.inconclusive_limit, 1)


def patience_ms(policy: RolloutPolicy) -> int:
    """Return how long evidence may take to become enough: the progress deadline, if silence is not given longer."""
    return max(policy.progress_deadline_ms, silence_limit(policy) * interval_ms(policy))


def judge(policy: RolloutPolicy, evidence: MessageCounts) -> Verdict:
    """Judge evidence; too little of it says nothing."""
    if evidence.handled < wanted_messages(policy):
        return Verdict.INCONCLUSIVE
    is_bad = evidence.errors / evidence.handled > policy.analysis.error_rate_max
    return Verdict.FAILED if is_bad else Verdict.PASSED


def since_last_check(rollout: Rollout, facts: Facts) -> MessageCounts:
    """Return the counts since the last check; counters that went back began again at 0."""
    now, before = MessageCounts(handled=facts.new_messages, errors=facts.new_errors), rollout.counted
    return now if now.handled < before.handled or now.errors < before.errors else _less(now, before)


def gathered(rollout: Rollout, facts: Facts) -> MessageCounts:
    """Return the evidence that a check has now."""
    return _more(rollout.evidence, since_last_check(rollout, facts))


def counted_from(rollout: Rollout, facts: Facts, now_ms: int) -> Rollout:
    """Begin the first interval here: the counts so far are not this rollout's."""
    counted = MessageCounts(handled=facts.new_messages, errors=facts.new_errors)
    return replace(rollout, last_check_ms=now_ms, evidence_since_ms=now_ms, counted=counted)


def checked(rollout: Rollout, facts: Facts, now_ms: int) -> Rollout:
    """Judge once and count the verdict: failures for the whole run, silence in a row and only while progressing."""
    came, evidence = since_last_check(rollout, facts), gathered(rollout, facts)
    after = replace(
        rollout,
        last_check_ms=now_ms,
        counted=MessageCounts(handled=facts.new_messages, errors=facts.new_errors),
        messages=rollout.messages + came.handled,
        errors=rollout.errors + came.errors,
    )
    verdict = judge(rollout.target.rollout, evidence)
    if verdict is Verdict.INCONCLUSIVE:
        goes_on = int(rollout.phase is RolloutPhase.PROGRESSING)
        silence = 0 if came.handled else after.silent_checks + goes_on
        inconclusive = after.inconclusive_checks + goes_on
        return replace(after, evidence=evidence, inconclusive_checks=inconclusive, silent_checks=silence)
    after = vouched_for(replace(after, evidence=MessageCounts(), evidence_since_ms=now_ms))
    if verdict is Verdict.PASSED:
        return replace(after, passed_checks=after.passed_checks + 1)
    return replace(after, failed_checks=after.failed_checks + 1, passed_checks=0)


def vouched_for(rollout: Rollout) -> Rollout:
    """Forget what was not said so far: a check has said something, or a person."""
    return replace(rollout, inconclusive_checks=0, silent_checks=0)


def impatience(rollout: Rollout, now_ms: int) -> str:
    """Say why a canary waits for a person now instead of for more messages; empty while it goes on."""
    policy = rollout.target.rollout
    if rollout.silent_checks >= silence_limit(policy):
        checks = f"{rollout.silent_checks} check{'s' * (rollout.silent_checks != 1)}"
        return f"{checks} in a row saw no message"
    waited_ms = now_ms - max(rollout.evidence_since_ms, rollout.phase_since_ms)
    if not rollout.inconclusive_checks or waited_ms + interval_ms(policy) <= patience_ms(policy):
        return ""
    wanted = policy.analysis.minimum_messages
    return f"{rollout.evidence.handled} of the {wanted} messages of one check came within {waited_ms / 1000:g}s"


def _more(one: MessageCounts, other: MessageCounts) -> MessageCounts:
    return MessageCounts(handled=one.handled + other.handled, errors=one.errors + other.errors)


def _less(one: MessageCounts, other: MessageCounts) -> MessageCounts:
    return MessageCounts(handled=one.handled - other.handled, errors=one.errors - other.errors)
