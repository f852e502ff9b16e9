"""The endings of requests, and the count of each for a deployment."""

from enum import Enum

import msgspec

from orchestrator.model.observed import RequestCounts


class Ending(Enum):
    """The ending of a request."""

    ANSWERED = "answered"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    CANCELLED = "cancelled"  # by its requester, or as that instance ended


class RequestCounters(msgspec.Struct):
    """The endings of one deployment's requests; `late` are answers that nobody waited for any more."""

    sent: int = 0
    answered: int = 0
    failed: int = 0
    timed_out: int = 0
    cancelled: int = 0
    late: int = 0

    def seen(self) -> RequestCounts:
        """Say what became of them."""
        over = self.answered + self.failed + self.timed_out + self.cancelled
        return RequestCounts(
            waiting=self.sent - over, sent=self.sent, answered=self.answered, failed=self.failed,
            timed_out=self.timed_out, cancelled=self.cancelled, late=self.late,
        )  # fmt: skip

    def count(self, ending: Ending) -> None:
        """Count one that has ended."""
        match ending:
            case Ending.ANSWERED:
                self.answered += 1
            case Ending.FAILED:
                self.failed += 1
            case Ending.TIMED_OUT:
                self.timed_out += 1
            case Ending.CANCELLED:
                self.cancelled += 1
