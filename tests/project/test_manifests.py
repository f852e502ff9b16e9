"""`manifests/` holds what people start from: each is planned, and all of them really run."""

import json

import pytest

from .tree import ROOT, run

MANIFESTS = sorted((ROOT / "manifests").glob("*.yaml"))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_each_can_be_planned_and_creates_what_it_is_named_after(path, tmp_path):
    done = run("airs", "-o", "json", "plan", path, AIRS_STATE_DIR=str(tmp_path))
    assert done.returncode == 0, done.stdout
    actions = json.loads(done.stdout)["actions"]
    assert {action["kind"] for action in actions} == {"create"}
    assert path.stem in {key for action in actions for key in (action["key"]["namespace"], action["key"]["name"])}


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_the_first_line_of_each_names_its_schema_for_editors(path):
    modeline, reference = path.read_text(encoding="utf-8").splitlines()[0].split("$schema=")
    assert modeline == "# yaml-language-server: "
    assert (path.parent / reference).resolve() == ROOT / "schemas/deployment.schema.json"


def test_their_readme_lists_all_of_them():
    text = (ROOT / "manifests/README.md").read_text(encoding="utf-8")
    assert [path.name for path in MANIFESTS if f"({path.name})" not in text] == []


def test_all_of_them_run_side_by_side(tmp_path):
    state = {"AIRS_STATE_DIR": str(tmp_path)}
    try:
        applied = run("airs", "apply", "manifests", **state)
        assert applied.returncode == 0, applied.stdout
        found = json.loads(run("airs", "-o", "json", "get", "deployments", **state).stdout)
        assert {deployment["phase"] for deployment in found} == {"running"}
        assert run("airs", "call", "callable", "add", "2", "3", **state).stdout == "5\n"
        assert run("airs", "request", "stateful", "add 5", **state).stdout == "5\n"
        assert "Ada" in run("airs", "request", "actor", "Ada", **state).stdout
    finally:
        run("airs", "agent", "stop", **state)
