"""The HTTP API on the agent's socket: JSON in and out, one route per verb, thin over `operations` and `views`.

Callers are hostile: bodies are capped before they are read, values are decoded strictly, and no answer holds a
credential. Long-lived answers (logs, events) are newline-delimited JSON.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from functools import partial
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from orchestrator.agent import views
from orchestrator.agent.compilations import Compilations
from orchestrator.agent.describe_sources import seen_source
from orchestrator.agent.following import FOLLOWERS_MAX, Following, TooManyFollow
from orchestrator.agent.jobs import Watcher
from orchestrator.agent.log import LOG
from orchestrator.agent.messages import Messages, Pending
from orchestrator.agent.operations import Operations
from orchestrator.agent.peer import EXTENSION, hang_up, peer_of
from orchestrator.agent.sources import Sources, spec_of
from orchestrator.agent.trouble import Trouble
from orchestrator.contract import endpoints
from orchestrator.contract.bodies import (
    CALL_MAX_BYTES,
    JSON,
    JSON_LINES,
    MANY_MAX_BYTES,
    NO_REPLY,
    PATH_MAX,
    CallBody,
    Many,
    RemoveBody,
    RunBody,
    SourceWish,
)
from orchestrator.contract.codes import INVALID, TIMED_OUT, USAGE
from orchestrator.contract.documents import (
    AgentView,
    Applied,
    DeploymentView,
    Discarded,
    Done,
    Published,
    Queued,
    UpBegan,
    UpEvent,
    UpLook,
)
from orchestrator.contract.endpoints import Endpoint
from orchestrator.contract.problem import Problem
from orchestrator.controller.loop import Controller
from orchestrator.execute.commands import Abort, Command, Delete, Pause, Promote, Restart, Resume, Retry, Rollback
from orchestrator.model.event import Event, LogLine
from orchestrator.model.exits import ExitKind
from orchestrator.model.hop import Hop
from orchestrator.model.ids import NAME_MAX_LENGTH, NAME_PATTERN, ComponentId, DeploymentKey
from orchestrator.model.message import (
    MESSAGE_MAX_BYTES,
    BadCall,
    Exited,
    Outcome,
    Refused,
    Replied,
    Returned,
    Undelivered,
)
from orchestrator.model.selection import EVENT_LEVELS, LOG_LEVELS, Selection
from orchestrator.model.source import place_of, root_of
from orchestrator.model.strict_json import NotJson, read_json
from orchestrator.model.who import By, Verb
from orchestrator.observe.events import Journals, printable
from orchestrator.observe.trace import conversation_of, latest
from orchestrator.plan.saved import PLAN_MAX_BYTES, PlanRefused, read_plan
from orchestrator.store.database import DatabaseFault

QUICK_BYTES = 64 << 10  # of JSON, which take about a millisecond to read
TIMEOUT_MAX_S = 3_600.0
TEXT_MAX = 256  # characters
NUMBER_DIGITS = 20
NUMBERS_TOLD = 20  # of dead letters, in an entry of the history
SHOWN_MAX = 100  # characters of something mistaken that are repeated to whoever sent it
ROLLOUT_VERBS: dict[str, type[Command]] = {
    "promote": Promote, "pause": Pause, "resume": Resume, "abort": Abort, "retry": Retry,
}  # fmt: skip
T = TypeVar("T")
E = TypeVar("E", Event, LogLine)
_LABEL = re.compile(NAME_PATTERN, re.ASCII)


class Api:
    """The routes over one agent's parts."""

    def __init__(
        self, operations: Operations, sources: Sources, messages: Messages, controller: Controller, journals: Journals,
        compilations: Compilations, about: Callable[[], AgentView], key: bytes, stop: Callable[[float | None], None],
        announce: Callable[[DeploymentKey | None, str, str], None],
    ) -> None:  # fmt: skip
        self._operations, self._sources, self._messages = operations, sources, messages
        self._controller, self._journals = controller, journals
        self._compilations = compilations
        self._about, self._key, self._stop = about, key, stop
        self._closing = asyncio.Event()
        self._logs = Following(journals.logs, partial(_dropped, announce, "logs"))
        self._events = Following(journals.events, partial(_dropped, announce, "events"))

    def application(self) -> Starlette:
        """Return the ASGI application."""
        serves: dict[Endpoint[Any], Callable[[Request], Awaitable[Response]]] = {
            endpoints.AGENT: self.agent,
            endpoints.STOP: self.stop,
            endpoints.STATE: self.state,
            endpoints.APPLY: self.apply,
            endpoints.DEPLOYMENTS: self.deployments,
            endpoints.SOURCES: self.sources,
            endpoints.ADD_SOURCE: self.add_source,
            endpoints.SUSPEND_SOURCE: self.suspend_source,
            endpoints.RESUME_SOURCE: self.resume_source,
            endpoints.REMOVAL: self.removal,
            endpoints.REMOVE_SOURCE: self.remove_source,
            endpoints.UP: self.up,
            endpoints.DEPLOYMENT: self.deployment,
            endpoints.DELETE: self.delete,
            endpoints.HISTORY: self.history,
            endpoints.REVISION: self.revision,
            endpoints.SEND: self.send,
            endpoints.SEND_MANY: self.send_many,
            endpoints.REQUEST: self.request,
            endpoints.SEND_AGAIN: self.send_again,
            endpoints.DISCARD: self.discard,
            endpoints.DEAD_LETTERS: self.dead_letters,
            endpoints.TRACE: self.trace,
            endpoints.LAST_TRACES: self.last_traces,
            endpoints.PUBLISH: self.publish,
            endpoints.SUBSCRIPTIONS: self.subscriptions,
            endpoints.CALL: self.call,
            endpoints.SESSIONS: self.sessions,
            endpoints.LET_GO: self.let_go,
            endpoints.RUN: self.run,
            endpoints.RESTART: self.restart,
            endpoints.ROLLBACK: self.rollback,
            endpoints.ROLLOUT: self.rollout,
            endpoints.LOGS: self.logs,
            endpoints.EVENTS: self.events,
        }
        routes = [Route(one.path, act, methods=[one.method]) for one, act in serves.items()]
        answers = {
            Trouble: _troubled, HTTPException: _no_such_route, ClientDisconnect: _gone,
            DatabaseFault: _not_written, OSError: _not_written,
        }  # fmt: skip
        application = Starlette(routes=routes, exception_handlers=answers)
        application.router.redirect_slashes = False
        return application

    def close(self) -> None:
        """End the answers that follow something."""
        self._closing.set()
        self._logs.close()
        self._events.close()

    async def agent(self, _request: Request) -> Response:
        """Say who this is, and what is wrong with it."""
        return _json(self._about())

    async def stop(self, request: Request) -> Response:
        """Stop the agent, politely, `within` seconds before calls that still run are ended; once more, to hurry it."""
        LOG.info("asked to stop by %s", await _by(request))
        self._stop(_seconds(request, "within") if "within" in request.query_params else None)
        return _json(Done(message="stopping"))

    async def state(self, _request: Request) -> Response:
        """Return the observed state a plan is made from."""
        return _json(await self._on_loop(self._controller.observe))

    async def apply(self, request: Request) -> Response:
        """Apply a sealed plan."""
        body = await self._body(request, PLAN_MAX_BYTES)
        fresh = request.query_params.get("fresh", "true") == "true"
        try:
            plan = await run_in_threadpool(read_plan, body, self._key)
        except PlanRefused as refused:
            problem = Problem(
                summary=refused.summary, detail=refused.detail, suggestion=refused.suggestion, exit_code=INVALID
            )
            raise Trouble(400, problem) from None
        by = await _by(request)
        return _json(Applied(outcomes=await run_in_threadpool(self._operations.apply, plan, by, fresh=fresh)))

    async def deployments(self, _request: Request) -> Response:
        """List every deployment."""
        return _json(await run_in_threadpool(self._described))

    def _described(self) -> list[DeploymentView]:
        observed, sources = self._controller.observe_all(), self._sources.seen()
        return [
            views.deployment_view(seen, seen_source(sources, seen.record.source), self._compilations.of)
            for seen in observed.deployments
        ]

    async def deployment(self, request: Request) -> Response:
        """Describe one deployment."""
        key = _key(request)
        observed = await run_in_threadpool(self._controller.observe_all)
        found = observed.by_key().get(key)
        if found is None:
            raise Trouble(404, Problem(summary=f"no deployment {key}", suggestion="`airs get deployments` lists them."))
        sources = await run_in_threadpool(self._sources.seen)
        return _json(views.deployment_view(found, seen_source(sources, found.record.source), self._compilations.of))

    async def sources(self, _request: Request) -> Response:
        """List every source."""
        return _json(await run_in_threadpool(self._sources.views))

    async def add_source(self, request: Request) -> Response:
        """Have a source followed from now on."""
        wish = _decoded(await self._body(request, CALL_MAX_BYTES), SourceWish)
        spec = await run_in_threadpool(spec_of, wish)
        return _json(await run_in_threadpool(self._sources.add, spec, wish, await _by(request)))

    async def suspend_source(self, request: Request) -> Response:
        """Have a source not followed until it is resumed."""
        return _json(Done(message=await run_in_threadpool(self._sources.suspend, *await _named(request))))

    async def resume_source(self, request: Request) -> Response:
        """Have a suspended source followed again."""
        return _json(Done(message=await run_in_threadpool(self._sources.resume, *await _named(request))))

    async def removal(self, request: Request) -> Response:
        """Say what removing a source would do."""
        prune = request.query_params.get("prune") == "true"
        return _json(await run_in_threadpool(self._sources.removal, _source_name(request), prune=prune))

    async def remove_source(self, request: Request) -> Response:
        """Remove a source."""
        body = _decoded(await self._body(request, PLAN_MAX_BYTES), RemoveBody)
        by = await _by(request)
        return _json(await run_in_threadpool(self._sources.remove, body.shown, by, prune=body.prune))

    async def up(self, request: Request) -> Response:
        """Have a source followed as long as the caller stays, and tell as lines what happens meanwhile."""
        wish = _decoded(await self._body(request, CALL_MAX_BYTES), SourceWish)
        spec = await run_in_threadpool(spec_of, wish)
        before = self._journals.events.newest, self._journals.looks.newest
        by = await _by(request)
        ends = await run_in_threadpool(self._sources.begin_up, spec, wish, by)
        began = UpBegan(name=spec.identity, reads=place_of(spec), root=root_of(spec), ends=ends)
        ended = partial(self._sources.end_up, began.name, by) if ends else None
        return _UpResponse(self._up_lines(began, *before), ended)

    async def _up_lines(self, began: UpBegan, event: int, look: int) -> AsyncIterator[bytes]:
        loop, woken = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            if not woken.is_set():  # what was appended before is read once it is cleared
                loop.call_soon_threadsafe(woken.set)

        events, looks = self._journals.events, self._journals.looks
        leave = events.follow(wake), looks.follow(wake)
        try:
            yield _line(began)
            while True:
                woken.clear()
                for number, status in looks.since(look):
                    look = number
                    if status.source == began.name:
                        yield _line(UpLook(status=status))
                for number, happened in events.since(event):
                    event = number
                    yield _line(UpEvent(event=happened))
                if not await self._more(woken):
                    return
        finally:
            for each in leave:
                each()

    async def history(self, request: Request) -> Response:
        """List a deployment's revisions and what was done to it by hand, oldest first; also of one that is gone."""
        key, ledger = _key(request), self._controller.ledger
        found = views.history_of(key, ledger.history(key), ledger.acts(key))
        if not found and key not in ledger.records:
            raise Trouble(404, Problem(summary=f"no deployment {key}", suggestion="`airs get deployments` lists them."))
        return _json(found)

    async def revision(self, request: Request) -> Response:
        """Return what a revision contained that is kept in the history."""
        key, text = _key(request), request.path_params["number"]
        if not (text.isascii() and text.isdigit() and len(text) < NUMBER_DIGITS):
            raise Trouble(400, Problem(summary="a revision's number is a whole number", exit_code=USAGE))
        kept = self._controller.ledger.history(key)
        found = next((number for number in kept if number.number == int(text)), None)
        if found is None:
            hint = f"Kept are: {', '.join(str(number.number) for number in kept)}." if kept else ""
            raise Trouble(404, Problem(summary=f"{key} has no revision {text}", suggestion=hint))
        return _json(views.revision_view(key, found))

    async def send(self, request: Request) -> Response:
        """Queue a message; the answer says queued, nothing more."""
        payload = await self._body(request, MESSAGE_MAX_BYTES)
        await self._queued(request, [payload], may_wait=False, id=_text(request, "id"))
        return _json(Done(message="queued"))

    async def send_many(self, request: Request) -> Response:
        """Queue messages as there is room for them; the answer says how many, not all where that took too long."""
        payloads = _many(await self._body(request, MANY_MAX_BYTES))
        return _json(Queued(queued=await self._queued(request, payloads, may_wait=True)))

    async def _queued(
        self, request: Request, payloads: list[bytes], *, may_wait: bool, id: str | None = None
    ) -> int:  # fmt: skip
        """Queue at least one of some messages, and as many as there comes to be room for in the time that it has."""
        target, conversation, timeout_s = _target(request), _conversation(request), _timeout_s(request)
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
            if not queued:  # else whoever sends the rest is told
                raise
        return queued

    async def request(self, request: Request) -> Response:
        """Send a message and return the reply's bytes."""
        timeout_s = _timeout_s(request)
        payload = await self._body(request, MESSAGE_MAX_BYTES)
        trace = _text(request, "trace")
        pending = self._messages.deliver(_target(request), payload, _conversation(request), trace)
        return _reply(await _outcome(pending, request, timeout_s))

    async def trace(self, request: Request) -> Response:
        """Return what is recorded of a conversation: a list of one, or of none."""
        id = _text(request, "id")
        found = None if id is None else await run_in_threadpool(conversation_of, self._hops(), id)
        return _json([] if found is None else [found])

    async def last_traces(self, request: Request) -> Response:
        """Return the last conversations that a deployment took part in."""
        key, numbers = _key(request), _numbers(request, "last")
        return _json(await run_in_threadpool(latest, self._hops(), key, numbers[0] if numbers else 1))

    def _hops(self) -> Iterator[Hop]:
        return (hop for _, hop in self._journals.hops.since(0))

    async def dead_letters(self, request: Request) -> Response:
        """Return dead letters as lines, of one deployment or of all."""
        wanted = request.query_params.get("deployment")
        letters = self._messages.letters.letters(DeploymentKey.parse(wanted) if wanted else None)
        lines = (msgspec.json.encode(views.dead_letter_view(*letter)) + b"\n" for letter in letters)
        return StreamingResponse(lines, media_type=JSON_LINES)

    async def send_again(self, request: Request) -> Response:
        """Send dead letters again."""
        numbers = _numbers(request, "number")
        resent = await run_in_threadpool(self._messages.send_again, _key(request), numbers)
        await self._note(request, Verb.REPLAY, resent.sent, numbers)
        return _json(resent)

    async def discard(self, request: Request) -> Response:
        """Forget dead letters."""
        numbers = _numbers(request, "number")
        count = await run_in_threadpool(self._messages.discard, _key(request), numbers)
        await self._note(request, Verb.DISCARD, count, numbers)
        return _json(Discarded(discarded=count))

    async def publish(self, request: Request) -> Response:
        """Publish a message; the answer says who took it."""
        payload = await self._body(request, MESSAGE_MAX_BYTES)
        topic = request.query_params.get("topic", "")
        took, of = await run_in_threadpool(self._messages.publish, topic, payload, _conversation(request))
        return _json(Published(topic=topic, deployments=took, subscribers=of))

    async def subscriptions(self, request: Request) -> Response:
        """Return who subscribes to what, of one deployment or of all."""
        wanted = request.query_params.get("deployment")
        key = DeploymentKey.parse(wanted) if wanted else None
        found = self._messages.subscriptions()
        return _json([views.subscription_view(one) for one in found if key in (None, one.key)])

    async def call(self, request: Request) -> Response:
        """Make a typed call and return its result as JSON."""
        timeout_s = _timeout_s(request)
        data = await self._body(request, CALL_MAX_BYTES)
        body = _call(data) if len(data) <= QUICK_BYTES else await run_in_threadpool(_call, data)
        pending = self._messages.call(_target(request), body.function, body.arguments, body.session)
        return _reply(await _outcome(pending, request, timeout_s))

    async def sessions(self, request: Request) -> Response:
        """List a deployment's sessions."""
        key = _key(request)
        return _json([views.session_view(key, seen) for seen in self._messages.sessions(key)])

    async def let_go(self, request: Request) -> Response:
        """End a session, or drop some of its handles; returns how many were dropped."""
        key, handles, timeout_s = _key(request), _numbers(request, "handle"), _timeout_s(request)
        session = request.path_params["session"]
        if len(session) > NAME_MAX_LENGTH or not _LABEL.fullmatch(session):
            raise Trouble(400, Problem(summary=f"{session[:SHOWN_MAX]!a} names no session", exit_code=USAGE))
        pending = self._messages.let_go(key, session, handles)
        return _reply(await _outcome(pending, request, timeout_s))

    async def run(self, request: Request) -> Response:
        """Run a job again and return what it prints and how it ends, as lines; who hangs up cancels it."""
        body = _decoded(await self._body(request, CALL_MAX_BYTES), RunBody)
        watcher, by = Watcher(), await _by(request)
        cancel = await run_in_threadpool(self._operations.run, _key(request), body.arguments, watcher, by)
        return StreamingResponse(watcher.lines(cancel), media_type=JSON_LINES)

    async def delete(self, request: Request) -> Response:
        """Remove a deployment; the others that are removed with it are named `beside` it."""
        beside = tuple(map(DeploymentKey.parse, request.query_params.getlist("beside")))
        return await self._obey(request, Delete(_key(request), request.query_params.get("force") == "true", beside))

    async def restart(self, request: Request) -> Response:
        """Restart a deployment's instances."""
        return await self._obey(request, Restart(_key(request)))

    async def rollback(self, request: Request) -> Response:
        """Go back to an earlier revision."""
        to = request.query_params.get("to")
        if to is not None and not (to.isascii() and to.isdigit() and len(to) < 10):
            raise Trouble(400, Problem(summary=f"--to takes a revision's number, not {to[:20]!r}", exit_code=USAGE))
        back = Rollback(_key(request), int(to) if to else None, force=_is_set(request, "force"))
        return await self._obey(request, back)

    async def rollout(self, request: Request) -> Response:
        """Promote, pause, resume, abort or retry a rollout."""
        verb = request.path_params["verb"]
        if verb not in ROLLOUT_VERBS:
            raise Trouble(404, Problem(summary=f"no rollout verb {verb[:20]!r}", exit_code=USAGE))
        if verb == "promote":
            return await self._obey(request, Promote(_key(request), full=_is_set(request, "full")))
        return await self._obey(request, ROLLOUT_VERBS[verb](_key(request)))

    async def logs(self, request: Request) -> Response:
        """Return the log lines that are asked for; with `follow`, those to come as well."""
        return self._lines(request, self._logs, LOG_LEVELS)

    async def events(self, request: Request) -> Response:
        """Return the events that are asked for; with `follow`, those to come as well."""
        return self._lines(request, self._events, EVENT_LEVELS)

    def _lines(self, request: Request, following: Following[E], levels: Collection[str]) -> Response:
        chosen = _selection(request, levels)
        if request.query_params.get("follow") != "true":
            return StreamingResponse(following.kept(chosen), media_type=JSON_LINES)
        try:
            lines = following.follow(chosen, hang_up(request))
        except TooManyFollow:
            summary, hint = f"{FOLLOWERS_MAX} follow already", "End one of them, or ask without -f."
            raise Trouble(503, Problem(summary=summary, suggestion=hint)) from None
        return StreamingResponse(lines, media_type=JSON_LINES)

    async def _more(self, woken: asyncio.Event) -> bool:
        """Wait for another entry; False when the agent closes."""
        waits = [asyncio.ensure_future(event.wait()) for event in (woken, self._closing)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return not self._closing.is_set()

    async def _body(self, request: Request, limit: int) -> bytes:
        """Read a body whole, or until the agent closes: who never finishes sending must not keep it from ending."""
        reading = asyncio.ensure_future(_whole(request, limit))
        closing = asyncio.ensure_future(self._closing.wait())
        await asyncio.wait((reading, closing), return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
        if not reading.done():
            reading.cancel()
            raise Trouble(503, Problem(summary="the agent is stopping"))
        return reading.result()

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
        waits = [asyncio.ensure_future(wait) for wait in (there.wait(), _hung_up(request), self._closing.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            route.forget_waiter(wake)
            for wait in waits:
                wait.cancel()
        if not there.is_set():
            raise ClientDisconnect

    async def _on_loop(self, act: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self._controller.submit(act))

    async def _obey(self, request: Request, command: Command) -> Response:
        by = await _by(request)
        try:
            begun = await run_in_threadpool(self._operations.obey, command, by)
        except Trouble as trouble:
            LOG.info("refused %s: %s: %s", by, type(command).__name__.lower(), trouble.problem.summary)
            raise
        return _json(Done(message=begun.message, goal=begun.goal, rollout=begun.rollout))

    async def _note(self, request: Request, verb: Verb, count: int, numbers: tuple[int, ...] | None) -> None:
        """Write down what somebody did with dead letters, if there were any."""
        if not count:
            return
        which = f" ({', '.join(map(str, numbers[:NUMBERS_TOLD]))})" if numbers else ""
        detail = f"{count} dead letter{'s' * (count != 1)}{which}"
        await run_in_threadpool(self._operations.note, _key(request), verb, await _by(request), detail)


async def _by(request: Request) -> By:
    """Say who asks, and the reason they give."""
    uid = request.scope["extensions"][EXTENSION]
    return By(peer=await run_in_threadpool(peer_of, uid), why=printable(_text(request, "reason") or ""))


def _is_set(request: Request, name: str) -> bool:
    return request.query_params.get(name, "false") == "true"


class _UpResponse(StreamingResponse):
    """Lines for an `airs up`; `ended` is called once it has gone, however little of them it took."""

    def __init__(self, lines: AsyncIterator[bytes], ended: Callable[[], None] | None) -> None:
        super().__init__(lines, media_type=JSON_LINES)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._ended is not None:
                self._ended()


def _dropped(announce: Callable[[DeploymentKey | None, str, str], None], what: str, count: int) -> None:
    many = "one who follows" if count == 1 else f"{count} who follow"
    announce(None, "follower-dropped", f"hung up on {many} the {what} and did not read: they would have missed lines")


async def _outcome(pending: Pending, request: Request, timeout_s: float) -> Outcome:
    """Wait for an outcome as long as the caller does.

    Raises:
        Trouble: there was none in time.
        ClientDisconnect: the caller has hung up.
    """
    if pending.future.done():
        return pending.future.result()
    # Only waited for: a caller that stops waiting must not cancel a future that a worker is about to settle.
    answered, gone = asyncio.wrap_future(pending.future), asyncio.ensure_future(_hung_up(request))
    done, _ = await asyncio.wait((answered, gone), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    gone.cancel()
    if answered in done:
        return answered.result()
    trouble = pending.give_up(timeout_s)
    raise ClientDisconnect if gone in done else trouble


async def _hung_up(request: Request) -> None:
    """Return when the caller has gone, whose request was read whole."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _reply(outcome: Outcome) -> Response:
    match outcome:
        case Replied(payload=None):
            return Response(b"", media_type="application/octet-stream", headers={NO_REPLY: "true"})
        case Replied(payload=payload):
            return Response(payload, media_type="application/octet-stream")
        case Returned(value=value):
            return _json(value)
        case Refused():
            raise Trouble(422, Problem(summary=str(outcome)))
        case Exited(reason=reason):
            whose = "the host failed, and not the guest" if reason.kind is ExitKind.HOST_FAULT else "the guest failed"
            raise Trouble(502, Problem(
                summary=f"{whose}: {reason}", detail="\n".join(reason.backtrace),
                suggestion="`airs logs` and `airs status` show what its supervisor did about it.",
            ))  # fmt: skip
        case BadCall(problem=problem, suggestion=suggestion, detail=detail):
            raise Trouble(400, Problem(summary=problem, detail=detail, suggestion=suggestion, exit_code=USAGE))
        case Undelivered():
            raise Trouble(503, Problem(summary=f"{outcome.case}: {outcome.detail}"))


async def _whole(request: Request, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise Trouble(413, Problem(summary=f"the payload is over {limit} bytes", exit_code=USAGE))
        parts.append(part)
    return b"".join(parts)


def _decoded(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError) as problem:
        raise Trouble(
            400, Problem(summary="the request cannot be read", detail=str(problem), exit_code=USAGE)
        ) from None


def _many(data: bytes) -> list[bytes]:
    try:
        return msgspec.msgpack.decode(data, type=Many)
    except msgspec.MsgspecError as problem:
        raise Trouble(
            400, Problem(summary="the request cannot be read", detail=str(problem), exit_code=USAGE)
        ) from None


def _call(data: bytes) -> CallBody:
    try:
        return msgspec.convert(read_json(data), CallBody)
    except (NotJson, msgspec.ValidationError) as problem:
        raise Trouble(
            400, Problem(summary="the request cannot be read", detail=str(problem), exit_code=USAGE)
        ) from None


def _key(request: Request) -> DeploymentKey:
    namespace, name = request.path_params["namespace"], request.path_params["name"]
    for label in (namespace, name):
        if len(label) > NAME_MAX_LENGTH or not _LABEL.fullmatch(label):
            raise Trouble(400, Problem(summary=f"{label[:SHOWN_MAX]!a} names no deployment", exit_code=USAGE))
    return DeploymentKey(namespace=namespace, name=name)


def _selection(request: Request, levels: Collection[str]) -> Selection:
    """Read which entries of a journal are asked for."""
    wanted, level = request.query_params.get("deployment"), request.query_params.get("level")
    if level is not None and level not in levels:
        raise Trouble(400, Problem(summary=f"a level is one of {', '.join(levels)}", exit_code=USAGE))
    return Selection(
        key=DeploymentKey.parse(wanted) if wanted else None,
        since_ms=_number(request, "since"),
        until_ms=_number(request, "until"),
        level=level,
        revision=_text(request, "revision"),
        grep=_text(request, "grep"),
        tail=_number(request, "tail"),
    )


def _number(request: Request, name: str) -> int | None:
    numbers = _numbers(request, name)
    return numbers[0] if numbers else None


def _target(request: Request) -> ComponentId:
    key = _key(request)
    return ComponentId(key.namespace, key.name, _text(request, "to") or "")


def _conversation(request: Request) -> str | None:
    return _text(request, "conversation")


def _text(request: Request, name: str) -> str | None:
    text = request.query_params.get(name)
    if text is not None and not 0 < len(text) <= TEXT_MAX:
        raise Trouble(400, Problem(summary=f"`{name}` has 1 to {TEXT_MAX} characters", exit_code=USAGE))
    return text


async def _named(request: Request) -> tuple[str, By]:
    return _source_name(request), await _by(request)


def _source_name(request: Request) -> str:
    name = request.query_params.get("name", "")
    if not 0 < len(name) <= PATH_MAX:
        raise Trouble(400, Problem(summary=f"`name` has 1 to {PATH_MAX} characters", exit_code=USAGE))
    return name


def _numbers(request: Request, name: str) -> tuple[int, ...] | None:
    texts = request.query_params.getlist(name)
    if not all(text.isascii() and text.isdigit() and len(text) < NUMBER_DIGITS for text in texts):
        raise Trouble(400, Problem(summary=f"a {name} is a whole number", exit_code=USAGE))
    return tuple(map(int, texts)) or None


def _stays_full(key: DeploymentKey, timeout_s: float) -> Trouble:
    return Trouble(504, Problem(
        summary=f"the mailbox of {key} stays full", detail=f"no room for {timeout_s:g}s",
        suggestion="`airs status` shows what its instances do.", exit_code=TIMED_OUT,
    ))  # fmt: skip


def _timeout_s(request: Request) -> float:
    timeout = _seconds(request, "timeout")
    if not timeout:
        raise _not_seconds("timeout")
    return timeout


def _seconds(request: Request, name: str) -> float:
    text = request.query_params.get(name, "30")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= TIMEOUT_MAX_S:
        raise _not_seconds(name)
    return seconds


def _not_seconds(name: str) -> Trouble:
    return Trouble(400, Problem(summary=f"a {name} lies between 0 and {TIMEOUT_MAX_S:g}s", exit_code=USAGE))


def _line(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type=JSON)


async def _troubled(_request: Request, trouble: Exception) -> Response:
    assert isinstance(trouble, Trouble)
    return Response(msgspec.json.encode(trouble.problem), status_code=trouble.status, media_type=JSON)


async def _not_written(request: Request, fault: Exception) -> Response:
    LOG.error("%s %s was not done: %s", request.method, request.url.path[:SHOWN_MAX], fault)
    problem = Problem(
        summary="the machine refused what the agent needs for this",
        detail=str(fault),
        suggestion="What runs keeps running. Mend that (is the disk full?) and ask again.",
    )
    return Response(msgspec.json.encode(problem), status_code=503, media_type=JSON)


async def _no_such_route(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, HTTPException)
    summary = f"the API has no {request.method[:20]} {request.url.path[:SHOWN_MAX]}"
    problem = Problem(summary=summary, suggestion="Use an airs of the agent's version.", exit_code=USAGE)
    return Response(msgspec.json.encode(problem), refused.status_code, refused.headers, JSON)


async def _gone(_request: Request, _trouble: Exception) -> Response:
    return Response(status_code=499)
