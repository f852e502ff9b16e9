"""What the host cannot do, and what it can do in another way only, counts against no guest."""

from pathlib import Path

import wasmtime

from tests.runtime.test_async_exports import GUEST, LIFTS, WASI

from .stage import Stage, wait_until


def test_asynchronous_exports_of_a_wasi_guest_are_called_as_often_as_one_likes(stage: Stage):
    (stage.folder / "lifted.wasm").write_bytes(wasmtime.wat2wasm(GUEST.format(imports=WASI, lifted=LIFTS)))
    stage.run("init", str(stage.folder / "lifted.wasm"))
    stage.run("apply", str(stage.folder / "lifted.yaml"), "--yes", "--timeout", "60s")
    for _ in range(7):
        assert stage.run("call", "lifted", "at-once").out == "42\n"
        assert stage.run("call", "lifted", "yields").out == "43\n"
    assert stage.view("lifted").restarts == 0
    assert "trapped" in stage.run("call", "lifted", "traps", code=1).err


def take_artifacts_away(stage: Stage, away: Path) -> Path:
    """Have the agent start without the components that it has in its store; returns where they were."""
    artifacts = stage.state_dir / "artifacts" / "sha256"
    artifacts.rename(away)
    artifacts.mkdir()
    stage.forget_compiled()
    stage.start()
    return artifacts


def test_a_job_that_cannot_be_begun_is_tried_again_until_it_can(stage: Stage, tmp_path: Path):
    stage.write("one", "probe", job={"args": ["sleep", "600000"]})
    stage.apply("--no-wait")
    wait_until(lambda: [i.phase for i in stage.view("one").instances] == ["running"])
    stage.kill()
    away = tmp_path / "away"
    artifacts = take_artifacts_away(stage, away)
    wait_until(lambda: stage.events("one").count("exited") >= 2)
    assert stage.view("one").phase == "running"
    assert "host-fault" in stage.run("status", "one").out
    artifacts.rmdir()
    away.rename(artifacts)
    wait_until(lambda: [i.phase for i in stage.view("one").instances] == ["running"])
    stage.run("rollout", "abort", "one")


def test_what_cannot_be_started_for_want_of_its_artifact_is_tried_again_until_it_is_there(stage: Stage, tmp_path: Path):
    stage.have("one", "faulty", restart={"intensity": 0, "backoff": {"initial": "1ms", "max": "20ms"}})
    stage.stop()
    away = tmp_path / "away"
    artifacts = take_artifacts_away(stage, away)
    wait_until(lambda: stage.view("one").restarts >= 3)
    (instance,) = stage.view("one").instances
    assert instance.last_exit is not None
    assert instance.last_exit.kind.value == "host-fault"
    assert instance.phase != "gave-up"
    artifacts.rmdir()
    away.rename(artifacts)
    wait_until(lambda: stage.view("one").ready == 1)
    assert stage.ask("one", "calls") == "1"
