"""Requests that wait for an answer, until when, and the one ending of each. Pure.

A request is registered before it leaves, so that no answer can come too soon, and is over when it is taken out: by an
answer, a failure, its time, or its requester. An answer afterwards finds nothing and is late. Locks, clocks and ids are
the caller's (`asking`).
"""

import heapq
from collections.abc import Hashable

import msgspec

from orchestrator.messaging.mailbox.envelope import Envelope
from orchestrator.model.ids import ComponentId

PER_REQUESTER_MAX = 1_000  # requests of one instance that wait for their answer, or whose answer it has not taken yet
TOTAL_MAX = 100_000
TIMEOUT_MAX_MS = 3_600_000
_COMPACT_MIN = 64  # deadlines of requests that are over, before those are swept out


class WaitingRequest(msgspec.Struct, frozen=True, eq=False):
    """A request that has no answer yet; time in monotonic milliseconds."""

    id: str
    requester: Hashable
    target: ComponentId
    timeout_ms: int
    deadline_ms: int
    envelope: Envelope
    key: str | None = None  # of what its requester was at work on


class RequestTable:
    """All requests that wait, by id, by who asked and by deadline. For one thread at a time."""

    def __init__(self, per_requester: int = PER_REQUESTER_MAX, total: int = TOTAL_MAX) -> None:
        self._per_requester, self._total = per_requester, total
        self._waiting: dict[str, WaitingRequest] = {}
        self._of: dict[Hashable, dict[str, WaitingRequest]] = {}
        self._deadlines: list[tuple[int, str]] = []  # a heap; those of requests that are over are swept out in time

    def __len__(self) -> int:
        return len(self._waiting)

    def register(self, request: WaitingRequest, unread: int = 0) -> str:
        """Register a request, or return why not. `unread` answers of its requester count as waiting too."""
        assert request.id not in self._waiting, "ids are unique"
        own = self._of.get(request.requester, {})
        if len(own) + unread >= self._per_requester:
            return f"{self._per_requester} requests of this instance have no answer yet, and it may have no more"
        if len(self._waiting) >= self._total:
            return f"{self._total} requests have no answer yet, and there may be no more"
        self._waiting[request.id] = request
        self._of.setdefault(request.requester, own)[request.id] = request
        heapq.heappush(self._deadlines, (request.deadline_ms, request.id))
        return ""

    def take(self, id: str, requester: Hashable) -> WaitingRequest | None:
        """Take out a request of somebody, as it is over; None when it was over before, or is somebody else's."""
        request = self._of.get(requester, {}).get(id)
        if request is not None:
            self._remove(request)
        return request

    def take_overdue(self, now_ms: int) -> list[WaitingRequest]:
        """Take out every request whose time is over, the longest overdue first."""
        overdue = []
        while self._deadlines and self._deadlines[0][0] <= now_ms:
            request = self._waiting.get(heapq.heappop(self._deadlines)[1])
            if request is not None:
                self._remove(request)
                overdue.append(request)
        return overdue

    def take_all(self, requester: Hashable) -> list[WaitingRequest]:
        """Take out everything that one requester waits for, the oldest first."""
        own = [*self._of.get(requester, {}).values()]
        for request in own:
            self._remove(request)
        return own

    def next_deadline_ms(self) -> int | None:
        """Return when the next request may be overdue; None when none waits."""
        while self._deadlines and self._deadlines[0][1] not in self._waiting:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def count(self, requester: Hashable) -> int:
        """Count what one requester waits for."""
        return len(self._of.get(requester, ()))

    def _remove(self, request: WaitingRequest) -> None:
        del self._waiting[request.id]
        own = self._of[request.requester]
        del own[request.id]
        if not own:
            del self._of[request.requester]
        if len(self._deadlines) > 2 * len(self._waiting) + _COMPACT_MIN:
            self._deadlines = [entry for entry in self._deadlines if entry[1] in self._waiting]
            heapq.heapify(self._deadlines)
