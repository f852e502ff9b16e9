"""Every command that talks to an agent, against one agent that runs all examples; nothing here changes what runs."""

import json
import os
import stat
import subprocess
from collections.abc import Iterator

import pytest

from orchestrator import __version__
from orchestrator.contract.codes import INTERRUPTED
from tests.e2e.conftest import AIRS, Airs, deployment, wait_until

FAILED, USAGE, TIMED_OUT = 1, 64, 124


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airs]:
    user = Airs(tmp_path_factory.mktemp("stocked"))
    try:
        for example in ("01-hello", "02-counter", "03-calculator"):
            user.copy_example(example)
        user.copy_component("faulty")
        (user.folder / "faulty").mkdir()
        (user.folder / "faulty" / "faulty.yaml").write_text(deployment("faulty", "../components/faulty"))
        user.run("agent", "start")
        for folder in ("01-hello/manifests", "02-counter/manifests", "03-calculator/manifests", "faulty"):
            user.quick("apply", user.folder / folder)
        yield user
    finally:
        user.close()


def test_a_request_prints_the_reply_and_nothing_else(stocked: Airs):
    done = stocked.run("request", "hello", "Ada")
    assert (done.stdout, done.stderr) == ("Hello, Ada!\n", "")


def test_a_none_reply_prints_nothing_and_is_no_failure(stocked: Airs):
    done = stocked.quick("request", "faulty", "none")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_err_reply_goes_to_stderr(stocked: Airs):
    done = stocked.run("request", "faulty", "err the disk is full", check=False)
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert "the disk is full" in done.stderr


def test_a_namespace_may_be_written_out(stocked: Airs):
    assert stocked.quick("request", "default/hello", "Ada").stdout == "Hello, Ada!\n"


def test_a_request_that_is_not_answered_in_time_says_so(stocked: Airs):
    done = stocked.quick("request", "faulty", "sleep 1000", "--timeout", "50ms", check=False)
    assert (done.returncode, done.stdout) == (TIMED_OUT, "")
    assert "within 0.05s" in done.stderr


def test_sent_is_queued(stocked: Airs):
    done = stocked.quick("send", "faulty", "log sent by a test")
    assert (done.stdout, done.stderr) == ("", "queued\n")
    wait_until(lambda: "sent by a test" in stocked.quick("logs", "faulty").stdout)


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (("add", "-7", "-5"), -12),
        (("add", "2", "-5", "-o", "json"), -3),
        (("--timeout", "5s", "add", "1", "2"), 3),
        (("divide", "-9", "2"), -4),
        (("version",), "1.0.0"),
        (("evaluate", '{"sum": [1, 2.5, -3]}'), 0.5),
        (("divide-with-remainder", "7", "0"), None),
        (("round", "-2.5", '"down"'), -3),
    ],
)
def test_a_call_prints_its_result_as_json(stocked: Airs, arguments: tuple[str, ...], printed: object):
    done = stocked.quick("call", "calculator", *arguments)
    assert json.loads(done.stdout) == printed
    assert done.stderr == ""


def test_an_err_result_of_a_call_goes_to_stderr(stocked: Airs):
    done = stocked.quick("call", "calculator", "divide", "1", "0", check=False)
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert "division-by-zero" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ad", "1", "2"), "Did you mean add?"),
        (("add", "1"), "add is func(a: s32, b: s32) -> s32"),
        (("add", "1", "x"), "argument 2 is not JSON"),
        (("add", "1", '"x"'), "b"),
        (("add", "1", "2147483648"), "s32"),
    ],
)
def test_a_wrong_call_is_a_usage_error_that_says_what_is_right(stocked: Airs, arguments: tuple[str, ...], said: str):
    done = stocked.quick("call", "calculator", *arguments, check=False)
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert said in done.stderr


MISSING = [
    ("request", "nobody", "x"),
    ("send", "nobody", "x"),
    ("call", "nobody", "f"),
    ("status", "nobody"),
    ("get", "deployments", "nobody"),
    ("get", "instances", "nobody"),
    ("get", "revisions", "nobody"),
    ("history", "nobody"),
    ("logs", "nobody"),
    ("restart", "nobody"),
    ("delete", "nobody"),
    ("rollback", "nobody"),
    ("rollout", "status", "nobody"),
    ("rollout", "promote", "nobody"),
    ("rollout", "abort", "nobody"),
    ("rollout", "retry", "nobody"),
]


@pytest.mark.parametrize("command", MISSING, ids=" ".join)
def test_a_deployment_that_is_not_there_is_named(stocked: Airs, command: tuple[str, ...]):
    done = stocked.quick(*command, check=False)
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert "no deployment default/nobody" in done.stderr


def test_what_cannot_be_done_now_says_why(stocked: Airs):
    for command, why in (
        (("rollback", "hello"), "no earlier revision"),
        (("rollback", "hello", "--to", "9"), "no revision 9"),
        (("rollout", "promote", "hello"), "already serves"),
        (("rollout", "abort", "hello"), "airs rollback"),
        (("rollout", "retry", "hello"), "nothing to retry"),
        (("request", "calculator", "x"), "no actor"),
        (("call", "hello", "f"), "airs request"),
    ):
        done = stocked.quick(*command, check=False)
        assert done.returncode in (FAILED, USAGE)
        assert done.stdout == ""
        assert why in done.stderr


def test_deployments_are_an_array_of_flat_objects(stocked: Airs):
    found = {view["name"]: view for view in stocked.json("get", "deployments")}
    assert set(found) == {"hello", "counter", "calculator", "faulty"}
    hello = found["hello"]
    assert len(hello["revision"]) == 64
    wanted = {
        "kind": "Deployment",
        "namespace": "default",
        "version": "1.0.0",
        "phase": "running",
        "ready": 2,
        "replicas": 2,
    }
    assert wanted.items() <= hello.items()


@pytest.mark.parametrize(
    ("kind", "word"),
    [("deployments", "Deployment"), ("instances", "Instance"), ("revisions", "Revision"), ("sources", "Source")],
)
def test_every_kind_is_an_array_of_objects_with_kind_and_name(stocked: Airs, kind: str, word: str):
    found = stocked.json("get", kind)
    assert len(found) >= 4
    assert all(each["kind"] == word and each["name"] for each in found)
    text = stocked.quick("get", kind).stdout
    assert all((each.get("deployment") or each["name"]) in text for each in found)


def test_one_of_a_kind_can_be_asked_for(stocked: Airs):
    assert [view["name"] for view in stocked.json("get", "deployments", "hello")] == ["hello"]
    assert {view["deployment"] for view in stocked.json("get", "instances", "default/hello")} == {"hello"}
    assert [view["number"] for view in stocked.json("get", "revisions", "hello")] == [1]
    source = stocked.json("get", "deployments", "hello")[0]["source"]
    assert [view["name"] for view in stocked.json("get", "sources", source)] == [source]


def test_a_source_that_is_not_there_is_named(stocked: Airs):
    done = stocked.quick("get", "sources", "/nowhere", check=False)
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert "no source /nowhere" in done.stderr


def test_status_is_text_for_people_and_json_for_tools(stocked: Airs):
    text = stocked.quick("status").stdout
    assert text.splitlines()[0].split()[:4] == ["DEPLOYMENT", "VERSION", "REVISION", "PHASE"]
    assert {view["name"] for view in stocked.json("status")["deployments"]} == {
        "hello",
        "counter",
        "calculator",
        "faulty",
    }
    assert stocked.json("status", "hello")["name"] == "hello"
    assert "default/hello" in stocked.quick("status", "hello").stdout


def test_history_tells_where_a_revision_came_from(stocked: Airs):
    (first,) = stocked.json("history", "hello")
    assert (first["number"], first["version"], first["cause"], first["outcome"]) == (1, "1.0.0", "apply", "running")
    assert "created" in stocked.quick("history", "hello").stdout


def test_a_rollout_that_is_over_can_be_looked_at(stocked: Airs):
    assert stocked.json("rollout", "status", "hello")["phase"] == "succeeded"
    assert "succeeded" in stocked.quick("rollout", "status", "hello").stdout


def test_events_of_one_deployment_leave_out_the_others(stocked: Airs):
    lines = stocked.quick("events", "hello", "-o", "json").stdout.splitlines()
    assert {json.loads(line)["key"]["name"] for line in lines} == {"hello"}
    assert "default/counter" in stocked.quick("events").stdout


def test_logs_can_be_followed(stocked: Airs):
    following = stocked.background("logs", "faulty", "-f")
    stocked.quick("request", "faulty", "shout one two three")
    following.says("one two three")
    assert following.end() == INTERRUPTED
    line = [json.loads(line) for line in stocked.quick("logs", "faulty", "-o", "json").stdout.splitlines()][-1]
    assert (line["level"], line["text"]) == ("error", "one two three")


def test_events_can_be_followed_as_lines_of_json(stocked: Airs):
    following = stocked.background("events", "-f", "-o", "json")
    following.says("rollout-started")
    assert following.end() == INTERRUPTED
    assert all(json.loads(line) for line in following.stdout.splitlines())


def test_status_can_be_watched(stocked: Airs):
    watching = stocked.background("status", "-w")
    watching.says("default/hello")
    assert watching.end() == INTERRUPTED


def test_agent_status_names_process_socket_version_and_start(stocked: Airs):
    about = stocked.json("agent", "status")
    assert about["version"] == __version__
    assert about["socket"] == str(stocked.state_dir / "agent.sock")
    assert about["startedAt"].startswith("20")
    os.kill(about["pid"], 0)
    assert str(about["pid"]) in stocked.quick("agent", "status").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("-o", "json", "get", "deployments"),
        ("get", "-o", "json", "deployments"),
        ("get", "deployments", "-o", "json"),
        ("-o", "text", "get", "deployments", "-o", "json"),
        ("agent", "-o", "json", "status"),
        ("rollout", "-o", "json", "status", "hello"),
    ],
    ids=" ".join,
)
def test_global_options_stand_before_or_after_the_command(stocked: Airs, arguments: tuple[str, ...]):
    assert json.loads(stocked.run(*arguments).stdout)


def test_the_state_directory_may_be_named_anywhere(stocked: Airs):
    env = {"AIRS_STATE_DIR": "/nowhere"}
    assert stocked.run("--state-dir", stocked.state_dir, "request", "hello", "Ada", env=env).stdout == "Hello, Ada!\n"
    assert stocked.run("agent", "status", "--state-dir", stocked.state_dir, env=env).stdout.startswith("running")


def test_verbose_tells_what_is_asked_and_keeps_it_off_stdout(stocked: Airs):
    done = stocked.quick("-v", "request", "hello", "Ada")
    assert done.stdout == "Hello, Ada!\n"
    assert "POST /v1/deployments/default/hello/request" in done.stderr


@pytest.mark.parametrize("option", [[], ["--no-color"]])
def test_nothing_is_coloured_that_is_piped_or_may_not_be(stocked: Airs, option: list[str]):
    done = stocked.quick(*option, "status")
    assert "\x1b" not in done.stdout + done.stderr


def test_no_color_is_kept_on_a_terminal(stocked: Airs):
    def on_terminal(*arguments: str) -> str:
        command = " ".join([*AIRS, *arguments])
        env = stocked.env | {"TERM": "xterm-256color"}
        done = subprocess.run(
            ["script", "-qec", command, "/dev/null"], env=env, capture_output=True, text=True, check=True,
            stdin=subprocess.DEVNULL, cwd=stocked.folder,
        )  # fmt: skip
        return done.stdout

    assert "\x1b[32m" in on_terminal("status")
    assert "\x1b[3" not in on_terminal("--no-color", "status")


@pytest.mark.parametrize(
    "command", ["get deployments", "get deployments -o json", "status", "schema deployment", "--help"]
)
def test_a_reader_that_goes_away_is_no_traceback(stocked: Airs, command: str):
    line = f"{' '.join(AIRS)} {command} | true"
    done = subprocess.run(
        ["sh", "-c", line], env=stocked.env, cwd=stocked.folder, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


def test_a_second_agent_is_refused_and_told_who_is_there(stocked: Airs):
    pid = stocked.json("agent", "status")["pid"]
    done = stocked.quick("agent", "run", check=False)
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert f"process {pid} " in done.stderr
    again = stocked.quick("agent", "start")
    assert (again.stdout, f"process {pid} " in again.stderr) == ("", True)


def test_the_socket_and_the_state_are_the_users_own(stocked: Airs):
    assert stat.S_IMODE((stocked.state_dir / "agent.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE(stocked.state_dir.stat().st_mode) == 0o700
    files = [path for path in stocked.state_dir.rglob("*") if path.is_file()]
    assert files
    assert not [
        path for path in (stocked.state_dir / "key", stocked.state_dir / "agent.log") if path.stat().st_mode & 0o077
    ]


def test_the_agent_has_its_own_session_and_nothing_of_whoever_started_it(stocked: Airs):
    pid = stocked.json("agent", "status")["pid"]
    assert os.getsid(pid) == pid
    descriptors = {number: os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)}
    log = str(stocked.state_dir / "agent.log")
    assert descriptors == {0: "/dev/null", 1: log, 2: log}
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
