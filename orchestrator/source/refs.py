"""Turns a ref as typed into its full name among those a repository advertises; `git.py` asks before it fetches.

git itself takes the first of several refs of one short name, a tag before a branch, and says so to nobody who reads
it. Here a short name that stands for two refs is refused, and so is a range of versions that is also a branch's name.
It contacts nothing and knows no repository.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from orchestrator.manifest.versions import Range
from orchestrator.model.commit import SHORT
from orchestrator.model.snapshot import SourceFailure
from orchestrator.source.ranges import TAGS, VersionTag, newest, version_of, version_range

_FULL_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{4,}")
_PLACES = ("refs/", "refs/tags/", "refs/heads/", "refs/remotes/")  # where git looks for a short name, in its order
PEELED = "^{}"  # behind the name of a tag: the commit that it names
SHORTEST = 7  # hex digits that git prints of a commit, and that are taken for a commit where they name nothing else


class NamedCommit(NamedTuple):
    """A ref's full name, and the commit that it names; empty where nobody was asked."""

    name: str
    tip: str

    @property
    def tag(self) -> str:
        """The short name of a tag; empty for other refs."""
        return self.name.removeprefix(TAGS) if self.name.startswith(TAGS) else ""


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


def patterns(ref: str) -> tuple[str, ...]:
    """Return what a repository has to be asked about to tell what `ref` stands for."""
    named = tuple(asked for name in candidates(ref) for asked in (name, name + PEELED))
    return (*named, TAGS + "*") if version_range(ref) is not None else named


def named_commit(ref: str, advertised: Mapping[str, str], repository: str, before: NamedCommit | None) -> NamedCommit:
    """Return the one name that `ref` stands for, and its commit. `before` is what it stood for when it was believed.

    Raises:
        RefRefused: there is none, or more than one; or the tag of `before` is gone, or moved, and no newer one came.
    """
    wanted = version_range(ref)
    named = [name for name in candidates(ref) if name in advertised]
    tags = newest(wanted, advertised, PEELED) if wanted is not None else ()
    if wanted is None or (named and not tags):
        name = full_name(ref, advertised, repository)
        return NamedCommit(name, advertised.get(name + PEELED, advertised[name]))
    if named:
        raise _branch_or_range(ref, named[0], tags[0], repository)
    if not tags and (before is None or not before.tag):
        raise RefRefused(
            f"there is no version {ref} in {repository}",
            "no tag like v1.2.3 or 1.2.3 lies in that range; a pre-release does only where the range names one of it",
            "Push such a tag, or name another range.",
        )
    found = _one_of(tags, repository) if tags else None
    _refuse_going_back(found, advertised, repository, wanted, before)
    assert found is not None
    return NamedCommit(found.name, found.tip)


def _branch_or_range(ref: str, name: str, tag: VersionTag, repository: str) -> RefRefused:
    return RefRefused(
        f"{ref} means 2 things in {repository}",
        f"it may be {name}, or the newest version of that range, {tag.name}",
        f"Write the ref in full ({repository}#{name}), or the range in a way that no ref is named, such as ^1.2 or "
        f"`>=1 <2`.",
    )


def _one_of(tags: tuple[VersionTag, ...], repository: str) -> VersionTag:
    if len({tag.tip for tag in tags}) > 1:
        names = " and ".join(tag.name for tag in tags)
        raise RefRefused(
            f"two tags of {repository} are the same version", f"{names} name different commits", "Remove one of them."
        )
    return tags[0]


def _refuse_going_back(
    found: VersionTag | None, advertised: Mapping[str, str], repository: str, wanted: Range, before: NamedCommit | None
) -> None:
    """Refuse to follow a tag that was taken away or moved to an older version, or to another commit."""
    version = version_of(before.tag) if before is not None and before.tag else None
    if before is None or version is None or version not in wanted:
        return
    if found is not None and found.version > version:
        return
    now = advertised.get(before.name + PEELED, advertised.get(before.name))
    hint = "Tag a newer version, or put the tag back; `airs source add` once more follows what is there now."
    if now is None and (found is None or found.version < version):
        left = f"the newest that is left is {found.name.removeprefix(TAGS)}" if found else "no other is left"
        raise RefRefused(
            f"the tag {before.tag} is gone from {repository}", f"{left}: a tag that is gone takes nothing back", hint
        )
    if found is not None and found.tip != before.tip:
        raise RefRefused(
            f"the tag {found.name.removeprefix(TAGS)} of {repository} moved",
            f"it named {before.tip[:SHORT]} and names {found.tip[:SHORT]} now, and a version is one commit",
            hint,
        )


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
