"""Orders SemVer 2.0 versions and decides whether one lies in a range like `^1.4`, `~1.2.3`, `>=1, <2`, `1.4.0` or `*`.

A bare `1.4` means every 1.4.x, and `1.4.0` only itself. A pre-release lies in a range only if the range names a
pre-release of the same version, as in npm and Cargo.
"""

import re

import msgspec

_NUMBER = r"(0|[1-9][0-9]{0,9})"
_PRE = r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}{_PRE}")
_PART = re.compile(rf"(\^|~|>=|<=|>|<|=)?\s*{_NUMBER}(?:\.{_NUMBER}(?:\.{_NUMBER}{_PRE})?)?")
PARTS_MAX = 8

Core = tuple[int, int, int]
PreRelease = tuple[tuple[int, int, str], ...]
_RELEASE: PreRelease = ((2, 0, ""),)  # sorts after every pre-release identifier


class Version(msgspec.Struct, frozen=True, order=True):
    """A version in SemVer's order; build metadata does not count."""

    core: Core
    pre: PreRelease = _RELEASE

    @property
    def is_pre_release(self) -> bool:
        """Whether it comes before the release of its number."""
        return self.pre != _RELEASE


class Range(msgspec.Struct, frozen=True):
    """Versions from `low` up to, not including, `high` for every pair; `pre` are cores whose pre-releases may match."""

    bounds: tuple[tuple[Version, Version], ...]
    pre: frozenset[Core]

    def __contains__(self, version: Version) -> bool:
        if version.is_pre_release and version.core not in self.pre:
            return False
        return all(low <= version < high for low, high in self.bounds)


_FIRST = Version((0, 0, 0), ())
_LAST = Version((1 << 40, 0, 0))


def parse_version(text: str) -> Version:
    """Read a SemVer version.

    Raises:
        ValueError: it is not one.
    """
    match = _VERSION.fullmatch(text)
    if match is None:
        raise ValueError("not a SemVer version")
    return Version((int(match[1]), int(match[2]), int(match[3])), _pre_release(match[4]))


def parse_range(text: str) -> Range:
    """Read a version range: `*`, or up to eight comparisons separated by commas.

    Raises:
        ValueError: it is not one.
    """
    if text.strip() in ("*", ""):
        return Range((), frozenset())
    parts = [_PART.fullmatch(part.strip()) for part in text.split(",")]
    if len(parts) > PARTS_MAX or None in parts:
        raise ValueError("not a version range")
    matches = [part for part in parts if part is not None]
    cores = frozenset(_core(match)[0] for match in matches if match[5])
    return Range(tuple(_bounds(match) for match in matches), cores)


def _pre_release(text: str | None) -> PreRelease:
    if not text:
        return _RELEASE
    # Numbers sort before words, and a shorter list before a longer one that begins the same.
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in text.split("."))


def _core(match: re.Match[str]) -> tuple[Core, int]:
    given = [int(match[index]) for index in (2, 3, 4) if match[index] is not None]
    major, minor, patch = (*given, 0, 0)[:3]
    return (major, minor, patch), len(given)


def _bounds(match: re.Match[str]) -> tuple[Version, Version]:
    core, given = _core(match)
    exact = Version(core, _pre_release(match[5]))
    # `<2` leaves out 2.0.0-rc.1 too; the empty list of identifiers comes before every pre-release.
    low = exact if given == 3 else Version(core, ())
    after = _after(exact, core, given)
    below = exact if exact.is_pre_release else Version(core, ())
    by_operator = {
        "^": (low, _next(core, _caret_place(core, given))),
        "~": (low, _next(core, min(given, 2) - 1)),
        ">=": (low, _LAST),
        ">": (after, _LAST),
        "<=": (_FIRST, after),
        "<": (_FIRST, below),
    }
    return by_operator.get(match[1], (low, after))


def _after(exact: Version, core: Core, given: int) -> Version:
    if given < 3:
        return _next(core, given - 1)
    # The least version greater than this one.
    return Version(core, (*exact.pre, (0, -1, ""))) if exact.is_pre_release else Version(core, (*_RELEASE, (0, 0, "")))


def _caret_place(core: Core, given: int) -> int:
    leading = next((index for index, number in enumerate(core) if number), 2)
    return min(leading, given - 1)


def _next(core: Core, place: int) -> Version:
    numbers = [*core[:place], core[place] + 1, 0, 0][:3]
    return Version((numbers[0], numbers[1], numbers[2]), ())
