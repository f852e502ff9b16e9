"""Worlds of artifacts that are at hand: those that were inspected first, then the bytes; and nothing is guessed."""

from pathlib import Path

import pytest

from orchestrator.compiled.found import HELD_MAX, FoundWorlds
from orchestrator.model.world import Drive

COUNTER = Path(__file__).parents[2] / "examples/02-counter/components/counter-1.0.0/counter.wasm"


class Inspected:
    """Worlds that were kept, and which were asked for."""

    def __init__(self, **kept):
        self.kept, self.asked = kept, []

    def read(self, artifact):
        self.asked.append(artifact)
        return self.kept.get(artifact)


def test_the_bytes_tell_where_nothing_was_inspected():
    world = FoundWorlds(None, {"counter": COUNTER.read_bytes()}.get).world("counter")
    assert world is not None
    assert Drive.ACTOR in world.drives
    assert "airssys:core/storage@1.0.0" in {one.interface for one in world.imports}


def test_an_inspected_world_is_taken_before_the_bytes_and_remembered():
    inspected = Inspected(counter="a world")
    found = FoundWorlds(inspected, lambda _digest: pytest.fail("the bytes were read"))
    assert [found.world("counter") for _ in range(3)] == ["a world"] * 3
    assert inspected.asked == ["counter"]


def test_what_is_not_at_hand_or_cannot_be_read_is_not_known_and_may_come():
    kept = {"broken": b"\0asm not a component"}
    found = FoundWorlds(Inspected(), kept.get)
    assert found.world("counter") is None
    assert found.world("broken") is None
    kept["counter"] = COUNTER.read_bytes()
    assert found.world("counter") is not None


def test_a_bounded_number_is_held():
    inspected = Inspected(**{str(n): f"world {n}" for n in range(HELD_MAX + 1)})
    found = FoundWorlds(inspected, lambda _digest: None)
    for artifact in (*inspected.kept, "0"):
        found.world(artifact)
    assert inspected.asked.count("0") == 2
