"""Decides what follows an exit: exit reason × restart type × recent restarts × now × chance. Rules are Erlang/OTP's.

`groups.py` decides what a group makes of it.
"""

from collections.abc import Sequence

import msgspec

from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.spec import Backoff, RestartPolicy, RestartType


class RestartAfter(msgspec.Struct, frozen=True):
    """Start it again in `delay_ms`; `counts` as one of the restarts that there may be so many of."""

    delay_ms: int
    counts: bool = True


class StandBy(msgspec.Struct, frozen=True):
    """Wait for its group, which starts it again; `said` is what people see."""

    said: str


class GiveUp(msgspec.Struct, frozen=True):
    """Stop trying; `reason` is what people see."""

    reason: str


class Forget(msgspec.Struct, frozen=True):
    """Leave the instance ended, as it should be; nobody misses it."""


Decision = RestartAfter | StandBy | GiveUp | Forget


def decide(
    exit_reason: ExitReason, policy: RestartPolicy, restarts_ms: Sequence[int], now_ms: int, chance: float = 0.0,
    faults_ms: Sequence[int] = (),
) -> RestartAfter | GiveUp | Forget:  # fmt: skip
    """Decide what follows an exit; `restarts_ms` are the times of earlier restarts, on the same clock as `now_ms`.

    `chance`, from 0 up to 1, says how much of the jitter is taken off the wait. `faults_ms` are the times of earlier
    faults of the host: they make the wait after another one longer, and count for nothing else.
    """
    if exit_reason.kind is ExitKind.CANCELLED:  # nobody's fault, however often and whatever its restart type
        return RestartAfter(0, counts=False)
    if exit_reason.kind is ExitKind.HOST_FAULT:  # not the guest's, which may work once the host does
        faults = len(within(policy.period_ms, faults_ms, now_ms))
        return RestartAfter(shortened(backoff_ms(policy.backoff, faults), policy.backoff.jitter, chance), counts=False)
    if not _is_missed(exit_reason, policy.type):
        return Forget()
    recent = within(policy.period_ms, restarts_ms, now_ms)
    if len(recent) >= policy.intensity:
        return GiveUp(f"{len(recent)} restarts within {policy.period_ms / 1000:g}s; the last exit was {exit_reason}")
    return RestartAfter(shortened(backoff_ms(policy.backoff, len(recent)), policy.backoff.jitter, chance))


def within(period_ms: int, times_ms: Sequence[int], now_ms: int) -> list[int]:
    """Return those times that are not longer ago than the period."""
    return [at for at in times_ms if now_ms - at < period_ms]


def shortened(wait_ms: int, jitter: float, chance: float) -> int:
    """Return a wait less a part of it: the share `jitter` of it, times `chance`."""
    return round(wait_ms * (1 - jitter * chance))


def backoff_ms(backoff: Backoff, attempt: int) -> int:
    """Return the wait before the restart that follows `attempt` recent ones: initial × factor^attempt, capped."""
    delay = float(backoff.initial_ms)
    for _ in range(attempt):
        delay *= backoff.factor
        if delay >= backoff.max_ms:  # also keeps a large factor from overflowing
            return backoff.max_ms
    return min(int(delay), backoff.max_ms)


def _is_missed(exit_reason: ExitReason, restart: RestartType) -> bool:
    match restart:
        case RestartType.PERMANENT:
            return True
        case RestartType.TRANSIENT:
            return exit_reason.is_abnormal
        case RestartType.TEMPORARY:
            return False
