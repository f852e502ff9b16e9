"""One look at a canary's own messages: passed, failed or inconclusive, and the counts of each."""

from enum import Enum

from msgspec.structs import replace

from orchestrator.model.rollout import Rollout, RolloutPhase
from orchestrator.rollout.facts import Facts


class Verdict(Enum):
    """What one check found."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


def next_check_ms(rollout: Rollout) -> int:
    """Say when the next check is due."""
    return rollout.last_check_ms + max(rollout.target.rollout.analysis.interval_ms, 1)


def judge(rollout: Rollout, facts: Facts) -> Verdict:
    """Judge the messages since the last check; too few of them, zero included, say nothing."""
    policy = rollout.target.rollout.analysis
    messages, errors = since_last_check(rollout, facts)
    if messages < max(policy.minimum_messages, 1):
        return Verdict.INCONCLUSIVE
    return Verdict.FAILED if errors / messages > policy.error_rate_max else Verdict.PASSED


def since_last_check(rollout: Rollout, facts: Facts) -> tuple[int, int]:
    """Return messages and errors since the last check; counters that went back began again at 0."""
    if facts.new_messages < rollout.messages or facts.new_errors < rollout.errors:
        return facts.new_messages, facts.new_errors
    return facts.new_messages - rollout.messages, facts.new_errors - rollout.errors


def counted_from(rollout: Rollout, facts: Facts, now_ms: int) -> Rollout:
    """Begin the next interval here."""
    return replace(rollout, last_check_ms=now_ms, messages=facts.new_messages, errors=facts.new_errors)


def checked(rollout: Rollout, facts: Facts, now_ms: int) -> Rollout:
    """Judge once and count the verdict: failures for the whole run, silence in a row and only while progressing."""
    verdict, after = judge(rollout, facts), counted_from(rollout, facts, now_ms)
    if verdict is Verdict.PASSED:
        return replace(after, passed_checks=after.passed_checks + 1, inconclusive_checks=0)
    if verdict is Verdict.FAILED:
        return replace(after, failed_checks=after.failed_checks + 1, passed_checks=0, inconclusive_checks=0)
    silence = int(rollout.phase is RolloutPhase.PROGRESSING)
    return replace(after, inconclusive_checks=after.inconclusive_checks + silence)
