"""Reads a source until it holds still: a half-written one is neither answered nor believed by anybody.

This is the one place that waits for it. The agent wraps folders so; a commit is whole by itself.
"""

from collections.abc import Callable

from orchestrator.model.snapshot import Artifact, FileEntry, Known, KnownEmpty, Snapshot, SourceAnswer
from orchestrator.source.changes import NOTHING, Changed, joined

QUIET_S = 0.05  # contents that are equal this long apart have settled
QUIET_MAX_S = 2.0  # between two looks at something that is written to all the time


class SettledSource:
    """A source whose answers were the same at two looks, a moment apart, unless they are what was answered last.

    `read` is told which files may have changed since the last look. `wait` waits so many seconds and returns whether
    nobody wants an answer any more.
    """

    def __init__(self, read: Callable[[Changed], SourceAnswer], wait: Callable[[float], bool]) -> None:
        self._read, self._wait = read, wait
        self._answered: SourceAnswer | None = None

    def read(self, changed: Changed = None, more: Callable[[], Changed] = lambda: NOTHING) -> SourceAnswer:
        """Read it, as often as it takes; a failure to read is answered at once.

        Files that `changed` are looked at each time, and those of which `more` says so meanwhile.
        """
        answer, quiet_s = self._read(changed), QUIET_S
        before = self._answered
        while not (is_same(before, answer) or self._wait(quiet_s)):
            changed = joined(changed, more())
            before, answer = answer, self._read(changed)
            quiet_s = min(2 * quiet_s, QUIET_MAX_S)
        self._answered = answer
        return answer


def is_same(before: SourceAnswer | None, now: SourceAnswer) -> bool:
    """Tell whether an answer needs no second look: it says what the one before said, or that nothing can be read."""
    if not isinstance(now, Known | KnownEmpty):
        return True
    return isinstance(before, Known | KnownEmpty) and is_settled(before.snapshot, now.snapshot)


def is_settled(first: Snapshot, second: Snapshot) -> bool:
    """Tell whether two snapshots, read a moment apart, hold the same manifests with the same contents."""
    return first is second or _are_settled(first, second)


def _are_settled(first: Snapshot, second: Snapshot) -> bool:
    return first.manifests == second.manifests and first.revision == second.revision and _same_files(first, second)


def _same_files(first: Snapshot, second: Snapshot) -> bool:
    if first.files.keys() != second.files.keys():
        return False
    return all(_same(entry, second.files[path]) for path, entry in first.files.items())


def _same(first: FileEntry, second: FileEntry) -> bool:
    if isinstance(first, Artifact) and isinstance(second, Artifact):
        return first.digest == second.digest
    return first is second or first == second
