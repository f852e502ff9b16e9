"""Secrets reach guests and nobody else: by variable, folder and sealed document; rotated, missing, wrong, searched for.

One agent for all, but for the busy one, which is killed.
"""

import base64
import json
import os
import signal
import stat
import subprocess
import threading
import urllib.parse
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from orchestrator.model.ids import DeploymentKey
from orchestrator.store.state_dir import holder
from tests.e2e.conftest import AIRS, Airs, deployment, wait_until

VARIABLE_VALUE = "from-a-variable-4711"


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airs]:
    """A user whose agent was started with a secret in a variable."""
    made = Airs(tmp_path_factory.mktemp("secrets"))
    made.copy_component("faulty")
    made.copy_component("probe-calls")
    started = {"AIRS_SECRET_GIVEN": VARIABLE_VALUE}
    try:
        made.run("agent", "start", env=started)
        yield made
    finally:
        made.close()


def put(user: Airs, name: str, value: str) -> Path:
    """Write a secret's file as an operator would: whole."""
    file = user.state_dir.parent / ".config/airs/secrets" / name
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.new")
    draft.write_text(value)
    draft.chmod(0o600)
    draft.rename(file)
    return file


def have(user: Airs, name: str, component: str = "faulty", check: bool = True, **spec: object) -> str:
    """Apply one deployment from a folder of its own; returns what was said."""
    folder = user.folder / name
    folder.mkdir(exist_ok=True)
    (folder / "one.yaml").write_text(deployment(name, f"../components/{component}", **spec))
    done = user.run("apply", folder, "--yes", check=check)
    return done.stdout + done.stderr


def env(user: Airs, name: str, variable: str) -> str:
    return user.quick("request", name, f"env {variable}", check=False).stdout.strip()


def reasons(user: Airs, name: str) -> list[str]:
    return [json.loads(line)["reason"] for line in user.quick("events", name, "-o", "json").stdout.splitlines()]


def test_an_actor_and_a_wasi_guest_find_their_secrets_in_variables(user: Airs):
    put(user, "api-key", "hunter2-in-a-file\n")
    secrets = ["api-key", {"name": "given", "env": "TOKEN"}]
    have(user, "actor", secrets=secrets, config={"plain": "yes"})
    assert env(user, "actor", "API_KEY") == "hunter2-in-a-file"
    assert env(user, "actor", "TOKEN") == VARIABLE_VALUE
    grants = {"filesystem.read": [], "filesystem.write": [], "network.connect": []}
    have(user, "wasi", "probe-calls", secrets=secrets, grants=grants)
    told = json.loads(user.quick("call", "wasi", "do", '"env"').stdout)
    assert sorted(told.split()) == ["API_KEY=hunter2-in-a-file", f"TOKEN={VARIABLE_VALUE}"]


def test_a_missing_secret_blocks_with_a_hint_and_is_taken_once_it_is_there(user: Airs):
    folder = user.folder / "late"
    said = have(user, "late", check=False, secrets=["late-key"])
    assert "! default/late   1.0.0   blocked because missing-secret" in said
    assert "secret late-key is not there" in said
    assert "AIRS_SECRET_LATE_KEY" in said
    assert "late/one.yaml:1" in said
    assert user.run("plan", folder, "--detailed-exitcode", check=False).returncode == 2
    assert user.phase("late") == "blocked"
    put(user, "late-key", "here-at-last")
    wait_until(lambda: env(user, "late", "LATE_KEY") == "here-at-last")


def test_a_changed_value_rolls_out_by_itself_and_a_missing_one_leaves_what_runs(user: Airs):
    file = put(user, "turning", "first-value")
    have(user, "turning", secrets=["turning"])
    put(user, "turning", "second-value")
    wait_until(lambda: env(user, "turning", "TURNING") == "second-value")
    revisions = [each for each in user.json("history", "turning") if each["kind"] == "Revision"]
    assert [each["reason"] for each in revisions] == ["created", "secrets-changed"]
    file.unlink()
    wait_until(lambda: "blocked" in reasons(user, "turning"))
    assert env(user, "turning", "TURNING") == "second-value"
    user.run("restart", "turning")
    assert env(user, "turning", "TURNING") == "second-value", "it is remembered while it is needed"


def test_a_wrong_value_is_rolled_back_and_the_old_one_goes_on(user: Airs):
    put(user, "orders", "echo well")
    have(user, "careful", secrets=[{"name": "orders", "env": "initialize"}])
    put(user, "orders", "err the-password-is-wrong")
    wait_until(lambda: "failed" in reasons(user, "careful"))
    assert user.phase("careful") == "running"
    user.run("restart", "careful")
    assert env(user, "careful", "initialize") == "echo well"


def test_a_guest_that_logs_its_secret_logs_something_else(user: Airs):
    put(user, "shouted", "loud-and-clear-secret")
    have(user, "shouting", secrets=["shouted"])
    user.quick("request", "shouting", "log it is loud-and-clear-secret, you know")
    wait_until(lambda: "it is (redacted), you know" in user.quick("logs", "shouting").stdout)


def test_a_sealed_secret_is_committed_opened_and_sealed_anew(user: Airs):
    folder = user.folder / "sealed"
    folder.mkdir()
    public = user.folder / "agent.pub"
    public.write_text(user.run("secret", "public-key").stdout)
    sealed = user.run("secret", "seal", "sealed-key", "--for", public, input="sealed-hunter2\n").stdout
    assert "sealed-hunter2" not in sealed
    (folder / "key.yaml").write_text(sealed)
    have(user, "sealed", secrets=["sealed-key"])
    assert env(user, "sealed", "SEALED_KEY") == "sealed-hunter2"
    user.run("secret", "rotate-key")
    assert user.run("secret", "rotate-key", "--drop-old", check=False).returncode == 1
    user.run("secret", "reseal", folder)
    assert (folder / "key.yaml").read_text() != sealed
    assert "No changes" in user.run("plan", folder).stdout, "the value is the same"
    have(user, "sealed", secrets=["sealed-key"])
    user.run("secret", "rotate-key", "--drop-old")
    lines = map(json.loads, user.run("audit", "show", "-o", "json").stdout.splitlines())
    noted = [entry for entry in lines if entry["subject"] == "sealing"]
    assert [entry["kind"] for entry in noted] == ["key-rotated", "keys-dropped"]
    assert noted[1]["facts"]["key"] == noted[0]["facts"]["key"]
    assert noted[1]["facts"]["dropped"] == noted[0]["facts"]["before"]
    assert noted[0]["by"]["uid"] == os.getuid()
    listed = {each["name"]: each for each in user.json("secret", "list", check=False)}
    assert listed["sealed-key"]["origin"] == "sealed"
    assert listed["sealed-key"]["usedBy"] == ["default/sealed"]
    (folder / "key.yaml").write_text(sealed)
    blocked = user.run("apply", folder, "--yes", check=False)
    assert blocked.returncode == 1
    assert "which is not this agent's" in blocked.stdout
    assert env(user, "sealed", "SEALED_KEY") == "sealed-hunter2", "what runs goes on"


def test_a_sealed_secret_is_bound_to_its_name(user: Airs):
    folder = user.folder / "bound"
    folder.mkdir()
    sealed = user.run("secret", "seal", "bound-key", input="bound-hunter2").stdout
    (folder / "key.yaml").write_text(sealed.replace("bound-key", "other-key"))
    said = have(user, "bound", check=False, secrets=["other-key"])
    assert "secret other-key is sealed for another secret" in said
    assert "bound-hunter2" not in said


def test_a_plan_made_before_a_secret_changed_is_refused(user: Airs):
    put(user, "saved", "value-then")
    folder, saved = user.folder / "saved", user.folder / "saved.plan"
    folder.mkdir()
    (folder / "one.yaml").write_text(deployment("saved", "../components/faulty", secrets=["saved"]))
    user.run("plan", folder, "--out", saved)
    assert "value-then" not in saved.read_text()
    put(user, "saved", "value-now")
    refused = user.run("apply", saved, check=False)
    assert refused.returncode == 1
    assert "a secret has changed since the plan was made" in refused.stderr


def test_an_agent_writes_no_core_and_hands_no_secret_to_its_children(user: Airs):
    owner = holder(user.state_dir)
    assert owner is not None
    limits = Path(f"/proc/{owner.pid}/limits").read_text()
    assert [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core")] == [["0", "0"]]
    assert int(Path(f"/proc/{owner.pid}/coredump_filter").read_text(), 16) == 0


def test_a_file_that_others_may_read_is_refused_by_name(user: Airs):
    file = put(user, "open", "open-hunter2")
    file.chmod(0o644)
    said = have(user, "open", check=False, secrets=["open"])
    assert f"secret open is in {file}, which others may read, run `chmod 600 {file}`" in said
    file.chmod(0o600)
    wait_until(lambda: env(user, "open", "OPEN") == "open-hunter2")


def test_a_rollback_brings_the_older_value_back_while_the_agent_remembers_it(user: Airs):
    put(user, "returning", "value-one")
    have(user, "returning", secrets=["returning"])
    put(user, "returning", "value-two")
    wait_until(lambda: env(user, "returning", "RETURNING") == "value-two")
    user.run("rollback", "returning")
    assert env(user, "returning", "RETURNING") == "value-one"
    user.run("agent", "stop")
    user.run("agent", "start", env={"AIRS_SECRET_GIVEN": VARIABLE_VALUE})
    wait_until(lambda: user.phase("returning") == "running")
    assert env(user, "returning", "RETURNING") == "value-two", "the agent knows no other any more, and says so"
    assert "secret-differs" in reasons(user, "returning")


# ---- the search ----

SEARCHED = {
    "file": 'Pä$$"w/o\\rd+%20 &x=1',  # every encoding of it differs
    "variable": 'variable?"secret"<1>',
    "sealed": 'sealed\\"secret/=+',
}


def encodings(value: str) -> dict[str, bytes]:
    raw = value.encode()
    return {
        "raw": raw,
        "base64": base64.b64encode(raw)[:-4],  # the last group depends on what follows
        "hex": raw.hex().encode(),
        "url-encoded": urllib.parse.quote(value, safe="").encode(),
        "JSON-escaped": json.dumps(value)[1:-1].encode(),
    }


def leaks(places: dict[str, bytes]) -> list[str]:
    return [
        f"{origin} as {encoding} in {place}"
        for place, content in places.items()
        for origin, value in SEARCHED.items()
        for encoding, needle in encodings(value).items()
        if needle in content or needle.upper() in content
    ]


def test_the_search_finds_what_it_searches_for():
    for origin, value in SEARCHED.items():
        for encoding, needle in encodings(value).items():
            assert f"{origin} as {encoding} in x" in leaks({"x": b"..." + needle + b"..."})
    assert len({needle for value in SEARCHED.values() for needle in encodings(value).values()}) == 15


def files_below(folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for path in folder.rglob("*"):
        try:
            if stat.S_ISREG(path.lstat().st_mode):
                found[str(path.relative_to(folder))] = path.read_bytes()
        except FileNotFoundError:  # the database put another in its place
            continue
    return found


class BusyAgent:
    """An agent that works with three secrets while it is asked everything, and is killed."""

    def __init__(self, user: Airs) -> None:
        self.user, self.said = user, {}
        self.folder = user.copy_example("11-secrets") / "manifests"
        user.copy_component("faulty").rename(self.folder.parent / "components/faulty")
        put(user, "signing-key", SEARCHED["file"])
        user.env["AIRS_SECRET_GIVEN"] = SEARCHED["variable"]

    def say(self, *arguments: str | Path, input: str | None = None, apart: bool = False) -> str:
        """Run a command, `apart` in a process with the user's environment, and keep what it prints."""
        run = partial(self.user.run, input=input) if apart or input else self.user.quick
        done = run(*arguments, check=False)
        self.said[f"{len(self.said)} airs {' '.join(map(str, arguments))}"] = (done.stdout + done.stderr).encode()
        return done.stdout

    def places(self) -> dict[str, bytes]:
        return self.said | files_below(self.user.state_dir)

    def kill(self) -> None:
        owner = holder(self.user.state_dir)
        assert owner is not None
        os.kill(owner.pid, signal.SIGKILL)
        wait_until(lambda: holder(self.user.state_dir) is None)


def test_no_file_of_the_state_and_no_output_of_a_busy_killed_agent_holds_a_secret(airs: Airs):
    busy = BusyAgent(airs)
    sealed = busy.say("secret", "seal", "sealed", input=SEARCHED["sealed"])
    (busy.folder / "sealed.yaml").write_text(sealed)
    spec = {"secrets": ["signing-key", "given", "sealed"], "delivery": "at-least-once", "mailbox": {"attempts": 1}}
    (busy.folder / "faulty.yaml").write_text(deployment("faulty", "../components/faulty", **spec))
    busy.say("plan", busy.folder, "--out", airs.folder / "saved.plan", apart=True)
    busy.say("apply", busy.folder, "--yes", "-v", apart=True)
    assert len(busy.say("request", "signer", "a message").strip()) == 64
    assert env(airs, "faulty", "GIVEN") == SEARCHED["variable"], "it works with all of them"
    assert env(airs, "faulty", "SEALED") == SEARCHED["sealed"]
    work(busy)
    busy.say("doctor", apart=True)
    assert leaks(busy.places()) == []
    busy.kill()
    assert leaks(busy.places()) == []
    busy.say("agent", "start", apart=True)
    assert len(busy.say("request", "signer", "a message").strip()) == 64
    put(airs, "signing-key", SEARCHED["file"] + "!")
    wait_until(lambda: "secrets-changed" in busy.say("history", "signer"))
    work(busy)
    busy.kill()
    assert leaks(busy.places() | {"saved.plan": (airs.folder / "saved.plan").read_bytes()}) == []


def work(busy: BusyAgent) -> None:
    """Use the agent from several sides, with failures, and read all that it tells."""
    signer = DeploymentKey(namespace="default", name="signer")
    asking = threading.Thread(target=lambda: [busy.user.client().request(signer, b"%d" % n) for n in range(200)])
    asking.start()
    for line in ("trap", "err no", "log hello", "shout out"):
        busy.say("request", "faulty", line)
    busy.say("send", "faulty", "trap")
    for command in (
        ("status",), ("status", "signer", "-o", "json"), ("plan", busy.folder, "-o", "json"), ("plan", busy.folder),
        ("secret", "list"), ("secret", "list", "-o", "json"), ("history", "signer", "-o", "json"),
        ("history", "signer", "--revision", "1", "-o", "json"), ("events", "-o", "json"), ("logs",),
        ("get", "dead-letters", "-o", "json"), ("get", "instances", "-o", "json"), ("config", "show"),
        ("get", "runs", "-o", "json"), ("get", "grants", "-o", "json"),
        *(("plan", busy.folder, "-o", form) for form in ("markdown", "sarif", "github")),
        ("agent", "status", "-o", "json"), ("validate", busy.folder), ("top", "--once"), ("audit", "show"),
    ):  # fmt: skip
        busy.say(*command)
    exported = json.loads(busy.say("state", "export"))["payload"]
    busy.said[f"{len(busy.said)} the exported state"] = zlib.decompress(base64.b64decode(exported))
    asking.join()


def test_no_command_line_takes_a_value(tmp_path: Path):
    done = subprocess.run([*AIRS, "secret", "seal", "name", "value"], capture_output=True, text=True, check=False)
    assert done.returncode == 64
