"""A deployment whose recorded history is damaged on the disk: it says so, and the others are served and updated."""

from orchestrator.store import keys
from orchestrator.store.database import Database

from .stage import Stage, greeting, wait_until

OTHERS = [f"d{number}" for number in range(9)]


def damage_history(stage: Stage, name: str) -> None:
    """Write something into the first row of a deployment's history that is no entry."""
    stage.stop()
    database = Database(stage.state_dir / "db")
    database.write([(keys.of_number(stage.key(name), 1), b"\x01\xc1damaged")], sync=True)
    database.close()
    stage.start()


def test_a_deployment_that_cannot_be_updated_stops_no_other_and_status_says_why(stage: Stage):
    for name in ("bad", *OTHERS):
        stage.write(name, "hello-1.0.0")
    stage.apply()
    damage_history(stage, "bad")
    wait_until(lambda: all(stage.is_running(name, "1.0.0") for name in ("bad", *OTHERS)))
    for name in ("bad", *OTHERS):
        stage.write(name, "hello-1.1.0")
    said = stage.apply(code=1).said
    assert "default/bad" in said
    assert "a Number cannot be read" in said
    for name in OTHERS:
        assert stage.ask(name, "Ada") == greeting("1.1.0", "Ada")
        assert stage.view(name).message == ""
    view = stage.view("bad")
    assert (view.phase, view.ending, view.version, view.ready) == ("degraded", "failed", "1.0.0", 1)
    assert "tried again in" in view.message
    assert "a Number cannot be read" in stage.run("status", "bad").out
    assert stage.ask("bad", "Ada") == greeting("1.0.0", "Ada")
    assert stage.events("bad").count("failed") == 1
    assert "a Number cannot be read" in stage.run("history", "bad", code=1).err
