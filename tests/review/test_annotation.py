"""Remarks at lines of files, and the formats of forges that carry them."""

import json
from collections.abc import Iterable
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrator.model.diagnostic import Diagnostic, Location, Severity
from orchestrator.plan.action import Action, ActionKind, Reason
from orchestrator.plan.document import Plan, summarize
from orchestrator.plan.finding import FindingKind, PlanFinding
from orchestrator.plan.make import make_plan
from orchestrator.review.annotation import TEXT_MAX, Annotation, of_diagnostics, of_plan
from orchestrator.review.github import github_commands
from orchestrator.review.gitlab import gitlab_report
from orchestrator.review.sarif import sarif_log
from tests.plan.build import deployment, desired, key, observed

SARIF: dict[str, Any] = {  # what of SARIF 2.1.0 is written, as its specification has it
    "type": "object",
    "required": ["$schema", "version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "required": ["tool", "results"],
                "properties": {
                    "tool": {
                        "properties": {"driver": {"required": ["name", "version", "rules"]}},
                        "required": ["driver"],
                    },
                    "results": {"items": {"$ref": "#/$defs/result"}},
                },
            },
        },
    },
    "$defs": {
        "result": {
            "required": ["ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"],
            "additionalProperties": False,
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"enum": ["none", "note", "warning", "error"]},
                "message": {"required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}},
                "locations": {"items": {"$ref": "#/$defs/location"}},
                "partialFingerprints": {"additionalProperties": {"type": "string"}},
            },
        },
        "location": {
            "properties": {
                "physicalLocation": {
                    "required": ["artifactLocation"],
                    "properties": {
                        "artifactLocation": {"properties": {"uri": {"pattern": "^[^/][A-Za-z0-9._~%/-]*$"}}},
                        "region": {
                            "required": ["startLine"],
                            "properties": {
                                "startLine": {"type": "integer", "minimum": 1},
                                "startColumn": {"type": "integer", "minimum": 1},
                            },
                        },
                    },
                }
            }
        },
    },
}


def placed(shown: str) -> str:
    return f"deploy/{shown}" if not shown.startswith("/") else ""


def diagnostic(severity: Severity = Severity.ERROR, file: str = "a.yaml", line: int = 3, **words: str) -> Diagnostic:
    said = {"summary": "`replicas` is 0", "detail": "It is at least 1.", "suggestion": "write 1"} | words
    return Diagnostic(severity=severity, location=Location(file=file, line=line, column=7), **said)


@pytest.mark.parametrize(
    ("severity", "level", "rule"),
    [
        (Severity.ERROR, "error", "invalid"), (Severity.FAILURE, "error", "failure"),
        (Severity.WARNING, "warning", "warning"),
    ],
)  # fmt: skip
def test_a_diagnostic_is_a_remark_at_its_place_in_the_repository(severity: Severity, level: str, rule: str):
    (one,) = of_diagnostics([diagnostic(severity)], placed)
    assert (one.file, one.line, one.column, one.level, one.rule) == ("deploy/a.yaml", 3, 7, level, rule)
    assert one.text == "`replicas` is 0\nIt is at least 1.\n→ write 1"


def test_a_place_outside_the_repository_is_named_in_the_text():
    (one,) = of_diagnostics([diagnostic(file="/etc/policy.yaml")], placed)
    assert (one.file, one.text.split("\n")[0]) == ("", "/etc/policy.yaml:3:7: `replicas` is 0")


def planned(*actions: Action, **fields: Any) -> Plan:
    wanted = desired(deployment(file="hello.yaml", line=4))
    return replace(make_plan(wanted, observed()), actions=actions, summary=summarize(actions), **fields)


def action(kind: ActionKind, *findings: PlanFinding, note: str = "") -> Action:
    return Action(
        kind=kind, sigil=kind.sigil, key=key("hello"), reasons=(Reason.NEW,), new_version="1.0.0", note=note,
        found=findings,
    )  # fmt: skip


RULE = PlanFinding(kind=FindingKind.RULE, text="grants storage", blocks=True, unblock="ask", file="p.yaml", line=9)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (action(ActionKind.CREATE), []),
        (
            action(ActionKind.BLOCKED, note="x is missing"),
            [("error", "blocked", "default/hello 1.0.0: blocked because new\nx is missing")],
        ),
        (action(ActionKind.HELD), [("warning", "held", "default/hello 1.0.0: held because new")]),
        (
            action(ActionKind.BLOCKED, RULE, note="said twice"),
            [("error", "rule", "default/hello: grants storage (p.yaml:9)\n→ ask")],
        ),
        (
            action(ActionKind.ROLL_OUT, replace(RULE, blocks=False, unblock="", file="")),
            [("warning", "rule", "default/hello: grants storage")],
        ),
    ],
)
def test_remarks_are_on_deployments_that_are_left_alone_and_on_what_was_found(
    given: Action, told: list[tuple[str, str, str]]
):
    found = of_plan(planned(given), placed)
    assert [(one.level, one.rule, one.text) for one in found] == told
    assert all((one.file, one.line) == ("deploy/hello.yaml", 4) for one in found)


def test_remarks_are_sorted_told_once_and_bounded():
    same, other = diagnostic(), diagnostic(line=1, detail="x" * 2 * TEXT_MAX)
    found = of_diagnostics([same, other, same], placed)
    assert [one.line for one in found] == [1, 3]
    assert len(found[0].text) == TEXT_MAX


def remark(**fields: Any) -> Annotation:
    whole = {"file": "a.yaml", "line": 3, "column": 7, "level": "error", "rule": "invalid", "title": "t", "text": "x"}
    return Annotation(**whole | fields)


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ({}, "::error file=a.yaml,line=3,col=7,title=t::x\n"),
        ({"line": 0, "column": 0, "level": "warning"}, "::warning file=a.yaml,title=t::x\n"),
        ({"file": ""}, "::error line=3,col=7,title=t::x\n"),
        ({"file": "a,b:c.yaml", "title": "50%"}, "::error file=a%2Cb%3Ac.yaml,line=3,col=7,title=50%25::x\n"),
        ({"text": "a\n::error::b\r"}, "::error file=a.yaml,line=3,col=7,title=t::a%0A::error::b%0D\n"),
    ],
)
def test_a_workflow_command_is_one_line_that_nobody_else_ends(fields: dict[str, Any], written: str):
    assert github_commands([remark(**fields)]) == written


def test_a_summary_is_a_notice():
    assert github_commands([], "2 valid, 50%") == "::notice title=airs::2 valid, 50%25\n"


def test_a_report_for_gitlab_has_a_fingerprint_for_each_entry_that_outlives_a_shifted_line():
    first, second = json.loads(gitlab_report([remark(), remark(line=9)]))
    (shifted,) = json.loads(gitlab_report([remark(line=4)]))
    assert first["fingerprint"] == shifted["fingerprint"] != second["fingerprint"]
    assert first["location"] == {"path": "a.yaml", "lines": {"begin": 3}}
    assert (first["check_name"], first["severity"], first["description"]) == ("airs/invalid", "blocker", "x")
    (nowhere,) = json.loads(gitlab_report([remark(file="", line=0)]))
    assert nowhere["location"] == {"path": "airs", "lines": {"begin": 1}}
    assert json.loads(gitlab_report([])) == []


def texts() -> Iterable[Any]:
    return st.lists(
        st.builds(
            remark, file=st.text(max_size=20).map(lambda text: text.strip("/")), line=st.integers(0, 99),
            column=st.integers(0, 99), text=st.text(min_size=1, max_size=40), rule=st.sampled_from(["invalid", "rule"]),
        )
    )  # fmt: skip


@settings(max_examples=25)
@given(texts())
def test_any_remarks_are_sarif_and_lines_of_commands(found: list[Annotation]):
    log = json.loads(sarif_log(found, "0.1.0"))
    jsonschema.validate(log, SARIF)
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [rules[one["ruleIndex"]] for one in run["results"]] == [one["ruleId"] for one in run["results"]]
    assert github_commands(found).count("\n") == len(found)
    assert len({entry["fingerprint"] for entry in json.loads(gitlab_report(found))}) == len(found)
