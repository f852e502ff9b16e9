"""What instances need around them, under the control of a test."""

from collections.abc import Callable

from orchestrator.messaging.envelope import Call, Envelope
from orchestrator.messaging.route import Route
from orchestrator.model.exits import ExitReason
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import Message, Outcome
from orchestrator.model.spec import Deployment
from orchestrator.supervise.instance import Surroundings
from orchestrator.supervise.instances import InstanceSet
from tests.plan.build import deployment
from tests.simulation.guest import FakeRuntime
from tests.simulation.time import FakeClock

SENDER = ComponentId("airs", "test")


class Heard:
    """Counts changes and keeps exits."""

    def __init__(self) -> None:
        self.changes = 0
        self.exits: list[tuple[ExitReason, str]] = []

    def changed(self) -> None:
        self.changes += 1

    def exited(self, instance: ComponentId, reason: ExitReason, then: str) -> None:
        self.exits.append((reason, then))


class Stage:
    """A route, a set of instances and fakes, which only the test moves."""

    def __init__(
        self, workers: object, pause: Callable[[], None] = lambda: None, of: Deployment | None = None, **fields: object
    ) -> None:
        self.deployment = of or deployment("one", **fields)
        self.clock = FakeClock()
        self.runtime = FakeRuntime(pause, lambda _guest, _message: None)
        self.workers = workers
        self.heard = Heard()
        self.route = Route(self.deployment.key, self.deployment.mailbox, self.clock)
        self.route.direct({self.deployment.revision.id: 100}, hold=False)
        self.around = Surroundings(self.runtime.start, workers, self.clock, self.heard)
        self.set = InstanceSet(self.deployment, self.route, self.around)
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

    def fire(self, milliseconds: int) -> None:
        """Let time pass and make the calls that are due."""
        for due in self.clock.pass_time(milliseconds):
            due.fire()

    @property
    def phases(self) -> list[str]:
        return [instance.phase.value for instance in self.set.observe()]
