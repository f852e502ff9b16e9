"""Topics: publishes, and shows who subscribes to what."""

from collections.abc import Sequence

import click
from rich.console import Console

from orchestrator.agent.views import SubscriptionView
from orchestrator.cli.context import Settings, command
from orchestrator.cli.names import WORD
from orchestrator.cli.show import table

COLUMNS = ("DEPLOYMENT", "PATTERN", "BY", "INSTANCE", "IN FORCE")


@command()
@click.argument("topic", type=WORD)
@click.argument("payload")
def publish(settings: Settings, topic: str, payload: str) -> None:
    """Publish a message: it comes to every deployment that subscribes to the topic."""
    published = settings.client().publish(topic, payload.encode("utf-8", "surrogateescape"))
    if settings.is_json:
        settings.print_json(published)
        return
    settings.err().print(_told(published.deployments, published.subscribers), style="dim")


def _told(took: int, of: int) -> str:
    if not of:
        return "nobody subscribes to this topic"
    if took == of:
        return f"queued by {took} deployment{'s' * (took != 1)}"
    return f"queued by {took} of {of} deployments; `airs get dead-letters` says why not by the others"


def show_subscriptions(console: Console, found: Sequence[SubscriptionView]) -> None:
    """Print subscriptions as a table."""
    if not found:
        console.print("No subscriptions.")
        return
    rows = [
        (f"{s.namespace}/{s.deployment}", s.pattern, s.by, s.instance, "yes" if s.in_force else "no: not granted")
        for s in found
    ]
    table(console, COLUMNS, rows)
