"""Looks up the components that a snapshot's manifests want, several at once, for a command that waits.

A component that cannot be fetched ends nothing: that is noted, and stands in the snapshot as an unreadable file.
"""

from collections.abc import Callable, Iterable

from orchestrator.fetch.fetcher import Fetcher
from orchestrator.fetch.files import PackageFiles
from orchestrator.fetch.limits import FetchFailed
from orchestrator.fetch.parallel import all_at_once
from orchestrator.model.component_source import ComponentUse, RemoteComponent


def look_up(
    fetcher: Fetcher, files: PackageFiles, uses: Iterable[ComponentUse], now_ms: Callable[[], int], at_once: int
) -> None:
    """Look up what may have moved or is not here; failures are noted, and end nothing."""
    wanted: dict[str, RemoteComponent] = {}
    for use in uses:
        note = fetcher.packages.reference(use.remote.reference)
        if not files.is_here(note) or (use.refresh_ms and not files.is_settled(use.remote, note)):
            wanted[use.remote.reference] = use.remote
        else:
            fetcher.packages.touch(use.remote.reference, now_ms() / 1000)

    def look(remote: RemoteComponent) -> None:
        try:
            fetcher.look(remote, now_ms())
        except FetchFailed:
            return

    for raised in all_at_once(look, [*wanted.values()], at_once):
        if raised is not None:
            raise raised
