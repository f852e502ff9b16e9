"""`airs doctor` against real state directories, whole and broken in every way that we could think of."""

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import REPOSITORY, Airs, wait_until
from .test_commands_json import fits

KEPT = ("VERSION", "lineage", "key", "lock", "agent.log", "cache/key", "db/CURRENT", "db/IDENTITY", "db/LOCK")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory of an agent that ran 01-hello and was stopped."""
    user = Airs(tmp_path_factory.mktemp("whole"))
    try:
        user.run("apply", user.copy_example("01-hello") / "manifests")
        user.run("agent", "stop")
    finally:
        user.close()
    return user.state_dir


@pytest.fixture
def stopped(airs: Airs, whole: Path) -> Airs:
    """A user with a copy of that state."""
    shutil.copytree(whole, airs.state_dir)
    return airs


def looked_at(user: Airs, state_dir: Path | None = None) -> tuple[int, dict[str, dict[str, str]]]:
    """Ask with `-o json`; return the exit code, and the worst finding about each thing."""
    arguments = [] if state_dir is None else ["--state-dir", str(state_dir)]
    done = user.quick("doctor", "-o", "json", *arguments, check=False)
    assert not done.stderr, done.stderr
    document = json.loads(done.stdout)
    fits("doctor", document)
    assert document["healthy"] == (done.returncode == 0)
    found: dict[str, dict[str, str]] = {}
    for finding in document["state"]:
        if finding["verdict"] != "ok" or finding["about"] not in found:
            found[finding["about"]] = finding
        assert finding["verdict"] == "ok" or finding["suggestion"]
    return done.returncode, found


def problems(user: Airs) -> set[str]:
    code, found = looked_at(user)
    wrong = {about for about, finding in found.items() if finding["verdict"] == "problem"}
    assert code == (1 if wrong else 0)
    return wrong


def everything_in(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    return {str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes()) for path in files}


def test_without_a_state_everything_is_well_and_nothing_is_made(airs: Airs):
    done = airs.run("doctor")
    assert "Nothing is wrong" in done.stdout
    assert "fast path: on" in done.stdout
    assert f"python: {platform.python_version()}, " in done.stdout
    assert "a component was compiled and called" in done.stdout
    assert not airs.state_dir.exists()


def test_a_stopped_agents_state_is_well_and_stays_as_it_is(stopped: Airs):
    before = everything_in(stopped.state_dir)
    code, found = looked_at(stopped)
    assert (code, {finding["verdict"] for finding in found.values()}) == (0, {"ok"})
    assert found["store"]["summary"].startswith("1 deployments")
    assert found["artifacts"]["summary"] == "1 in use, all whole"
    assert everything_in(stopped.state_dir) == before


def test_a_running_agent_is_named_and_not_disturbed(airs: Airs):
    airs.run("apply", airs.copy_example("01-hello") / "manifests")
    code, found = looked_at(airs)
    assert code == 0
    assert f"process {airs.client().about().pid}" in found["agent"]["summary"]
    assert found["store"]["summary"] == "in use by the agent, which answers"
    assert found["artifacts"]["summary"] == "1, all whole"
    assert airs.run("request", "hello", "Ada").stdout
    damaged_artifact(airs.state_dir)
    assert problems(airs) == {"artifacts"}


def test_an_agent_that_was_killed_leaves_a_socket_and_no_problem(airs: Airs):
    airs.run("agent", "start")
    os.kill(airs.client().about().pid, signal.SIGKILL)
    wait_until(lambda: looked_at(airs)[1]["agent"]["summary"] == "none runs")
    code, found = looked_at(airs)
    assert code == 0
    assert found["socket"]["verdict"] == "warning"
    airs.run("agent", "start")
    assert looked_at(airs)[1]["agent"]["summary"].startswith("runs")


HOLD = """
import fcntl, os, sys, socket
if len(sys.argv) > 3:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(sys.argv[3])
    listener.listen()
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(descriptor, fcntl.LOCK_EX)
os.ftruncate(descriptor, 0)
os.pwrite(descriptor, sys.argv[2].encode(), 0)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("", "a process that has not said who it is"),
        ("\x00\xff garbage", "a process that has not said who it is"),
        ('{"pid": PID, "startedAt": "noon", "command": "airs up", "socket": "/x"}', "airs up"),
        ('{"pid": 4194999, "startedAt": "noon", "command": "airs up", "socket": "/x"}', "is gone, and something"),
    ],
)
def test_a_lock_held_by_something_that_does_not_answer_is_a_problem(stopped: Airs, said: str, told: str):
    said = said.replace("PID", str(os.getpid())).replace("\x00", "?")
    command = [sys.executable, "-c", HOLD, str(stopped.state_dir / "lock"), said]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        code, found = looked_at(stopped)
        process.communicate("")
    assert code == 1
    assert found["agent"]["verdict"] == "problem"
    assert told in found["agent"]["summary"]
    assert found["store"]["verdict"] == "warning"
    assert problems(stopped) == set()


def newer(state: Path) -> None:
    (state / "VERSION").write_text("99\n")


def longer_than_numbers_go(state: Path) -> None:
    (state / "VERSION").write_text("9" * 10_000)


def random_version(state: Path) -> None:
    (state / "VERSION").write_bytes(b"\xff\xfe\x00")


def open_to_all(state: Path) -> None:
    state.chmod(0o777)


def key_of_others(state: Path) -> None:
    (state / "key").chmod(0o644)


def short_key(state: Path) -> None:
    (state / "key").write_bytes(b"short")


def key_is_a_pipe(state: Path) -> None:
    (state / "key").unlink()
    os.mkfifo(state / "key", 0o600)


def no_lineage(state: Path) -> None:
    (state / "lineage").unlink()


def no_version(state: Path) -> None:
    (state / "VERSION").unlink()


def lock_is_a_folder(state: Path) -> None:
    (state / "lock").unlink()
    (state / "lock").mkdir()


def cache_is_a_file(state: Path) -> None:
    (state / "cache").rename(state / "old")
    (state / "cache").write_text("not a folder")


def random_manifest(state: Path) -> None:
    (manifest,) = (state / "db").glob("MANIFEST-*")
    manifest.write_bytes(os.urandom(4_000))


def no_current(state: Path) -> None:
    (state / "db" / "CURRENT").unlink()


def endless_current(state: Path) -> None:
    (state / "db" / "CURRENT").unlink()
    (state / "db" / "CURRENT").symlink_to("/dev/zero")


def database_is_a_file(state: Path) -> None:
    (state / "db").rename(state / "old")
    (state / "db").write_text("not a folder")


def damaged_artifact(state: Path) -> None:
    (artifact,) = (state / "artifacts" / "sha256").iterdir()
    artifact.write_bytes(b"something else")


def artifact_is_a_pipe(state: Path) -> None:
    (artifact,) = (state / "artifacts" / "sha256").iterdir()
    artifact.unlink()
    os.mkfifo(artifact)


@pytest.mark.parametrize(
    ("harm", "about"),
    [
        (newer, {"format"}),
        (longer_than_numbers_go, {"format"}),
        (random_version, {"format"}),
        (no_version, {"format"}),
        (open_to_all, {"state directory"}),
        (key_of_others, {"key"}),
        (short_key, {"key"}),
        (key_is_a_pipe, {"key"}),
        (no_lineage, {"lineage"}),
        (lock_is_a_folder, {"agent"}),
        (cache_is_a_file, {"cache"}),
        (random_manifest, {"store"}),
        (no_current, {"store"}),
        (endless_current, {"store"}),
        (database_is_a_file, {"store"}),
        (damaged_artifact, {"artifacts"}),
        (artifact_is_a_pipe, {"artifacts"}),
    ],
)
def test_what_is_broken_is_named_and_nothing_else(stopped: Airs, harm: Callable[[Path], None], about: set[str]):
    harm(stopped.state_dir)
    assert problems(stopped) == about


def test_all_that_is_broken_is_named_at_once(stopped: Airs):
    for harm in (key_of_others, no_lineage, cache_is_a_file, random_manifest):
        harm(stopped.state_dir)
    assert problems(stopped) == {"key", "lineage", "cache", "store"}
    done = stopped.run("doctor", check=False)
    assert done.returncode == 1
    assert "4 problems" in done.stdout
    assert "chmod 600" in done.stdout


def test_a_cache_that_is_not_believed_is_worth_knowing_and_no_problem(stopped: Airs):
    (stopped.state_dir / "cache" / "key").chmod(0o644)
    (entry,) = (stopped.state_dir / "cache").glob("*.cwasm")
    entry.chmod(0o666)
    code, found = looked_at(stopped)
    assert (code, found["cache"]["verdict"]) == (0, "warning")


@pytest.mark.parametrize("name", KEPT)
def test_random_bytes_anywhere_end_in_findings(stopped: Airs, name: str):
    path = stopped.state_dir / name
    path.write_bytes(os.urandom(3_000))
    looked_at(stopped)


def test_a_file_where_the_state_should_be(airs: Airs):
    airs.state_dir.write_bytes(os.urandom(100))
    assert problems(airs) == {"state directory"}
    code, found = looked_at(airs, airs.state_dir / "below")
    assert code == 1
    assert "cannot be made" in found["state directory"]["summary"]


def test_a_folder_of_something_else_is_not_taken_for_a_state(airs: Airs):
    airs.state_dir.mkdir(mode=0o700)
    (airs.state_dir / "letters.txt").write_text("dear …")
    assert problems(airs) == {"format"}


def test_a_path_too_long_for_a_socket_is_said_and_works(airs: Airs):
    long = airs.state_dir / ("x" * 120)
    code, found = looked_at(airs, long)
    assert code == 0
    long.mkdir(parents=True, mode=0o700)
    code, found = looked_at(airs, long)
    assert (code, found["socket"]["verdict"]) == (0, "ok")
    assert "too long" in found["socket"]["detail"]


def test_limits_of_this_user_are_told(airs: Airs):
    command = f"ulimit -n 200 && ulimit -u 500 && exec {sys.executable} -m orchestrator doctor -o json"
    done = subprocess.run(
        ["bash", "-c", command], env=airs.env, capture_output=True, text=True, check=False, cwd=REPOSITORY
    )
    document = json.loads(done.stdout)
    found = {finding["about"]: finding["verdict"] for finding in document["machine"]}
    assert (found["open files"], found["processes and threads"]) == ("warning", "warning")
    assert (document["limits"]["openFiles"], document["limits"]["processes"]) == (200, 500)
    assert {"airs", "python", "wasmtime", "rocksdict", "git"} <= document["versions"].keys()


def test_an_agent_that_accepts_and_says_nothing_does_not_hold_it_up(stopped: Airs):
    command = [sys.executable, "-c", HOLD, str(stopped.state_dir / "lock"), "", str(stopped.state_dir / "agent.sock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert problems(stopped) == {"agent"}
        process.communicate("")
    code, found = looked_at(stopped)
    assert (code, found["agent"]["summary"], found["socket"]["verdict"]) == (0, "none runs", "warning")


def files_of(user: Airs, home: Path) -> dict[str, dict[str, str]]:
    """Return what is found of the operator's files: the worst about each."""
    done = user.quick("doctor", "-o", "json", "--config", home / "airs.toml", check=False)
    found: dict[str, dict[str, str]] = {}
    for finding in json.loads(done.stdout)["files"]:
        if finding["verdict"] != "ok" or finding["about"] not in found:
            found[finding["about"]] = finding
        assert finding["verdict"] == "ok" or finding["suggestion"], finding
    assert (done.returncode == 1) >= any(each["verdict"] == "problem" for each in found.values())
    return found


def verdicts(found: dict[str, dict[str, str]]) -> dict[str, str]:
    return {about: finding["verdict"] for about, finding in found.items()}


ALLOWS_ALL = "apiVersion: airs.dev/v1\nkind: Policy\nmetadata: {name: all}\nspec: {mode: permissive}\n"
LOGIN = json.dumps({"auths": {"registry.example.org": {"auth": "bWU6aHVudGVyMg=="}}})


def operator(user: Airs) -> Path:
    """Write every file that an operator may write, all of them right."""
    home = user.folder / "operator"
    (home / "secrets").mkdir(parents=True, mode=0o700)
    (home / "policies").mkdir()
    for name, text in {
        "secrets/api-key": "abc", "policies/all.yaml": ALLOWS_ALL, "docker.json": LOGIN, "git": "https://me:hunter2@git.example.org",
        "netrc": "machine files.example.org login me password hunter2",
    }.items():  # fmt: skip
        (home / name).write_text(text)
        (home / name).chmod(0o600)
    (home / "airs.toml").write_text(
        'policy = "policies"\n[secrets]\ndir = "secrets"\n[fetch]\nnetrc = "netrc"\n'
        '[registries."registry.example.org"]\ncredentials = "docker.json"\n'
        '[git."git.example.org"]\ncredentials = "git"\n'
    )
    user.state_dir.mkdir(mode=0o700, exist_ok=True)
    (user.state_dir / "trust.json").write_text('{"keys":[]}')
    (user.state_dir / "trust.json").chmod(0o600)
    return home


FILES = {
    "settings", "secrets", "policies", "credentials of registry.example.org", "git credentials of git.example.org",
    "netrc", "trusted keys",
}  # fmt: skip


def test_the_files_of_the_operator_are_well(airs: Airs):
    found = files_of(airs, operator(airs))
    assert verdicts(found) == dict.fromkeys(FILES, "ok")
    assert found["policies"]["summary"].startswith("1 policy in ")
    assert found["secrets"]["summary"].startswith("1 file in ")


@pytest.mark.parametrize(
    ("name", "harm", "about", "told"),
    [
        ("airs.toml", lambda file: file.chmod(0o666), "settings", "written by others"),
        ("airs.toml", lambda file: file.write_text("polici = 1\n"), "settings", "unknown key `polici`"),
        ("secrets", lambda folder: folder.chmod(0o777), "secrets", "others may write to"),
        ("secrets", lambda folder: folder.rename(folder.with_name("gone")), "secrets", "does not exist"),
        ("secrets/api-key", lambda file: file.chmod(0o644), "secrets", "others may read"),
        ("secrets/api-key", lambda file: file.write_bytes(b"\xff\0"), "secrets", "is not UTF-8"),
        ("policies", lambda folder: folder.rename(folder.with_name("gone")), "policies", "does not exist"),
        ("policies/all.yaml", lambda file: file.write_text("kind: Policy\n"), "policies", "cannot be used"),
        ("policies/all.yaml", lambda file: file.chmod(0o666), "policies", "written by everybody"),
        ("docker.json", lambda file: file.chmod(0o644), "credentials of registry.example.org", "mode 0600"),
        ("docker.json", lambda file: file.write_text("{}"), "credentials of registry.example.org", "has no login"),
        ("git", lambda file: file.unlink(), "git credentials of git.example.org", "does not exist"),
        ("netrc", lambda file: file.write_text("machine"), "netrc", "is no .netrc"),
        ("../state/trust.json", lambda file: file.write_text("x"), "trusted keys", "damaged"),
        ("../state/trust.json", lambda file: file.chmod(0o666), "trusted keys", "others could change"),
    ],
)
def test_a_file_of_the_operator_that_is_wrong_is_named(
    airs: Airs, name: str, harm: Callable[[Path], None], about: str, told: str
):
    home = operator(airs)
    path = airs.state_dir / "trust.json" if "trust" in name else home / name
    harm(path)
    found = files_of(airs, home)
    assert verdicts(found)[about] == ("warning" if told == "does not exist" and about == "secrets" else "problem")
    assert told in f"{found[about]['summary']} {found[about].get('detail', '')}"
    others = {other: verdict for other, verdict in verdicts(found).items() if other != about}
    assert set(others.values()) <= {"ok"}
    assert "hunter2" not in json.dumps(found)
