"""The router and its surroundings: dead letters, messages that are kept, requests, and the records of them."""

from orchestrator.agent.surroundings import Announcer
from orchestrator.concurrency.clock import Clock
from orchestrator.delivery.durable import DurableMail
from orchestrator.delivery.letters import DeadLetters
from orchestrator.messaging.asking import Requests
from orchestrator.messaging.mailbox.batch import Told
from orchestrator.messaging.mailbox.route import Route
from orchestrator.messaging.recorder import Recorder
from orchestrator.messaging.router import Router
from orchestrator.model.hop import Hop
from orchestrator.model.message import Mail
from orchestrator.observe.events import Journals
from orchestrator.observe.senders import SendersSeen
from orchestrator.store.store import Store


class Exchange:
    """The ways of one agent's messages, and the records of them."""

    def __init__(self, store: Store, clock: Clock, journals: Journals, announcer: Announcer) -> None:
        self._announcer = announcer
        self.letters = DeadLetters(store.letters, clock, announcer.unheard, self._not_kept)
        self.senders = SendersSeen(store.senders, clock.wall_ms)
        self._hops = journals.hops
        self.recorder = Recorder(clock.wall_ns, self._heard, announcer.unheard)
        self.router = Router(
            self._who_is_told, DurableMail(store.mail, self.letters, clock, self._not_kept, self._recorded)
        )  # fmt: skip
        self.requests = Requests(self.router, clock, self.recorder)

    def _heard(self, hop: Hop) -> None:
        self._hops.append(hop)
        self.senders.heard(hop)

    def _not_kept(self, why: str) -> None:
        self._announcer.announce(None, "host-fault", why)

    def _who_is_told(self, route: Route, mail: Mail) -> Told:
        """Say who is told how messages end whose sender is not."""
        return self._recorded(route, mail, self.letters.told(route, mail))

    def _recorded(self, route: Route, mail: Mail, told: Told) -> Told:
        """Record the ends of messages of a conversation as well."""
        return told if mail.conversation is None else self.recorder.recording(route.key, mail, told)
