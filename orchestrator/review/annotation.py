"""A plan and its diagnostics → remarks at lines of files, which each forge writes in a format of its own.

A remark has a rule, so that tools can count and mute it: the severity of a diagnostic, the kind of an action that is
left alone, or the kind of a finding.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import Enum

from orchestrator.model.base import Value
from orchestrator.model.diagnostic import Diagnostic, Severity
from orchestrator.model.ids import DeploymentKey
from orchestrator.plan.action import Action, ActionKind
from orchestrator.plan.document import Plan
from orchestrator.plan.finding import PlanFinding
from orchestrator.plan.text import printable, versions

TEXT_MAX = 2_000  # characters of a remark
Placed = Callable[[str], str]  # a file as it is shown → its path in the repository; empty for one that is not in it


class Level(Enum):
    """How bad a remark is, in the words that most tools share."""

    ERROR = "error"
    WARNING = "warning"


class Annotation(Value, frozen=True, order=True):
    """One remark; `file` is a path from the top of the repository, empty for none, and line 0 the whole file."""

    file: str
    line: int
    column: int
    level: str
    rule: str
    title: str
    text: str


RULES = {
    "invalid": "A manifest or component is wrong, and its deployment cannot be used.",
    "failure": "A component was not fetched; nothing in the manifests is known to be wrong.",
    "warning": "Something is known to go wrong, though nothing keeps it from running.",
    "blocked": "The plan leaves the deployment alone, because something stands in the way.",
    "held": "The plan leaves the deployment alone, because this revision failed or was rolled back from.",
}
_SEVERITIES = {Severity.ERROR: "invalid", Severity.FAILURE: "failure", Severity.WARNING: "warning"}


def of_diagnostics(diagnostics: Iterable[Diagnostic], placed: Placed) -> tuple[Annotation, ...]:
    """Return a remark for each diagnostic, in the order of files and lines, each once."""
    return tuple(sorted({_of_diagnostic(one, placed) for one in diagnostics}))


def of_plan(plan: Plan, placed: Placed) -> tuple[Annotation, ...]:
    """Return the remarks of a plan: its diagnostics, deployments that it leaves alone, and what was found of others."""
    written = {one.key: (one.file, one.line) for one in plan.desired.deployments}
    found = {*of_diagnostics(plan.diagnostics, placed)}
    for action in plan.actions:
        found.update(_of_action(action, written, placed))
    return tuple(sorted(found))


def _of_diagnostic(one: Diagnostic, placed: Placed) -> Annotation:
    level = Level.ERROR if one.is_error else Level.WARNING
    where = one.location
    file = placed(where.file)
    about = "" if file or not where.file else f"{where}: "
    told = (f"{about}{one.summary}", one.detail, f"→ {one.suggestion}" if one.suggestion else "")
    return Annotation(
        file=file, line=where.line, column=where.column, level=level.value, rule=_SEVERITIES[one.severity],
        title=_text(one.summary), text=_text(*told),
    )  # fmt: skip


def _of_action(
    action: Action, written: dict[DeploymentKey, tuple[str, int]], placed: Placed
) -> Iterator[Annotation]:  # fmt: skip
    file, line = written.get(action.key, ("", 0))
    file = placed(file) if file else ""
    title = f"{action.key} {versions(action)}".rstrip()
    if action.kind.is_stopped and not any(finding.blocks for finding in action.findings):
        level = Level.ERROR if action.kind is ActionKind.BLOCKED else Level.WARNING
        reasons = ", ".join(reason.value for reason in action.reasons)
        told = (f"{title}: {action.kind.value} because {reasons}", action.note)
        yield Annotation(
            file=file, line=line, column=0, level=level.value, rule=action.kind.value, title=_text(title),
            text=_text(*told),
        )  # fmt: skip
    for finding in action.findings:
        yield Annotation(
            file=file, line=line, column=0, level=(Level.ERROR if finding.blocks else Level.WARNING).value,
            rule=finding.kind.value, title=_text(title), text=_text(*_told(action, finding)),
        )  # fmt: skip


def _told(action: Action, finding: PlanFinding) -> tuple[str, ...]:
    place = f" ({finding.place})" if finding.place else ""
    return (f"{action.key}: {finding.text}{place}", f"→ {finding.unblock}" if finding.unblock else "")


def _text(*lines: str) -> str:
    """Join what is not empty, a line each, without whatever a terminal or a page would act upon."""
    split = [printable(line) for told in lines for line in told.splitlines() if line.strip()]
    text = "\n".join(split)
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"
