"""Forges and people are told what became of each commit and deployment: once for each transition, whatever happens."""

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from itertools import pairwise

import pytest

from orchestrator.contract.codes import FAILED
from orchestrator.notify.signatures import standard_signature
from orchestrator.store.state_dir import holder
from tests.notify.forge import ForgeServer

from .conftest import COMPONENTS, EXAMPLES, Airs, deployment, git, wait_until
from .test_git import Repository

HOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
QUICK = {"restart": {"intensity": 1, "backoff": {"initial": "1ms", "max": "1ms"}}}


def settings(url: str) -> str:
    forges = "".join(
        f'[[forges]]\nname = "{kind}"\nkind = "{kind}"\nurl = "{url}"\nrepository = "shop/deploy"\n'
        f'token-file = "{kind}.token"\nlink = "https://dash.example.org/{{source}}?at={{commit}}"\nper-minute = 1000\n'
        for kind in ("github", "gitlab", "gitea")
    )
    return (
        forges
        + f"""
[[forges]]
name = "note"
kind = "git-note"
per-minute = 1000

[[notifications]]
name = "ops"
kind = "webhook"
url = "{url}/events"
secret-file = "ops.secret"
link = "https://dash.example.org/{{namespace}}/{{name}}"
per-minute = 1000

[[notifications]]
name = "chat"
kind = "slack"
url-file = "chat.url"
events = ["deployment-failed", "rolled-back", "source-failed", "source-recovered"]
per-minute = 1000
"""
    )


class Told:
    """A user whose agent tells a server on loopback of what happens in a repository."""

    def __init__(self, airs: Airs) -> None:
        self.airs, self.server = airs, ForgeServer()
        airs.state_dir.mkdir(mode=0o700)
        for kind in ("github", "gitlab", "gitea"):
            self.private(f"{kind}.token", f"{kind}-token\n")
        self.private("ops.secret", HOOK_SECRET)
        self.private("chat.url", f"{self.server.url}/services/T0/B0/hush")
        (airs.state_dir / "airs.toml").write_text('policy = "../policies"\n' + settings(self.server.url))
        policies = airs.state_dir.parent / "policies"
        policies.mkdir()
        rule = {"approve": {"storage.write": ["self"]}}
        said = {"apiVersion": "airs.dev/v1", "kind": "Policy", "metadata": {"name": "careful"}, "spec": rule}
        (policies / "careful.yaml").write_text(json.dumps(said))
        self.repository = Repository(airs.folder)
        self.first = self.repository.push()
        self.base = self.repository.manifest.read_text()
        airs.run("agent", "start")
        airs.run("source", "add", self.repository.place, "--interval", "100ms", "--name", "shop")

    def private(self, name: str, text: str) -> None:
        file = self.airs.state_dir / name
        file.touch(mode=0o600)
        file.write_text(text)

    def write(self, name: str, text: str) -> None:
        (self.repository.manifest.parent / name).write_text(text)

    def push(self, *edits: tuple[str, str]) -> str:
        """Push the first manifest with edits; returns the commit."""
        text = self.base
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        self.repository.manifest.write_text(text)
        clone = self.repository.clone
        git(clone, "add", "--all")
        git(clone, "commit", "--quiet", "--allow-empty", "--message", "change")
        git(clone, "push", "--quiet", "origin", "main")
        return git(clone, "rev-parse", "HEAD")

    def wait_for(self, sha: str, state: str, kinds: tuple[str, ...] = ("github", "gitlab", "gitea")) -> None:
        words = {"gitlab": {"failure": "failed"}}
        for kind in kinds:
            wanted = words.get(kind, {}).get(state, state)
            wait_until(lambda kind=kind, wanted=wanted: self.server.states(kind, sha)[-1:] == [wanted])

    def note(self, sha: str) -> str:
        return git(self.repository.bare, "log", "--notes=airs", "--format=%N", "-1", sha)

    def kill(self) -> None:
        owner = holder(self.airs.state_dir)
        assert owner is not None
        os.kill(owner.pid, signal.SIGKILL)
        wait_until(lambda: holder(self.airs.state_dir) is None)

    def start(self) -> None:
        self.airs.run("agent", "start")

    def receiver(self, name: str) -> dict[str, object]:
        return next(each for each in self.airs.json("agent", "status")["receivers"] if each["name"] == name)


def of_each_transition_there_was_one_word(server: ForgeServer) -> None:
    for kind in ("github", "gitlab"):  # gitea is told by hand as well
        name = "name" if kind == "gitlab" else "context"
        states = [(each.sha, each.body[name], each.body["state"]) for each in server.of(kind)]
        assert len(states) == len({*states})
    seen_of: dict[str, list[tuple[str, ...]]] = {}
    for each in server.of("events"):
        data = each.body["data"]
        about = tuple(data.get(name, "") for name in ("event", "revision", *(["commit"] * ("namespace" not in data))))
        seen_of.setdefault(each.body["subject"], []).append(about)
    repeated = {
        subject: seen for subject, seen in seen_of.items() if any(one == other for one, other in pairwise(seen))
    }
    assert repeated.keys() <= {"test"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    user = Airs(tmp_path_factory.mktemp("told"))
    made = None
    try:
        made = Told(user)
        yield made
        assert made.server.wrong == []
        of_each_transition_there_was_one_word(made.server)
    finally:
        user.close()
        if made is not None:
            made.server.close()


def test_a_commit_that_is_in_force_is_a_success_at_every_forge(told: Told):
    told.wait_for(told.first, "success")
    github = told.server.of("github", told.first)[-1].body
    assert github == {
        "state": "success", "context": "airs/shop", "description": "1 deployment in force",
        "target_url": f"https://dash.example.org/shop?at={told.first}",
    }  # fmt: skip
    assert told.server.of("gitlab", told.first)[-1].body["name"] == "airs/shop"
    wait_until(lambda: "airs/shop: success" in git(told.repository.bare, "log", "--notes=airs", "-1", "main"))
    wait_until(lambda: "1 deployment in force" in told.note(told.first))
    wait_until(lambda: told.server.events("default/hello")[:1] == ["deployment-ready"])


def test_an_event_is_a_signed_cloud_event(told: Told):
    wait_until(lambda: told.server.events("default/hello"))
    event = next(each for each in told.server.of("events") if each.body["subject"] == "default/hello")
    headers = {name.lower(): value for name, value in event.headers.items()}
    signature = standard_signature(HOOK_SECRET, headers["webhook-id"], int(headers["webhook-timestamp"]), event.raw)
    assert headers["webhook-signature"] == signature
    assert headers["webhook-id"] == event.body["id"]
    assert event.body["source"].startswith("urn:airs:")
    assert event.body["data"] == {
        "event": "deployment-ready", "source": "shop", "commit": told.first, "namespace": "default",
        "deployment": "hello", "version": "1.0.0", "revision": event.body["data"]["revision"],
        "message": "1.0.0 is Ready", "link": "https://dash.example.org/default/hello",
    }  # fmt: skip


def test_a_wrong_manifest_fails_its_commit_and_the_next_one_recovers(told: Told):
    before = len(told.server.events("shop"))
    broken = told.push(("replicas: 2", "replicsa: 2"))
    told.wait_for(broken, "failure")
    said = told.server.of("github", broken)[-1].body["description"]
    assert re.search(r"hello\.yaml:\d+:\d+: unknown key `replicsa`", said)
    wait_until(lambda: told.server.events("shop")[before:] == ["source-failed"])
    assert told.server.states("github", told.first)[-1] == "success"  # it says nothing of this one
    repaired = told.push(("replicas: 2", "replicas: 1"))
    told.wait_for(repaired, "success")
    wait_until(lambda: told.server.events("shop")[before:] == ["source-failed", "source-recovered"])
    lines = [
        f":warning: shop source-failed ({broken[:10]}): `",
        f":white_check_mark: shop source-recovered ({repaired[:10]}",
    ]
    wait_until(lambda: all(any(line in each.body["text"] for each in told.server.of("chat")) for line in lines))


def test_a_version_that_is_sent_back_fails_its_commit(told: Told):
    (told.repository.clone / "hello/components/faulty-init").mkdir()
    for file in (COMPONENTS / "faulty-init").iterdir():
        if file.is_file():
            (told.repository.clone / "hello/components/faulty-init" / file.name).write_bytes(file.read_bytes())
    told.write("new.yaml", deployment("new", "../components/faulty-init", **QUICK))
    bad = told.push()
    told.wait_for(bad, "failure")
    assert "default/new" in told.server.of("github", bad)[-1].body["description"]
    wait_until(lambda: told.server.events("default/new") in (["deployment-failed"], ["rolled-back"]))
    (told.repository.manifest.parent / "new.yaml").unlink()
    told.wait_for(told.push(), "success")


def test_a_commit_that_another_overtakes_is_not_left_pending(told: Told):
    told.wait_for(told.push(), "success")
    canary = "spec:\n  rollout: {strategy: canary, steps: [{weight: 50}, {pause: {}}]}\n"
    paused = told.push(("hello-1.0.0", "hello-1.2.0"), ("spec:\n", canary))
    told.wait_for(paused, "pending")
    wait_until(lambda: told.server.events("default/hello")[-1] == "rollout-paused")
    told.wait_for(told.push(), "success")
    wait_until(lambda: told.server.states("github", paused) == ["pending", "error"])
    wait_until(lambda: told.server.states("gitlab", paused) == ["pending", "canceled"])
    wait_until(lambda: "airs/shop: superseded at" in told.note(paused))


def test_a_capability_that_waits_for_a_person_is_told_of(told: Told):
    components = told.repository.clone / "hello/components"
    shutil.copytree(EXAMPLES / "02-counter/components/counter-1.0.0", components / "counter-1.0.0")
    grants = {"storage.read": ["self"], "storage.write": ["self"]}
    told.write("counter.yaml", deployment("counter", "../components/counter-1.0.0", grants=grants))
    waiting = told.push()
    told.wait_for(waiting, "failure")
    wait_until(lambda: told.server.events("default/counter") == ["approval-needed"])
    (event,) = [each for each in told.server.of("events") if each.body["subject"] == "default/counter"]
    assert event.body["data"]["message"] == "it waits for an approval of storage.write on self"
    told.airs.run("approve", "counter", "--reason", "reviewed")
    told.wait_for(waiting, "success")
    wait_until(lambda: told.server.events("default/counter") == ["approval-needed", "deployment-ready"])


def test_a_restart_repeats_nothing_and_forgets_nothing(told: Told):
    wait_until(lambda: not any(each["waiting"] for each in told.airs.json("agent", "status")["receivers"]))
    before = len(told.server.taken)
    told.kill()
    told.start()
    wait_until(lambda: told.airs.phase() == "running")
    assert told.airs.run("notify", "test", "ops").stderr == "ops was told of a test\n"  # behind all that was queued
    assert [(each.kind, each.body.get("type")) for each in told.server.taken[before:]] == [("events", "dev.airs.test")]
    for kind in ("github", "gitlab", "gitea", "events", "chat"):
        told.server.refusing[kind] = (503, {}, b"down for now")
    unheard = told.push(("replicas: 2", "replicas: 3"))
    wait_until(lambda: {"github", "gitlab", "gitea"} <= {*told.server.refused})
    told.kill()
    told.server.refusing.clear()
    told.start()
    told.wait_for(unheard, "success")
    assert told.server.states("github", unheard).count("success") == 1


def test_a_server_that_refuses_is_tried_again_when_it_says_and_everybody_can_see_why(told: Told):
    told.server.refusing["github"] = (429, {"Retry-After": "1"}, b'{"message": "slow \x1b[31mdown"}')
    commit = told.push(("hello-1.0.0", "hello-1.1.0"))
    told.wait_for(commit, "success", ("gitlab", "gitea"))  # which wait for nobody
    wait_until(lambda: told.receiver("github")["failures"])
    status = told.airs.quick("agent", "status").stdout
    host = told.server.url.removeprefix("http://")
    assert f'{host} answered 429: {{"message": "slow [31mdown"}}' in status
    code = told.airs.quick("doctor", "-o", "json", check=False)
    (finding,) = [each for each in json.loads(code.stdout)["state"] if each["about"] == "notify github"]
    assert (finding["verdict"], code.returncode) == ("problem", FAILED)
    told.server.refusing.clear()
    told.wait_for(commit, "success", ("github",))
    wait_until(lambda: not told.receiver("github")["failures"])
    listed = told.airs.quick("notify", "list").stdout
    assert "answered 429" in listed  # the last failure stays to be seen
    told_events = [json.loads(line) for line in told.airs.quick("events", "-o", "json").stdout.splitlines()]
    reasons = [each["reason"] for each in told_events if each["message"].startswith("github ")]
    assert reasons == ["notify-failing", "notify-works"]


def test_one_that_cannot_be_told_is_tried_by_hand(told: Told):
    commit = told.push()
    told.wait_for(commit, "success")
    assert f"{commit[:10]} of shop is success" in told.airs.run("notify", "test", "gitea").stderr
    told.private("chat.url", "javascript:alert(1)\n")
    refused = told.airs.run("notify", "test", "chat", check=False)
    assert refused.returncode == FAILED
    assert "chat.url holds no URL like https://" in refused.stderr
    assert "javascript" not in refused.stderr
    (told.airs.state_dir / "chat.url").unlink()
    assert "chat.url does not exist" in told.airs.run("notify", "test", "chat", check=False).stderr
    told.private("chat.url", f"{told.server.url}/services/T0/B0/hush")
    assert "There are: github, gitlab, gitea, note, ops, chat." in told.airs.run(
        "notify", "test", "nobody", check=False
    ).stderr  # fmt: skip
    log = (told.airs.state_dir / "agent.log").read_text()
    for secret in ("hush", "github-token", "gitlab-token", HOOK_SECRET.removeprefix("whsec_")):
        assert secret not in log


def test_a_commit_that_is_not_signed_as_it_should_be_fails(told: Told):
    head = told.push()
    told.wait_for(head, "success")
    signers = told.airs.folder / "signers"
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    signers.write_text(f'ada@example.org namespaces="git" {key}\n')
    verify = ("--verify", "head", "--signers", str(signers))
    told.airs.run("source", "add", told.repository.place, "--name", "strict", *verify, "--no-wait")

    def refused() -> bool:
        found = [each.body for each in told.server.of("github", head) if each.body["context"] == "airs/strict"]
        return bool(found) and found[0]["state"] == "failure" and "refused: " in found[0]["description"]

    wait_until(refused)
    wait_until(lambda: told.server.events("strict")[-1:] == ["source-failed"])
    wait_until(lambda: "airs/strict: failure" in told.note(head))
    assert "airs/shop: success" in told.note(head)
    told.airs.run("source", "remove", "strict", "--yes")
