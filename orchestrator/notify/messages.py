"""News → the request that tells people or programs of it: a CloudEvent, or a message in a chat."""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256

import msgspec

from orchestrator.model.settings import NotificationSection
from orchestrator.notify.forges import OutgoingRequest
from orchestrator.notify.signatures import STANDARD, STANDARD_ID, STANDARD_TIME, standard_signature
from orchestrator.notify.transitions import Notice
from orchestrator.notify.words import filled_link, slack_code, slack_text

CLOUD_EVENT = "application/cloudevents+json; charset=utf-8"
TYPE = "dev.airs."
LINES_MAX = 20  # of one message in a chat; more wait for the next
_MARKS = {True: ":white_check_mark:", False: ":warning:"}


def cloud_event(
    section: NotificationSection, notice: Notice, url: str, secret: str, lineage: str, now_s: int
) -> OutgoingRequest:
    """Make the request that tells a program of news, in the structured form of CloudEvents 1.0; signed with a secret.

    The id is the same however often it is sent, so that a receiver knows it again.
    """
    id = sha256(f"{lineage}\n{notice.subject}\n{notice.state}\n{notice.at_ms}".encode()).hexdigest()[:32]
    data = {
        "event": notice.word, "source": notice.source, "commit": notice.commit, "namespace": notice.namespace,
        "deployment": notice.deployment, "version": notice.version, "revision": notice.revision,
        "message": notice.sentence, "link": filled_link(section.link, notice.fields),
    }  # fmt: skip
    event = {
        "specversion": "1.0", "id": id, "source": f"urn:airs:{lineage}", "type": f"{TYPE}{notice.word}",
        "subject": notice.name, "time": rfc3339(notice.at_ms), "datacontenttype": "application/json",
        "data": {name: value for name, value in data.items() if value},
    }  # fmt: skip
    body = msgspec.json.encode(event)
    headers = {"Content-Type": CLOUD_EVENT}
    if secret:
        headers |= {
            STANDARD_ID: id, STANDARD_TIME: str(now_s), STANDARD: standard_signature(secret, id, now_s, body),
        }  # fmt: skip
    return OutgoingRequest("POST", url, headers, body)


def slack_message(section: NotificationSection, notices: Sequence[Notice], url: str) -> OutgoingRequest:
    """Make the request that tells a chat of news, a line each, for an incoming webhook as Slack has them."""
    text = "\n".join(_line(section, notice) for notice in notices)
    headers = {"Content-Type": "application/json; charset=utf-8"}
    return OutgoingRequest("POST", url, headers, msgspec.json.encode({"text": text}))


def _line(section: NotificationSection, notice: Notice) -> str:
    link = filled_link(section.link, notice.fields)
    name = slack_text(notice.name)
    shown = f"<{link}|{name}>" if link else name
    at = f" ({notice.commit[:10]})" if notice.commit else ""
    return f"{_MARKS[notice.is_good]} {shown} {notice.word}{at}: {slack_code(notice.sentence)}"


def rfc3339(at_ms: int) -> str:
    """Write a moment as CloudEvents do."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{at}.{at_ms % 1000:03d}Z"
