"""An instance's guest, from its start to its end: every call on it that is no message of the mailbox.

`instance.py` says which of them is made, one at a time, and decides what follows; here nothing is decided.
"""

from collections.abc import Callable

from orchestrator.messaging.endings import RequestCounters
from orchestrator.messaging.requesters import Requester
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import Exited
from orchestrator.model.observed import ObservedSession, Spent
from orchestrator.model.spec import HealthPolicy, Revision
from orchestrator.supervise.boundary import asked
from orchestrator.supervise.checks import HealthFinding, examined
from orchestrator.supervise.environment import Environment
from orchestrator.supervise.ports import GuestPort


class GuestSide:
    """The guest that an instance has now, if any, and as whom it sends: `requester` is of its latest start."""

    __slots__ = ("_environment", "_id", "_is_answered", "_on_answer", "_sent", "_spent", "guest", "requester")

    def __init__(
        self, id: ComponentId, environment: Environment, sent: RequestCounters, on_answer: Callable[[], None]
    ) -> None:
        self._id, self._environment, self._sent, self._on_answer = id, environment, sent, on_answer
        self.guest: GuestPort | None = None
        self.requester: Requester = environment.requests.of(id)  # which cannot send before a start
        self._spent = Spent()  # by the guests before this one
        self._is_answered = False  # is at work on an answer to a request of its own

    async def load(self, revision: Revision, policy: HealthPolicy) -> HealthFinding | Exited:
        """Start a guest, and ask it how it is, within the time of a call: it may have much to do at first."""
        self.requester = self._environment.requests.begin(self._id, self._sent, self._on_answer)
        started = await asked(self._environment.start_guest(revision, self._id))
        if isinstance(started, Exited):
            return started
        found = await self._examine(started, policy, revision.limits.timeout_ms)
        self.guest = started
        return found

    async def check(self, policy: HealthPolicy) -> HealthFinding | Exited:
        """Ask the guest how it is."""
        assert self.guest is not None
        self.requester.works_on(None, None)
        return await self._examine(self.guest, policy, policy.timeout_ms)

    async def answer(self) -> Exited | None:
        """Give the guest the next answer, if one still waits; None when it goes on afterwards."""
        assert self.guest is not None
        self._is_answered = True
        exited = await asked(self._give(self.guest))
        self._is_answered = False
        return exited

    async def part(self) -> Exited | None:
        """Tell the guest how its requests ended, and let it say goodbye."""
        guest = self.guest
        assert guest is not None
        problem = await asked(self._say_goodbye(guest))
        guest.close()
        return problem

    def detach(self) -> GuestPort | None:
        """Return the guest, which is here no more."""
        guest, self.guest = self.guest, None
        if guest is not None:
            self._spent = _sum(self._spent, guest.spent)
        return guest

    def interrupt(self) -> None:
        """End the call that is under way, if any."""
        guest = self.guest
        if guest is not None:
            guest.interrupt()

    @property
    def asks(self) -> bool:
        """Whether it waits for an answer to a request of its own, or is at work on one."""
        requester = self.requester
        waits = bool(requester.answers) or bool(self._environment.requests.outstanding(requester))
        return self._is_answered or waits

    @property
    def spent(self) -> Spent:
        """The cost of messages and calls, of this guest and of those before it."""
        guest = self.guest
        return self._spent if guest is None else _sum(self._spent, guest.spent)

    @property
    def memory_bytes(self) -> int:
        """How large the guest's linear memories are together."""
        guest = self.guest
        return 0 if guest is None else guest.memory_bytes

    def sessions(self) -> tuple[ObservedSession, ...]:
        """Describe the sessions that are bound to it."""
        guest = self.guest
        found = {} if guest is None else guest.sessions
        return tuple(ObservedSession(name, self._id.instance, handles) for name, handles in found.items())

    async def _examine(self, guest: GuestPort, policy: HealthPolicy, timeout_ms: int) -> HealthFinding | Exited:
        return await asked(examined(guest, policy, self._id, self._environment.clock.wall_ns(), timeout_ms))

    async def _give(self, guest: GuestPort) -> Exited | None:
        requests, requester = self._environment.requests, self.requester
        answer = requests.next_answer(requester)
        if answer is None:
            return None
        requester.works_on(answer.conversation, answer.message.conversation, answer.key)
        outcome = await guest.handle_callback(answer.message)
        requests.recorder.handled(requester, answer.message, answer.kind, outcome)
        return outcome if isinstance(outcome, Exited) else None

    async def _say_goodbye(self, guest: GuestPort) -> Exited | None:
        requester = self.requester
        self._environment.requests.close(requester, f"instance {self._id.instance} is told to end")
        while requester.answers:
            exited = await self._give(guest)
            if exited is not None:
                return exited
        requester.works_on(None, None)
        return await guest.shutdown()


def _sum(one: Spent, other: Spent) -> Spent:
    return Spent(calls=one.calls + other.calls, fuel=one.fuel + other.fuel)
