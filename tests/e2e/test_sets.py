"""Which set an instance belongs to, and how far a rollout is, as status and a waiting command say it."""

from orchestrator.cli.waiting import progress
from tests.e2e.stage import Stage

CANARY = {"strategy": "canary", "steps": [{"weight": 50}, {"pause": {}}], "keepPrevious": "1h"}


def sets_of(stage: Stage) -> dict[str, str]:
    """Return the set of each instance, by the first digits of its revision."""
    lines = stage.run("status", "hello").out.splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith("INSTANCE"))
    rows = [line.split() for line in lines[at + 1 :] if line.strip()]
    return {row[0].partition("-")[0]: row[1] for row in rows}


def test_status_says_which_set_serves_which_is_new_and_which_is_kept_warm(stage: Stage):
    stage.have("hello", "hello-1.0.0", replicas=2)
    old = stage.view("hello").revision[:6]
    stage.write("hello", "hello-1.1.0", replicas=2, rollout=CANARY)
    stage.apply()
    view = stage.view("hello")
    assert view.rollout is not None
    new = view.rollout.target_revision[:6]
    assert sets_of(stage) == {old: "serving", new: "new"}
    assert "2/2 ready, new 2/2 ready, step 2 of 2" in progress(view)
    stage.run("rollout", "promote", "hello", "--full")
    assert sets_of(stage) == {new: "serving", old: "warm"}
