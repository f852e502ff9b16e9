"""The end of unused sessions of typed calls: an instance looks after those that it has, and drops those not used.

The end is a piece of work like any other, so that it never comes in the middle of a call. It says after which use it
was decided, and does nothing where there was another since.
"""

import threading

from orchestrator.concurrency.clock import Clock, Timer
from orchestrator.messaging.mailbox.envelope import Envelope, Release, Work
from orchestrator.messaging.mailbox.route import Route
from orchestrator.model.message import Outcome, Returned
from orchestrator.supervise.ports import GuestPort

SESSION_IDLE_MS = 600_000  # without a call, before a session ends


class IdleSessions:
    """The sessions of one instance, each with its last use and the timer that ends it. From any thread."""

    __slots__ = ("_clock", "_ends", "_lock", "_route", "_uses")

    def __init__(self, route: Route, clock: Clock) -> None:
        self._route, self._clock = route, clock
        self._lock = threading.Lock()
        self._ends: dict[str, tuple[int, Timer]] = {}  # which of all uses was the last, and when it ends
        self._uses = 0

    async def release(self, guest: GuestPort, work: Release) -> Outcome:
        """End a session or some of its handles, unless it was used since that was decided."""
        if self._was_used_since(work):
            return Returned(0)
        return await guest.release(work.session, work.handles)

    def worked(self, session: str, work: Work, guest: GuestPort | None) -> None:
        """End a session once it has not been used for long from now on; at once, if the guest has nothing of it."""
        if self._was_used_since(work):
            return
        goes_on = guest is not None and session in guest.sessions
        with self._lock:
            if session in self._ends:
                self._ends.pop(session)[1].cancel()
            if goes_on:
                self._uses += 1
                self._end_if_unused(session, self._uses)
        if not goes_on:
            was_unused = isinstance(work, Release) and work.uses is not None
            self._route.end_session(session, f"unused for {SESSION_IDLE_MS // 60_000} minutes" if was_unused else "")

    def clear(self) -> None:
        """Forget all of them: their instance has ended."""
        with self._lock:
            timers = [timer for _, timer in self._ends.values()]
            self._ends.clear()
        for timer in timers:
            timer.cancel()

    def _was_used_since(self, work: Work) -> bool:
        if not isinstance(work, Release) or work.uses is None:
            return False
        last = self._ends.get(work.session)
        return last is None or last[0] != work.uses

    def _end_if_unused(self, session: str, uses: int) -> None:
        def end() -> None:
            refused = self._route.offer(Envelope(Release(session, uses=uses), _nobody))
            if refused is not None and refused.case == "queue-full":
                with self._lock:
                    self._end_if_unused(session, uses)

        self._ends[session] = uses, self._clock.call_later(SESSION_IDLE_MS, end)


def _nobody(_outcome: Outcome) -> None:
    return
