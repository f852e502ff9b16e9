"""Which versions of an interface stand for each other: the rule by which components are linked. Pure.

An interface at a later version of the same *track* can be used where an earlier one is asked for. The track is the
major version, below 1.0.0 the minor; 0.0.x, pre-releases and unversioned names stand for nothing but themselves.
"""

import re

import msgspec

_VERSION = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})")


class Versioned(msgspec.Struct, frozen=True):
    """An interface's name, taken apart; `track` is the name with as much of the version as has to agree."""

    bare: str
    version: str
    track: str
    order: tuple[int, ...] = ()


def versioned(name: str) -> Versioned:
    """Take an interface's name apart."""
    bare, _, version = name.partition("@")
    matched = _VERSION.fullmatch(version)
    order = tuple(map(int, matched.groups())) if matched else ()
    if not order or order[:2] == (0, 0):
        return Versioned(bare, version, name, order)
    track = str(order[0]) if order[0] else f"0.{order[1]}"
    return Versioned(bare, version, f"{bare}@{track}", order)


def stands_for(offered: str, asked: str) -> bool:
    """Decide whether the interface `offered` can be used where `asked` is asked for."""
    have, want = versioned(offered), versioned(asked)
    return offered == asked or (have.track == want.track and have.order >= want.order)
