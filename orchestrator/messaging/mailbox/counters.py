"""What became of a mailbox's messages, in numbers."""

import msgspec

from orchestrator.model.message import Exited, Handled, Outcome, Refused, Replied
from orchestrator.model.observed import Traffic

_ERRORS = (Refused, Exited)


class Counters(msgspec.Struct):
    """What one revision did with its messages; errors are err results, traps, cancellations and exceeded limits."""

    handled: int = 0
    errors: int = 0

    def add(self, more: "Counters") -> None:
        """Count what another counted as well."""
        self.handled += more.handled
        self.errors += more.errors

    def count(self, outcome: Outcome) -> None:
        """Count a message or call that an instance took."""
        self.handled += 1
        self.errors += isinstance(outcome, _ERRORS)

    def count_batch(self, handled: Handled) -> None:
        """Count those of a batch that a guest was given."""
        self.handled += len(handled.outcomes)
        self.errors += len(handled.outcomes) - [*map(type, handled.outcomes)].count(Replied)


class Arrivals(msgspec.Struct):
    """What became of messages but for instances: let in, no room for, dropped, expired; lost in the end."""

    received: int = 0
    rejected: int = 0
    dropped: int = 0
    expired: int = 0
    lost: int = 0
    sent_again: int = 0

    def seen(self, waiting: int, taken: Counters) -> Traffic:
        """Say what became of all messages, with how many `waiting` still do and what instances did."""
        return Traffic(
            waiting=waiting, received=self.received, handled=taken.handled, errors=taken.errors,
            rejected=self.rejected, dropped=self.dropped, expired=self.expired, dead_letters=self.lost,
            sent_again=self.sent_again,
        )  # fmt: skip
