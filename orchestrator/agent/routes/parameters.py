"""Paths and queries of requests → values of ours, or a refusal that says what they have to be."""

import re
from collections.abc import Collection

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from orchestrator.agent.peer import EXTENSION, peer_of
from orchestrator.agent.trouble import Trouble
from orchestrator.contract.bodies import PATH_MAX
from orchestrator.contract.codes import USAGE
from orchestrator.contract.problem import Problem
from orchestrator.model.ids import NAME_MAX_LENGTH, NAME_PATTERN, ComponentId, DeploymentKey
from orchestrator.model.selection import Selection
from orchestrator.model.who import By
from orchestrator.observe.events import printable

TIMEOUT_MAX_S = 3_600.0
TEXT_MAX = 256  # characters
NUMBER_DIGITS = 20
SHOWN_MAX = 100  # characters of something mistaken that are repeated to its sender
LABEL = re.compile(NAME_PATTERN, re.ASCII)


async def by_whom(request: Request) -> By:
    """Say who asks, and the reason they give."""
    uid = request.scope["extensions"][EXTENSION]
    return By(peer=await run_in_threadpool(peer_of, uid), why=printable(text_in(request, "reason") or ""))


def is_set(request: Request, name: str) -> bool:
    """Whether a switch is on."""
    return request.query_params.get(name, "false") == "true"


def key_in(request: Request) -> DeploymentKey:
    """Return the deployment that the path names."""
    namespace, name = request.path_params["namespace"], request.path_params["name"]
    for label in (namespace, name):
        if len(label) > NAME_MAX_LENGTH or not LABEL.fullmatch(label):
            raise Trouble(400, Problem(summary=f"{label[:SHOWN_MAX]!a} names no deployment", exit_code=USAGE))
    return DeploymentKey(namespace=namespace, name=name)


def deployment_in(request: Request) -> DeploymentKey | None:
    """Return the deployment that the query names; None where it names none."""
    wanted = request.query_params.get("deployment")
    return DeploymentKey.parse(wanted) if wanted else None


def target_in(request: Request) -> ComponentId:
    """Return the deployment that the path names, and the instance or key that `to` does."""
    key = key_in(request)
    return ComponentId(key.namespace, key.name, text_in(request, "to") or "")


def text_in(request: Request, name: str) -> str | None:
    """Return a short text; None where there is none."""
    text = request.query_params.get(name)
    if text is not None and not 0 < len(text) <= TEXT_MAX:
        raise Trouble(400, Problem(summary=f"`{name}` has 1 to {TEXT_MAX} characters", exit_code=USAGE))
    return text


def numbers_in(request: Request, name: str) -> tuple[int, ...] | None:
    """Return whole numbers, of which there may be several; None where there is none."""
    texts = request.query_params.getlist(name)
    if not all(text.isascii() and text.isdigit() and len(text) < NUMBER_DIGITS for text in texts):
        raise Trouble(400, Problem(summary=f"a {name} is a whole number", exit_code=USAGE))
    return tuple(map(int, texts)) or None


def number_in(request: Request, name: str) -> int | None:
    """Return a whole number; None where there is none."""
    numbers = numbers_in(request, name)
    return numbers[0] if numbers else None


def source_name_in(request: Request) -> str:
    """Return the name of a source."""
    name = request.query_params.get("name", "")
    if not 0 < len(name) <= PATH_MAX:
        raise Trouble(400, Problem(summary=f"`name` has 1 to {PATH_MAX} characters", exit_code=USAGE))
    return name


def selection_in(request: Request, levels: Collection[str]) -> Selection:
    """Read which entries of a journal are asked for."""
    level = request.query_params.get("level")
    if level is not None and level not in levels:
        raise Trouble(400, Problem(summary=f"a level is one of {', '.join(levels)}", exit_code=USAGE))
    return Selection(
        key=deployment_in(request),
        since_ms=number_in(request, "since"),
        until_ms=number_in(request, "until"),
        level=level,
        revision=text_in(request, "revision"),
        grep=text_in(request, "grep"),
        tail=number_in(request, "tail"),
    )


def timeout_in(request: Request) -> float:
    """Return how many seconds the caller waits, more than none."""
    timeout = seconds_in(request, "timeout")
    if not timeout:
        raise _not_seconds("timeout")
    return timeout


def seconds_in(request: Request, name: str) -> float:
    """Return a number of seconds, 30 where there is none."""
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
