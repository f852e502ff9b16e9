"""Whether two patterns have anything in common: names, places of components, and patterns of capabilities. Pure.

A rule concerns a grant as soon as both stand for one thing: a grant of all topics is concerned by a rule on one.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from urllib.parse import unquote

from orchestrator.model.ids import DeploymentKey
from orchestrator.model.policy import Mode, PolicySet, RuledFolder
from orchestrator.patterns.folders import folder_of, is_within
from orchestrator.patterns.topic import ONE, REST

FOLDERS = ("filesystem.read", "filesystem.write")
TOPICS = ("messaging.publish", "messaging.subscribe")
PATTERNS_KEPT = 1_024


def name_matches(pattern: str, name: str) -> bool:
    """Decide whether a pattern, in which `*` stands for any characters, covers a name."""
    return _compiled(pattern, is_place=False).fullmatch(name) is not None


def place_matches(pattern: str, place: str) -> bool:
    """Decide whether a pattern covers the place of a component: `*` stops at `/`, `**` does not.

    A place with `..` or an escape in it may lead elsewhere than it says, and is covered by none.
    """
    if ".." in re.split(r"[/\\]", unquote(place)):
        return False
    plain = pattern.removesuffix("/**")
    return place == plain or _compiled(pattern, is_place=True).fullmatch(place) is not None


def overlaps(capability: str, granted: str, ruled: str, namespace: str) -> bool:
    """Decide whether a grant and a rule on one capability have anything in common, for a deployment of a namespace."""
    if capability in FOLDERS:
        one, other = folder_of(granted), folder_of(ruled)
        return is_within(one, other) or is_within(other, one)
    if capability in TOPICS:
        return _topics_meet(granted.split("."), ruled.split("."))
    if capability == "messaging.send":
        one_key, other_key = DeploymentKey.parse(granted, namespace), DeploymentKey.parse(ruled, namespace)
        return _segments_meet(one_key.namespace, other_key.namespace) and _segments_meet(one_key.name, other_key.name)
    return granted == ruled or REST in (granted, ruled)


def governs(ruled: str, granted: str) -> bool:
    """Decide whether a rule on one capability is about a grant of another; a guest reads where it may write."""
    return ruled == granted or (ruled, granted) == FOLDERS


def folders_ruled(rules: PolicySet, namespace: str) -> Iterator[RuledFolder]:
    """Yield the directories that guests of a namespace may not have, or only with an approval."""
    for policy in rules.policies:
        if policy.mode is Mode.DEVELOPMENT or not any_matches(policy.namespaces, namespace):
            continue
        for rule in (*policy.forbid, *(policy.approve if policy.mode is Mode.STRICT else ())):
            where = f"policy {policy.name} ({policy.file}:{rule.line})"
            for pattern in rule.patterns if rule.capability in FOLDERS else ():
                yield RuledFolder(folder_of(pattern), rule.capability == FOLDERS[1], where)


def any_matches(patterns: Iterable[str], name: str) -> bool:
    """Decide whether one of some patterns covers a name."""
    return any(name_matches(pattern, name) for pattern in patterns)


def _topics_meet(one: Sequence[str], other: Sequence[str]) -> bool:
    shorter = min(len(one) - (one[-1] == REST), len(other) - (other[-1] == REST))
    if not all(map(_segments_meet, one[:shorter], other[:shorter])):
        return False
    if one[-1] != REST and other[-1] != REST:
        return len(one) == len(other)
    fixed, rest = (one, other) if other[-1] == REST else (other, one)
    return fixed[-1] == REST or len(fixed) >= len(rest)


def _segments_meet(one: str, other: str) -> bool:
    return one == other or ONE in (one, other)


@lru_cache(PATTERNS_KEPT)
def _compiled(pattern: str, *, is_place: bool) -> re.Pattern[str]:
    any_but = "[^/]*" if is_place else ".*"
    parts = re.split(r"(\*\*|\*)", pattern)
    return re.compile(
        "".join({"**": ".*", "*": any_but}.get(part, re.escape(part)) for part in parts), re.ASCII | re.DOTALL
    )
