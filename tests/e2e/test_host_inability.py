"""What the host cannot do, and what it can do in another way only, counts against no guest."""

import shutil
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


def test_what_cannot_be_started_for_want_of_its_artifact_is_tried_again_until_it_is_there(stage: Stage, tmp_path: Path):
    stage.have("one", "faulty", restart={"intensity": 0, "backoff": {"initial": "1ms", "max": "20ms"}})
    stage.stop()
    artifacts, away = stage.state_dir / "artifacts" / "sha256", tmp_path / "away"
    artifacts.rename(away)
    artifacts.mkdir()
    shutil.rmtree(stage.state_dir / "cache")
    stage.start()
    wait_until(lambda: stage.view("one").restarts >= 3)
    (instance,) = stage.view("one").instances
    assert instance.last_exit is not None
    assert instance.last_exit.kind.value == "host-fault"
    assert instance.phase != "gave-up"
    artifacts.rmdir()
    away.rename(artifacts)
    wait_until(lambda: stage.view("one").ready == 1)
    assert stage.ask("one", "calls") == "1"
