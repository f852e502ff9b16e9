"""`make` is how people and CI reach everything: what it lists is what there is."""

import re

import yaml

from .tree import ROOT, make

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split())


def test_make_alone_lists_every_target_with_a_line_each():
    listed = [line.split(maxsplit=2) for line in make().stdout.splitlines()]
    assert all(word == "make" and sentence for word, _, sentence in listed)
    assert sorted(target for _, target, _ in listed) == sorted(TARGETS)


def test_every_target_that_documents_name_exists():
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    said = {target for path in documents for target in re.findall(r"`make ([a-z-]+)", path.read_text(encoding="utf-8"))}
    assert said - TARGETS == set()


def test_ci_runs_what_people_run():
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert script.startswith("#!/bin/bash\n")
    assert "set -euo pipefail" in script
    assert re.search(r"^exec make check test\b", script, re.MULTILINE)
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


def test_check_looks_at_format_lint_types_imports_and_generated_files():
    recipe = make("--dry-run", "--always-make", "check").stdout
    for tool in ("ruff format --check", "ruff check", "mypy", "lint-imports", ".ci/generated.py"):
        assert f"/{tool}" in recipe or f" {tool}" in recipe


def test_commits_are_judged_by_locked_tools_only():
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert {repository["repo"] for repository in repositories} == {"local"}
    hooks = [hook for repository in repositories for hook in repository["hooks"]]
    assert {hook["language"] for hook in hooks} == {"system"}
    assert {hook["id"] for hook in hooks} == {"ruff-format", "ruff-check", "mypy", "lint-imports"}
