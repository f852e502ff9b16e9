"""`airs history`: a deployment's revisions and what was done to it by hand, as rows of one table."""

from collections.abc import Sequence

from orchestrator.cli.show import table
from orchestrator.cli.terminal import Console
from orchestrator.cli.times import clock
from orchestrator.contract.documents import ActView, HistoryView
from orchestrator.model.commit import short

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
        short(each.source_revision), _who(each), clock(each.started_at), _told(each.reason, each.why),
    )  # fmt: skip


def _who(each: HistoryView) -> str:
    """Name whoever asked for it by hand and, where somebody else wrote the commit, that author."""
    author = each.commit.author_name if each.commit else ""
    if each.by is None:
        return author
    return f"{each.by}, commit by {author}" if author else str(each.by)


def _told(said: str, why: str) -> str:
    return f"{said} ({why})" if why else said
