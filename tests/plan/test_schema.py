import json
from pathlib import Path

import jsonschema
import pytest

from orchestrator.plan.make import make_plan
from orchestrator.plan.saved import render_json, seal
from orchestrator.plan.schema import plan_schema

from .build import SOURCE, deployment, desired, observed

COMMITTED = Path(__file__).parents[2] / "schemas" / "plan.schema.json"


def test_the_committed_schema_is_current(updates_golden: bool) -> None:
    if updates_golden:
        COMMITTED.write_bytes(plan_schema())
    assert COMMITTED.read_bytes() == plan_schema(), "--update-golden, then look at the diff"


@pytest.mark.parametrize("folder", sorted((Path(__file__).parent / "scenarios").iterdir()), ids=lambda path: path.name)
def test_every_scenarios_plan_fits_the_schema(folder: Path) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(plan_schema()))
    validator.validate(json.loads((folder / "plan.json").read_bytes()))


def test_printed_and_saved_fit_the_schema_and_anything_more_does_not() -> None:
    plan = make_plan(desired(deployment("a")), observed())
    validator = jsonschema.Draft202012Validator(json.loads(plan_schema()))
    validator.check_schema(validator.schema)
    for data in (render_json(plan), seal(plan, b"key")):
        validator.validate(json.loads(data))
    assert not validator.is_valid({**json.loads(render_json(plan)), "more": 1})
    assert plan.source == SOURCE
