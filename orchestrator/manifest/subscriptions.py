"""A deployment's subscriptions → what is wrong with them: nobody there to take it, or more than it was granted."""

from collections.abc import Iterator

from orchestrator.manifest.capabilities import SUBSCRIBE
from orchestrator.manifest.component import Component
from orchestrator.manifest.job import is_job
from orchestrator.manifest.node import Node, Unplaced, find, items, nearest
from orchestrator.manifest.printable import excerpt
from orchestrator.model.world import Drive
from orchestrator.patterns.topic import covers_any, is_pattern


def subscription_problems(root: Node, component: Component) -> Iterator[Unplaced]:
    """Yield what is wrong with `spec.subscribe`; a pattern that is malformed is passed over."""
    written = list(items(find(root, "spec", "subscribe")))
    if is_job(root, component):  # and told so
        return
    if written and Drive.ACTOR not in component.drives:
        summary = f"component {component.name} is no actor: it takes no messages, and cannot subscribe"
        yield Unplaced(*nearest(root, "spec", "subscribe"), summary, suggestion="remove `spec.subscribe`")
        return
    granted = [str(item.value) for item in items(find(root, "spec", "grants", SUBSCRIBE))]
    for item in written:
        if isinstance(item.value, str) and is_pattern(item.value):
            yield from _beyond(item, item.value, granted)


def _beyond(item: Node, pattern: str, granted: list[str]) -> Iterator[Unplaced]:
    if covers_any(filter(is_pattern, granted), pattern):
        return
    listed = ", ".join(map(excerpt, granted)) or "nothing"
    yield Unplaced(
        *item.place,
        f"subscribes to {excerpt(pattern)}, which `spec.grants.{SUBSCRIBE}` does not cover",
        f"Granted is {listed}.",
        f"grant it: `{SUBSCRIBE}: [{excerpt(pattern).strip('`')}]`, or subscribe to less",
    )
