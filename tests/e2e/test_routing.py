"""Which instance takes a message, and whose storage it has: keys, instances by name, turns."""

import pytest

from orchestrator.contract.codes import FAILED, INVALID, USAGE

from .stage import COUNTER_GRANTS, Stage, wait_until

KEYED = {"routing": {"policy": "consistent-hash"}, "grants": COUNTER_GRANTS}
KEYS = [f"k{number}" for number in range(12)]


def whoever(stage: Stage, to: str) -> str:
    """Say which instance takes a message."""
    return stage.ask(to, "self").rsplit("/", 1)[1]


def names(stage: Stage, name: str = "one") -> list[str]:
    return [instance.name for instance in stage.view(name).instances if instance.ready]


def test_a_key_has_a_part_of_the_storage_of_its_own_wherever_it_is_handled(stage: Stage):
    stage.have("one", "faulty", replicas=3, **KEYED)
    for key in KEYS:
        stage.ask(f"default/one/{key}", f"store mine {key}")
    stage.ask("one", "store mine nobody's")
    for key in KEYS:
        assert stage.ask(f"default/one/{key}", "load mine") == key
        assert stage.ask(f"default/one/{key}", "keys") == "mine"
    assert stage.ask("one", "load mine") == "nobody's"
    stage.have("one", "faulty", replicas=1, **KEYED)
    wait_until(lambda: len(names(stage)) == 1)
    assert [stage.ask(f"default/one/{key}", "load mine") for key in KEYS] == KEYS
    stage.kill()
    stage.start()
    wait_until(lambda: stage.view("one").phase == "running")
    assert [stage.ask(f"default/one/{key}", "load mine") for key in KEYS] == KEYS


def test_a_key_can_be_named_like_another_keys_storage_and_sees_nothing_of_it(stage: Stage):
    stage.have("one", "faulty", replicas=2, **KEYED)
    stage.ask("default/one/a", "store b/c secret")
    assert stage.ask("default/one/a/b", "load c") == ""
    assert stage.ask("one", "load a/b/c") == ""
    assert stage.ask("one", "keys") == ""


def test_a_stateful_component_runs_in_several_instances_and_loses_no_update(stage: Stage):
    stage.have("one", "counter-1.0.0", replicas=3, **KEYED)
    load = stage.folder / "lines"
    load.write_text("increment\n" * 40)
    for key in KEYS[:6]:
        stage.run("send", f"default/one/{key}", "--lines", str(load))
    wait_until(lambda: all(stage.ask(f"default/one/{key}", "get") == "40" for key in KEYS[:6]))


def test_a_stateful_component_with_keys_is_rolled_out_as_a_canary(stage: Stage):
    canary = {"strategy": "canary", "steps": [{"weight": 50}, {"pause": {}}]}
    stage.have("one", "counter-1.0.0", replicas=2, **KEYED)
    for key in KEYS:
        stage.ask(f"default/one/{key}", "increment")
    stage.write("one", "counter-1.1.0", replicas=2, rollout=canary, **KEYED)
    stage.apply("--no-wait")
    stage.wait_for_rollout("one", "paused")
    for _ in range(3):
        for key in KEYS:
            stage.ask(f"default/one/{key}", "increment")
    stage.run("rollout", "promote", "one")
    stage.wait_for_rollout("one", "succeeded", "keeping")
    assert [stage.ask(f"default/one/{key}", "get") for key in KEYS] == ["count=4"] * len(KEYS)


def test_without_keys_it_may_not(stage: Stage):
    stage.write("one", "counter-1.0.0", replicas=2, grants=COUNTER_GRANTS)
    said = stage.apply(code=INVALID).said
    assert "must be 0 or 1, not 2" in said
    assert "consistent-hash" in said


def test_an_instance_is_addressed_by_its_name(stage: Stage):
    stage.have("one", "faulty", replicas=3)
    for name in names(stage):
        for _ in range(3):
            assert whoever(stage, f"default/one/{name}") == name
    gone = stage.run("request", "default/one/nobody", "self", code=FAILED)
    assert "target-not-found: default/one has no instance nobody" in gone.err


def test_a_guest_addresses_keys_and_what_it_answers_to_finds_the_key_again(stage: Stage):
    stage.write("one", "faulty", replicas=2, **KEYED)
    stage.write("sender", "faulty", grants={"messaging.send": ["default/one"]})
    stage.apply()
    assert stage.ask("default/one/k7", "self") == "default/one/k7"


def test_each_in_its_turn_and_conversations_with_one(stage: Stage):
    stage.have("one", "faulty", replicas=3, routing={"policy": "round-robin"})
    turns = [whoever(stage, "one") for _ in range(6)]
    assert turns[:3] == turns[3:]
    assert len(set(turns)) == 3
    said = stage.have("one", "faulty", replicas=3, routing={"policy": "consistent-hash", "by": "conversation"}).said
    assert "routing" in said
    for conversation in KEYS:
        told = {stage.run("request", "one", "self", "--conversation", conversation).out for _ in range(3)}
        assert len(told) == 1


@pytest.mark.parametrize("to", ["default/one/", "default//x", "default/one/a\tb"])
def test_an_address_that_is_none_is_refused(stage: Stage, to: str):
    stage.run("request", to, "x", code=USAGE)


def test_a_key_has_its_limits(stage: Stage):
    stage.have("one", "faulty", **KEYED)
    stage.run("request", f"default/one/{'k' * 257}", "x", code=USAGE)
    assert stage.ask(f"default/one/{'ü' * 256}", "echo x") == "x"
