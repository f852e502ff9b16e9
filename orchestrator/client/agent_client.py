"""The agent's API as methods: one for each endpoint of the contract, with its documents as arguments and results."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from orchestrator.client.connection import Answer, Connections, Silent, Stream, Unreachable
from orchestrator.client.folder import check_own
from orchestrator.client.process import is_busy, is_stopped, pulse, why_silent
from orchestrator.client.query import query, quoted
from orchestrator.contract import endpoints as api
from orchestrator.contract.bodies import (
    NO_REPLY,
    FactsBody,
    PlanWish,
    RemoveBody,
    SecretsBody,
    SiblingsBody,
    SourceWish,
)
from orchestrator.contract.codes import NO_AGENT
from orchestrator.contract.documents import (
    ActView,
    AgentView,
    Applied,
    ApprovalView,
    CollectedView,
    DeadLetterView,
    DeploymentView,
    Done,
    Ended,
    GrantView,
    HistoryView,
    Planned,
    Printed,
    Published,
    Removal,
    RevisionView,
    RunView,
    SessionView,
    SiblingView,
    SourceAdded,
    SourcesAsked,
    SourceView,
    SubscriptionView,
    UpBegan,
    UpEvent,
    UpLook,
)
from orchestrator.contract.endpoints import Endpoint
from orchestrator.contract.problem import Failure, Problem
from orchestrator.contract.socket import socket_of
from orchestrator.decoding import from_json
from orchestrator.model.audit import AuditHead
from orchestrator.model.event import Event, LogLine
from orchestrator.model.facts import DeploymentFacts
from orchestrator.model.hop import Conversation
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.letter import Resent
from orchestrator.model.observed import ObservedState
from orchestrator.model.policy import PolicySet
from orchestrator.model.secret import SecretView
from orchestrator.model.selection import Selection

T = TypeVar("T")
EVERYTHING = Selection()
Target = DeploymentKey | ComponentId
Params = dict[str, Any]
ANSWER_S = 60.0
PLAN_S = 600.0  # for the agent to read a folder that it has never read
LOOK_S = 0.5  # how long an agent has to say who it is before its process is looked at, and again
SILENT_S, BUSY_S = 2.0, 20.0  # how long one may take that stands still, and one that is at work
SLACK_S = 10.0  # beyond a message's own timeout, before we stop believing in the agent


class AgentClient:
    """One agent, as its clients see it. Every method raises `Failure` where the agent does not do what was asked.

    Larger than most, as it has one method for each endpoint of the contract.
    """

    def __init__(
        self, state_dir: Path, runtime_dir: Path | None = None, tell: Callable[[str], None] | None = None,
        answer_s: float = ANSWER_S,
    ) -> None:  # fmt: skip
        """Be a client of the agent at `state_dir`; nothing is asked yet.

        `runtime_dir` is $XDG_RUNTIME_DIR, where the socket of a state directory with a long path lies. `tell` is told
        of each exchange; `answer_s` is how long any answer may take that is not waited for by request.
        """
        self.state_dir = state_dir
        self.socket, folder = socket_of(state_dir, runtime_dir)
        if folder is not None:
            check_own(folder)
        self._answer_s = answer_s
        self._http = Connections(self.socket, tell)

    def __enter__(self) -> "AgentClient":
        return self

    def __exit__(self, *_ended: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def answers(self) -> bool:
        """Whether an agent is there.

        Raises:
            NotAnswering: a process listens and says nothing: told soon where it stands still, later where it is busy.
        """
        began_s, before = time.monotonic(), None
        while True:
            try:
                return self._says_who_it_is(LOOK_S)
            except Silent as silent:
                pid, now, took_s = silent.pid, pulse(silent.pid), time.monotonic() - began_s
            patience_s = min(self._answer_s, BUSY_S if is_busy(before, now) else SILENT_S)
            if is_stopped(now) or took_s >= patience_s:
                raise NotAnswering(self.state_dir, pid, why_silent(now))
            before = now

    def _says_who_it_is(self, within_s: float) -> bool:
        try:
            return self._http.ask(api.AGENT.method, api.AGENT.path, None, within_s).is_success
        except Silent:
            raise
        except Unreachable:
            return False

    def about(self) -> AgentView:
        """Ask who it is."""
        return self._get(api.AGENT)

    def policy(self) -> PolicySet:
        """Ask for the policies in force, with every approval."""
        return self._get(api.POLICY)

    def approvals(self) -> list[ApprovalView]:
        """List the approvals that are waited for, and those that were given."""
        return self._get(api.APPROVALS)

    def approve(self, key: DeploymentKey, subject: str, reason: str | None = None) -> Done:
        """Approve what a deployment waits for, if that is still what `subject` names."""
        return self._done(api.APPROVE, key, params=_given(subject=subject, reason=reason))

    def grants(self, key: DeploymentKey | None = None) -> list[GrantView]:
        """List the capabilities of every deployment, or of one: asked for, granted, and in force."""
        found = self._get(api.GRANTS)
        return [one for one in found if key in (None, DeploymentKey(namespace=one.namespace, name=one.deployment))]

    def audit(self) -> AuditHead:
        """Bring everything that waits into the audit book, and return its end."""
        return self._get(api.AUDIT)

    def test_notify(self, name: str) -> str:
        """Send something to a forge or a notification now; returns what was done, in words."""
        return self._get(api.TEST_NOTIFY, params={"name": name}).message

    def stop(self, within_s: float | None = None) -> None:
        """Ask the agent to stop, and how long it is to wait before it ends calls that still run."""
        self._ask(api.STOP, params={} if within_s is None else {"within": within_s})

    def restart_agent(self, within_s: float | None = None) -> None:
        """Ask the agent to go on as another process, of the airs that is installed now."""
        self._ask(api.RESTART_AGENT, params={} if within_s is None else {"within": within_s})

    def state(self) -> ObservedState:
        """Ask for the observed state."""
        return self._get(api.STATE)

    def export(self) -> bytes:
        """Ask for the state as it is exported: the bytes of its file."""
        return self._ask(api.EXPORT, wait_s=PLAN_S).content

    def plan(self, wish: PlanWish) -> Planned:
        """Ask for the plan of a folder, which the agent reads as it is now."""
        return self._get(api.PLAN, body=msgspec.json.encode(wish), wait_s=PLAN_S)

    def siblings(self, body: SiblingsBody) -> list[SiblingView]:
        """Ask for the sources of the same repository or work tree as a source."""
        return self._get(api.SIBLINGS, body=msgspec.json.encode(body))

    def facts(self, body: FactsBody) -> list[DeploymentFacts]:
        """Ask for the facts about some deployments that a plan tells."""
        return self._get(api.FACTS, body=msgspec.json.encode(body))

    def apply(self, sealed: bytes, *, fresh: bool) -> Applied:
        """Apply a sealed plan; returns one outcome per action."""
        return self._get(api.APPLY, body=sealed, params={"fresh": _flag(fresh)})

    def secrets(self) -> list[SecretView]:
        """List the secrets that are named, and those that there is a value of."""
        return self._get(api.SECRETS)

    def fingerprints(self, body: SecretsBody) -> list[SecretView]:
        """Ask for the fingerprints of the values in force."""
        return self._get(api.FINGERPRINTS, body=msgspec.json.encode(body))

    def deployments(self) -> list[DeploymentView]:
        """List the deployments."""
        return self._get(api.DEPLOYMENTS)

    def deployment(self, key: DeploymentKey) -> DeploymentView:
        """Describe one deployment."""
        return self._get(api.DEPLOYMENT, key)

    def sources(self) -> list[SourceView]:
        """List the sources."""
        return self._get(api.SOURCES)

    def add_source(self, wish: SourceWish) -> SourceAdded:
        """Follow a source from now on, also after a restart of the agent."""
        return self._get(api.ADD_SOURCE, body=msgspec.json.encode(wish))

    def collect_components(self, retain_ms: int) -> CollectedView:
        """Remove the components from the store that nothing has needed for so long; returns what was removed."""
        return self._get(api.COLLECT_COMPONENTS, params={"retain": str(retain_ms)})

    def look_again(self) -> None:
        """Make the agent resolve every source again, as somebody else is trusted now."""
        self._get(api.LOOK_AGAIN)

    def read_sources(self, name: str | None = None) -> SourcesAsked:
        """Ask for a look at a source, or at all that are watched; returns at which, and since when."""
        return self._get(api.READ_SOURCES, params={} if name is None else {"name": name})

    def suspend_source(self, name: str) -> str:
        """Stop following a source until it is resumed; returns what was done, in words."""
        return self._get(api.SUSPEND_SOURCE, params={"name": name}).message

    def resume_source(self, name: str) -> str:
        """Follow a suspended source again; returns what was done, in words."""
        return self._get(api.RESUME_SOURCE, params={"name": name}).message

    def removal(self, name: str, *, prune: bool = False) -> Removal:
        """Ask what removing a source would do."""
        return self._get(api.REMOVAL, params={"name": name, "prune": _flag(prune)})

    def remove_source(self, shown: Removal, *, prune: bool = False) -> Removal:
        """Remove a source, as `removal` has shown it."""
        return self._get(api.REMOVE_SOURCE, body=msgspec.json.encode(RemoveBody(shown=shown, prune=prune)))

    def up(self, wish: SourceWish) -> Iterator[UpBegan | UpEvent | UpLook]:
        """Follow a source while the iterator is open, and yield what happens."""
        return self._lines(api.UP, body=msgspec.json.encode(wish))

    def history(self, key: DeploymentKey) -> list[HistoryView | ActView]:
        """List a deployment's revisions and what was done to it by hand, oldest first."""
        return self._get(api.HISTORY, key)

    def revision(self, key: DeploymentKey, number: int) -> RevisionView:
        """Return what a revision of the history contained."""
        return self._get(api.REVISION, key, number=str(number))

    def restart(self, key: DeploymentKey, reason: str | None = None) -> Done:
        """Restart a deployment's instances; returns what was done or begun."""
        return self._done(api.RESTART, key, params=_given(reason=reason))

    def rollback(
        self, key: DeploymentKey, to: int | None = None, reason: str | None = None, *, force: bool = False
    ) -> Done:  # fmt: skip
        """Go back to revision `to`, or to the one before; returns what was done or begun.

        With `force`, to one that was rejected.
        """
        return self._done(api.ROLLBACK, key, params=_given(to=to, reason=reason, force=_flag(force) if force else None))

    def rollout(self, key: DeploymentKey, verb: str, reason: str | None = None, *, full: bool = False) -> Done:
        """Promote (by one step or in `full`), pause, resume, abort or retry a rollout; returns what was begun."""
        return self._done(api.ROLLOUT, key, params=_given(reason=reason, full=_flag(full) if full else None), verb=verb)

    def delete(
        self, key: DeploymentKey, reason: str | None = None, *, force: bool = False,
        beside: Sequence[DeploymentKey] = (),
    ) -> Done:  # fmt: skip
        """Remove a deployment; returns what was done or begun.

        Where others depend on it that are not removed `beside` it, that takes `force`.
        """
        params = _given(reason=reason, force=_flag(force), beside=[*map(str, beside)])
        return self._done(api.DELETE, key, params=params)

    def send(
        self, key: Target, payload: bytes, conversation: str | None = None, timeout_s: float = ANSWER_S,
        id: str | None = None,
    ) -> None:  # fmt: skip
        """Queue a message, unless one of the same id was; where its mailbox has senders wait for room, wait."""
        params = _message(key, timeout_s, conversation=conversation, id=id)
        self._ask(api.SEND, key, body=payload, params=params, wait_s=timeout_s)

    def send_many(
        self, key: Target, payloads: Sequence[bytes], conversation: str | None = None, timeout_s: float = ANSWER_S
    ) -> int:
        """Queue as many messages as there is room for, at least one once there is some; returns how many."""
        params, body = _message(key, timeout_s, conversation=conversation), msgspec.msgpack.encode(payloads)
        return self._get(api.SEND_MANY, key, body=body, params=params, wait_s=timeout_s).queued

    def request(
        self, key: Target, payload: bytes, conversation: str | None = None, timeout_s: float = ANSWER_S,
        trace: str | None = None,
    ) -> bytes | None:  # fmt: skip
        """Send a message and return the reply; None for `none`. Its conversation is recorded under `trace`."""
        params = _message(key, timeout_s, conversation=conversation, trace=trace)
        answer = self._ask(api.REQUEST, key, body=payload, params=params, wait_s=timeout_s)
        return None if NO_REPLY in answer.headers else answer.content

    def publish(self, topic: str, payload: bytes, conversation: str | None = None) -> Published:
        """Publish a message; returns how many deployments took it."""
        return self._get(api.PUBLISH, body=payload, params=_given(topic=topic, conversation=conversation))

    def subscriptions(self, key: DeploymentKey | None = None) -> list[SubscriptionView]:
        """List subscriptions, of one deployment or of all."""
        return self._get(api.SUBSCRIPTIONS, params=_of(key))

    def call(
        self, key: Target, function: str, arguments: list[Any], timeout_s: float = ANSWER_S, session: str | None = None
    ) -> Any:  # fmt: skip
        """Make a typed call and return its result."""
        import json  # for integers of any size; only here, as it takes each command a while to import

        body = json.dumps({"function": function, "arguments": arguments, "session": session}).encode()
        return self._get(api.CALL, key, body=body, params=_message(key, timeout_s), wait_s=timeout_s)

    def sessions(self, key: DeploymentKey) -> list[SessionView]:
        """List a deployment's sessions."""
        return self._get(api.SESSIONS, key)

    def drop_handles(self, key: DeploymentKey, session: str, handles: Sequence[int] = ()) -> int:
        """Drop handles of a session, or end it where none is named; returns how many were dropped."""
        return self._get(api.DROP_HANDLES, key, params={"handle": list(handles)}, session=session)

    def run(
        self, key: DeploymentKey, arguments: Sequence[str] | None = None, reason: str | None = None
    ) -> Iterator[Printed | Ended]:  # fmt: skip
        """Run a job again; yields what it prints and, last, how it ended. Leaving the iterator cancels the run."""
        body = msgspec.json.encode({"arguments": arguments})
        return self._lines(api.RUN, key, body=body, params=_given(reason=reason))

    def runs(self, key: DeploymentKey | None = None) -> list[RunView]:
        """List the runs of jobs by schedule or request, of one deployment or of all, oldest first."""
        return list(self._lines(api.RUNS, params=_of(key)))

    def dead_letters(self, key: DeploymentKey | None = None) -> list[DeadLetterView]:
        """List dead letters, of one deployment or of all, oldest first."""
        return list(self._lines(api.DEAD_LETTERS, params=_of(key)))

    def send_again(self, key: DeploymentKey, numbers: Sequence[int] = (), reason: str | None = None) -> Resent:
        """Send dead letters again; all of a deployment's where no number is given."""
        return self._get(api.SEND_AGAIN, key, params={"number": list(numbers), **_given(reason=reason)})

    def discard(self, key: DeploymentKey, numbers: Sequence[int] = (), reason: str | None = None) -> int:
        """Forget dead letters, all of a deployment's where no number is given; returns how many."""
        return self._get(api.DISCARD, key, params={"number": list(numbers), **_given(reason=reason)}).discarded

    def trace(self, id: str) -> list[Conversation]:
        """Return what is recorded of a conversation, which may be nothing."""
        return self._get(api.TRACE, params={"id": id})

    def last_traces(self, key: DeploymentKey, count: int) -> list[Conversation]:
        """Return the last conversations that a deployment took part in."""
        return self._get(api.LAST_TRACES, key, params={"last": count})

    def logs(
        self, key: DeploymentKey | None = None, chosen: Selection = EVERYTHING, *, follow: bool = False
    ) -> Iterator[LogLine]:  # fmt: skip
        """Yield log lines, of one deployment or of all; with `follow`, also those to come, until the reader goes."""
        return self._followed(api.LOGS, key, chosen, follow)

    def events(
        self, key: DeploymentKey | None = None, chosen: Selection = EVERYTHING, *, follow: bool = False
    ) -> Iterator[Event]:  # fmt: skip
        """Yield events, of one deployment or of all; with `follow`, also those to come, until the reader goes."""
        return self._followed(api.EVENTS, key, chosen, follow)

    def _followed(
        self, endpoint: Endpoint[T], key: DeploymentKey | None, chosen: Selection, follow: bool
    ) -> Iterator[T]:  # fmt: skip
        params = _given(
            since=chosen.since_ms, until=chosen.until_ms, level=chosen.level, revision=chosen.revision,
            grep=chosen.grep, tail=chosen.tail,
        )  # fmt: skip
        try:
            with going(follow):
                yield from self._lines(endpoint, params={"follow": _flag(follow), **_of(key), **params})
        except Gone:  # cut off in the middle: by a death, or by an agent that hangs up on us alone
            if self.answers():
                raise HungUp from None
            raise
        if follow:  # an agent that ends finishes what it sends
            raise Gone

    def _done(self, endpoint: Endpoint[Done], key: DeploymentKey, params: Params | None = None, **parts: str) -> Done:
        return self._get(endpoint, key, params=params, **parts)

    def _get(self, endpoint: Endpoint[T], key: Target | None = None, **more: Any) -> T:
        return from_json(self._ask(endpoint, key, **more).content, endpoint.answers)

    def _ask(
        self, endpoint: Endpoint[Any], key: Target | None = None, *, body: bytes | None = None,
        params: Params | None = None, wait_s: float | None = None, **parts: str,
    ) -> Answer:  # fmt: skip
        limit_s = self._answer_s if wait_s is None else wait_s + SLACK_S
        try:
            answer = self._http.ask(endpoint.method, _target(endpoint, key, params, parts), body, limit_s)
        except Unreachable as problem:
            raise Unanswered(problem) from None
        if answer.is_success:
            return answer
        raise _failure(answer.status, answer.content)

    def _lines(
        self, endpoint: Endpoint[T], key: Target | None = None, *, body: bytes | None = None,
        params: Params | None = None,
    ) -> Iterator[T]:  # fmt: skip
        try:
            with self._http.stream(endpoint.method, _target(endpoint, key, params, {}), body) as answer:
                yield from _decoded(answer, endpoint.answers)
        except Unreachable as problem:
            raise Unanswered(problem) from None


class NotAnswering(Failure):
    """A process holds the state directory and does not answer."""

    def __init__(self, state_dir: Path, pid: int, why: str) -> None:
        process = f"process {pid}" if pid else "a process"
        hint = (
            f"`kill -CONT {pid}` lets a stopped one go on; `kill -9 {pid}` ends it, and loses nothing acknowledged."
            if pid
            else f"`fuser {state_dir / 'lock'}` names it."
        )
        super().__init__(f"{process} holds {state_dir} and does not answer", why, hint, NO_AGENT)


class Unanswered(Failure):
    """The agent does not answer, or has gone before the answer was whole."""

    def __init__(self, problem: Unreachable) -> None:
        super().__init__("the agent does not answer", str(problem), "`airs agent status` tells.", NO_AGENT)


class Gone(Failure):
    """The agent has gone while somebody kept looking."""

    def __init__(self) -> None:
        super().__init__("the agent has gone", "", "`airs agent status` tells whether one runs now.", NO_AGENT)


class HungUp(Failure):
    """The agent sends no more to somebody who did not read what they were sent."""

    def __init__(self) -> None:
        super().__init__(
            "the agent hung up on a follower that did not read",
            "The agent no longer keeps the lines that were not sent yet: there would have been a gap.",
            "Follow again, and read faster, or follow one deployment only.",
        )


@contextlib.contextmanager
def going(is_looking_on: bool = True) -> Iterator[None]:
    """Say of an agent that answered before, and does no more, that it has gone.

    Raises:
        Gone: it has.
    """
    try:
        yield
    except Unanswered:
        if not is_looking_on:
            raise
        raise Gone from None


def _decoded(answer: Stream, kind: type[T]) -> Iterator[T]:
    if not answer.is_success:
        raise _failure(answer.status, answer.read())
    for line in answer.lines:
        yield from_json(line, kind)


def _target(endpoint: Endpoint[Any], key: Target | None, params: Params | None, parts: dict[str, str]) -> str:
    place = {} if key is None else {"namespace": key.namespace, "name": key.name}
    path = endpoint.path.format(**{part: quoted(text) for part, text in (place | parts).items()})
    asked = query(params or {})
    return f"{path}?{asked}" if asked else path


def _given(**params: Any) -> Params:
    return {name: value for name, value in params.items() if value is not None}


def _of(key: DeploymentKey | None) -> Params:
    return {} if key is None else {"deployment": str(key)}


def _message(target: Target, timeout_s: float, **params: str | None) -> Params:
    to = target.instance if isinstance(target, ComponentId) and target.instance else None
    return _given(timeout=timeout_s, to=to, **params)


def _flag(value: bool) -> str:
    return str(value).lower()


def _failure(status: int, content: bytes) -> Failure:
    try:
        problem = from_json(content, Problem)
    except msgspec.MsgspecError:
        return Failure("the agent could not do it", f"HTTP {status}", "agent.log in the state directory says more.")
    return Failure(problem.summary, problem.detail, problem.suggestion, problem.exit_code)
