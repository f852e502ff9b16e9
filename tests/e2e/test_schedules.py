"""Jobs by schedule: run when they are due, never twice at once unless asked, made up for, and each run told of."""

from pathlib import Path
from typing import Any

import pytest

from .stage import Stage, wait_until

SECOND = "* * * * * *"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def job(stage: Stage, *words: str, data: Path | None = None, suspend: bool = False, **schedule: Any) -> None:
    """Write a job by schedule that does what its arguments say."""
    more: dict[str, Any] = {"grants": {"filesystem.write": [f"{data}/**"]}} if data else {}
    stage.write("one", "probe", job={"args": list(words), "schedule": SECOND, **schedule}, suspend=suspend, **more)


def runs(stage: Stage, **wanted: Any) -> list[dict[str, Any]]:
    found = stage.json("get", "runs", "one")
    return [run for run in found if all(run[name] == value for name, value in wanted.items())]


def test_it_is_run_when_it_is_due_and_each_run_is_told_of(stage: Stage, data: Path):
    job(stage, "add", f"{data}/runs", "ran", data=data, timeZone="Europe/Berlin")
    applied = stage.apply()
    assert "default/one is scheduled: * * * * * *, Europe/Berlin" in applied.err
    view = stage.view("one")
    assert view.job is not None
    assert view.phase in ("scheduled", "running")
    assert view.job.next_at % 1_000 == 0
    wait_until(lambda: len(runs(stage, exitCode=0)) > 1)
    first, second = runs(stage, exitCode=0)[:2]
    assert (first["cause"], first["output"]) == ("schedule", "written")
    assert second["dueAt"] - first["dueAt"] >= 1_000
    assert first["dueAt"] <= first["startedAt"] <= first["endedAt"]
    lines = (data / "runs").read_text().splitlines()
    assert len(lines) >= 2
    table = stage.run("get", "runs", "one").out
    assert "schedule" in table
    assert "exit code 0" in table
    assert "schedule   * * * * * *, Europe/Berlin, next 2" in stage.run("status", "one").out
    assert stage.history("one") == [(1, "1.0.0", "apply", "succeeded")], "a run is no revision"


def test_another_schedule_needs_no_new_revision_and_a_suspended_one_misses_nothing(stage: Stage, data: Path):
    job(stage, "add", f"{data}/runs", "ran", data=data)
    stage.apply()
    wait_until(lambda: runs(stage, exitCode=0))
    job(stage, "add", f"{data}/runs", "ran", data=data, suspend=True)
    stage.apply()
    wait_until(lambda: stage.view("one").phase == "suspended")
    before = len(runs(stage))
    job(stage, "add", f"{data}/runs", "ran", data=data, schedule="@yearly")
    plan = stage.run("plan", str(stage.manifests)).out
    assert "schedule-changed" in plan
    assert "1 to update" in plan
    stage.apply()
    assert stage.view("one").phase == "scheduled"
    assert len(runs(stage)) == before, "what came due while it was suspended is not made up for"
    asked = stage.run("run", "one")
    assert asked.code == 0
    (by_hand,) = wait_until(lambda: runs(stage, cause="request", exitCode=0))
    assert by_hand["by"] is not None


@pytest.mark.parametrize(("way", "told"), [("forbid", "skipped"), ("replace", "killed"), ("allow", "at work")])
def test_one_that_is_due_while_the_one_before_is_at_work(stage: Stage, way: str, told: str):
    job(stage, "spin", concurrency=way)
    stage.apply()

    def seen() -> bool:
        found = runs(stage)
        if way == "forbid":
            return any("still at work" in run["skipped"] for run in found)
        if way == "replace":
            return any(run["message"].startswith("cancelled") or "killed" in run["message"] for run in found)
        return sum(not run["endedAt"] for run in found) > 1

    wait_until(seen, told)
    at_work = [run for run in runs(stage) if not run["endedAt"]]
    assert len(at_work) <= 1 or way == "allow"
    job(stage, "spin", concurrency=way, suspend=True)
    stage.apply()


def test_a_run_that_kill_cuts_off_is_told_apart_and_made_up_for(stage: Stage):
    job(stage, "spin", concurrency="forbid")
    stage.apply()
    cut = wait_until(lambda: [run for run in runs(stage) if run["startedAt"] and not run["endedAt"]])[0]
    stage.kill()
    stage.start()
    told = wait_until(lambda: [run for run in runs(stage, number=cut["number"]) if run["endedAt"]])[0]
    assert "cut off" in told["message"]
    again = wait_until(lambda: [run for run in runs(stage) if run["number"] > cut["number"] and run["startedAt"]])
    assert again[0]["dueAt"] >= cut["dueAt"]


def test_a_run_that_fails_is_shown_with_what_it_printed_and_the_next_one_is_run_all_the_same(stage: Stage):
    job(stage, "say", "so it ends", ";", "exit", "3")
    stage.apply()
    wait_until(lambda: len(runs(stage, exitCode=3)) > 1)
    assert "so it ends" in stage.run("get", "runs", "one").out
    view = stage.view("one")
    assert "its last run failed: exit code 3" in view.message
    ready = next(each for each in stage.json("status", "one")["conditions"] if each["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "LastRunFailed")
