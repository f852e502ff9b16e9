"""Counts of a mailbox's messages: those that came, and how they ended."""

import msgspec

from orchestrator.model.exits import ExitKind
from orchestrator.model.message import Exited, Handled, Outcome, Refused, Replied
from orchestrator.model.observed import Traffic

_ERRORS = (Refused, Exited)


class Counters(msgspec.Struct):
    """The outcomes of one revision's messages; errors are err results, traps, cancellations and exceeded limits.

    `faults` are those of the errors that were the host's, which say nothing of the revision.
    """

    handled: int = 0
    errors: int = 0
    faults: int = 0

    def add(self, more: "Counters") -> None:
        """Count what another counted as well."""
        self.handled += more.handled
        self.errors += more.errors
        self.faults += more.faults

    def count(self, outcome: Outcome) -> None:
        """Count a message or call that an instance took."""
        self.handled += 1
        if type(outcome) is not Replied:  # asking a struct's class what it is not takes three times as long
            self.errors += isinstance(outcome, _ERRORS)
            self.faults += isinstance(outcome, Exited) and outcome.reason.kind is ExitKind.HOST_FAULT

    def count_batch(self, handled: Handled) -> None:
        """Count those of a batch that a guest was given."""
        self.handled += len(handled.outcomes)
        self.errors += len(handled.outcomes) - [*map(type, handled.outcomes)].count(Replied)
        exited = handled.exited
        if exited is not None and exited.reason.kind is ExitKind.HOST_FAULT:
            self.faults += sum(outcome == exited for outcome in handled.outcomes)


class Arrivals(msgspec.Struct):
    """Counts of messages outside of instances: let in, no room for, dropped, expired; lost in the end."""

    received: int = 0
    rejected: int = 0
    dropped: int = 0
    expired: int = 0
    lost: int = 0
    sent_again: int = 0

    def seen(self, waiting: int, taken: Counters) -> Traffic:
        """Sum up all messages: these arrivals, those still `waiting`, and the outcomes of those `taken`."""
        return Traffic(
            waiting=waiting, received=self.received, handled=taken.handled, errors=taken.errors,
            rejected=self.rejected, dropped=self.dropped, expired=self.expired, lost=self.lost,
            sent_again=self.sent_again,
        )  # fmt: skip
