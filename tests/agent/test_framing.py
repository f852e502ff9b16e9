"""Requests whose end two readers would see in different places are answered, and not read."""

import asyncio
from typing import Any

import pytest

from orchestrator.agent.framing import Framed, doubt

LENGTH, CODING = b"content-length", b"transfer-encoding"
ROWS = {
    "nothing": ("1.1", (), ""),
    "a length": ("1.1", (LENGTH,), ""),
    "chunks": ("1.1", (CODING,), ""),
    "both": ("1.1", (LENGTH, CODING), "a Content-Length and a Transfer-Encoding"),
    "chunks of old": ("1.0", (CODING,), "which HTTP/1.0 does not know"),
    "a length of old": ("1.0", (LENGTH,), ""),
}


@pytest.mark.parametrize(("version", "names", "said"), ROWS.values(), ids=ROWS)
def test_where_a_request_ends_is_in_doubt_or_not(version: str, names: tuple[bytes, ...], said: str):
    found = doubt(version, frozenset(names))
    assert said in found if found else not said


@pytest.mark.parametrize(("version", "names", "said"), ROWS.values(), ids=ROWS)
def test_only_what_is_in_no_doubt_reaches_the_application(version: str, names: tuple[bytes, ...], said: str):
    served, sent = [], []

    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        served.append(scope)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"http_version": version, "headers": [(name, b"x") for name in names]}
    asyncio.run(Framed(application)(scope, None, send))  # type: ignore[arg-type]
    assert served == ([] if said else [scope])
    assert [each.get("status") for each in sent] == ([400, None] if said else [])
    assert not said or (b"connection", b"close") in sent[0]["headers"]


def test_one_that_leaves_begins_nothing_more_and_counts_what_it_still_serves():
    reached: list[int] = []

    async def application(_scope: Any, _receive: Any, _send: Any) -> None:
        reached.append(framed.under_way)

    async def send(message: Any) -> None:
        sent.append(message)

    sent: list[Any] = []
    leaves = False
    framed = Framed(application, lambda: leaves, ("/v1/events",))
    scope = {"type": "http", "http_version": "1.1", "headers": [], "path": "/v1/agent"}
    asyncio.run(framed(scope, None, send))  # type: ignore[arg-type]
    asyncio.run(framed({**scope, "path": "/v1/events"}, None, send))  # type: ignore[arg-type]
    assert reached == [1, 0], "a request that follows something is not waited for"
    assert framed.under_way == 0
    leaves = True
    asyncio.run(framed(scope, None, send))  # type: ignore[arg-type]
    assert len(reached) == 2
    assert sent[0]["status"] == 503
    assert (b"airs-ask-again", b"1") in sent[0]["headers"]
