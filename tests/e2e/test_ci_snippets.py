"""The snippets of docs/ci.md, as far as a shell can run them: their commands, in a clone, with stand-ins for tools.

Real here: airs, its agent, git and the shell. `pip`, `gh` and `curl` are scripts that write down what they were given.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import REPOSITORY, Airs, git

TOOLS = {
    "airs": f'exec "{sys.executable}" -m orchestrator "$@"',
    "pip": 'echo "pip $*" >>"$TOOLS_LOG"',
    "gh": 'echo "gh $*" >>"$TOOLS_LOG"; case "$*" in *--jq*) echo "$OLD_COMMENT";; esac',
    "curl": 'echo "curl $*" >>"$TOOLS_LOG"',
    "jq": 'echo 17',
}  # fmt: skip


def snippets() -> dict[str, Any]:
    """Return the YAML of each snippet by the file that it is for."""
    blocks = re.findall(r"```yaml\n# (\S+)\n(.*?)```", (REPOSITORY / "docs" / "ci.md").read_text(), re.DOTALL)
    return {name: yaml.safe_load(text) for name, text in blocks}


class Runner:
    """A machine of CI: a clone with a change, the tools, and no agent."""

    def __init__(self, folder: Path, origin: Path, state: Path) -> None:
        git(folder, "clone", "-q", str(origin), "clone")
        self.clone, self._bin, self.log = folder / "clone", folder / "bin", folder / "log"
        self._bin.mkdir()
        for name, body in TOOLS.items():
            (self._bin / name).write_text(f"#!/bin/sh\n{body}\n")
            (self._bin / name).chmod(0o755)
        self.env = {
            "PATH": f"{self._bin}:{os.environ['PATH']}", "HOME": str(folder), "PYTHONPATH": str(REPOSITORY),
            "AIRS_STATE": str(state), "AIRS_STATE_DIR": str(folder / "none"), "TOOLS_LOG": str(self.log),
            "GITHUB_REPOSITORY": "shop/deploy", "GITHUB_EVENT_PATH": "event.json", "OLD_COMMENT": "",
            "CI_API_V4_URL": "https://gitlab.example/api/v4", "CI_PROJECT_ID": "3", "CI_MERGE_REQUEST_IID": "4",
            "AIRS_BOT_TOKEN": "t", "AIRS_WHEEL": "airs.whl", "LANG": "C.UTF-8",
        }  # fmt: skip
        manifest = self.clone / "environments" / "prod" / "hello.yaml"
        manifest.write_text(manifest.read_text().replace("hello-1.0.0", "hello-1.1.0"))

    def run(self, script: str, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run a script as a step: with `bash -e`, from the top of the clone."""
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script], cwd=self.clone, env=self.env | env, capture_output=True,
            text=True, check=True, timeout=60,
        )  # fmt: skip

    def told(self) -> str:
        """Return what others' tools were given."""
        return self.log.read_text()


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Airs, Path, Path]]:
    """A machine that runs environments/prod of a repository, that repository, and its exported state."""
    runs = Airs(tmp_path_factory.mktemp("production"))
    top = runs.copy_example("01-hello").rename(runs.folder / "deploy")
    (top / "environments").mkdir()
    (top / "manifests").rename(top / "environments" / "prod")
    manifest = top / "environments" / "prod" / "hello.yaml"
    manifest.write_text(manifest.read_text().replace("../components", "../../components"))
    try:
        git(top, "init", "-q", "-b", "main")
        runs.run("apply", top / "environments" / "prod", "--yes")
        (top / "prod.pub").write_text(runs.run("state", "key").stdout)
        git(top, "add", "-A")
        git(top, "commit", "-qm", "first")
        state = runs.folder / "prod.airs-state"
        runs.run("state", "export", "--out", state)
        yield runs, top, state
    finally:
        runs.close()


@pytest.fixture
def runner(production: tuple[Airs, Path, Path], tmp_path: Path) -> Runner:
    return Runner(tmp_path, production[1], production[2])


def test_every_snippet_is_for_a_file_that_its_tool_reads():
    assert {*snippets()} == {".github/workflows/airs.yml", ".gitlab-ci.yml", ".pre-commit-config.yaml"}


def test_the_workflow_of_github_runs_and_its_plan_is_applied(production: tuple[Airs, Path, Path], runner: Runner):
    job = snippets()[".github/workflows/airs.yml"]["jobs"]["plan"]
    assert job["env"]["AIRS_STATE"].startswith("https://")
    said = {step["name"]: runner.run(step["run"]) for step in job["steps"] if "run" in step}
    assert said["Validate"].stdout == "::notice title=airs::airs validate: 1 deployment valid\n"
    assert "::notice title=airs::airs plan: 0 to create, 0 to update, 1 to roll out" in said["Plan"].stdout
    comment = (runner.clone / "comment.md").read_text()
    assert "<code>default/hello</code> <b>roll out</b> (blue-green) <code>1.0.0 → 1.1.0</code>" in comment
    assert f'startswith("{comment.splitlines()[0]}")' in runner.told()
    assert "gh api repos/shop/deploy/issues/17/comments -F body=@comment.md" in runner.told()
    runner.run(next(step["run"] for step in job["steps"] if step.get("name") == "Comment"), OLD_COMMENT="99")
    assert "gh api -X PATCH repos/shop/deploy/issues/comments/99 -F body=@comment.md" in runner.told()

    runs, top, _ = production
    (top / "environments/prod/hello.yaml").write_text((runner.clone / "environments/prod/hello.yaml").read_text())
    runs.run("apply", top / "environments" / "prod", "--plan", runner.clone / "prod.plan")
    assert runs.version() == "1.1.0"


def test_the_job_of_gitlab_runs(runner: Runner):
    job = snippets()[".gitlab-ci.yml"]["plan"]
    for line in (*job["before_script"], *job["script"]):
        runner.run(line)
    assert json.loads((runner.clone / job["artifacts"]["reports"]["codequality"]).read_text()) == []
    assert all((runner.clone / path).exists() for path in job["artifacts"]["paths"])
    assert "curl --fail --silent --request POST" in runner.told()
    assert "https://gitlab.example/api/v4/projects/3/merge_requests/4/notes" in runner.told()


def test_the_hooks_of_pre_commit_run(runner: Runner):
    (repo,) = snippets()[".pre-commit-config.yaml"]["repos"]
    said = {hook["id"]: runner.run(hook["entry"]).stdout for hook in repo["hooks"]}
    assert "1 deployment valid" in said["airs-validate"]
    assert "± default/hello   1.0.0 → 1.1.0" in said["airs-plan"]
    assert all(re.match(hook["files"], "environments/prod/hello.yaml") for hook in repo["hooks"])
