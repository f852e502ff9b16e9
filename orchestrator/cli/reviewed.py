"""Plans and diagnostics in the forms that forges read, printed with paths from the top of the repository.

`-o markdown` is a comment, `-o github` and `-o gitlab` are those forges' own annotations, `-o sarif` is everybody's.
"""

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from orchestrator import __version__
from orchestrator.model.source import FolderSpec, GitSpec, SourceSpec
from orchestrator.plan.document import Plan, has_changes
from orchestrator.plan.text import counts, unchanged
from orchestrator.review.annotation import Annotation, Placed, of_plan
from orchestrator.review.github import github_commands
from orchestrator.review.gitlab import gitlab_report
from orchestrator.review.markdown import render_markdown
from orchestrator.review.sarif import sarif_log
from orchestrator.time_of_day import wall_ms


def placed_from(spec: SourceSpec, cwd: Path) -> Placed:
    """Return what turns a file of a source, as it is shown to somebody in `cwd`, into its path in the repository."""
    return partial(_in_folder, spec, cwd) if isinstance(spec, FolderSpec) else partial(_at_commit, spec)


def _in_folder(spec: FolderSpec, cwd: Path, shown: str) -> str:
    path = os.path.relpath(os.path.join(os.path.realpath(cwd), shown), spec.work_tree or spec.root)
    return "" if "://" in shown or path.split("/")[0] == ".." else path


def _at_commit(spec: GitSpec, shown: str) -> str:
    path = shown.removeprefix(f"{spec.repository}#{spec.ref}:")  # as a snapshot of it puts before each
    return path if path != shown else ""


def print_plan(form: str, plan: Plan, placed: Placed) -> None:
    """Print a plan for review."""
    if form == "markdown":
        _write(render_markdown(_in_repository(plan, placed), wall_ms()).encode())
        return
    told = ", ".join(counts(plan.summary)) if has_changes(plan) else _unchanged(plan)
    print_annotations(form, of_plan(plan, placed), f"airs plan: {told}")


def print_annotations(form: str, annotations: Sequence[Annotation], summary: str) -> None:
    """Print remarks in the form of a forge; the `summary` goes where such a form has a place for it."""
    match form:
        case "github":
            _write(github_commands(annotations, summary).encode())
        case "gitlab":
            _write(gitlab_report(annotations))
        case _:
            _write(sarif_log(annotations, __version__))


def _in_repository(plan: Plan, placed: Placed) -> Plan:
    """Return a plan whose diagnostics name files from the top of the repository, as far as they are in it."""
    told = (replace(one, location=replace(one.location, file=_placed(one.location.file, placed)))
            for one in plan.diagnostics)  # fmt: skip
    unreadable = tuple(_placed(file, placed) for file in plan.desired.unreadable_files)
    return replace(plan, diagnostics=tuple(told), desired=replace(plan.desired, unreadable_files=unreadable))


def _placed(file: str, placed: Placed) -> str:
    return placed(file) or file


def _unchanged(plan: Plan) -> str:
    return unchanged(len(plan.desired.deployments), len(plan.desired.invalid))


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
