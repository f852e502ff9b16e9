"""WASI guests that wait and cannot be interrupted: their callers are told in time, and others have their threads."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from orchestrator.contract.documents import Ended
from orchestrator.contract.problem import Failure
from orchestrator.model.ids import ComponentId
from orchestrator.runtime.engine.stuck import STUCK_MAX
from orchestrator.supervise.scheduler import JOBS_MAX

from .stage import LIMIT_S, Ran, Stage, wait_until

FOREVER_MS = "4000000"
SOON: dict[str, Any] = {"limits": {"timeout": "500ms"}}
FAST = {"restart": {"backoff": {"initial": "1ms", "max": "1ms"}, "intensity": 1000}}
DEADLINE = "deadline: the call took longer than its timeout; it still waits outside of the guest"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def job(stage: Stage, name: str, *words: str, **spec: Any) -> None:
    stage.write(name, "probe", job={"args": [*words]}, **(SOON | spec))


def do(stage: Stage, line: str, name: str = "one", code: int = 0) -> Ran:
    return stage.run("call", name, "do", json.dumps(line), code=code)


def do_when_ready(stage: Stage, line: str, name: str = "one", code: int = 0) -> Ran:
    wait_until(lambda: stage.view(name).ready, f"{name} to be ready")
    return do(stage, line, name, code)


def ran(stage: Stage, name: str) -> int:
    """Run a job as `airs run` does, on a connection of its own, and return its exit code."""
    client = stage.new_client()
    try:
        return next(told.exit_code for told in client.run(stage.key(name), None) if isinstance(told, Ended))
    finally:
        client.close()


def test_a_job_that_sleeps_ends_at_its_deadline_for_apply_run_and_status(stage: Stage):
    job(stage, "one", "say", "before", ";", "sleep", FOREVER_MS)
    assert DEADLINE in stage.apply(code=1).err
    assert stage.view("one").job.exit_code == 124
    again = stage.run("run", "one", code=124)
    assert again.out == "before\n"
    assert DEADLINE in again.err


def test_jobs_that_never_return_cost_their_deployment_only(stage: Stage):
    sleepers = [f"sleeper-{number}" for number in range(JOBS_MAX // STUCK_MAX + 1)]
    for name in sleepers:
        job(stage, name, "sleep", FOREVER_MS)
    job(stage, "other", "say", "well")
    stage.apply(code=1)  # each of them is stuck once
    with ThreadPoolExecutor(STUCK_MAX * 2) as callers:
        codes = [*callers.map(lambda name: ran(stage, name), sleepers * (STUCK_MAX - 1))]
    assert set(codes) == {124}
    refused = stage.run("run", sleepers[0], code=125)
    assert f"stuck-calls: {STUCK_MAX} calls of default/{sleepers[0]} outlived their timeout" in refused.err
    assert stage.run("run", "other").out == "well\n"


def test_an_instance_that_waits_is_given_up_and_another_serves(stage: Stage):
    stage.have("one", "probe-calls", **SOON, **FAST)
    assert DEADLINE in do(stage, f"sleep {FOREVER_MS}", code=1).err
    assert "args" in do_when_ready(stage, "args").out
    assert stage.lives("one")[0][1] == 1


def test_too_many_that_wait_end_their_deployment_until_some_return(stage: Stage, data: Path):
    stage.have("one", "probe-calls", grants={"filesystem.read": [f"{data}/**"]}, **SOON, **FAST)
    stage.have("other", "probe-calls", **SOON)
    fifos = [data.parent / f"fifo-{number}" for number in range(STUCK_MAX)]
    for fifo in fifos:
        wait_until(lambda: stage.view("one").ready, "an instance, which is given no directory with a FIFO in it")
        os.mkfifo(data / "fifo")  # which nobody writes into: opening it does not return
        assert DEADLINE in do(stage, f"cat {data}/fifo", code=1).err
        (data / "fifo").rename(fifo)
    wait_until(lambda: "stuck-calls" in stage.run("status", "one").out, "the refusal to be shown")
    assert "args" in do(stage, "args", "other").out
    for fifo in fifos:
        os.close(os.open(fifo, os.O_RDWR))  # whoever opened it goes on
    stage.run("restart", "one")
    assert "args" in do_when_ready(stage, "args").out


def test_a_health_check_that_waits_is_given_up(stage: Stage):
    health = {"interval": "1s", "timeout": "500ms", "call": {"function": "do", "args": [f"sleep {FOREVER_MS}"]}}
    stage.write("one", "probe-calls", health=health, restart={"intensity": 0}, **SOON)
    assert DEADLINE in stage.apply(code=1).said


def test_an_agent_stops_though_guests_wait(stage: Stage):
    stage.have("one", "probe-calls")
    job(stage, "two", "sleep", FOREVER_MS, limits={})
    stage.run("apply", str(stage.manifests), "--yes", "--no-wait")
    client = stage.new_client()
    with ThreadPoolExecutor(1) as callers:
        asked = callers.submit(client.call, ComponentId("default", "one", ""), "do", [f"sleep {FOREVER_MS}"], LIMIT_S)
        wait_until(lambda: stage.view("one").traffic.received > 0)
        assert "Stopped." in stage.run("agent", "stop", "--within", "1s").said
        with pytest.raises(Failure, match="the guest failed: killed"):
            asked.result()
    client.close()
    stage.wait_for_end()
