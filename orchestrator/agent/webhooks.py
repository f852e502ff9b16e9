"""A listener that forges tell of pushes: it wakes the readers of sources, and does nothing else.

A thread of its own, with an event loop of its own, so that a flood delays no other request of the agent. It opens only
where a secret is at hand, and goes on trying while it cannot. Reading requests lies in `webhook_requests.py`,
signatures and hints in `notify`.
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from orchestrator.agent.log import LOG
from orchestrator.agent.webhook_connections import WebhookConnections, bound, shown_address
from orchestrator.agent.webhook_requests import (
    REQUEST_S,
    Link,
    ProvenRequest,
    RequestFault,
    RequestRefused,
    Rules,
    asked_on,
)
from orchestrator.concurrency.clock import Clock
from orchestrator.contract.documents import WebhookEndpointView, WebhooksView
from orchestrator.model.event import Announce
from orchestrator.model.settings import WebhookEndpoint, WebhooksSection
from orchestrator.model.source import SourceSpec
from orchestrator.notify.hints import asked_for
from orchestrator.notify.looks import PendingLooks

OPEN_AGAIN_S = 1.0  # between two attempts to open
TELL_S = 60.0  # between two events about refused requests
CLOSE_S = 2.0
_TOLD = (RequestFault.SIGNATURE, RequestFault.NO_SECRET)


class EndpointSecrets(Protocol):
    """Finds the secrets of an endpoint."""

    def __call__(self, endpoint: WebhookEndpoint, /) -> Sequence[str]:
        """Return those that hold now; none where they cannot be read."""

    def problem(self, endpoint: WebhookEndpoint, /) -> str:
        """Say why there is none; empty where there is."""


class LookedAt(NamedTuple):
    """The sources that are followed, by name, and what asks for a look at one; both from any thread."""

    sources: Callable[[], Mapping[str, SourceSpec]]
    ask: Callable[[str], None]


class _Tally:
    """The counts of one endpoint, or of requests that named none."""

    def __init__(self) -> None:
        self.accepted = self.accepted_ms = self.refused_ms = 0
        self.refused = dict.fromkeys(RequestFault, 0)

    def refuse(self, why: RequestFault, now_ms: int) -> None:
        self.refused[why] += 1
        self.refused_ms = now_ms


class Webhooks:
    """The listener of one agent, as its section of the settings says. Its own thread does all but show and end it."""

    def __init__(
        self, section: WebhooksSection, secrets: EndpointSecrets, looked_at: LookedAt, clock: Clock,
        announce: Announce,
    ) -> None:  # fmt: skip
        self._section, self._secrets, self._looked_at = section, secrets, looked_at
        self._clock, self._announce = clock, announce
        endpoints = {endpoint.at: endpoint for endpoint in section.endpoints}
        self._rules = Rules(endpoints, secrets, section.max_bytes, lambda: clock.wall_ms() / 1000)
        self._tallies = {name: _Tally() for name in ("", *(one.name for one in section.endpoints))}
        self._pending = PendingLooks(section.min_interval)
        self._looks = self._merged = 0
        self._state = _State()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Listen from now on, where the settings say so."""
        if self._section.listen and self._section.endpoints:
            self._thread = threading.Thread(target=self._run, name="airs-webhooks", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._state.stop()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def view(self) -> WebhooksView | None:
        """Describe the listener; None where the settings name none."""
        if self._thread is None:
            return None
        nowhere = self._tallies[""]
        return WebhooksView(
            listening=self._state.listening,
            problem=self._state.problem,
            encrypted=bool(self._section.certificate),
            looks=self._looks,
            merged=self._merged,
            refused=_counts(nowhere),
            endpoints=tuple(self._endpoint_view(one) for one in self._section.endpoints),
        )

    def _endpoint_view(self, endpoint: WebhookEndpoint) -> WebhookEndpointView:
        tally = self._tallies[endpoint.name]
        return WebhookEndpointView(
            name=endpoint.name, path=endpoint.at, forge=endpoint.kind, sources=endpoint.sources,
            accepted=tally.accepted, accepted_at=tally.accepted_ms, refused=_counts(tally),
            refused_at=tally.refused_ms, problem=self._secrets.problem(endpoint),
        )  # fmt: skip

    def _run(self) -> None:
        asyncio.run(self._listen())

    async def _listen(self) -> None:
        stop = self._state.began()
        connections = WebhookConnections(self._serve, lambda: self._refuse(RequestFault.CROWDED, None, ""), self._clock)
        opener = asyncio.create_task(self._opened(connections))
        await stop.wait()
        opener.cancel()
        connections.end()

    async def _opened(self, connections: WebhookConnections) -> None:
        """Open the listener, once that is possible, and leave it open."""
        while problem := self._problem() or self._fault():
            if problem != self._state.problem:
                self._announce(None, "webhooks-closed", problem)
            self._state.problem = problem
            await asyncio.sleep(OPEN_AGAIN_S)
        listener, encryption = self._state.ready
        assert listener is not None
        self._state.opened(shown_address(listener))
        self._announce(None, "webhooks-listen", f"forges may tell of pushes at {self._state.listening}")
        await connections.accept(listener, encryption)

    def _problem(self) -> str:
        problems = [self._secrets.problem(endpoint) for endpoint in self._section.endpoints]
        return "" if "" in problems else "no webhook has a secret: " + "; ".join(problems)

    def _fault(self) -> str:
        """Bind the port; says why not, empty where it is bound."""
        section, encryption = self._section, None
        try:
            if section.certificate:
                encryption = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                encryption.load_cert_chain(section.certificate, section.key)
            self._state.ready = (bound(section.listen), encryption)
        except OSError as fault:  # ssl.SSLError is one
            return f"{section.listen} cannot be listened at: {fault}"
        return ""

    async def _serve(self, link: Link) -> None:
        try:
            async with asyncio.timeout(REQUEST_S):
                asked = await asked_on(link, self._rules)
        except RequestRefused as refused:
            self._refuse(refused.why, refused.endpoint, link.peer)
            await link.answer(refused.status, f"not heeded: {refused.why.value}")
        except TimeoutError:
            self._refuse(RequestFault.TOO_SLOW, None, link.peer)
            await link.answer(408, "not heeded: too-slow")
        else:
            self._accept(asked)
            await link.answer(202, "heard")

    def _accept(self, asked: ProvenRequest) -> None:
        tally, now_ms = self._tallies[asked.endpoint.name], self._clock.monotonic_ms()
        tally.accepted += 1
        tally.accepted_ms = self._clock.wall_ms()
        for source in sorted(asked_for(asked.body, self._looked_at.sources(), asked.endpoint.sources)):
            delay_ms = self._pending.ask(source, now_ms)
            if delay_ms is None:
                self._merged += 1
            else:
                asyncio.get_running_loop().call_later(delay_ms / 1000, self._look, source, asked.endpoint.name)

    def _look(self, source: str, endpoint: str) -> None:
        self._looks += 1
        self._pending.done(source, self._clock.monotonic_ms())
        LOG.info("webhook %s asks for a look at %s", endpoint, source)
        self._looked_at.ask(source)

    def _refuse(self, why: RequestFault, endpoint: WebhookEndpoint | None, peer: str) -> None:
        self._tallies[endpoint.name if endpoint else ""].refuse(why, self._clock.wall_ms())
        if why in _TOLD and endpoint is not None and self._state.refused():
            self._tell(endpoint.name, why, peer)

    def _tell(self, endpoint: str, why: RequestFault, peer: str) -> None:
        """Tell of a request that was refused, and of those that follow within a while together, if any do."""
        self._announce(None, "webhook-refused", f"webhook {endpoint} refused a request of {peer}: {why.value}")

        def tell_more() -> None:
            more = self._state.take_refused()
            if more:
                self._announce(None, "webhook-refused", f"{more} more requests of webhooks were refused")

        asyncio.get_running_loop().call_later(TELL_S, tell_more)


class _State:
    """The changing part of a listener: its loop, where it listens, and the refusals untold."""

    def __init__(self) -> None:
        self.listening = self.problem = ""
        self.ready: tuple[socket.socket | None, ssl.SSLContext | None] = (None, None)  # bound, and not served yet
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._is_stopped = False
        self._refused = -1  # since the last event; -1 while none was told lately

    def began(self) -> asyncio.Event:
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if self._is_stopped:
            self._stop.set()
        return self._stop

    def stop(self) -> None:
        """Ask the thread to end; from any thread."""
        self._is_stopped = True
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)

    def opened(self, where: str) -> None:
        self.listening, self.problem = where, ""

    def refused(self) -> bool:
        """Count a refusal; whether it is to be told now."""
        self._refused += 1
        return self._refused == 0

    def take_refused(self) -> int:
        """Return how many were not told, and begin anew."""
        more, self._refused = self._refused, -1
        return more


def _counts(tally: _Tally) -> dict[str, int]:
    return {why.value: count for why, count in tally.refused.items() if count}
