"""Serves messages that are sent, requested and published, and the subscriptions to topics."""

import asyncio
from functools import partial

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from orchestrator.agent import views
from orchestrator.agent.messages import Messages
from orchestrator.agent.routes.answers import Serves, hung_up, json_answer, outcome_of, reply
from orchestrator.agent.routes.bodies import Bodies, unreadable
from orchestrator.agent.routes.parameters import deployment_in, target_in, text_in, timeout_in
from orchestrator.agent.trouble import Trouble
from orchestrator.contract import endpoints
from orchestrator.contract.bodies import MANY_MAX_BYTES, Many
from orchestrator.contract.codes import TIMED_OUT
from orchestrator.contract.documents import Done, Published, Queued
from orchestrator.contract.problem import Problem
from orchestrator.decoding import from_msgpack
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import MESSAGE_MAX_BYTES


class MessageRoutes:
    """The routes of messages."""

    def __init__(self, messages: Messages, bodies: Bodies) -> None:
        self._messages, self._bodies = messages, bodies

    @property
    def serves(self) -> Serves:
        """Return what answers each endpoint."""
        return {
            endpoints.SEND: self.send,
            endpoints.SEND_MANY: self.send_many,
            endpoints.REQUEST: self.request,
            endpoints.PUBLISH: self.publish,
            endpoints.SUBSCRIPTIONS: self.subscriptions,
        }

    async def send(self, request: Request) -> Response:
        """Queue a message; the answer says queued, nothing more."""
        payload = await self._bodies.read(request, MESSAGE_MAX_BYTES)
        await self._queued(request, [payload], may_wait=False, id=text_in(request, "id"))
        return json_answer(Done(message="queued"))

    async def send_many(self, request: Request) -> Response:
        """Queue messages as there is room for them; the answer says how many, not all where that took too long."""
        payloads = _many(await self._bodies.read(request, MANY_MAX_BYTES))
        return json_answer(Queued(queued=await self._queued(request, payloads, may_wait=True)))

    async def request(self, request: Request) -> Response:
        """Send a message and return the reply's bytes."""
        timeout_s = timeout_in(request)
        payload = await self._bodies.read(request, MESSAGE_MAX_BYTES)
        trace = text_in(request, "trace")
        pending = self._messages.deliver(target_in(request), payload, text_in(request, "conversation"), trace)
        return reply(await outcome_of(pending, request, timeout_s))

    async def publish(self, request: Request) -> Response:
        """Publish a message; the answer says who took it."""
        payload = await self._bodies.read(request, MESSAGE_MAX_BYTES)
        topic = request.query_params.get("topic", "")
        took, of = await run_in_threadpool(self._messages.publish, topic, payload, text_in(request, "conversation"))
        return json_answer(Published(topic=topic, deployments=took, subscribers=of))

    async def subscriptions(self, request: Request) -> Response:
        """Return who subscribes to what, of one deployment or of all."""
        key, found = deployment_in(request), self._messages.subscriptions()
        return json_answer([views.subscription_view(one) for one in found if key in (None, one.key)])

    async def _queued(
        self, request: Request, payloads: list[bytes], *, may_wait: bool, id: str | None = None
    ) -> int:  # fmt: skip
        """Queue at least one of some messages, and as many as there comes to be room for in the time that it has."""
        target, conversation, timeout_s = target_in(request), text_in(request, "conversation"), timeout_in(request)
        key = target.deployment
        send, queued = partial(self._messages.send, target, conversation=conversation, may_wait=may_wait, id=id), 0
        try:
            async with asyncio.timeout(timeout_s):
                while queued < len(payloads):
                    more = send(payloads[queued:])
                    queued += more
                    if not more:
                        await self._room(key, request)
        except TimeoutError:
            if not queued:
                raise _stays_full(key, timeout_s) from None
        except Trouble:
            if not queued:  # else the caller is told when it sends the rest
                raise
        return queued

    async def _room(self, key: DeploymentKey, request: Request) -> None:
        """Wait until a mailbox has room.

        Raises:
            ClientDisconnect: the caller has hung up, or the agent closes.
        """
        route = self._messages.route(key)
        loop, there = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(there.set)

        if route is None or not route.when_room(wake):
            return
        waits = [asyncio.ensure_future(wait) for wait in (there.wait(), hung_up(request), self._bodies.closing.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            route.forget_waiter(wake)
            for wait in waits:
                wait.cancel()
        if not there.is_set():
            raise ClientDisconnect


def _many(data: bytes) -> list[bytes]:
    try:
        return from_msgpack(data, Many)
    except msgspec.MsgspecError as problem:
        raise unreadable(problem) from None


def _stays_full(key: DeploymentKey, timeout_s: float) -> Trouble:
    return Trouble(504, Problem(
        summary=f"the mailbox of {key} stays full", detail=f"no room for {timeout_s:g}s",
        suggestion="`airs status` shows what its instances do.", exit_code=TIMED_OUT,
    ))  # fmt: skip
