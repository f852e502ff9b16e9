"""Topics: publishes, and shows who subscribes to what."""

from collections.abc import Sequence

import click

from orchestrator.cli.context import Settings, command
from orchestrator.cli.names import WORD
from orchestrator.cli.payload import conversation_option, payload_options, written
from orchestrator.cli.payload import payload as read_payload
from orchestrator.cli.show import table
from orchestrator.cli.terminal import Console
from orchestrator.client import AgentClient
from orchestrator.contract.documents import SubscriptionView
from orchestrator.patterns.topic import matches

COLUMNS = ("DEPLOYMENT", "PATTERN", "BY", "INSTANCE", "IN FORCE")


@command()
@click.argument("topic", type=WORD)
@click.argument("payload", required=False)
@payload_options
@conversation_option
def publish(settings: Settings, topic: str, conversation: str | None, **payload: str | None) -> None:
    """Publish a message to every deployment that subscribes to its topic."""
    data = read_payload(written(payload), lambda: _accepted_by_all(settings.client(), topic))
    published = settings.client().publish(topic, data, conversation)
    if settings.is_json:
        settings.print_json(published)
        return
    settings.err().print(_told(published.deployments, published.subscribers), style="dim")


def _accepted_by_all(client: AgentClient, topic: str) -> Sequence[str]:
    """Return codecs that subscribers accept, none where there is one that accepts no codecs: it knows no prefix."""
    found = client.subscriptions(None)
    keys = {(one.namespace, one.deployment) for one in found if one.in_force and matches(one.pattern, topic)}
    accepted = [view.accepts for view in client.deployments() if (view.namespace, view.name) in keys]
    return accepted[0] if accepted and all(accepted) else ()


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
