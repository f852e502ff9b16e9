"""What instances need around them, under the control of a test."""

from collections.abc import Callable

from orchestrator.messaging.asking import Requests
from orchestrator.messaging.mailbox.envelope import Call, Envelope
from orchestrator.messaging.mailbox.route import Route
from orchestrator.messaging.router import Router
from orchestrator.model.exits import ExitReason
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import Message, Outcome
from orchestrator.model.spec import Deployment
from orchestrator.supervise.environment import Environment
from orchestrator.supervise.instances import InstanceSet
from tests.plan.build import deployment
from tests.simulation.guest import FakeGuest, FakeRuntime
from tests.simulation.time import FakeClock

SENDER = ComponentId("airs", "test")


class Heard:
    """Counts changes and keeps exits."""

    def __init__(self) -> None:
        self.changes = 0
        self.exits: list[tuple[ExitReason, str]] = []
        self.news: list[tuple[DeploymentKey, str, str]] = []

    def changed(self, key: DeploymentKey) -> None:
        self.changes += 1

    def announce(self, key: DeploymentKey, reason: str, message: str, *_about: object) -> None:
        self.news.append((key, reason, message))

    def exited(self, instance: ComponentId, reason: ExitReason, then: str) -> None:
        self.exits.append((reason, then))


class Stage:
    """A route, a set of instances and fakes, which only the test moves."""

    def __init__(
        self, workers: object, pause: Callable[[], None] = lambda: None, of: Deployment | None = None, **fields: object
    ) -> None:
        self.deployment = of or deployment("one", **fields)
        self.clock = FakeClock()
        self.runtime = FakeRuntime(pause, self._ask, self._answered)
        self.asked: dict[str, list[Message]] = {}
        self.turns: list[str] = []
        self.workers = workers
        self.heard = Heard()
        self.chance = 0.0
        self.route = Route(self.deployment.key, self.deployment.mailbox, self.clock)
        self.route.direct({self.deployment.revision.id: 100}, hold=False)
        self.router = Router()
        self.router.add(self.route)
        self.requests = Requests(self.router, self.clock)
        self.environment = Environment(
            self.runtime.start, workers, self.clock, self.heard, lambda: self.chance, requests=self.requests
        )
        self.set = InstanceSet(self.deployment, self.route, self.environment, lambda _revision: None)
        self.outcomes: list[list[Outcome]] = []
        self.envelopes: list[Envelope] = []

    def send(self, text: str = "echo x") -> list[Outcome]:
        return self._offer(Message(sender=SENDER, payload=text.encode(), timestamp_ns=0))

    def call(self, function: str) -> list[Outcome]:
        return self._offer(Call(function, ()))

    def cancel(self) -> bool:
        """Cancel the latest call."""
        return self.route.cancel(self.envelopes[-1])

    def _offer(self, message: Message | Call) -> list[Outcome]:
        outcomes: list[Outcome] = []
        self.outcomes.append(outcomes)
        self.envelopes.append(Envelope(message, outcomes.append))
        refused = self.route.offer(self.envelopes[-1])
        if refused is not None:
            outcomes.append(refused)
        return outcomes

    def _ask(self, guest: FakeGuest, message: Message) -> None:
        """Have a guest that was told to ask ask a deployment, its own; `ask` once with a short time."""
        self.turns.append("message")
        if not message.payload.startswith(b"ask"):
            return
        timeout_ms = 5 if message.payload.endswith(b"briefly") else 60_000
        key = self.deployment.key
        target = ComponentId(key.namespace, key.name)
        id = self.requests.ask(self.requests.of(guest.id), target, b"echo y", timeout_ms)
        if isinstance(id, str):
            self.asked[id] = []

    def _answered(self, _guest: FakeGuest, message: Message) -> None:
        self.turns.append("answer")
        self.asked.setdefault(message.correlation_id or "", []).append(message)

    def fire(self, milliseconds: int) -> None:
        """Let time pass and make the calls that are due."""
        for due in self.clock.pass_time(milliseconds):
            due.fire()

    @property
    def phases(self) -> list[str]:
        return [instance.phase.value for instance in self.set.observe()]
