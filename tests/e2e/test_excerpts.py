"""Under a diagnostic stands the line that it is about."""

import pytest

from orchestrator.cli.terminal import cells
from orchestrator.contract.codes import INVALID

from .conftest import Airs, deployment


def test_validate_plan_and_apply_show_the_line_and_json_does_not(airs: Airs):
    folder = airs.copy_example("01-hello") / "manifests"
    (folder / "bad.yaml").write_text(deployment("bad", "../components/hello-1.0.0", replicas="many"))
    for arguments in (["validate", folder], ["plan", folder], ["apply", "--no-wait", folder]):
        done = airs.run(*arguments, check=False)
        assert done.returncode == INVALID
        error, line, caret, *_ = done.stderr[done.stderr.index("bad.yaml:1:") :].splitlines()
        place = line.index('"many"')
        assert "spec.replicas" in error
        assert line.startswith("    1 │ ")
        assert caret == f"      │ {'^':>{place - 7}}"
        assert len(line) <= 100
    assert "│" not in airs.run("validate", folder, "-o", "json", check=False).stdout


@pytest.mark.parametrize("end", ["", "\n", "\n\n  \n"], ids=["cut off", "one line end", "blank lines"])
@pytest.mark.parametrize("unclosed", ["args: [a, b", 'args: "a, b', "args: {a: 1, b", "args: [a, ä🦀"])
def test_what_is_never_closed_is_pointed_at_where_the_file_ends(airs: Airs, unclosed: str, end: str):
    (airs.folder / "bad.yaml").write_text(f"kind: Deployment\nspec:\n  {unclosed}{end}", encoding="utf-8")
    told = airs.run("validate", airs.folder, check=False).stderr.splitlines()
    assert told[0].startswith(f"bad.yaml:3:{len(unclosed) + 2}: error: not YAML: "), told
    at = told.index(f"    3 │   {unclosed}")
    before = cells(f"  {unclosed[:-1]}")
    assert told[at + 1] == f"      │ {' ' * before}^"


def test_what_is_never_closed_is_pointed_at_where_its_document_ends(airs: Airs):
    (airs.folder / "bad.yaml").write_text("kind: Deployment\nspec: [a\n\n---\nkind: Deployment\n", encoding="utf-8")
    told = airs.run("validate", airs.folder, check=False).stderr
    assert "bad.yaml:2:8: error: not YAML: " in told
    assert "    2 │ spec: [a\n      │        ^\n" in told


@pytest.mark.parametrize("end", ["", "\n", "\n\n"], ids=["cut off", "one line end", "a blank line"])
@pytest.mark.parametrize("unclosed", ["a = [1, 2", 'a = """b'])
def test_what_is_never_closed_in_a_component_is_pointed_at_where_its_file_ends(airs: Airs, unclosed: str, end: str):
    folder = airs.copy_example("01-hello")
    component = folder / "components/hello-1.0.0/Component.toml"
    component.write_text(unclosed + end)
    told = airs.run("validate", folder / "manifests", check=False).stderr
    assert f"Component.toml:1:{len(unclosed)}: error: not TOML: " in told
    assert f"    1 │ {unclosed}\n      │ {' ' * (len(unclosed) - 1)}^\n" in told
