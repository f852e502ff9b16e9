"""What guests, manifests and callers of the API may not do, tried through the real agent."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.client.connection import Answer, Connections
from orchestrator.contract.codes import STATUSES
from tests.e2e.conftest import Airs, deployment, wait_until

FAILED, USAGE, INVALID = 1, 64, 65
STORAGE = {"storage.read": ["self"], "storage.write": ["self"]}


def deploy(airs: Airs, **deployments: dict[str, Any]) -> Path:
    """Write one manifest for each deployment of the component that does as it is told, and apply them."""
    if not (airs.folder / "components" / "faulty").exists():
        airs.copy_component("faulty")
        (airs.folder / "manifests").mkdir()
    for name, spec in deployments.items():
        (airs.folder / "manifests" / f"{name}.yaml").write_text(deployment(name, "../components/faulty", **spec))
    apply = airs.quick if airs.client().answers() else airs.run
    apply("apply", airs.folder / "manifests")
    return airs.folder / "manifests"


def tell(airs: Airs, name: str, order: str) -> str:
    """Tell a guest to do something and return its reply."""
    return airs.quick("request", name, order).stdout.rstrip("\n")


# What a guest may do


def test_nothing_is_granted_by_default(airs: Airs):
    deploy(airs, one={}, two={})
    for order in ("store key value", "load key", "exists key", "keys", "usage", "send two log hello"):
        assert tell(airs, "one", order).startswith("error: ")
        assert "capability denied: default/one was not granted" in tell(airs, "one", order)
    assert airs.quick("logs", "two").stdout == ""


def test_a_grant_is_for_what_it_names_and_nothing_else(airs: Airs):
    deploy(airs, one={"grants": {"messaging.send": ["default/two"]}}, two={}, three={})
    assert tell(airs, "one", "send two log from one") == "sent"
    wait_until(lambda: "from one" in airs.quick("logs", "two").stdout)
    assert "not granted messaging.send: [default/three]" in tell(airs, "one", "send three log from one")
    assert "not granted" in tell(airs, "two", "send one log back")
    assert "from one" not in airs.quick("logs", "three").stdout


def test_a_message_names_its_real_sender(airs: Airs):
    deploy(airs, one={})
    assert tell(airs, "one", "message").startswith("sender=airs/client/ ")
    assert tell(airs, "one", "self").startswith("default/one/")


def test_storage_is_read_and_written_with_a_grant_and_is_the_deployments_own(airs: Airs):
    deploy(airs, one={"grants": STORAGE}, two={"grants": STORAGE})
    assert tell(airs, "one", "store key value of one") == "stored"
    assert tell(airs, "one", "load key") == "value of one"
    assert tell(airs, "two", "exists key") == "no"
    assert tell(airs, "two", "keys") == ""
    assert tell(airs, "one", "usage").startswith("used=")
    airs.quick("restart", "one")
    wait_until(lambda: airs.phase("one") == "running")
    assert tell(airs, "one", "load key") == "value of one"


def test_reading_may_be_granted_without_writing(airs: Airs):
    deploy(airs, one={"grants": {"storage.read": ["self"]}})
    assert tell(airs, "one", "exists key") == "no"
    assert "not granted storage.write" in tell(airs, "one", "store key value")


def test_storage_ends_at_its_quota(airs: Airs):
    deploy(airs, one={"grants": STORAGE})
    big = "x" * 100_000
    stored = [tell(airs, "one", f"store key-{number} {big}") for number in range(11)]
    assert stored[0] == "stored"
    assert "quota" in stored[-1]


def test_storage_without_a_quota_is_no_storage(airs: Airs):
    component = airs.copy_component("faulty") / "Component.toml"
    component.write_text(component.read_text().replace('storage = "1MiB"\n', ""))
    manifests = airs.folder / "manifests"
    manifests.mkdir()
    (manifests / "one.yaml").write_text(deployment("one", "../components/faulty", grants=STORAGE))
    refused = airs.quick("validate", manifests, check=False)
    assert refused.returncode == INVALID
    assert "no storage quota" in refused.stderr


def test_a_grant_that_is_taken_away_is_gone_at_once(airs: Airs):
    deploy(airs, one={"grants": {**STORAGE, "messaging.send": ["default/two"]}}, two={})
    assert tell(airs, "one", "store key value") == "stored"
    instance = airs.json("get", "instances", "one")[0]["name"]
    slow = airs.copy_component("faulty-init")  # so that no new version ever takes over
    manifest = airs.folder / "manifests" / "one.yaml"
    spec = {"grants": {"storage.read": ["self"]}, "restart": {"backoff": {"initial": "10s", "max": "10s"}}}
    manifest.write_text(deployment("one", f"../components/{slow.name}", **spec))
    airs.quick("apply", manifest.parent, "--no-wait")
    assert airs.json("get", "instances", "one")[0]["name"] == instance  # the same instance
    assert "not granted storage.write" in tell(airs, "one", "store key value")
    assert "not granted messaging.send" in tell(airs, "one", "send two x")
    assert tell(airs, "one", "load key") == "value"


def test_a_guest_that_fails_takes_nobody_along(airs: Airs):
    restart = {"backoff": {"initial": "1ms", "max": "1ms"}}
    deploy(airs, one={"restart": restart, "limits": {"timeout": "100ms"}}, two={})
    for order, why in (
        ("trap", "trapped"),
        ("div0", "trapped"),
        ("recurse", "call stack exhausted"),
        ("loop", "deadline"),
        ("sleep 5000", "deadline"),
    ):
        wait_until(lambda: airs.phase("one") == "running")
        failed = airs.quick("request", "one", order, check=False)
        assert (failed.returncode, failed.stdout) == (FAILED, "")
        assert why in failed.stderr
        assert tell(airs, "two", "echo still here") == "still here"
    wait_until(lambda: airs.json("get", "deployments", "one")[0]["restarts"] == 5)


def test_memory_ends_at_its_limit(airs: Airs):
    deploy(airs, one={"limits": {"memory": "2MiB"}})
    failed = airs.quick("request", "one", "grow", check=False)
    assert failed.returncode == FAILED
    assert "memory" in failed.stderr


def test_fuel_ends_at_its_limit(airs: Airs):
    deploy(airs, one={"limits": {"fuel": 10_000_000}})
    failed = airs.quick("request", "one", "loop", check=False)
    assert "fuel" in failed.stderr


def test_a_guest_sees_who_else_is_there(airs: Airs):
    deploy(airs, one={}, two={"replicas": 2})
    seen = tell(airs, "one", "list").splitlines()
    assert [line.rpartition("/")[0] for line in seen] == ["default/one", "default/two", "default/two"]
    assert tell(airs, "one", "info two").split()[1:] == ["faulty", "1.0.0", "healthy"]
    assert tell(airs, "one", "info nobody").startswith("error: ")
    assert tell(airs, "one", "sleep 1") == "slept"
    assert int(tell(airs, "one", "now")) > 1_700_000_000_000


def test_a_guest_cannot_write_to_the_terminal(airs: Airs):
    deploy(airs, one={})
    evil = "\x1b[2J\x1b]0;owned\x07\r\x9b31m\u202etxt"
    for order in ("log", "shout", "err"):
        airs.quick("request", "one", f"{order} {evil}", check=False)
    shown = airs.quick("logs").stdout + airs.quick("request", "one", f"err {evil}", check=False).stderr
    assert "owned" in shown
    assert not set(shown) & {"\x1b", "\x07", "\r", "\x9b", "\u202e"}


def test_a_guest_gets_its_config_and_limits_and_no_environment(airs: Airs):
    deploy(airs, one={"config": {"greeting": "hi", "nested": {"a": [1, 2]}}, "limits": {"memory": "8MiB"}})
    assert json.loads(tell(airs, "one", "config")) == {"greeting": "hi", "nested": {"a": [1, 2]}}
    assert tell(airs, "one", "env greeting") == "hi"
    assert tell(airs, "one", "env HOME") == ""
    assert tell(airs, "one", "limits").startswith(f"memory={8 << 20} time=2000 ")


# What a manifest may reach


@pytest.fixture
def manifest(airs: Airs) -> Path:
    return airs.copy_example("01-hello") / "manifests" / "hello.yaml"


@pytest.mark.parametrize("path", ["../../../../../../etc", "/etc", "../../../outside", "~/x", "..\\..\\x", ""])
def test_a_path_does_not_leave_the_root(airs: Airs, manifest: Path, path: str):
    (airs.folder.parent / "outside").mkdir()
    manifest.write_text(deployment("hello", path))
    refused = airs.quick("validate", manifest.parent, check=False)
    assert refused.returncode == INVALID
    assert "hello.yaml:1:" in refused.stderr


def test_a_link_out_of_the_root_is_not_followed(airs: Airs, manifest: Path):
    outside = airs.folder.parent / "outside"
    os.rename(airs.folder / "01-hello" / "components" / "hello-1.0.0", outside)
    os.symlink(outside, airs.folder / "01-hello" / "components" / "hello-1.0.0")
    refused = airs.quick("validate", manifest.parent, check=False)
    assert refused.returncode == INVALID
    assert "hello.yaml:" in refused.stderr


def test_an_artifact_does_not_leave_its_components_folder(airs: Airs, manifest: Path):
    component = airs.folder / "01-hello" / "components" / "hello-1.0.0"
    (component / "hello.wasm").unlink()
    os.symlink("../hello-1.1.0/hello.wasm", component / "hello.wasm")
    refused = airs.quick("validate", manifest.parent, check=False)
    assert refused.returncode == INVALID
    toml = component / "Component.toml"
    (component / "hello.wasm").unlink()
    toml.write_text(toml.read_text().replace('"hello.wasm"', '"../hello-1.1.0/hello.wasm"'))
    refused = airs.quick("validate", manifest.parent, check=False)
    assert refused.returncode == INVALID
    assert "Component.toml:" in refused.stderr


def test_the_root_is_printed_and_can_be_named(airs: Airs, manifest: Path):
    assert f"root    {airs.folder / '01-hello'} (" in airs.quick("plan", manifest.parent).stdout
    narrow = airs.quick("validate", manifest.parent, "--root", manifest.parent, check=False)
    assert narrow.returncode == INVALID
    assert "01-hello/manifests" in narrow.stderr
    wide = airs.quick("plan", manifest.parent, "--root", airs.folder)
    assert "named with --root" in wide.stdout
    assert airs.quick("plan", manifest.parent, "--root", "/nowhere", check=False).returncode == USAGE
    assert airs.quick("plan", manifest.parent, "--root", "/usr", check=False).returncode == USAGE


# What a caller of the API may send

ONE = "/v1/deployments/default/hello"
HOSTILE: list[tuple[str, str, dict[str, Any], set[int]]] = [
    ("GET", "/", {}, {404}),
    ("GET", "/v1/deployments/", {}, {404}),
    ("GET", "/v1/deployments/default/hello/x/y/z", {}, {404}),
    ("GET", "/v1/deployments/%ff/%fe", {}, {400}),
    ("GET", "/v1/deployments/%00/x", {}, {400}),
    ("GET", "/v1/deployments/%zz/x", {}, {400}),
    ("GET", "/v1/deployments/default/" + "a" * 9000, {}, {400}),
    ("GET", "/v1/deployments/default/..%2f..", {}, {404}),
    ("PATCH", "/v1/agent", {}, {405}),
    ("POST", "/v1/deployments", {}, {405}),
    ("DELETE", "/v1/state", {}, {405}),
    ("NONSENSE", ONE, {}, {405}),
    ("POST", ONE + "/send", {"content": b"x" * ((1 << 20) + 1)}, {413}),
    ("POST", ONE + "/request", {"content": b"x" * (4 << 20)}, {413}),
    ("POST", ONE + "/request?timeout=nan", {"content": b""}, {400}),
    ("POST", ONE + "/request?timeout=1e999", {"content": b""}, {400}),
    ("POST", ONE + "/request?timeout=-1", {"content": b""}, {400}),
    ("POST", ONE + "/request?timeout=", {"content": b""}, {400}),
    ("POST", ONE + "/request?conversation=" + "a" * 300, {"content": b""}, {400}),
    ("POST", ONE + "/call", {"content": b""}, {400}),
    ("POST", ONE + "/call", {"content": b"\xff\xfe"}, {400}),
    ("POST", ONE + "/call", {"content": b"[" * 200_000}, {400}),
    (
        "POST",
        ONE + "/call",
        {"content": b'{"function": "f", "arguments": [' + b"[" * 5000 + b"]" * 5000 + b"]}"},
        {400},
    ),
    ("POST", ONE + "/call", {"content": b'{"function": 1, "arguments": []}'}, {400}),
    ("POST", ONE + "/call", {"content": b'{"function": "f", "arguments": [], "more": 1}'}, {400}),
    ("POST", ONE + "/call", {"content": b"x" * ((4 << 20) + 1)}, {413}),
    ("POST", ONE + "/rollback?to=-1", {}, {400}),
    ("POST", ONE + "/rollback?to=" + "9" * 40, {}, {400}),
    ("POST", ONE + "/rollback?to=%d9%a3", {}, {400}),
    ("POST", ONE + "/rollout/__class__", {}, {404}),
    ("POST", "/v1/apply", {"content": b""}, {400}),
    ("POST", "/v1/apply", {"content": b"[" * 200_000}, {400}),
    ("POST", "/v1/apply", {"content": b'{"formatVersion": "1.0"}'}, {400}),
    ("GET", "/v1/logs?deployment=%ff&follow=maybe", {}, {200}),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airs]:
    user = Airs(tmp_path_factory.mktemp("served"))
    try:
        user.run("apply", user.copy_example("01-hello") / "manifests")
        yield user
    finally:
        user.close()


def asked(served: Airs, method: str, path: str, body: bytes | None = None) -> Answer:
    connections = Connections(served.state_dir / "agent.sock")
    try:
        return connections.ask(method, path, body, 30)
    finally:
        connections.close()


@pytest.mark.parametrize(
    ("method", "path", "more", "answers"),
    HOSTILE,
    ids=[f"{number}-{method}-{path[:40]}" for number, (method, path, _, _) in enumerate(HOSTILE)],
)
def test_what_is_wrong_is_answered_with_a_reason(
    served: Airs, method: str, path: str, more: dict[str, Any], answers: set[int]
):
    answer = asked(served, method, path, more.get("content"))
    assert answer.status in answers
    assert answer.status in STATUSES
    if answer.status >= 400:
        assert json.loads(answer.content)["summary"]
        assert len(answer.content) < 2_000


RAW = [
    b"garbage\r\n\r\n",
    b"GET /v1/agent HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"GET /v1/\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /v1/apply HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"CONNECT x:1 HTTP/1.1\r\nHost: a\r\n\r\n",
]


@pytest.mark.parametrize("data", RAW, ids=range(len(RAW)))
def test_what_is_no_http_is_no_fault_of_the_agent(served: Airs, data: bytes):
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(10)
        raw.connect(str(served.state_dir / "agent.sock"))
        raw.sendall(data)
        answer = raw.recv(1000)
    assert answer.startswith(b"HTTP/1.1 4")
    assert served.quick("request", "hello", "Ada").stdout == "Hello, Ada!\n"


SEND = b"POST /v1/deployments/default/hello/request HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
HIDDEN = b"DELETE /v1/deployments/default/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
UNCLEAR = {
    "both": SEND + b"Content-Length: %d\r\n" % (5 + len(HIDDEN)) + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
    "both, the other way round": SEND + CHUNKED + b"Content-Length: 3\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunks in HTTP/1.0": SEND.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
    "two lengths": SEND + b"Content-Length: 0\r\nContent-Length: 3\r\n\r\nAda" + HIDDEN,
    "two lengths in one": SEND + b"Content-Length: 0, 3\r\n\r\nAda" + HIDDEN,
    "two codings": SEND + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
    "another coding": SEND + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
}


@pytest.mark.parametrize("data", UNCLEAR.values(), ids=UNCLEAR.keys())
def test_a_request_whose_end_is_in_doubt_is_refused_and_nothing_after_it_is_read(served: Airs, data: bytes):
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(10)
        raw.connect(str(served.state_dir / "agent.sock"))
        raw.sendall(data)
        answer = b""
        while part := raw.recv(1000):  # until it hangs up
            answer += part
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert served.quick("request", "hello", "Ada").stdout == "Hello, Ada!\n"


def test_nothing_hostile_left_a_trace_of_a_bug(served: Airs):
    assert "Traceback" not in (served.state_dir / "agent.log").read_text()


def test_no_answer_holds_the_key(served: Airs):
    key = (served.state_dir / "key").read_bytes()
    paths = ("/v1/agent", "/v1/state", "/v1/deployments", "/v1/sources")
    answers = [asked(served, "GET", path).content for path in paths]
    assert not any(key in answer or key.hex().encode() in answer for answer in answers)
