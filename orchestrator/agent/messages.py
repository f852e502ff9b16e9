"""Messages and calls from outside, on their way to the router, and the dead letters of those that went wrong."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from orchestrator.agent.trouble import Trouble
from orchestrator.concurrency.clock import Clock
from orchestrator.contract.codes import TIMED_OUT, USAGE
from orchestrator.contract.problem import Problem
from orchestrator.delivery.letters import DeadLetters
from orchestrator.execute.fleet import Fleet
from orchestrator.messaging.mailbox.envelope import Call, Envelope, Release, Work
from orchestrator.messaging.mailbox.route import Route
from orchestrator.messaging.router import Router
from orchestrator.messaging.topics import Subscription
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.letter import Resent
from orchestrator.model.message import Mail, Message, Outcome, Undelivered
from orchestrator.model.observed import ObservedSession
from orchestrator.patterns.topic import TOPIC_SAYS, is_topic

CALLER = ComponentId("airs", "client")  # who a message from the command line comes from
SHOWN_MAX = 100  # characters of something mistaken that are repeated to its sender


class Messages:
    """Sends messages to deployments; nothing here waits, but for what the store reads and writes."""

    def __init__(self, fleet: Fleet, clock: Clock, letters: DeadLetters) -> None:
        self._fleet, self._clock = fleet, clock
        self.letters = letters

    def deliver(
        self, target: ComponentId, payload: bytes, conversation: str | None, trace: str | None = None
    ) -> "Pending":
        """Put a message into a deployment's mailbox. Its sequel is recorded under `trace`, or its conversation.

        Raises:
            Trouble: it was not queued.
        """
        message = Message(
            sender=CALLER,
            payload=payload,
            timestamp_ns=self._clock.wall_ns(),
            correlation_id=conversation,
            conversation=trace or conversation,
        )
        return self._send(target.deployment, message, conversation, target.instance)

    def send(
        self, target: ComponentId, payloads: Sequence[bytes], conversation: str | None, *, may_wait: bool,
        id: str | None = None,
    ) -> int:  # fmt: skip
        """Put messages that want no answer into a deployment's mailbox, as many as it has room for; returns how many.

        None is 0 where their sender may wait for room, or is to.

        Raises:
            Trouble: none was queued, and to wait does not help.
        """
        key, router = target.deployment, self._fleet.router
        route = router.find(key)
        waits = route is not None and (may_wait or route.has_senders_wait)
        if route is not None and waits:  # messages without room are neither kept nor rejected
            payloads = payloads[: route.room_for(len(payloads))]
            if not payloads:
                return 0
        mail = Mail(
            CALLER, payloads, self._clock.wall_ns(), conversation, conversation=conversation, to=target.instance
        )
        # A client of the agent may do anything with its deployments: the socket is the owner's.
        queued, refused = router.send_many(key, mail, lambda _key: True, id=id)
        if refused is None or queued or (waits and refused.case == "queue-full"):
            return queued
        raise self._undelivered(refused)

    def publish(self, topic: str, payload: bytes, conversation: str | None) -> tuple[int, int]:
        """Publish under a topic; returns how many deployments took the message, and how many subscribe to it.

        Raises:
            Trouble: it is no topic.
        """
        if not is_topic(topic):
            raise Trouble(400, Problem(summary=f"{topic[:SHOWN_MAX]!a} is not {TOPIC_SAYS}", exit_code=USAGE))
        found = self._fleet.topics.matching(topic)
        mail = Mail(CALLER, (payload,), self._clock.wall_ns(), conversation, conversation=conversation, topic=topic)
        return self._fleet.router.publish(found, mail), len(found)

    def subscriptions(self) -> tuple[Subscription, ...]:
        """Return who subscribes to what."""
        return self._fleet.topics.subscriptions()

    def route(self, key: DeploymentKey) -> Route | None:
        """Return a deployment's mailbox, to wait for room in it."""
        return self._fleet.router.find(key)

    def send_again(self, key: DeploymentKey, numbers: tuple[int, ...] | None) -> Resent:
        """Send dead letters of a deployment again, all of them or some.

        Raises:
            Trouble: one of them is none of its letters, or none could be queued.
        """
        self._check_letters(key, numbers)
        resent = self.letters.send_again(self._fleet.router, key, numbers)
        if resent.why and not resent.sent:
            raise Trouble(503, Problem(summary=resent.why, detail="The letters are kept."))
        return resent

    def discard(self, key: DeploymentKey, numbers: tuple[int, ...] | None) -> int:
        """Forget dead letters of a deployment, all of them or some; returns how many.

        Raises:
            Trouble: one of them is none of its letters.
        """
        self._check_letters(key, numbers)
        return self.letters.discard(key, numbers)

    def _check_letters(self, key: DeploymentKey, numbers: tuple[int, ...] | None) -> None:
        unknown = self.letters.unknown(key, numbers or ())
        if unknown:
            which = ", ".join(map(str, unknown[:10]))
            hint = f"`airs get dead-letters {key}` lists them."
            raise Trouble(404, Problem(summary=f"{key} has no dead letter {which}", suggestion=hint))

    def call(self, target: ComponentId, function: str, arguments: list[Any], session: str | None) -> "Pending":
        """Queue a typed call, for the instance that a session is bound to if it is of one.

        Raises:
            Trouble: it was not queued.
        """
        return self._send(target.deployment, Call(function, tuple(arguments), session), None, target.instance)

    def drop_handles(self, key: DeploymentKey, session: str, handles: tuple[int, ...] | None) -> "Pending":
        """Queue the end of a session, or of some of its handles; the outcome is how many were dropped.

        Raises:
            Trouble: there is no such session, or it was not queued.
        """
        return self._send(key, Release(session, handles), None)

    def sessions(self, key: DeploymentKey) -> tuple[ObservedSession, ...]:
        """Describe a deployment's sessions.

        Raises:
            Trouble: there is no such deployment.
        """
        service = self._fleet.services.get(key)
        if service is None:
            raise Trouble(404, Problem(summary=f"no deployment {key}", suggestion="`airs get deployments` lists them."))
        return service.sessions()

    def _send(self, key: DeploymentKey, work: Work, conversation: str | None, to: str = "") -> "Pending":
        future: Future[Outcome] = Future()
        envelope = Envelope(work, future.set_result, conversation, to)
        refused = self._fleet.router.deliver(key, envelope)
        if refused is not None:
            raise self._undelivered(refused)
        return Pending(self._fleet.router, key, envelope, future)

    def _undelivered(self, refused: Undelivered) -> Trouble:
        known = sorted(str(k) for k in self._fleet.services)
        hint = f"There are: {', '.join(known[:10])}." if refused.case == "target-not-found" and known else ""
        return Trouble(503, Problem(summary=f"{refused.case}: {refused.detail}", suggestion=hint))


class Pending:
    """A message on its way: `future` becomes its outcome, unless it is given up before."""

    def __init__(self, router: Router, key: DeploymentKey, envelope: Envelope, future: "Future[Outcome]") -> None:
        self._router, self._key, self._envelope, self.future = router, key, envelope, future

    def give_up(self, timeout_s: float) -> Trouble:
        """Take the message back if nobody started on it, else end it if it is a call; and say so."""
        route = self._router.find(self._key)
        is_call = self._envelope.cancellation is not None
        if route is not None and route.cancel(self._envelope):
            detail = "no instance had started on it; it was taken back"
        elif is_call:
            detail = "the instance that was at work on it was ended; another takes its place"
        else:
            detail = "an instance is at work on it"
        problem = Problem(
            summary=f"no answer from {self._key} within {timeout_s:g}s", detail=detail, exit_code=TIMED_OUT
        )
        return Trouble(504, problem)
