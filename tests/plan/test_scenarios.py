from pathlib import Path

import pytest

from orchestrator.decoding import from_json
from orchestrator.model.desired import DesiredState
from orchestrator.model.observed import ObservedState
from orchestrator.plan.make import make_plan
from orchestrator.plan.saved import render_json
from orchestrator.plan.text import render_text

SCENARIOS = sorted(path.parent for path in Path(__file__).parent.glob("scenarios/*/desired.json"))


@pytest.mark.parametrize("folder", SCENARIOS, ids=lambda folder: folder.name)
def test_a_scenario_gives_the_plan_beside_it(folder: Path, updates_golden: bool) -> None:
    desired = from_json((folder / "desired.json").read_bytes(), DesiredState)
    observed = from_json((folder / "observed.json").read_bytes(), ObservedState)
    plan = make_plan(desired, observed)
    produced = {"plan.txt": render_text(plan).encode(), "plan.json": render_json(plan)}
    if updates_golden:
        for name, content in produced.items():
            (folder / name).write_bytes(content)
    for name, content in produced.items():
        assert content.decode() == (folder / name).read_text(), (
            f"{folder / name}: --update-golden, then look at the diff"
        )


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 18
