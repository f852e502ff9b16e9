"""A server on loopback that has the APIs of forges, a receiver of CloudEvents and a chat, and refuses other requests.

The shapes are those of the forges' public documents: GitHub "Create a commit status" (REST, 2022-11-28), GitLab "Set
commit pipeline status" (v4), Gitea `repoCreateStatus` (v1), CloudEvents 1.0 "JSON event format" and "HTTP protocol
binding", Slack "Sending messages using incoming webhooks".
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import jsonschema

SHA = "[0-9a-f]{40}"
TEXT = {"type": "string", "minLength": 1}


def body_of(states: list[str], name: str, longest: int) -> dict[str, Any]:
    """The JSON Schema of a status."""
    return {
        "type": "object",
        "required": ["state", name],
        "additionalProperties": False,
        "properties": {
            "state": {"enum": states},
            name: TEXT,
            "description": {**TEXT, "maxLength": longest},
            "target_url": {**TEXT, "pattern": "^https?://"},
        },
    }


class Shape(NamedTuple):
    """A request as it is documented."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    status: int


EVENT = {
    "type": "object",
    "required": ["specversion", "id", "source", "type", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": TEXT,
        "source": {**TEXT, "format": "uri-reference"},
        "type": {**TEXT, "pattern": "^dev\\.airs\\."},
        "subject": TEXT,
        "time": {**TEXT, "pattern": "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$"},
        "datacontenttype": {"const": "application/json"},
        "data": {"type": "object"},
    },
    "propertyNames": {"pattern": "^[a-z0-9]+$"},
}
JSON = r"application/json(; charset=utf-8)?"
SHAPES = {
    "github": Shape(
        rf"/repos/shop/deploy/statuses/({SHA})",
        {"Authorization": r"Bearer github-token", "Accept": r"application/vnd\.github\+json",
         "X-GitHub-Api-Version": "2022-11-28", "Content-Type": JSON},
        body_of(["error", "failure", "pending", "success"], "context", 140), 201,
    ),
    "gitlab": Shape(
        rf"/api/v4/projects/shop%2Fdeploy/statuses/({SHA})", {"PRIVATE-TOKEN": "gitlab-token", "Content-Type": JSON},
        body_of(["pending", "running", "success", "failed", "canceled", "skipped"], "name", 255), 201,
    ),
    "gitea": Shape(
        rf"/api/v1/repos/shop/deploy/statuses/({SHA})",
        {"Authorization": "token gitea-token", "Accept": "application/json", "Content-Type": JSON},
        body_of(["pending", "success", "error", "failure", "warning"], "context", 255), 201,
    ),
    "events": Shape(
        "/events()",
        {"Content-Type": r"application/cloudevents\+json; charset=utf-8", "webhook-id": ".+",
         "webhook-timestamp": r"\d+", "webhook-signature": "v1,.+"},
        EVENT, 204,
    ),
    "chat": Shape(
        "/services/T0/B0/hush()", {"Content-Type": JSON},
        {"type": "object", "required": ["text"], "additionalProperties": False, "properties": {"text": TEXT}}, 200,
    ),
}  # fmt: skip


class Taken(NamedTuple):
    """A request that fitted its shape."""

    kind: str
    sha: str
    body: dict[str, Any]
    headers: dict[str, str]
    raw: bytes


class ForgeServer:
    """Takes requests; `wrong` are those that fitted no shape, `refusing` is the answer to the next of a kind."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.wrong: list[str] = []
        self.refusing: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.refused: list[str] = []
        own = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, headers, answer = own.take(self.path, dict(self.headers), body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                self.close_connection = True

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        for kind, shape in SHAPES.items():
            found = re.fullmatch(shape.path, path)
            if found is None:
                continue
            if kind in self.refusing:
                self.refused.append(kind)
                return self.refusing[kind]
            try:
                self.taken.append(Taken(kind, found[1], fitting(shape, headers, body), headers, body))
            except (AssertionError, ValueError, jsonschema.ValidationError) as problem:
                self.wrong.append(f"{kind}: {problem}")
                return 400, {}, b"it has another shape"
            return shape.status, {}, b"" if shape.status == 204 else b"{}"
        self.wrong.append(f"no {path}")
        return 404, {}, b"not found"

    def of(self, kind: str, sha: str = "") -> list[Taken]:
        return [each for each in self.taken if each.kind == kind and sha in ("", each.sha)]

    def states(self, kind: str, sha: str, context: str = "airs/shop") -> list[str]:
        name = "name" if kind == "gitlab" else "context"
        return [each.body["state"] for each in self.of(kind, sha) if each.body[name] == context]

    def events(self, subject: str = "") -> list[str]:
        return [
            each.body["type"].removeprefix("dev.airs.") for each in self.of("events")
            if subject in ("", each.body.get("subject"))
        ]  # fmt: skip

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def fitting(shape: Shape, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """Read a body, and hold it and the headers against a shape."""
    for name, pattern in shape.headers.items():
        value = next((value for given, value in headers.items() if given.lower() == name.lower()), "")
        assert re.fullmatch(pattern, value), f"{name}: {value!r}"
    said: dict[str, Any] = json.loads(body)
    jsonschema.validate(said, shape.body)
    return said
