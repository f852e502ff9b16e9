"""The caller of a host function: all that the function knows about the instance it serves."""

from collections.abc import Callable, Sequence

from orchestrator.audit.uses import Uses
from orchestrator.messaging.requesters import Requester, mute
from orchestrator.messaging.topics import Subscriber
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.spec import Grant, Limits, Revision
from orchestrator.runtime.engine.host_import import Current
from orchestrator.security.grants import SUBSCRIBE, may_subscribe

Log = Callable[[str, str, Sequence[tuple[str, str]] | None], None]  # level, message, context
GrantsInForce = Callable[[], tuple[Grant, ...] | None]
# A target, a capability on what is its own, or a capability and what it is wanted for.
Question = DeploymentKey | str | tuple[str, str]
ANSWERS_MAX = 256  # remembered for an instance; a guest chooses what is asked


class GuestContext:
    """One instance's identity and what it may do. `requester` is it as a sender; without one, it can make no requests.
    `current` says what it is at work on.

    Larger than most, as it is everything that a host function may know of its caller.

    A grant must be in the instance's own revision and in what the source asks for now: taking one away acts at
    once on what runs, before any rollout.
    """

    __slots__ = (
        "_answered_for",
        "_answers",
        "_in_force",
        "_uses",
        "current",
        "id",
        "key",
        "limits",
        "log",
        "requester",
        "revision",
        "subscriber",
        "takes_messages",
    )  # fmt: skip

    def __init__(
        self, component: ComponentId, revision: Revision, in_force: GrantsInForce, log: Log,
        requester: Requester | None = None, *, takes_messages: bool = True, uses: Uses | None = None,
    ) -> None:  # fmt: skip
        self.id = component
        self.key = component.deployment
        self.requester = requester or mute(component)
        self.takes_messages = takes_messages
        self.current = Current()
        self.subscriber = Subscriber(component, self._may_subscribe)
        self.revision = revision
        self.limits: Limits = revision.limits
        self.log = log
        self._in_force = in_force
        self._uses = uses
        self._answered_for: tuple[Grant, ...] | None = None
        self._answers: dict[Question, bool] = {}

    def grant_sets(self) -> tuple[tuple[Grant, ...], ...]:
        """Return the grant lists that must all allow a call."""
        return self._sets(self._in_force())

    def allows(self, question: Question, decide: Callable[..., bool], *about: object) -> bool:
        """Ask `decide` of every grant list, and `about` what, once for as long as the source asks for the same."""
        in_force = self._in_force()
        if in_force is not self._answered_for or len(self._answers) >= ANSWERS_MAX:
            self._answered_for, self._answers = in_force, {}
        answer = self._answers.get(question)
        if answer is None:
            answer = self._answers[question] = all(decide(grants, *about) for grants in self._sets(in_force))
            if answer:
                self.note_used(*_capability_of(question))
        if not answer:
            self.note_denied(*_capability_of(question))
        return answer

    def may_subscribe(self, pattern: str) -> bool:
        """Whether the instance may subscribe to a pattern, noted for the audit book."""
        may = self._may_subscribe(pattern)
        (self.note_used if may else self.note_denied)(SUBSCRIBE, pattern)
        return may

    def note_used(self, capability: str, on: str) -> None:
        """Note the use of a capability."""
        if self._uses is not None:
            self._uses.used(self.key, self.revision.id, capability, on)

    def note_denied(self, capability: str, on: str) -> None:
        """Note that a capability was denied."""
        if self._uses is not None:
            self._uses.denied(self.key, capability, on)

    def _may_subscribe(self, pattern: str) -> bool:
        # Asked by any thread, as grants come and go: the memory of `allows` is the instance's own thread's.
        return all(may_subscribe(grants, pattern) for grants in self.grant_sets())

    def _sets(self, in_force: tuple[Grant, ...] | None) -> tuple[tuple[Grant, ...], ...]:
        return (self.revision.grants,) if in_force is None else (self.revision.grants, in_force)


def _capability_of(question: Question) -> tuple[str, str]:
    """Return the capability that a question asks for, and what it is wanted for."""
    if isinstance(question, DeploymentKey):
        return "messaging.send", str(question)
    return (question, "self") if isinstance(question, str) else question
