"""Fetches components for a command, and shows how far that is: moving on a terminal, one line where nobody looks.

`reading` calls it for the manifests that want components fetched, and the commands about the component store.
"""

from orchestrator.cli.context import Settings
from orchestrator.cli.live_lines import LiveLines
from orchestrator.cli.reading import passed_to_git
from orchestrator.cli.terminal import Console
from orchestrator.fetch.at_once import look_up
from orchestrator.fetch.fetcher import Fetcher
from orchestrator.fetch.files import PackageFiles, Wanted, with_files
from orchestrator.fetch.http import Http
from orchestrator.fetch.limits import FetchSettings, fetch_settings
from orchestrator.model.compiling import MIB
from orchestrator.model.snapshot import Snapshot
from orchestrator.observe.events import printable
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.time_of_day import wall_ms

SHOWN_BYTES = MIB  # of a file that is told of where nobody looks


class FetchProgress(LiveLines):
    """Downloads while the block runs, shown as they go on."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._told: set[str] = set()

    def heard(self, what: str, has: int, of: int | None) -> None:
        """Show how much there is of a file; on any thread."""
        if has == of:
            self.drop(what)
        elif not self.put(what, lambda: f"Fetching {printable(what)}  {_far(has, of)}") and what not in self._told:
            self._tell(what, of or 0)

    def _tell(self, what: str, size: int) -> None:
        if size >= SHOWN_BYTES:
            self._told.add(what)
            self.console.print(f"Fetching {printable(what)} ({size / MIB:.1f} MiB)")


def _far(has: int, of: int | None) -> str:
    return f"{has / MIB:.1f} MiB" if of is None else f"{has / MIB:.1f} of {of / MIB:.1f} MiB"


def settings_of(settings: Settings) -> FetchSettings:
    """Return how this command fetches.

    Raises:
        Failure: the settings cannot be used.
    """
    return fetch_settings(settings.configured)


def http_of(settings: Settings) -> Http:
    """Return the client of HTTP for a command that talks to a registry itself."""
    return Http(settings_of(settings), plain_http=settings.plain_http)


def fetcher_of(settings: Settings, progress: FetchProgress) -> Fetcher:
    """Return what fetches components into the state directory."""
    return Fetcher(
        settings_of(settings), settings.state_dir, progress.heard, plain_http=settings.plain_http,
        passed_on=passed_to_git(),
    )  # fmt: skip


def snapshot_with_components(settings: Settings, snapshot: Snapshot, cache: ArtifactCache) -> Snapshot:
    """Fetch the components that a snapshot's manifests want, and return it with them."""
    uses = Wanted().uses(snapshot)
    with FetchProgress(settings.err()) as progress:
        fetcher = fetcher_of(settings, progress)
        files = PackageFiles(fetcher.packages, fetcher.artifacts, cache)
        look_up(fetcher, files, uses, wall_ms, settings_of(settings).at_once)
    return with_files(snapshot, uses, fetcher.packages, files)
