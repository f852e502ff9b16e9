"""What is made from tables, schemas and the command tree stands in the documents as it would be made now."""

import runpy

import pytest

from orchestrator.agent.describe_sources import Sync
from orchestrator.contract.codes import EXIT_CODES
from orchestrator.model.observed import Phase
from orchestrator.rollout.standing import DeploymentPhase
from tests.docs.documents import ROOT

DRAW = runpy.run_path(str(ROOT / "docs/draw.py"))
CLI = (ROOT / "docs/cli.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DRAW["MADE"])
def test_a_document_is_what_would_be_made_now(document):
    assert DRAW["drawn"](document) == (ROOT / document).read_text(encoding="utf-8"), "run .venv/bin/python docs/draw.py"


def test_every_field_of_the_schemas_is_made_into_a_row():
    rows = DRAW["schema_table"]("deployment") + DRAW["schema_table"]("component")
    for field in (
        "spec.rollout.steps[].pause",
        'spec.grants["storage.read"]',
        "capabilities.messaging.send",
        "spec.suspend",
    ):
        assert f"| `{field}` |" in rows
    assert "| `spec.mailbox.capacity` | whole number, 1 to 100000 | `1000` |" in rows


def test_every_command_has_a_heading():
    named = {name for name, _ in DRAW["commands"](DRAW["cli"], "airs")}
    assert {line.removeprefix("### ") for line in CLI.splitlines() if line.startswith("### ")} == named


def test_the_exit_codes_are_those_of_the_program():
    rows = [line.split("|")[1].strip() for line in CLI.split("| exit code |")[1].split("\n\n")[0].splitlines()[2:]]
    assert {int(code) for code in rows} == set(EXIT_CODES)


def test_every_phase_that_status_shows_is_told():
    for phase in (*DeploymentPhase, *Phase, *Sync):
        assert f"\n| `{phase.value}` | " in CLI
