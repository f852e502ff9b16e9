"""`airs up` where an agent runs: that agent watches a source as long as the command stays, which tells what happens."""

import contextlib
import signal
import time
from collections.abc import Callable, Generator, Iterator

from orchestrator.client import AgentClient
from orchestrator.client.agent_client import Unanswered
from orchestrator.contract.bodies import SourceWish
from orchestrator.contract.codes import NO_AGENT
from orchestrator.contract.documents import UpBegan, UpEvent, UpLook
from orchestrator.contract.problem import Failure
from orchestrator.model.event import Event
from orchestrator.model.source import SourceStatus

LET_GO_S = 10.0  # for the agent to record that nobody looks any more
LOOK_S = 0.02
TOLD_AS_LOOK = ("source-stale", "commit-refused")  # events whose look says more


class Telling:
    """The functions that are told of a watched source: that it began, its events, its looks."""

    def __init__(
        self, began: Callable[[UpBegan], None], event: Callable[[Event], None], look: Callable[[SourceStatus], None]
    ) -> None:
        self.began, self.event, self.look = began, event, look


def watch_along(client: AgentClient, wish: SourceWish, telling: Telling) -> UpBegan | None:
    """Let the agent watch a source until a signal comes; return its beginning, None where it did not begin.

    Raises:
        Failure: the agent refuses, or has gone.
    """
    began: UpBegan | None = None
    with _interrupted_by_sigterm(), contextlib.suppress(KeyboardInterrupt):
        try:
            with contextlib.closing(_lines(client, wish)) as lines:
                for told in lines:
                    if isinstance(told, UpBegan):
                        began = told
                    _tell(told, telling)
        except Unanswered:
            if began is None:
                raise
        raise Failure("the agent has gone", "nothing is watched any more", "`airs agent start`.", NO_AGENT)
    if began is not None and began.ends:
        _wait_until_let_go(client, began.name)
    return began


def _lines(client: AgentClient, wish: SourceWish) -> Generator[UpBegan | UpEvent | UpLook, None, None]:
    yield from client.up(wish)


def _tell(told: UpBegan | UpEvent | UpLook, telling: Telling) -> None:
    match told:
        case UpBegan():
            telling.began(told)
        case UpEvent(event=event) if event.reason.value not in TOLD_AS_LOOK:
            telling.event(event)
        case UpLook(status=status):
            telling.look(status)


def _wait_until_let_go(client: AgentClient, name: str) -> None:
    deadline = time.monotonic() + LET_GO_S
    while any(source.name == name and source.follow == "up" for source in client.sources()):
        if time.monotonic() > deadline:
            raise Failure(f"the agent still watches {name}", suggestion="`airs get sources` tells.")
        time.sleep(LOOK_S)


@contextlib.contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
