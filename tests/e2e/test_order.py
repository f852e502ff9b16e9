"""What depends on something starts after it and ends before it: as an agent starts, as it stops, as all is removed."""

import hashlib
import json

from .stage import Stage, wait_until

NAMES = ("base", "middle", "top")
STORAGE = {"storage.read": ["self"], "storage.write": ["self"]}


def have_three(stage: Stage, base: str = "faulty", **top: object) -> None:
    """Deploy three that say so when they start and stop, each needing the one before; names do not give the order."""
    for name, needs in zip(NAMES, ((), ("base",), ("middle",)), strict=True):
        orders = {"initialize": f"log {name} starts", "shutdown": f"log {name} stops"}
        more = top if name == "top" else {"config": orders}
        component = base if name == "base" else "faulty"
        stage.write(name, component, dependsOn=list(needs), **{"config": orders, **more})
    stage.apply()


def logged(stage: Stage) -> list[str]:
    lines = [json.loads(line)["text"] for line in stage.run("-o", "json", "logs").out.splitlines()]
    return [line for line in lines if line.endswith((" starts", " stops"))]


def all_ready(stage: Stage) -> bool:
    return all(stage.view(name).ready == 1 for name in NAMES)


def test_an_agent_that_starts_begins_with_what_others_need(stage: Stage):
    have_three(stage, base="slow-init")
    stage.kill()
    stage.start()
    wait_until(lambda: all_ready(stage))
    assert logged(stage) == [f"{name} starts" for name in NAMES]
    told = [json.loads(line) for line in stage.run("-o", "json", "events").out.splitlines()]
    assert sorted(event["key"]["name"] for event in told if event["reason"] == "resumed") == sorted(NAMES)


def test_an_agent_that_starts_does_not_wait_for_what_waits_itself(stage: Stage):
    have_three(stage, base="slow-init")
    stage.stop()
    artifact = hashlib.sha256((stage.folder / "components" / "slow-init" / "slow-init.wasm").read_bytes()).hexdigest()
    (stage.state_dir / "artifacts" / "sha256" / artifact).unlink()
    stage.forget_compiled()
    stage.start()
    wait_until(lambda: stage.view("top").ready == stage.view("middle").ready == 1)
    assert "host-fault" in stage.run("status", "base").out


def test_what_is_removed_together_ends_with_what_others_need(stage: Stage):
    have_three(stage)
    stage.write("bystander", "faulty")
    stage.apply()
    for name in NAMES:
        (stage.manifests / f"{name}.yaml").unlink()
    stage.apply()
    wait_until(lambda: [view.name for view in stage.client.deployments()] == ["bystander"])
    assert logged(stage)[-3:] == ["top stops", "middle stops", "base stops"]


def test_what_stops_with_the_agent_can_still_use_what_it_needs(stage: Stage):
    stage.write("base", "faulty", grants=STORAGE)
    grants = {"messaging.send": ["base"]}
    stage.write("top", "faulty", dependsOn=["base"], grants=grants, config={"shutdown": "send base store last word"})
    stage.apply()
    stage.stop()
    stage.start()
    wait_until(lambda: stage.view("base").ready == 1)
    assert stage.ask("base", "load last") == "word"
