"""Lists of a namespace or of labels, what a revision contained, and completion; several failures of one apply."""

import json
import subprocess

import pytest

from orchestrator.contract.codes import FAILED, USAGE

from .conftest import AIRS, Airs, deployment


@pytest.fixture
def several(airs: Airs) -> Airs:
    """Three deployments in two namespaces, two of them of one team."""
    folder = airs.copy_example("01-hello") / "manifests"
    for manifest in folder.iterdir():
        manifest.unlink()
    for namespace, name, team in (("default", "a", "core"), ("billing", "b", "core"), ("billing", "c", "web")):
        body = json.loads(deployment(name, "../components/hello-1.0.0"))
        body["metadata"] |= {"namespace": namespace, "labels": {"team": team}}
        (folder / f"{name}.yaml").write_text(json.dumps(body))
    airs.run("apply", folder)
    return airs


def names(airs: Airs, *arguments: str) -> list[str]:
    return [one["name"] for one in airs.json("get", "deployments", *arguments)]


def test_lists_are_of_a_namespace_or_of_labels(several: Airs):
    assert names(several, "-n", "billing") == ["b", "c"]
    assert names(several, "-l", "team=core") == ["b", "a"]
    assert names(several, "-n", "billing", "-l", "team!=core") == ["c"]
    assert names(several, "-n", "billing", "c") == ["c"]
    assert [one["deployment"] for one in several.json("get", "instances", "-l", "team=web")] == ["c"]
    assert [one["name"] for one in several.json("get", "revisions", "-n", "default")] == ["a"]
    assert several.json("get", "dead-letters", "-n", "billing") == []
    said = several.quick("status", "-n", "billing").stdout
    assert "billing/b" in said
    assert "default/a" not in said
    assert "serving" in several.quick("status", "-n", "billing", "b").stdout
    for wrong in (["-n", "x", "billing/c"], ["-l", "team=core", "c"]):
        assert several.quick("status", *wrong, check=False).returncode == USAGE
    assert several.quick("get", "sources", "-n", "billing", check=False).returncode == USAGE


def test_history_shows_what_a_revision_contained_and_names_complete(several: Airs):
    found = several.json("history", "a", "--revision", "1")
    assert found["content"]["component"] == "hello"
    assert found["entry"]["number"] == 1
    assert found["content"]["artifact"] in several.quick("history", "a", "--revision", "1").stdout
    refused = several.quick("history", "a", "--revision", "9", check=False)
    assert (refused.returncode, "Kept are: 1." in refused.stderr) == (FAILED, True)

    def completed(words: str) -> list[str]:
        asked = {"_AIRS_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        done = subprocess.run(AIRS, env=several.env | asked, capture_output=True, text=True, check=True)
        return [line.partition(",")[2] for line in done.stdout.split()]

    assert completed("airs status a") == ["a"]
    assert completed("airs delete billing/") == ["billing/b", "billing/c"]
    assert completed("airs rollb") == ["rollback"]
    several.quick("agent", "stop")
    assert completed("airs status a") == []
    for shell in ("bash", "zsh", "fish"):
        assert "_AIRS_COMPLETE" in several.quick("completion", shell).stdout


def test_several_failures_of_one_apply_are_told_each_with_its_own_reason(airs: Airs):
    folder = airs.folder / "manifests"
    folder.mkdir()
    for name, component in (("a", "faulty-init"), ("b", "faulty-trap-init")):
        airs.copy_component(component)
        (folder / f"{name}.yaml").write_text(deployment(name, f"../components/{component}", restart={"intensity": 0}))
    done = airs.run("apply", folder, check=False)
    assert done.returncode == FAILED
    lines = done.stderr.splitlines()
    assert "error: 2 deployments did not become Ready" in lines
    for name in ("a", "b"):
        assert any(line.startswith(f"    default/{name}: ") for line in lines)
