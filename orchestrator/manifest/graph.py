"""Finds what is wrong with dependencies between deployments: circles, and how to write them. Iterative throughout."""

from collections.abc import Collection, Hashable, Iterator, Mapping
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
SHOWN_MAX = 12


def knots(edges: Mapping[K, Collection[K]]) -> list[frozenset[K]]:
    """Return the groups of two or more that all depend on each other (Tarjan's strongly connected components)."""
    index: dict[K, int] = {}
    low: dict[K, int] = {}
    open_: dict[K, None] = {}
    groups: list[frozenset[K]] = []
    for start in edges:
        if start in index:
            continue
        walk: list[tuple[K, Iterator[K]]] = [(start, _enter(start, edges, index, low, open_))]
        while walk:
            node, rest = walk[-1]
            child = next(rest, None)
            if child is None:
                walk.pop()
                _leave(node, index, low, open_, groups)
                if walk:
                    low[walk[-1][0]] = min(low[walk[-1][0]], low[node])
            elif child not in index:
                walk.append((child, _enter(child, edges, index, low, open_)))
            elif child in open_:
                low[node] = min(low[node], index[child])
    return groups


def _enter(
    node: K, edges: Mapping[K, Collection[K]], index: dict[K, int], low: dict[K, int], open_: dict[K, None]
) -> Iterator[K]:
    index[node] = low[node] = len(index)
    open_[node] = None
    return iter(edges.get(node, ()))


def _leave(node: K, index: dict[K, int], low: dict[K, int], open_: dict[K, None], groups: list[frozenset[K]]) -> None:
    if low[node] != index[node]:
        return
    group = set()
    while node not in group:
        last, _ = open_.popitem()
        group.add(last)
    if len(group) > 1:
        groups.append(frozenset(group))


def cycle_through(start: K, group: Collection[K], edges: Mapping[K, Collection[K]]) -> list[K]:
    """Return a shortest way from `start` back to `start` inside its group, `start` at both ends."""
    came_from: dict[K, K] = {}
    wave = [start]
    while start not in came_from:
        wave = [child for node in wave for child in edges[node] if _is_new(child, node, group, came_from)]
    way = [start, came_from[start]]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return way[::-1]


def _is_new(child: K, node: K, group: Collection[K], came_from: dict[K, K]) -> bool:
    if child not in group or child in came_from:
        return False
    came_from[child] = node
    return True


def written(way: list[K]) -> str:
    """Write a cycle as `a → b → a`, a long one shortened in the middle."""
    words = [str(node) for node in way]
    if len(words) > SHOWN_MAX:
        words = [*words[: SHOWN_MAX - 2], f"… {len(way) - SHOWN_MAX + 1} more …", words[-1]]
    return " → ".join(words)
