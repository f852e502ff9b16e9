"""How an agent fetches components, and what it tells of that."""

from collections.abc import Mapping
from typing import NamedTuple

from orchestrator.fetch.limits import FetchSettings
from orchestrator.model.event import Announce
from orchestrator.model.package import PackageReference

RETAIN_MS = 86_400_000


class Fetching(NamedTuple):
    """The operator's settings for fetching, what git may see of the environment, and how long packages are kept."""

    settings: FetchSettings
    passed_on: Mapping[str, str]
    retain_ms: int = RETAIN_MS


NOTHING_FETCHED = Fetching(FetchSettings(), {})


def tell_of_look(announce: Announce, found: PackageReference, before: PackageReference | None) -> None:
    """Announce what a look at a reference found: a component, another one than before, or nothing."""
    name = found.reference
    if found.failure:
        if before is None or before.failure != found.failure:
            goes_on = "; what was fetched before is used" if found.package else ""
            announce(None, "fetch-failed", f"{name} cannot be fetched: {found.failure}{goes_on}")
        return
    origin, previous = found.origin, before.origin if before is not None and before.resolved else None
    if previous is None:
        announce(None, "component-fetched", f"{name} is {origin.short}")
    elif previous != origin:
        announce(None, "component-moved", f"{name} moved from {previous.short} to {origin.short}")
    elif before is not None and before.failure:
        announce(None, "component-fetched", f"{name} can be looked up again: it is {origin.short}")
