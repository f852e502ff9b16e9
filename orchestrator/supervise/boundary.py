"""The actor's boundary: a failure at work on a guest ends that instance, and nobody else."""

from typing import TypeVar

from orchestrator.concurrency.work import Work
from orchestrator.messaging.mailbox.envelope import Envelope
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.message import Exited, Outcome
from orchestrator.supervise.ports import GuestPort

T = TypeVar("T")


async def asked(work: Work[T]) -> T | Exited:
    """Do work; an exception is our fault, and an exit of the instance."""
    try:
        return await work
    except Exception as problem:  # noqa: BLE001 — as said above
        return host_fault(problem)


def host_fault(problem: Exception) -> Exited:
    """Say that an instance ends by our fault."""
    return Exited(ExitReason(kind=ExitKind.HOST_FAULT, detail=f"{type(problem).__name__}: {problem}"))


async def cancellable(guest: GuestPort, envelope: Envelope, answer: Work[Outcome]) -> Outcome:
    """Make a call that its caller may give up; its instance has ended then."""
    cancellation = envelope.cancellation
    assert cancellation is not None
    cancellation.begin(guest.interrupt)
    try:
        outcome = await answer
    finally:
        was_cancelled = cancellation.over()
    return _cancelled(outcome) if was_cancelled else outcome


def _cancelled(outcome: Outcome) -> Exited:
    """Say so, whether the guest was ended by it or had just answered: it was told to end, and cannot go on."""
    if isinstance(outcome, Exited) and outcome.reason.kind is not ExitKind.KILLED:  # it had ended by itself
        return outcome
    backtrace = outcome.reason.backtrace if isinstance(outcome, Exited) else ()
    return Exited(ExitReason(kind=ExitKind.CANCELLED, detail="its caller gave the call up", backtrace=backtrace))
