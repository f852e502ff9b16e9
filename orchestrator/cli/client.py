"""Talks to the agent over its Unix socket."""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from orchestrator.agent.views import (
    NO_REPLY,
    AgentView,
    DeadLetterView,
    DeploymentView,
    Discarded,
    Ended,
    HistoryView,
    Printed,
    Published,
    Queued,
    SessionView,
    SourceView,
    SubscriptionView,
)
from orchestrator.cli.failure import FAILED, NO_AGENT, Failure, Problem
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.letter import Resent
from orchestrator.model.observed import ObservedState
from orchestrator.observe.trace import Conversation
from orchestrator.store.state_dir import socket_path

T = TypeVar("T")
Target = DeploymentKey | ComponentId
CONNECT_S = 5.0
ANSWER_S = 60.0
SLACK_S = 10.0  # beyond a message's own timeout, before we stop believing in the agent


class AgentClient:
    """One connection to one agent."""

    def __init__(
        self, state_dir: Path, runtime_dir: Path | None, tell: Callable[[str], None] | None = None,
        answer_s: float = ANSWER_S,
    ) -> None:  # fmt: skip
        self.state_dir = state_dir
        self.socket = socket_path(state_dir, runtime_dir)
        transport = httpx.HTTPTransport(uds=str(self.socket))
        timeout = httpx.Timeout(answer_s, connect=CONNECT_S)
        self._http = httpx.Client(transport=transport, base_url="http://airs", timeout=timeout)
        if tell is not None:
            self._http.event_hooks = {"response": [lambda answer: tell(_exchange(answer))]}

    def answers(self) -> bool:
        """Whether an agent is there."""
        try:
            return self._listens() and self._http.get("/v1/agent").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def close(self) -> None:
        """Give the connection back."""
        self._http.close()

    def _listens(self) -> bool:
        """Whether anybody listens; asked first, as the HTTP library does not close a socket it could not connect."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
            trial.settimeout(CONNECT_S)
            try:
                trial.connect(str(self.socket))
            except OSError:
                return False
        return True

    def about(self) -> AgentView:
        """Ask who it is."""
        return self._get("/v1/agent", AgentView)

    def state(self) -> ObservedState:
        """Ask for the observed state."""
        return self._get("/v1/state", ObservedState)

    def deployments(self) -> list[DeploymentView]:
        """List the deployments."""
        return self._get("/v1/deployments", list[DeploymentView])

    def deployment(self, key: DeploymentKey) -> DeploymentView:
        """Describe one deployment."""
        return self._get(_path(key), DeploymentView)

    def sources(self) -> list[SourceView]:
        """List the sources."""
        return self._get("/v1/sources", list[SourceView])

    def history(self, key: DeploymentKey) -> list[HistoryView]:
        """List a deployment's revisions, oldest first."""
        return self._get(_path(key) + "/history", list[HistoryView])

    def apply(self, sealed: bytes, *, fresh: bool) -> list[dict[str, Any]]:
        """Apply a sealed plan; returns one outcome per action."""
        answer = self._ask("POST", "/v1/apply", content=sealed, params={"fresh": str(fresh).lower()})
        outcomes: list[dict[str, Any]] = msgspec.json.decode(answer.content)["outcomes"]
        return outcomes

    def verb(self, key: DeploymentKey, path: str, **params: str) -> str:
        """Do something to a deployment; returns what was done, in words."""
        answer = self._ask("POST", f"{_path(key)}/{path}", params=params)
        return str(msgspec.json.decode(answer.content)["message"])

    def delete(self, key: DeploymentKey) -> str:
        """Remove a deployment."""
        return str(msgspec.json.decode(self._ask("DELETE", _path(key)).content)["message"])

    def send(
        self, key: Target, payload: bytes, conversation: str | None, timeout_s: float, id: str | None = None
    ) -> None:  # fmt: skip
        """Queue a message, unless one of the same id was; where its mailbox has senders wait for room, wait."""
        params = {
            "timeout": str(timeout_s),
            **_to(key),
            **_conversation(conversation),
            **({} if id is None else {"id": id}),
        }
        self._ask("POST", f"{_path(key)}/send", content=payload, params=params, wait_s=timeout_s)

    def send_many(self, key: Target, payloads: Sequence[bytes], conversation: str | None, timeout_s: float) -> int:
        """Queue as many messages as there is room for, at least one once there is some; returns how many."""
        params = {"timeout": str(timeout_s), **_to(key), **_conversation(conversation)}
        body = msgspec.msgpack.encode(payloads)
        answer = self._ask("POST", f"{_path(key)}/send-many", content=body, params=params, wait_s=timeout_s)
        return msgspec.json.decode(answer.content, type=Queued).queued

    def request(
        self, key: Target, payload: bytes, conversation: str | None, timeout_s: float, trace: str | None = None
    ) -> bytes | None:  # fmt: skip
        """Send a message and return the reply; None for `none`. What it leads to is recorded under `trace`."""
        params = {"timeout": str(timeout_s), **_to(key), **_conversation(conversation)} | (
            {} if trace is None else {"trace": trace}
        )
        answer = self._ask("POST", f"{_path(key)}/request", content=payload, params=params, wait_s=timeout_s)
        return None if NO_REPLY in answer.headers else answer.content

    def trace(self, id: str) -> list[Conversation]:
        """Return what is recorded of a conversation, which may be nothing."""
        return msgspec.json.decode(self._ask("GET", "/v1/trace", params={"id": id}).content, type=list[Conversation])

    def last_traces(self, key: DeploymentKey, count: int) -> list[Conversation]:
        """Return the last conversations that a deployment took part in."""
        answer = self._ask("GET", f"{_path(key)}/trace", params={"last": str(count)})
        return msgspec.json.decode(answer.content, type=list[Conversation])

    def dead_letters(self, key: DeploymentKey | None) -> list[DeadLetterView]:
        """List dead letters, of one deployment or of all, oldest first."""
        return list(self.lines("/v1/dead-letters", DeadLetterView, follow=False, deployment=key))

    def publish(self, topic: str, payload: bytes, conversation: str | None) -> Published:
        """Publish a message; returns how many deployments took it."""
        params = {"topic": topic, **_conversation(conversation)}
        answer = self._ask("POST", "/v1/publish", content=payload, params=params)
        return msgspec.json.decode(answer.content, type=Published)

    def subscriptions(self, key: DeploymentKey | None) -> list[SubscriptionView]:
        """List subscriptions, of one deployment or of all."""
        params = {"deployment": str(key)} if key else {}
        answer = self._ask("GET", "/v1/subscriptions", params=params)
        return msgspec.json.decode(answer.content, type=list[SubscriptionView])

    def send_again(self, key: DeploymentKey, numbers: Sequence[int]) -> Resent:
        """Send dead letters again; all of a deployment's where no number is given."""
        answer = self._ask("POST", f"{_path(key)}/dead-letters", params={"number": list(numbers)})
        return msgspec.json.decode(answer.content, type=Resent)

    def discard(self, key: DeploymentKey, numbers: Sequence[int]) -> int:
        """Forget dead letters, all of a deployment's where no number is given; returns how many."""
        answer = self._ask("DELETE", f"{_path(key)}/dead-letters", params={"number": list(numbers)})
        return msgspec.json.decode(answer.content, type=Discarded).discarded

    def call(
        self, key: Target, function: str, arguments: list[Any], timeout_s: float, session: str | None = None
    ) -> Any:  # fmt: skip
        """Make a typed call and return its result."""
        call = {"function": function, "arguments": arguments, "session": session}
        body = json.dumps(call).encode()  # also integers of any size
        params = {"timeout": str(timeout_s), **_to(key)}
        answer = self._ask("POST", f"{_path(key)}/call", content=body, params=params, wait_s=timeout_s)
        return msgspec.json.decode(answer.content)

    def sessions(self, key: DeploymentKey) -> list[SessionView]:
        """List a deployment's sessions."""
        return self._get(f"{_path(key)}/sessions", list[SessionView])

    def let_go(self, key: DeploymentKey, session: str, handles: tuple[int, ...]) -> int:
        """Drop handles of a session, or end it where none is named; returns how many were dropped."""
        params = [("handle", str(handle)) for handle in handles]
        answer = self._ask("DELETE", f"{_path(key)}/sessions/{session}", params=params)
        return int(msgspec.json.decode(answer.content))

    def run(self, key: DeploymentKey, arguments: tuple[str, ...] | None) -> Iterator[Printed | Ended]:
        """Run a job again; yields what it prints and, last, how it ended. Leaving the iterator cancels the run."""
        body = msgspec.json.encode({"arguments": arguments})
        timeout = httpx.Timeout(None, connect=CONNECT_S)
        try:
            with self._http.stream("POST", f"{_path(key)}/run", content=body, timeout=timeout) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _failure(answer)
                for line in answer.iter_lines():
                    yield msgspec.json.decode(line, type=Printed | Ended)
        except httpx.TransportError as problem:
            raise _lost(problem) from None

    def stop(self, within_s: float | None = None) -> None:
        """Ask the agent to stop, and how long it is to wait before it ends calls that still run."""
        self._ask("POST", "/v1/agent/stop", params={} if within_s is None else {"within": within_s})

    def lines(self, path: str, kind: type[T], *, follow: bool, deployment: DeploymentKey | None) -> Iterator[T]:
        """Yield log lines or events; with `follow`, until the agent or the reader goes."""
        params = {"follow": str(follow).lower()} | ({"deployment": str(deployment)} if deployment else {})
        timeout = httpx.Timeout(None, connect=CONNECT_S)
        try:
            with self._http.stream("GET", path, params=params, timeout=timeout) as answer:
                for line in answer.iter_lines():
                    yield msgspec.json.decode(line, type=kind)
        except httpx.TransportError as problem:
            if not follow:
                raise _lost(problem) from None

    def _get(self, path: str, kind: type[T]) -> T:
        return msgspec.json.decode(self._ask("GET", path).content, type=kind)

    def _ask(self, method: str, path: str, wait_s: float = ANSWER_S, **more: Any) -> httpx.Response:
        timeout = httpx.Timeout(wait_s + SLACK_S, connect=CONNECT_S)
        try:
            answer = self._http.request(method, path, timeout=timeout, **more)
        except httpx.TransportError as problem:
            raise _lost(problem) from None
        if answer.is_success:
            return answer
        raise _failure(answer)


def _to(target: Target) -> dict[str, str]:
    return {"to": target.instance} if isinstance(target, ComponentId) and target.instance else {}


def _path(key: Target) -> str:
    return f"/v1/deployments/{key.namespace}/{key.name}"


def _exchange(answer: httpx.Response) -> str:
    return f"{answer.request.method} {answer.request.url.raw_path.decode()} → {answer.status_code}"


def _conversation(conversation: str | None) -> dict[str, str]:
    return {} if conversation is None else {"conversation": conversation}


def _lost(problem: Exception) -> Failure:
    return Failure("the agent does not answer", str(problem), "`airs agent status` tells.", NO_AGENT)


def _failure(answer: httpx.Response) -> Failure:
    try:
        problem = msgspec.json.decode(answer.content, type=Problem)
    except msgspec.MsgspecError:
        detail = f"HTTP {answer.status_code}"
        return Failure("the agent could not do it", detail, "agent.log in the state directory says more.", FAILED)
    return Failure(problem.summary, problem.detail, problem.suggestion, problem.exit_code)
