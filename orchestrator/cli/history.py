"""`airs history`: a deployment's revisions and what was done to it by hand, as rows of one table."""

from collections.abc import Iterator, Sequence

from orchestrator.cli.show import table
from orchestrator.cli.terminal import Console, Text
from orchestrator.cli.times import clock
from orchestrator.contract.documents import ActView, HistoryView, RevisionView
from orchestrator.model.commit import short
from orchestrator.model.spec import Limits, Revision
from orchestrator.observe.events import printable

NAME_WIDTH = 11
COLUMNS = ("NUMBER", "VERSION", "REVISION", "CAUSE", "OUTCOME", "COMMIT", "BY", "STARTED", "REASON")


def history_table(console: Console, found: Sequence[HistoryView | ActView]) -> None:
    """Print one deployment's history."""
    table(console, COLUMNS, [row(each) for each in found])


def row(each: HistoryView | ActView) -> tuple[str, ...]:
    """Write one entry; an act has no number, version or outcome of its own."""
    if isinstance(each, ActView):
        return "", "", "", each.verb.value, "", "", str(each.by), clock(each.at), _told(each.detail, each.why)
    return (
        str(each.number), each.version, short(each.revision), each.cause, each.outcome or "in progress",
        _commit(each), _who(each), clock(each.started_at), _told(each.reason, each.why),
    )  # fmt: skip


def _commit(each: HistoryView) -> str:
    return each.commit.named if each.commit is not None else short(each.source_revision)


def _who(each: HistoryView) -> str:
    """Name the user who asked for it by hand and, where somebody else wrote the commit, that author."""
    author = each.commit.author_name if each.commit else ""
    if each.commit and each.commit.signer:
        author += f", signed by {each.commit.signer}"
    if each.by is None:
        return author
    return f"{each.by}, commit by {author}" if author else str(each.by)


def _told(said: str, why: str) -> str:
    return f"{said} ({why})" if why else said


def show_revision(console: Console, found: RevisionView) -> None:
    """Print what a revision contained, a line for each thing that it has."""
    entry, content = found.entry, found.content
    console.print(Text(f"{entry.namespace}/{entry.name} revision {entry.number}", style="bold"))
    for name, value in _contents(entry, content):
        if value:
            console.print(Text.assemble((f"{name:<{NAME_WIDTH}}", "dim"), printable(value)), hang=NAME_WIDTH)


def _contents(entry: HistoryView, content: Revision) -> Iterator[tuple[str, str]]:
    yield "version", f"{content.version} of {content.component}{', stateful' if content.stateful else ''}"
    yield "revision", content.id
    yield "artifact", content.artifact
    yield "began", f"{clock(entry.started_at)}, {_told(entry.reason or entry.cause, entry.why)}"
    yield "outcome", entry.outcome or "in progress"
    yield "commit", entry.source_revision or ""
    yield "tag", entry.commit.tag if entry.commit is not None else ""
    yield "by", _who(entry)
    yield "limits", _limits(content.limits)
    for grant in content.grants:
        yield "grant", f"{grant.capability}: {', '.join(grant.patterns)}"
    for mount in content.mounts:
        yield "mount", f"{mount.path} as {mount.guest_path}"
    if content.job is not None:
        yield "arguments", " ".join(map(repr, content.job.args)) or "none"
        yield "variables", ", ".join(f"{name}={value}" for name, value in content.job.env)
    yield "accepts", ", ".join(content.accepts)
    yield "config", content.config


def _limits(limits: Limits) -> str:
    told = [f"memory {_size(limits.memory_bytes)}", f"fuel {limits.fuel}", f"timeout {limits.timeout_ms / 1000:g}s"]
    if limits.storage_bytes is not None:
        told.append(f"storage {_size(limits.storage_bytes)}")
    return ", ".join([*told, f"log {limits.log_per_s}/s"])


def _size(count: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit and count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count} B"
