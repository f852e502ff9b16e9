"""Reads an `airs.toml` that nobody but its operator could have changed."""

import os
from pathlib import Path

from orchestrator.manifest.check import check
from orchestrator.manifest.node import Node
from orchestrator.manifest.toml import FILE_MAX_BYTES, read_toml
from orchestrator.model.base import Value
from orchestrator.model.diagnostic import Diagnostic, Location, Severity
from orchestrator.settings.quick import distrusted, opened
from orchestrator.settings.rules import rule_problems

KIND = "airs"


class SettingsFile(Value, frozen=True):
    """A file's tree, None where it is no TOML, and what is wrong with it."""

    path: str
    root: Node | None = None
    diagnostics: tuple[Diagnostic, ...] = ()


def read_settings_file(path: Path) -> SettingsFile:
    """Read and check the file at `path`; links are followed.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb", opener=opened) as file:
        problem = distrusted(os.fstat(file.fileno()))
        if problem:
            where = Location(file=str(path))
            hint = f"run `chmod go-w {path}`, or move the file" if path.is_file() else "write a file there"
            return SettingsFile(
                path=str(path),
                diagnostics=(Diagnostic(severity=Severity.ERROR, summary=problem, location=where, suggestion=hint),),
            )
        return parse_settings_file(str(path), file.read(FILE_MAX_BYTES + 1))


def parse_settings_file(shown: str, data: bytes) -> SettingsFile:
    """Check the bytes of a file; never raises, whatever the bytes."""
    parsed = read_toml(data)
    problems = parsed.problems if parsed.root is None else check(KIND, parsed.root) or [*rule_problems(parsed.root)]
    return SettingsFile(
        path=shown, root=parsed.root, diagnostics=tuple(problem.within(shown) for problem in sorted(problems))
    )
