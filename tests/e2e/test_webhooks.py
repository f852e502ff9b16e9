"""Pushes that are told to the agent's listener: noticed at once, and whatever strangers send, nothing else happens."""

import hashlib
import hmac
import json
import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from random import Random
from typing import Any

import pytest

from orchestrator.notify.signatures import standard_signature
from tests.e2e.conftest import Airs, wait_until
from tests.e2e.test_git import Repository
from tests.fetch.web import certificate

SECRET = "a secret of nobody else"
SETTINGS = """
[webhooks]
listen = "127.0.0.1:0"
max-bytes = "4MiB"
min-interval = "100ms"
"""
KINDS = ("github", "gitlab", "gitea", "forgejo", "generic")
HEADERS = {"github": "X-Hub-Signature-256", "gitea": "X-Gitea-Signature", "forgejo": "X-Forgejo-Signature",
           "generic": "X-Signature"}  # fmt: skip


def endpoint(kind: str) -> str:
    header = 'header = "X-Signature"\n' if kind == "generic" else ""
    return f'[[webhooks.endpoints]]\nname = "{kind}"\nkind = "{kind}"\nsecret-file = "{kind}.secret"\n{header}'


class Hooked:
    """A user whose agent follows a repository once an hour, and is told of pushes."""

    def __init__(self, airs: Airs) -> None:
        self.airs = airs
        airs.state_dir.mkdir(mode=0o700)
        for kind in KINDS:
            self.secret(kind, SECRET)
        (airs.state_dir / "airs.toml").write_text(SETTINGS + "".join(map(endpoint, KINDS)))
        self.repository = Repository(airs.folder)
        self.first = self.repository.push()
        airs.run("agent", "start")
        airs.run("source", "add", self.repository.place, "--interval", "1h", "--name", "shop")
        host, _, port = wait_until(lambda: self.view["listening"]).partition(":")
        self.address = (host, int(port))

    def secret(self, kind: str, text: str) -> None:
        file = self.airs.state_dir / f"{kind}.secret"
        file.touch(mode=0o600)
        file.write_text(text + "\n")

    @property
    def view(self) -> Any:
        return self.airs.json("agent", "status")["webhooks"]

    def of(self, kind: str) -> Any:
        return next(each for each in self.view["endpoints"] if each["name"] == kind)

    def post(self, kind: str, body: bytes = b"{}", secret: str = SECRET, **headers: str) -> int:
        connection = HTTPConnection(*self.address, timeout=20)
        try:
            connection.request("POST", f"/{kind}", body, {**signed(kind, body, secret), **headers})
            return connection.getresponse().status
        finally:
            connection.close()

    def say(self, *parts: bytes) -> bytes:
        """Say something raw and return the whole answer."""
        with socket.create_connection(self.address, 20) as connection:
            for part in parts:
                connection.sendall(part)
            answer = bytearray()
            while chunk := connection.recv(65_536):
                answer += chunk
        return bytes(answer)


def signed(kind: str, body: bytes, secret: str) -> dict[str, str]:
    if kind == "gitlab":
        return {"X-Gitlab-Token": secret}
    return {HEADERS[kind]: "sha256=" * (kind == "github") + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooked]:
    user = Airs(tmp_path_factory.mktemp("hooked"))
    try:
        yield Hooked(user)
    finally:
        user.close()


def test_a_push_that_is_told_is_noticed_though_the_interval_is_an_hour(hooked: Hooked):
    assert hooked.airs.version() == "1.0.0"
    hooked.repository.edit("hello-1.0.0", "hello-1.1.0")
    commit = hooked.repository.push()
    body = json.dumps({"ref": "refs/heads/main", "repository": {"clone_url": str(hooked.repository.bare)}}).encode()
    assert hooked.post("github", body, **{"X-GitHub-Event": "push"}) == 202
    wait_until(lambda: hooked.airs.json("get", "deployments")[0]["sourceRevision"] == commit)
    assert hooked.airs.version() == "1.1.0"


@pytest.mark.parametrize("kind", KINDS)
def test_each_forge_is_heeded_by_its_own_proof_alone(hooked: Hooked, kind: str):
    before = hooked.of(kind)
    assert hooked.post(kind, b'{"x": 1}') == 202
    assert hooked.post(kind, b'{"x": 1}', "another secret") == 401
    other = "github" if kind == "gitlab" else "gitlab"
    connection = HTTPConnection(*hooked.address, timeout=20)
    connection.request("POST", f"/{kind}", b"{}", signed(other, b"{}", SECRET))
    assert connection.getresponse().status == 401
    connection.close()
    now = hooked.of(kind)
    assert now["accepted"] == before["accepted"] + 1
    assert now["refused"]["wrong-signature"] == before["refused"].get("wrong-signature", 0) + 2
    assert now["acceptedAt"] > 0
    assert now["refusedAt"] > 0


def test_a_signing_token_of_gitlab_is_one_of_the_standard_webhooks(hooked: Hooked):
    now, body = int(time.time()), b'{"object_kind": "push"}'
    signature = standard_signature(SECRET, "m", now, body)
    headers = {"webhook-id": "m", "webhook-timestamp": str(now), "webhook-signature": signature}
    for expected in (202, 401):
        connection = HTTPConnection(*hooked.address, timeout=20)
        connection.request("POST", "/gitlab", body, headers)
        assert connection.getresponse().status == expected
        connection.close()
        headers["webhook-timestamp"] = str(now - 3_600)


def test_refusals_are_counted_and_told_now_and_then(hooked: Hooked):
    for _ in range(40):
        assert hooked.post("gitea", secret="no secret at all") == 401
    told = [json.loads(line) for line in hooked.airs.quick("events", "-o", "json").stdout.splitlines()]
    refused = [event["message"] for event in told if event["reason"] == "webhook-refused"]
    assert len(refused) in (1, 2, 3)  # one at once, then one a minute
    assert "refused a request of 127.0.0.1: wrong-signature" in refused[0]
    shown = hooked.airs.quick("agent", "status").stdout
    assert f"webhooks   http://{hooked.address[0]}:{hooked.address[1]}" in shown
    assert "/gitea (gitea) accepted" in shown
    log = (hooked.airs.state_dir / "agent.log").read_text()
    assert SECRET not in log
    assert log.count("webhook-refused") <= 3


def test_a_flood_is_one_look_after_another(hooked: Hooked):
    before = hooked.view
    for _ in range(60):
        assert hooked.post("forgejo", b"the same again") == 202

    def counted() -> bool:
        now = hooked.view
        return now["looks"] - before["looks"] + now["merged"] - before["merged"] >= 60

    wait_until(counted)
    assert hooked.view["merged"] > before["merged"]


def test_large_bodies_are_refused_before_they_are_read_and_signed_ones_need_not_be_kept(hooked: Hooked):
    large = b"x" * (3 << 20)  # more than is looked at for a hint
    assert hooked.post("github", large) == 202
    assert hooked.post("github", large[:-1], **{"X-Hub-Signature-256": "sha256=" + "0" * 64}) == 401
    head = b"POST /github HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256=" + b"0" * 64 + b"\r\n"
    assert hooked.say(head, b"Content-Length: 52428800\r\n\r\n").startswith(b"HTTP/1.1 413")
    chunk = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
    assert hooked.say(head, b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 5).startswith(b"HTTP/1.1 413")
    assert hooked.of("github")["refused"]["too-large"] == 2


HEAD = b"POST /gitlab HTTP/1.1\r\nHost: x\r\nX-Gitlab-Token: " + SECRET.encode() + b"\r\n"
RAW = {
    "chunked": (202, HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
    "http-1.0": (202, HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Content-Length: 2\r\n\r\n{}"),
    "no-body": (202, HEAD + b"\r\n"),
    "query": (202, HEAD.replace(b"/gitlab", b"/gitlab?a=b") + b"\r\n"),
    "pipelined": (202, (HEAD + b"Content-Length: 2\r\n\r\n{}") * 3),
    "continue": (100, HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"),
    "get": (405, HEAD.replace(b"POST", b"GET") + b"\r\n"),
    "connect": (404, b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"),
    "elsewhere": (404, HEAD.replace(b"/gitlab", b"/gitlab/..") + b"\r\n"),
    "absolute": (404, HEAD.replace(b"/gitlab", b"http://x/gitlab") + b"\r\n"),
    "no-host": (400, b"POST /gitlab HTTP/1.1\r\n\r\n"),
    "two-ends": (400, HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "two-lengths": (400, HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    "chunked-1.0": (400, HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "crumbs": (400, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 50_000),
    "bad-chunk": (400, HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "huge-length": (400, HEAD + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n"),
    "signed-length": (400, HEAD + b"Content-Length: +2\r\n\r\n{}"),
    "long-head": (431, HEAD + b"X: " + b"x" * 24_000 + b"\r\n\r\n"),
    "tls": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n"),
    "preface": (404, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
}


@pytest.mark.parametrize("name", RAW)
def test_whatever_is_said_is_answered_shortly_and_hung_up_on(hooked: Hooked, name: str):
    status, said = RAW[name]
    answer = hooked.say(said)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert answer.count(b"HTTP/1.1") == 1 + (status == 100)
    assert len(answer) < 400


def test_those_who_say_nothing_or_little_keep_nobody_out(hooked: Hooked):
    with ExitStack() as opened:
        for index in range(150):
            connection = opened.enter_context(socket.create_connection(hooked.address, 20))
            connection.sendall([b"", b"POST /git", HEAD, HEAD + b"Content-Length: 100\r\n\r\n{"][index % 4])
        assert hooked.post("github") == 202
    assert hooked.view["refused"]["crowded-out"] > 0
    assert hooked.airs.quick("request", "hello", "Ada").returncode == 0


def test_random_bytes_hurt_nobody(hooked: Hooked):
    for seed in range(int(os.environ.get("AIRS_SOAK_S", "0")) * 20 or 40):
        said = mutated(seed)
        with socket.create_connection(hooked.address, 20) as connection:
            connection.sendall(said)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65_536)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 "), said
    assert hooked.post("github") == 202


def mutated(seed: int) -> bytes:
    chance = Random(seed)
    said = bytearray(chance.choice([raw for _, raw in RAW.values()]))
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(said))
        said[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
    return bytes(said) if chance.random() < 0.9 else chance.randbytes(chance.randint(1, 2_000))


def test_a_secret_is_changed_without_a_restart(hooked: Hooked):
    hooked.secret("generic", f"another secret\n{SECRET}")
    wait_until(lambda: hooked.post("generic", secret="another secret") == 202)
    assert hooked.post("generic") == 202
    hooked.secret("generic", "another secret")
    wait_until(lambda: hooked.post("generic") == 401)
    (hooked.airs.state_dir / "generic.secret").chmod(0o644)
    wait_until(lambda: hooked.post("generic", secret="another secret") == 503)
    assert "must be yours and have mode 0600" in hooked.of("generic")["problem"]
    done = hooked.airs.quick("doctor", "-o", "json", check=False)
    findings = [each for each in json.loads(done.stdout)["state"] if each["about"] == "webhooks"]
    assert [each["verdict"] for each in findings] == ["ok", "problem"]
    (hooked.airs.state_dir / "generic.secret").chmod(0o600)
    hooked.secret("generic", SECRET)
    wait_until(lambda: hooked.post("generic") == 202)


def test_without_a_secret_nothing_listens_until_there_is_one_and_then_it_may_speak_tls(airs: Airs, tmp_path: Path):
    key, own = certificate(tmp_path)
    airs.state_dir.mkdir(mode=0o700)
    encrypted = f'certificate = "{own}"\nkey = "{key}"\n'
    misspelt = 'sources = ["shpo"]\n'
    (airs.state_dir / "airs.toml").write_text(SETTINGS + encrypted + endpoint("github") + misspelt)
    airs.run("agent", "start")
    closed = wait_until(lambda: airs.json("agent", "status")["webhooks"])
    assert closed["listening"] == ""
    shown = wait_until(lambda: "not listening: no webhook has a secret" in airs.quick("agent", "status").stdout)
    assert shown
    doctor = airs.quick("doctor", check=False)
    assert doctor.returncode == 1
    assert "nothing listens, so pushes are noticed late" in doctor.stdout
    assert "webhook github: there is no source shpo" in doctor.stdout
    secret = airs.state_dir / "github.secret"
    secret.touch(mode=0o600)
    secret.write_text(SECRET)
    host, _, port = wait_until(lambda: airs.json("agent", "status")["webhooks"]["listening"]).partition(":")
    context = ssl.create_default_context(cafile=str(own))
    connection = HTTPSConnection(host, int(port), timeout=20, context=context)
    connection.request("POST", "/github", b"{}", signed("github", b"{}", SECRET))
    assert connection.getresponse().status == 202
    connection.close()
