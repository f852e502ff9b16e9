"""The sessions bound to instances, and those that are over without anybody having asked for that.

For one thread at a time: the route's lock is held.
"""

from orchestrator.messaging.mailbox.envelope import Envelope, Release
from orchestrator.messaging.mailbox.lanes import Taker, Waiting
from orchestrator.messaging.mailbox.queues import Queues
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import Undelivered

ENDED_MAX = 100  # sessions whose end somebody is still to be told of


class SessionBindings:
    """The sessions of one deployment: each is of the instance that took its first call."""

    __slots__ = ("_bound", "_ended", "_key", "_queues")

    def __init__(self, key: DeploymentKey, queues: Queues) -> None:
        self._key = key
        self._queues = queues
        self._bound: dict[str, Taker] = {}
        self._ended: dict[str, str] = {}  # nobody was told of their end yet, and why

    def __contains__(self, session: str) -> bool:
        return session in self._bound

    def taker(self, session: str) -> Taker | None:
        """Return the instance that has a session; None before its first call is taken."""
        return self._bound.get(session)

    def why_not(self, envelope: Envelope) -> Undelivered | None:
        """Say why a call of a session is not taken, once if that has ended by itself."""
        session = envelope.session
        assert session is not None
        if session in self._bound:
            return None
        why = self._ended.pop(session, None)
        if why is not None:
            return _over(session, why)
        if isinstance(envelope.work, Release):
            return Undelivered("no-such-session", f"{self._key} has no session {session}")
        return None

    def bind(self, session: str, taker: Taker) -> None:
        """Bind a session to the instance that takes its first call, which its other calls then wait for."""
        self._bound[session] = taker
        for envelope in self._queues.take_session(session):
            self._queues.wait_for(taker, envelope)

    def end(self, session: str, why: str) -> list[Envelope]:
        """Forget a session; with `why` who waits in it or calls next is told, else who waits is to be placed anew."""
        if self._bound.pop(session, None) is None:
            return []
        waiting = self._queues.take_session(session)
        if why:
            self._let_down([session], waiting, why)
        return [] if why else waiting

    def leave(self, taker: Taker, left: list[Waiting], why: str) -> list[Waiting]:
        """End all sessions of somebody for whom `left` waited; returns what of that was not in one of them."""
        names = [name for name, bound in self._bound.items() if bound is taker]
        for name in names:
            del self._bound[name]
        if names:
            self._let_down(names, [one for one in left if isinstance(one, Envelope) and one.session in names], why)
        return [one for one in left if one.session is None]

    def _let_down(self, sessions: list[str], waiting: list[Envelope], why: str) -> None:
        """Take those who wait in sessions that are over out of the mailbox; why, for them and for who comes next."""
        told = {envelope.session for envelope in waiting}
        self._ended |= {session: why for session in sessions if session not in told}
        while len(self._ended) > ENDED_MAX:
            del self._ended[next(iter(self._ended))]
        self._queues.refuse_all([(envelope, _over(envelope.session or "", why)) for envelope in waiting])


def _over(session: str, why: str) -> Undelivered:
    return Undelivered("session-ended", f"session {session} is over, and its handles with it: {why}")
