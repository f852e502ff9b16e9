"""The agent's memory of what happened: journals of events, log lines and hops, with their texts safe to show."""

from orchestrator.model.event import Event, LogLine
from orchestrator.model.hop import Hop
from orchestrator.model.ids import ComponentId
from orchestrator.model.source import SourceStatus
from orchestrator.observe.journal import Bounds, Journal
from orchestrator.observe.trace import HOPS_KEPT, group_of_hop, weight_of_hop

EVENTS_KEPT = Bounds(entries=10_000, weight=8 << 20)  # of all deployments together, weighed in characters
LOG_LINES_KEPT = Bounds(entries=20_000, weight=16 << 20)
LOOKS_KEPT = Bounds(entries=1_000, weight=1 << 20)  # what looks at sources found, where that was news
PRINTED_MAX = 4_096  # characters of what a run of a job printed last
LOG_LINE_MAX = 8_192  # characters, with its context; a longer line is cut
CONTEXT_MAX = 32  # pairs of a log line's context that are kept
ENTRY_WEIGHT = 256  # of an entry beside its text


class Journals:
    """The events, log lines, conversations and looks at sources of this process; memory only, gone with it."""

    def __init__(self) -> None:
        self.events: Journal[Event] = Journal(EVENTS_KEPT, _weight_of_event, lambda event: event.key)
        self.logs: Journal[LogLine] = Journal(LOG_LINES_KEPT, _weight_of_line, lambda line: line.key)
        self.looks: Journal[SourceStatus] = Journal(LOOKS_KEPT, lambda _: ENTRY_WEIGHT, lambda status: status.source)
        self.hops: Journal[Hop] = Journal(HOPS_KEPT, weight_of_hop, group_of_hop)

    def printed_by(self, instance: ComponentId) -> str:
        """Return the last lines that an instance wrote, as far as they are kept."""
        of = (instance.deployment, instance.instance)
        lines = [line.text for _, line in self.logs.since(0) if (line.key, line.instance) == of]
        return "\n".join(lines)[-PRINTED_MAX:]


def printable(text: str) -> str:
    """Remove control characters and line breaks, so that a guest cannot write to somebody's terminal."""
    kept = text[:LOG_LINE_MAX]
    return kept if kept.isprintable() else "".join(c if c.isprintable() else " " for c in kept)


def _weight_of_event(event: Event) -> int:
    return ENTRY_WEIGHT + len(event.message)


def _weight_of_line(line: LogLine) -> int:
    return ENTRY_WEIGHT + len(line.text) + sum(len(name) + len(value) for name, value in line.context)
