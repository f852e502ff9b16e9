"""The operator's settings for those outside whom the agent hears of, and those whom it tells."""

from typing import NamedTuple

from orchestrator.model.settings import ForgeSection, NotificationSection, WebhooksSection


class Outward(NamedTuple):
    """The webhook listener, the forges and the receivers of events."""

    webhooks: WebhooksSection = WebhooksSection()
    forges: tuple[ForgeSection, ...] = ()
    notifications: tuple[NotificationSection, ...] = ()


NOBODY_OUTSIDE = Outward()
