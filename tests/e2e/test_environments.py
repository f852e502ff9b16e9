"""Overlays from the command line: what one comes to is checked, planned, run and followed like any other folder."""

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from tests.e2e.conftest import Airs, git, wait_until
from tests.e2e.test_commands_json import SCHEMAS

ENVIRONMENTS = ("dev", "staging", "prod")


@pytest.fixture(scope="module")
def airs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airs]:
    """One user with one agent, for all tests of this module."""
    user = Airs(tmp_path_factory.mktemp("environments"))
    try:
        yield user
    finally:
        user.close()


@pytest.fixture(scope="module")
def shop(airs: Airs) -> Path:
    return airs.copy_example("12-environments")


def revisions(plan: dict) -> dict[str, tuple[str, int]]:
    """What a plan wants to run, by name."""
    wanted = plan["desired"]["deployments"]
    return {
        f"{one['key']['namespace']}/{one['key']['name']}": (one["revision"]["id"], one["replicas"]) for one in wanted
    }


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def running(airs: Airs) -> dict[str, str]:
    return {f"{one.namespace}/{one.name}": one.version for one in airs.client().deployments() if one.phase == "running"}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_what_is_rendered_is_what_is_planned_byte_for_byte_each_time(airs: Airs, shop: Path, name: str):
    out = shop / f"rendered-{name}" / "all.yaml"
    out.parent.mkdir()
    assert airs.quick("render", shop / name, "--out", out).stdout == ""
    assert airs.quick("render", shop / name).stdout == airs.quick("render", shop / name).stdout
    assert airs.quick("validate", out.parent).returncode == 0
    plain, overlaid = (airs.json("plan", folder) for folder in (out.parent, shop / name))
    assert revisions(plain) == revisions(overlaid) != {}
    assert overlaid["desired"]["overlays"][0].endswith(f"{name}/overlay.yaml")


def test_rendered_text_says_where_each_value_comes_from_and_the_plan_names_the_overlay(airs: Airs, shop: Path):
    text = airs.run("render", shop / "prod").stdout
    assert "  replicas: 3  # 12-environments/prod/overlay.yaml:11\n" in text
    assert (
        "# 12-environments/base/greeter.yaml, changed by 12-environments/common/overlay.yaml and "
        "12-environments/prod/overlay.yaml\n" in text
    )
    assert "overlay 12-environments/prod/overlay.yaml\n" in airs.run("plan", shop / "prod").stdout


def test_the_document_of_render_is_as_its_schema_says(airs: Airs, shop: Path):
    document = airs.json("render", shop / "dev")
    jsonschema.validate(document, json.loads((SCHEMAS / "render.schema.json").read_text()))
    assert [one["document"]["metadata"]["name"] for one in document["documents"]] == ["clerk", "greeter"]


def test_render_neither_overwrites_nor_leaves_the_root(airs: Airs, shop: Path, tmp_path: Path):
    there = shop / "there.yaml"
    there.write_text("")
    assert airs.quick("render", shop / "dev", "--out", there, check=False).returncode == 1
    assert airs.quick("render", shop / "dev", "--out", tmp_path / "x.yaml", check=False).returncode == 64
    there.unlink()


def test_a_followed_environment_notices_its_base_and_keeps_what_runs_when_that_is_broken(airs: Airs, shop: Path):
    airs.run("apply", shop / "dev")
    airs.quick("source", "add", shop / "staging", "--name", "staging")
    wait_until(lambda: len(running(airs)) == 5)
    assert airs.quick("request", "staging/greeter", "Ada").stdout == "Good day, Ada! (hello 1.1.0)\n"
    airs.quick("request", "staging/clerk", "say hello")
    wait_until(lambda: "1" in airs.quick("request", "staging/archive", "kept").stdout)
    base = shop / "base" / "greeter.yaml"

    edit(base, "hello-1.1.0", "hello-1.0.0")
    wait_until(lambda: running(airs).get("staging/greeter") == "1.0.0")
    assert running(airs)["dev/greeter"] == "1.1.0"

    edit(base, "kind: Deployment", "kind: [")
    wait_until(lambda: "base/greeter.yaml" in str(airs.json("source", "show", "staging")["diagnostics"]))
    assert set(running(airs)) >= {"staging/greeter", "staging/clerk", "staging/archive"}
    edit(base, "kind: [", "kind: Deployment")

    (shop / "base" / "second.yaml").write_text(base.read_text().replace("name: greeter", "name: second"))
    wait_until(lambda: "staging/second" in running(airs))
    (shop / "base" / "second.yaml").unlink()
    wait_until(lambda: "staging/second" not in running(airs))
    edit(base, "hello-1.0.0", "hello-1.1.0")


def test_a_mistake_is_told_at_the_line_of_the_file_that_has_it(airs: Airs, shop: Path):
    clerk, overlay = shop / "base" / "clerk.yaml", shop / "dev" / "overlay.yaml"
    edit(clerk, "copies: archive", "copies: archive\n  replicas: many")
    edit(overlay, "archive: null", "archiv: null")
    told = airs.run("validate", shop / "dev", shop / "staging", check=False)
    assert told.returncode == 65
    assert "12-environments/base/clerk.yaml:13:13: error: `spec.replicas` must be a whole number" in told.stderr
    assert "The overlay 12-environments/staging/overlay.yaml:10:13 uses it." in told.stderr
    assert "12-environments/dev/overlay.yaml:14:5: error: no base has a deployment `archiv`" in told.stderr
    assert "did you mean `archive`?" in told.stderr
    edit(clerk, "\n  replicas: many", "")
    edit(overlay, "archiv: null", "archive: null")


def test_an_environment_in_a_repository_is_read_with_its_base_at_one_commit(airs: Airs, shop: Path, tmp_path: Path):
    git(shop, "init", "--quiet", "--initial-branch=main")
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "--message", "Add environments")
    plan = airs.json("plan", f"{shop}#main:prod")
    assert {name: count for name, (_, count) in revisions(plan).items()} == {
        "prod/archive": 1, "prod/clerk": 1, "prod/greeter": 3,
    }  # fmt: skip
    edit(shop / "base" / "greeter.yaml", "hello-1.1.0", "hello-1.0.0")
    assert airs.json("plan", f"{shop}#main:prod")["desired"] == plan["desired"]
    assert airs.json("plan", shop / "prod")["desired"]["commit"]["dirty"] is True
