"""Turns a ref as typed into its full name among those a repository advertises; `git.py` asks before it fetches.

git itself takes the first of several refs of one short name, a tag before a branch, and says so to nobody who reads
it. Here a short name that stands for two refs is refused. It contacts nothing and knows no repository.
"""

import re
from collections.abc import Mapping

from orchestrator.model.snapshot import SourceFailure

_FULL_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{4,}")
_PLACES = ("refs/", "refs/tags/", "refs/heads/", "refs/remotes/")  # where git looks for a short name, in its order
SHORTEST = 7  # hex digits that git prints of a commit, and that are taken for a commit where they name nothing else


class RefRefused(Exception):
    """A ref that names no one thing: `summary` says what it names, `detail` why, `suggestion` what to write instead."""

    def __init__(self, summary: str, detail: str, suggestion: str) -> None:
        super().__init__(summary)
        self.summary, self.detail, self.suggestion = summary, detail, suggestion

    def failure(self, source: str) -> SourceFailure:
        """Say it as the reason why `source` cannot be read."""
        return SourceFailure(source=source, summary=self.summary, detail=self.detail, suggestion=self.suggestion)


def candidates(ref: str) -> tuple[str, ...]:
    """Return the full names that `ref` may stand for; none for a commit, which needs no looking up."""
    if _FULL_COMMIT.fullmatch(ref):
        return ()
    if ref == "HEAD" or ref.startswith("refs/"):
        return (ref,)
    return tuple(place + ref for place in _PLACES)


def full_name(ref: str, advertised: Mapping[str, str], repository: str) -> str:
    """Return the one name among those `advertised` that `ref` stands for.

    Raises:
        RefRefused: there is none, or more than one.
    """
    found = [name for name in candidates(ref) if name in advertised]
    if len(found) > 1:
        raise RefRefused(
            f"{ref} means {len(found)} things in {repository}",
            f"it may be {' or '.join(found)}",
            f"Write the one that is meant in full, such as {repository}#{found[-1]}, or remove the other.",
        )
    if not found:
        raise _unknown(ref, repository)
    return found[0]


def _unknown(ref: str, repository: str) -> RefRefused:
    summary = f"there is no {ref} in {repository}"
    if len(ref) >= SHORTEST and _SHORT_COMMIT.fullmatch(ref):
        return RefRefused(
            summary,
            "no branch or tag has that name, and a commit is named by its full id: a short one may mean two commits "
            "tomorrow",
            f"`git rev-parse {ref}` in a clone prints the full id.",
        )
    where = ref if ref == "HEAD" or ref.startswith("refs/") else f"refs/heads/{ref} or refs/tags/{ref}"
    return RefRefused(summary, f"it has no {where}", "Push it, or name a ref that exists.")
