"""Tells a SemVer range of tags (`v1.x`, `^1.2`, `>=1 <2`) from a ref, and finds the newest tag that lies in one.

Which tag is followed is decided here; `refs.py` asks, and names what else the text may mean. The ranges are those of
components' versions (`manifest/versions.py`). It contacts nothing.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from orchestrator.manifest.versions import Range, Version, parse_range, parse_version

TAGS = "refs/tags/"
TEXT_MAX = 255

_WILD = re.compile(r"v?([0-9]+(?:\.[0-9]+)?)(?:\.[xX*]){1,2}")
_PART = re.compile(r"(\^|~|>=|<=|>|<|=)v?([0-9][0-9A-Za-z.+-]*)")
_BETWEEN = re.compile(r"[, ]+")


class VersionTag(NamedTuple):
    """A tag that is a version: its full name and the commit that it names."""

    version: Version
    name: str
    tip: str


def version_range(ref: str) -> Range | None:
    """Read a ref as a range of versions; None where it is not written as one, as `1.2` and `v1.2.3` are not.

    A range has an operator before each version (`^1.2`, `>=1 <2`), or ends in `.x` (`v1.x`), or is `*`.
    """
    if len(ref) > TEXT_MAX:
        return None
    written = _without_letters(ref)
    if written is None:
        return None
    try:
        return parse_range(written)
    except ValueError:
        return None


def _without_letters(ref: str) -> str | None:
    """Write a range as components write theirs; None for what is none."""
    if ref == "*":
        return ref
    wild = _WILD.fullmatch(ref)
    if wild is not None:
        return wild[1]
    parts = [_PART.fullmatch(part) for part in _BETWEEN.split(ref)]
    if None in parts:
        return None
    return ",".join(f"{part[1]}{part[2]}" for part in parts if part is not None)


def newest(wanted: Range, advertised: Mapping[str, str], peeled: str) -> tuple[VersionTag, ...]:
    """Return the tags of the newest version in a range: none, one, or several of one version.

    `advertised` are names and the objects that they name; behind an annotated tag's name, `peeled` names its commit.
    """
    found = [tag for tag in version_tags(advertised, peeled) if tag.version in wanted]
    best = max((tag.version for tag in found), default=None)
    return tuple(tag for tag in found if tag.version == best)


def version_tags(advertised: Mapping[str, str], peeled: str) -> Iterable[VersionTag]:
    """Yield the tags that are versions, with a `v` before them or without."""
    for name in sorted(advertised):
        if name.startswith(TAGS) and not name.endswith(peeled):
            version = version_of(name.removeprefix(TAGS))
            if version is not None:
                yield VersionTag(version, name, advertised.get(name + peeled, advertised[name]))


def version_of(tag: str) -> Version | None:
    """Read the version that a tag's short name is; None where it is none."""
    try:
        return parse_version(tag.removeprefix("v"))
    except ValueError:
        return None
