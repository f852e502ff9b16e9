"""Turns a document of `kind: SealedSecret` into a sealed value, or into problems. It opens nothing."""

from collections.abc import Iterable, Iterator

from orchestrator.manifest.check import check
from orchestrator.manifest.node import Node, Place, Unplaced, text_at
from orchestrator.model.ids import DEFAULT_NAMESPACE
from orchestrator.model.secret import SealedSecret

SEALED_KIND = "SealedSecret"


def sealed_problems(root: Node) -> list[Unplaced]:
    """Return what is wrong with a document as a sealed secret."""
    return check("sealed-secret", root)


def sealed_of(root: Node) -> SealedSecret:
    """Return the sealed value of a sound document."""
    return SealedSecret(
        namespace=text_at(root, "metadata", "namespace") or DEFAULT_NAMESPACE,
        name=text_at(root, "metadata", "name") or "",
        key=text_at(root, "spec", "key") or "",
        sealed=text_at(root, "spec", "sealed") or "",
    )


def written_twice(found: Iterable[tuple[SealedSecret, str, Place]]) -> Iterator[tuple[int, Unplaced]]:
    """Yield the place in `found` (value, file, place) of each that is a value of the same secret as another."""
    seen: dict[object, list[tuple[int, str, Place]]] = {}
    for index, (sealed, file, place) in enumerate(found):
        seen.setdefault(sealed.id, []).append((index, file, place))
    for name, documents in seen.items():
        for number, (index, _, place) in enumerate(documents if len(documents) > 1 else ()):
            _, file, (line, column) = documents[1 if number == 0 else 0]
            summary = f"secret {name} is written down twice, here and in {file}:{line}:{column}"
            yield index, Unplaced(*place, summary, suggestion="remove the older one")
