"""`metadata.formerly` of all documents together → what cannot be so, and the names that invalid documents had before.

`resolve` calls it. That a name was never there is no problem: the line stays in a manifest after the rename.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from orchestrator.manifest.entry import DocumentEntry
from orchestrator.manifest.node import Unplaced
from orchestrator.model.ids import DeploymentKey

Keyed = Mapping[DeploymentKey, Sequence[DocumentEntry]]


def refuse_names_before(keyed: Keyed, found: dict[DocumentEntry, list[Unplaced]]) -> None:
    """Refuse a former name that is still in use, and one that two deployments had: nobody could tell whose it is."""
    claimed: dict[DeploymentKey, DocumentEntry] = {}
    for key, entries in keyed.items():
        for entry in entries[:1]:
            for old, place in entry.formerly:
                other = claimed.setdefault(old, entry)
                problem = _problem(key, old, keyed, other if other is not entry else None)
                if problem:
                    found[entry].append(Unplaced(*place, *problem))


def _problem(
    key: DeploymentKey, old: DeploymentKey, keyed: Keyed, other: DocumentEntry | None
) -> tuple[str, str, str] | None:
    if old == key:
        return f"{key} was formerly itself", "A name before is another name.", "remove it"
    if old in keyed:
        where = keyed[old][0].where(keyed[old][0].place)
        hint = "remove the old document, or `formerly`; a chain of renames takes a commit for each"
        return f"{old} is still there, in {where}", f"{key} cannot take its place beside it.", hint
    if other is not None:
        return f"{old} was formerly {other.key} as well", "One deployment takes over from another.", "remove one"
    return None


def kept_by_invalid(keyed: Keyed, invalid: Iterable[DeploymentKey]) -> Iterator[DeploymentKey]:
    """Yield the former names of invalid deployments: what runs under them keeps running until they are valid."""
    for key in invalid:
        yield from (old for entry in keyed[key] for old, _ in entry.formerly if old not in keyed)
