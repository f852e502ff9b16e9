"""Agent and client agree on every route: what the agent serves, what the client asks, and how an answer may end."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer
from typing import Any

import msgspec
import pytest
from starlette.routing import Match

from orchestrator.agent.api import Api, Served
from orchestrator.agent.routes.recorded import RECORDED
from orchestrator.client import AgentClient
from orchestrator.contract.bodies import FactsBody, PlanWish, SecretsBody, SiblingsBody, SourceWish
from orchestrator.contract.codes import EXIT_CODES, STATUSES
from orchestrator.contract.documents import Removal
from orchestrator.contract.endpoints import ENDPOINTS, Endpoint
from orchestrator.contract.problem import Failure, Problem
from orchestrator.contract.standpoint import Standpoint
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.source import FolderSpec
from orchestrator.observe.events import Journals

WISH = SourceWish(path="manifests", cwd="/srv")
SPEC = FolderSpec(identity="/srv/manifests", root="/srv", root_reason="its parent", folder="manifests")
HERE = Standpoint(uid=0, gid=0, groups=(), capabilities="", namespaces=(), root=(0, 0))
KEY = DeploymentKey("billing", "tax")
ASKS: dict[str, Any] = {  # for each endpoint, what asks it
    "AGENT": lambda client: client.about(),
    "RESTART_AGENT": lambda client: client.restart_agent(),
    "STOP": lambda client: client.stop(1.5),
    "STATE": lambda client: client.state(),
    "EXPORT": lambda client: client.export(),
    "PLAN": lambda client: client.plan(PlanWish(source=WISH, spec=SPEC, standpoint=HERE)),
    "APPLY": lambda client: client.apply(b"{}", fresh=True),
    "DEPLOYMENTS": lambda client: client.deployments(),
    "SOURCES": lambda client: client.sources(),
    "ADD_SOURCE": lambda client: client.add_source(WISH),
    "COLLECT_COMPONENTS": lambda client: client.collect_components(5),
    "LOOK_AGAIN": lambda client: client.look_again(),
    "READ_SOURCES": lambda client: client.read_sources("a b#c"),
    "SUSPEND_SOURCE": lambda client: client.suspend_source("a b#c"),
    "RESUME_SOURCE": lambda client: client.resume_source("/srv"),
    "REMOVAL": lambda client: client.removal("/srv", prune=True),
    "REMOVE_SOURCE": lambda client: client.remove_source(Removal(source="/srv")),
    "UP": lambda client: list(client.up(WISH)),
    "SECRETS": lambda client: client.secrets(),
    "FINGERPRINTS": lambda client: client.fingerprints(SecretsBody(names=())),
    "SIBLINGS": lambda client: client.siblings(SiblingsBody(source="a", root="/a")),
    "FACTS": lambda client: client.facts(FactsBody(keys=(KEY,))),
    "DEPLOYMENT": lambda client: client.deployment(KEY),
    "DELETE": lambda client: client.delete(KEY),
    "HISTORY": lambda client: client.history(KEY),
    "REVISION": lambda client: client.revision(KEY, 3),
    "SEND": lambda client: client.send(ComponentId("billing", "tax", "a/b?c"), b"x", "c"),
    "SEND_MANY": lambda client: client.send_many(KEY, [b"x", b"y"], None),
    "REQUEST": lambda client: client.request(KEY, b"x" * (1 << 20), trace="t"),
    "CALL": lambda client: client.call(KEY, "f", [1 << 100], session="s"),
    "RUN": lambda client: list(client.run(KEY, ("a",))),
    "SESSIONS": lambda client: client.sessions(KEY),
    "DROP_HANDLES": lambda client: client.drop_handles(KEY, "s", (1, 2)),
    "RESTART": lambda client: client.restart(KEY),
    "ROLLBACK": lambda client: client.rollback(KEY, 2),
    "ROLLOUT": lambda client: client.rollout(KEY, "abort"),
    "RUNS": lambda client: client.runs(),
    "DEAD_LETTERS": lambda client: client.dead_letters(KEY),
    "SEND_AGAIN": lambda client: client.send_again(KEY, (1,)),
    "DISCARD": lambda client: client.discard(KEY),
    "TRACE": lambda client: client.trace("t"),
    "LAST_TRACES": lambda client: client.last_traces(KEY, 3),
    "PUBLISH": lambda client: client.publish("a.b", b"x"),
    "SUBSCRIPTIONS": lambda client: client.subscriptions(KEY),
    "POLICY": lambda client: client.policy(),
    "APPROVALS": lambda client: client.approvals(),
    "APPROVE": lambda client: client.approve(KEY, "s", "why"),
    "GRANTS": lambda client: client.grants(),
    "TEST_NOTIFY": lambda client: client.test_notify("ops"),
    "AUDIT": lambda client: client.audit(),
    "LOGS": lambda client: list(client.logs(KEY)),
    "EVENTS": lambda client: list(client.events(follow=True)),
}
PROBLEM = Problem(summary="not today", detail="it is Sunday", suggestion="Come back.", exit_code=65)


def served() -> list[Any]:
    return Api(Served(*[None] * 5, Journals(), *[None] * 14)).application().routes  # type: ignore[arg-type]


class Refusing(BaseHTTPRequestHandler):
    """An agent that writes down what it is asked, and refuses."""

    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.asked.append((self.command, self.path))  # type: ignore[attr-defined]
        body = msgspec.json.encode(PROBLEM)
        self.send_response(409)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = handle_any

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[list[tuple[str, str]]]:
    with UnixStreamServer(str(tmp_path / "agent.sock"), Refusing) as server:
        server.asked = []  # type: ignore[attr-defined]
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield server.asked  # type: ignore[attr-defined]
        finally:
            server.shutdown()
            serving.join()


def test_the_agent_serves_the_contract_and_nothing_else():
    routes = {(next(iter(route.methods - {"HEAD"})), route.path) for route in served()}
    assert routes == {(one.method, one.path) for one in ENDPOINTS.values()}


def test_the_audit_book_tells_of_every_endpoint_but_those_that_change_nothing_or_bring_messages():
    unrecorded = {name for name, one in ENDPOINTS.items() if one.method != "GET" and one not in RECORDED}
    assert unrecorded == {
        "PLAN", "FACTS", "SIBLINGS", "FINGERPRINTS", "LOOK_AGAIN", "READ_SOURCES",  # change nothing
        "SEND", "SEND_MANY", "REQUEST", "CALL", "PUBLISH",
    }  # fmt: skip


def test_every_endpoint_is_asked_by_a_method_of_the_client():
    assert ASKS.keys() == ENDPOINTS.keys()


@pytest.mark.parametrize("name", ENDPOINTS)
def test_the_client_asks_as_the_agent_serves_and_raises_what_it_is_told(
    name: str, tmp_path: Path, asked: list[tuple[str, str]]
):
    with AgentClient(tmp_path) as client, pytest.raises(Failure) as raised:
        ASKS[name](client)
    failure = raised.value
    assert (failure.summary, failure.detail, failure.suggestion, failure.exit_code) == (
        PROBLEM.summary, PROBLEM.detail, PROBLEM.suggestion, PROBLEM.exit_code,
    )  # fmt: skip
    ((method, path),) = asked
    scope = {"type": "http", "method": method, "path": path.partition("?")[0], "root_path": "", "headers": []}
    (route,) = [route for route in served() if route.matches(scope)[0] is Match.FULL]
    assert route.path == ENDPOINTS[name].path


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=ENDPOINTS)
def test_every_endpoint_has_a_schema_and_documented_ends(endpoint: Endpoint[Any]):
    if endpoint.answers is not bytes:
        assert msgspec.json.schema(endpoint.answers) is not None
    if endpoint.takes not in (None, bytes):
        assert msgspec.json.schema(endpoint.takes)
    assert endpoint.statuses <= STATUSES.keys()


def test_every_exit_code_is_documented():
    table = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    rows = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert EXIT_CODES.keys() <= rows
