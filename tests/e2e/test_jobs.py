"""Jobs: run once for each revision, run again by request, and what they end with."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .stage import LIMIT_S, ROOT, Ran, Stage, wait_until


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def have(stage: Stage, *words: str, code: int = 0, env: dict[str, str] | None = None, **spec: Any) -> Ran:
    """Apply a job that does what its arguments say."""
    stage.write("one", "probe", job={"args": list(words), "env": env or {}}, **spec)
    return stage.apply(code=code)


def noting(data: Path) -> tuple[list[str], dict[str, Any]]:
    """Return words that leave a line for each run, and the grant they need."""
    return ["add", f"{data}/runs", "ran"], {"grants": {"filesystem.write": [f"{data}/**"]}}


def runs(data: Path) -> int:
    return len((data / "runs").read_text().splitlines()) if (data / "runs").exists() else 0


def logged(stage: Stage) -> list[str]:
    return [json.loads(line)["text"] for line in stage.run("-o", "json", "logs", "one").out.splitlines()]


def test_apply_runs_it_to_its_end_and_then_it_has_succeeded(stage: Stage, data: Path):
    words, grants = noting(data)
    applied = have(stage, *words, **grants)
    assert "default/one ran 1.0.0 to its end" in applied.err
    assert runs(data) == 1
    view = stage.view("one")
    assert (view.phase, view.sync, view.job.exit_code) == ("succeeded", "applied", 0)
    assert view.job.started_at <= view.job.ended_at
    assert "exit 0" in stage.run("status", "one").out
    assert stage.history("one") == [(1, "1.0.0", "apply", "succeeded")]
    assert logged(stage) == ["written"]


def test_a_revision_is_run_once_however_often_it_is_applied_and_the_agent_restarted(stage: Stage, data: Path):
    words, grants = noting(data)
    have(stage, *words, **grants)
    assert "No changes" in stage.apply().out
    stage.stop()
    stage.start()
    wait_until(lambda: stage.view("one").phase == "succeeded")
    assert "No changes" in stage.apply().out
    stage.kill()
    stage.start()
    wait_until(lambda: stage.view("one").phase == "succeeded")
    assert runs(data) == 1
    have(stage, *words, env={"ANOTHER": "revision"}, **grants)
    assert runs(data) == 2


def test_one_that_fails_fails_the_apply_is_held_and_not_run_again_until_asked(stage: Stage, data: Path):
    words, grants = noting(data)
    failed = have(stage, *words, ";", "exit", "3", code=1, **grants)
    assert "default/one failed" in failed.err
    assert "exit code 3" in failed.err
    view = stage.view("one")
    assert (view.phase, view.sync, view.job.exit_code) == ("failed", "held", 3)
    assert "rejected-before" in stage.apply(code=1).out
    stage.kill()
    stage.start()
    assert "rejected-before" in stage.apply(code=1).out
    assert runs(data) == 1
    assert "exit code 3" in stage.run("rollout", "retry", "one", code=1).err
    wait_until(lambda: runs(data) == 2)
    wait_until(lambda: stage.view("one").phase == "failed")
    assert [outcome for _, _, _, outcome in stage.history("one")] == ["failed", "failed"]


ENDS = {
    "returns": ([], {}, 0, ""),
    "libc's exit": (["leave", "0"], {}, 0, ""),
    "its own code": (["exit", "42"], {}, 42, ""),
    "libc knows only failure": (["leave", "42"], {}, 1, ""),
    "traps": (["trap"], {}, 134, "trapped: wasm `unreachable` instruction executed"),
    "takes too long": (["spin"], {"timeout": "200ms"}, 124, "deadline: the call took longer than its timeout"),
    "burns its fuel": (["spin"], {"fuel": 1_000_000}, 137, "out-of-fuel"),
    "wants too much": (["grow", "64"], {}, 137, "memory: reached its memory limit"),
}


@pytest.mark.parametrize(("words", "limits", "code", "said"), ENDS.values(), ids=ENDS.keys())
def test_however_it_ends_status_apply_and_run_agree(stage: Stage, words: list[str], limits: Any, code: int, said: str):
    applied = have(stage, *words, code=min(code, 1), limits=limits)
    assert stage.view("one").job.exit_code == code
    ran = stage.run("run", "one", code=code)
    for text in (applied.err, ran.err):
        assert said in text
    assert [instance.name for instance in stage.view("one").instances] == []


def test_run_streams_what_it_prints_to_where_it_printed_it_and_keeps_it_in_the_log(stage: Stage):
    have(stage, "say", "first")
    ran = stage.run("run", "one", "--", "say", "to you", ";", "shout", "oh", ";", "say", "end")
    assert (ran.out, ran.err) == ("to you\nend\n", "oh\n")
    wait_until(lambda: sorted(logged(stage)) == ["end", "first", "oh", "to you"])
    assert "run-1 of 1.0.0: exit code 0" in stage.run("events", "one").out


def test_arguments_are_the_manifests_or_those_of_the_request_and_variables_those_of_both(stage: Stage):
    config = {"greeting": "hello", "name": "config"}
    have(stage, "args", ";", "env", env={"name": "job"}, config=config)
    assert stage.run("run", "one").out == "probe\nargs\n;\nenv\ngreeting=hello\nname=job\n"
    assert stage.run("run", "one", "--", "args", "-x", "--flag", "Ä").out == "probe\nargs\n-x\n--flag\nÄ\n"


def test_a_job_needs_no_job_section(stage: Stage):
    stage.write("one", "probe")
    stage.apply()
    assert stage.view("one").phase == "succeeded"


def test_what_is_printed_by_the_hundred_megabytes_reaches_whoever_runs_it(stage: Stage):
    have(stage)
    with subprocess.Popen(command(stage, "flood", "20"), stdout=subprocess.PIPE, env=environment()) as running:
        assert running.stdout is not None
        size = sum(len(part) for part in iter(lambda: running.stdout.read(1 << 16), b""))
    assert running.returncode == 0
    assert 20 << 20 <= size < (20 << 20) + 100


def test_one_who_does_not_read_holds_the_job_up_and_only_until_its_timeout(stage: Stage):
    have(stage, limits={"timeout": "2s"})
    with subprocess.Popen(command(stage, "flood", "100"), stdout=subprocess.PIPE, env=environment()) as running:
        wait_until(lambda: "deadline" in stage.run("events", "one").out)
        assert running.stdout is not None
        while running.stdout.read(1 << 20):
            pass
    assert running.returncode == 124


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_ends_with_whoever_asked_for_it(stage: Stage, number: int):
    have(stage)
    with running_for_long(stage) as running:
        running.send_signal(number)
        assert running.wait(LIMIT_S) == (130 if number == signal.SIGINT else -signal.SIGKILL)
        wait_until(lambda: not stage.view("one").instances)
    assert "killed: interrupted" in stage.run("events", "one").out


def test_a_run_at_work_is_seen_and_delays_nobody(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    have(stage)
    with running_for_long(stage), running_for_long(stage, 2), running_for_long(stage, 3):
        assert [i.phase for i in stage.view("one").instances] == ["running"] * 3
        assert stage.ask("hello", "Ada") == "Hello, Ada!"


def test_one_cut_off_by_the_end_of_the_agent_has_not_finished_and_is_run_again(stage: Stage, data: Path):
    words, grants = noting(data)
    stage.write("one", "probe", job={"args": [*words, ";", "spin"]}, **grants)
    stage.apply("--no-wait")
    for ends, times in ((stage.kill, 1), (stage.stop, 2)):
        wait_until(lambda times=times: runs(data) == times)
        assert stage.view("one").phase == "running"
        ends()
        stage.start()
    wait_until(lambda: runs(data) == 3)
    stage.run("delete", "one")
    wait_until(lambda: not stage.client.deployments())


def test_a_newer_revision_ends_the_one_that_is_running(stage: Stage):
    stage.write("one", "probe", job={"args": ["spin"]})
    stage.apply("--no-wait")
    wait_until(lambda: [i.phase for i in stage.view("one").instances] == ["running"])
    have(stage, "say", "done")
    assert stage.view("one").phase == "succeeded"
    assert "done" in logged(stage)


def test_aborting_and_suspending_end_a_run(stage: Stage):
    stage.write("one", "probe", job={"args": ["spin"]})
    stage.apply("--no-wait")
    wait_until(lambda: [i.phase for i in stage.view("one").instances] == ["running"])
    stage.have("one", "probe", job={"args": ["spin"]}, suspend=True)
    wait_until(lambda: not stage.view("one").instances)
    stage.write("one", "probe", job={"args": ["spin"]})
    stage.apply("--no-wait")
    wait_until(lambda: [i.phase for i in stage.view("one").instances] == ["running"])
    stage.run("rollout", "abort", "one")
    wait_until(lambda: stage.view("one").phase == "failed")
    assert not stage.view("one").instances


def test_what_depends_on_a_job_waits_until_it_has_succeeded(stage: Stage, data: Path):
    gate = data / "gate"
    words = ["cat", str(gate), ";", "exit", "1"]
    stage.write("one", "probe", job={"args": words}, grants={"filesystem.read": [f"{data}/**"]})
    stage.write("hello", "hello-1.0.0", dependsOn=["one"])
    stage.run("apply", str(stage.manifests), "--yes", "--timeout", "1s", code=None)
    assert [view.name for view in stage.client.deployments()] == ["one"]
    stage.write("one", "probe", job={"args": ["say", "ready"]})
    stage.apply()
    assert stage.is_running("hello", "1.0.0")


def test_going_back_runs_the_earlier_revision_again(stage: Stage):
    have(stage, "say", "first")
    have(stage, "say", "second")
    stage.run("rollback", "one")
    wait_until(lambda: logged(stage) == ["first", "second", "first"])


REFUSED = {
    "replicas": (
        {"replicas": 2},
        "`spec.replicas` makes no sense for component probe, which is a job: a job runs once",
    ),
    "health": ({"health": {"interval": "1s"}}, "`spec.health` makes no sense for component probe"),
    "rollout": ({"rollout": {"strategy": "recreate"}}, "`spec.rollout` makes no sense for component probe"),
    "restart": ({"restart": {"type": "temporary"}}, "`spec.restart` makes no sense for component probe"),
    "mailbox": ({"mailbox": {"capacity": 1}}, "`spec.mailbox` makes no sense for component probe"),
    "a NUL": ({"job": {"args": ["a\0b"]}}, "`spec.job.args[0]` is `a�b`, which is not text without NUL"),
    "a bad name": ({"job": {"env": {"A=B": "c"}}}, "which is not a variable's name"),
}


@pytest.mark.parametrize(("spec", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_makes_no_sense_for_a_job_is_refused_where_it_is_written(stage: Stage, spec: Any, said: str):
    stage.write("one", "probe", **spec)
    refused = stage.apply(code=65).said
    assert f"error: {said}" in refused or said in refused
    assert "/manifests/one.yaml:1" in refused
    assert not stage.client.deployments()


def test_a_job_section_on_what_is_no_job_is_refused_before_anything_changes(stage: Stage):
    stage.write("one", "hello-1.0.0", job={"args": []})
    refused = stage.apply(code=65).said
    assert "`spec.job` says how a job is run, but component hello is no job" in refused
    assert not stage.client.deployments()


def test_messages_restarts_and_runs_of_what_cannot_have_them_are_refused(stage: Stage):
    have(stage)
    stage.have("hello", "hello-1.0.0")
    assert "is a job, which takes no messages; `airs run default/one`" in stage.run("request", "one", "x", code=1).err
    assert "is a job" in stage.run("restart", "one", code=1).err
    assert "default/hello is no job" in stage.run("run", "hello", code=1).err
    assert "no deployment default/none" in stage.run("run", "none", code=1).err


def command(stage: Stage, *words: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "orchestrator",
        "--state-dir",
        str(stage.state_dir),
        "run",
        "one",
        "--",
        *words,
    ]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@contextmanager
def running_for_long(stage: Stage, number: int = 1) -> Iterator["subprocess.Popen[bytes]"]:
    """Run it so that it does not end, in a process of its own, from when it is at work."""
    begun = command(stage, "spin")
    with subprocess.Popen(begun, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()) as running:
        try:
            wait_until(lambda: sum(i.phase == "running" for i in stage.view("one").instances) == number)
            yield running
        finally:
            running.kill()
