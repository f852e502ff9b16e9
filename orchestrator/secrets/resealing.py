"""The text of a manifest → the same text with its sealed secrets sealed for another key; all else stays to the byte."""

from typing import NamedTuple

from orchestrator.manifest.documents import read_documents
from orchestrator.manifest.node import Node, find, text_at
from orchestrator.manifest.sealed import SEALED_KIND, sealed_of, sealed_problems
from orchestrator.model.secret import SecretName
from orchestrator.secrets.sealing import SealingProblem, key_id, seal, unseal


class Resealed(NamedTuple):
    """A file's new text, the secrets that were sealed anew, and what could not be: each with why and its line."""

    text: str
    done: tuple[SecretName, ...]
    refused: tuple[tuple[SecretName, str, int], ...]


def reseal(text: str, keys: dict[str, bytes], public: bytes) -> Resealed:
    """Seal every value in a manifest anew that is for another key than `public`."""
    done: list[SecretName] = []
    refused: list[tuple[SecretName, str, int]] = []
    edits: list[tuple[int, str, str]] = []
    starts = _line_starts(text)
    for document in read_documents(text.encode()).documents:
        root = document.root
        if root is None or text_at(root, "kind") != SEALED_KIND or sealed_problems(root) or not document.whole:
            continue
        sealed = sealed_of(root)
        if sealed.key == key_id(public):
            continue
        try:
            anew = seal(public, sealed.id, unseal(keys, sealed))
            found = [
                _edit(text, starts, find(root, "spec", "key"), sealed.key, anew.key),
                _edit(text, starts, find(root, "spec", "sealed"), sealed.sealed, anew.sealed),
            ]
        except SealingProblem as problem:
            refused.append((sealed.id, str(problem), document.line))
        else:
            edits += found
            done.append(sealed.id)
    for at, old, new in sorted(edits, reverse=True):
        text = text[:at] + new + text[at + len(old) :]
    return Resealed(text, tuple(done), tuple(refused))


def _line_starts(text: str) -> list[int]:
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts


def _edit(text: str, starts: list[int], node: Node | None, old: str, new: str) -> tuple[int, str, str]:
    """Return where a value stands in the text, and what replaces it.

    Raises:
        SealingProblem: it is written in a way that nothing can be put in place of.
    """
    assert node is not None
    at = starts[node.line - 1] + node.column - 1
    at += text[at : at + 1] in ("'", '"')
    if not text.startswith(old, at):
        raise SealingProblem("is not written on one line as `airs secret seal` writes it", "seal the value again")
    return at, old, new
