"""`airssys:core/host-pubsub`: publishing and subscribing, behind `messaging.publish` and `messaging.subscribe`."""

from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.host.context import GuestContext
from orchestrator.host.messaging import over_its_rate
from orchestrator.messaging.rates import Rates
from orchestrator.messaging.recorder import Recorder
from orchestrator.messaging.router import Router, too_large
from orchestrator.messaging.topics import Topics
from orchestrator.model.message import Mail
from orchestrator.model.plain import Err, Ok
from orchestrator.model.spec import Grant
from orchestrator.patterns.topic import PATTERN_SAYS, TOPIC_SAYS, is_pattern, is_topic
from orchestrator.runtime.engine.host_import import HostImport
from orchestrator.security.grants import PUBLISH, may_publish

INTERFACE = "airssys:core/host-pubsub@1.0.0"
SHOWN_MAX = 100  # characters of what is no topic


def may_publish_on(context: GuestContext, topic: str) -> bool:
    """Decide whether a guest may publish under a topic; nobody may under what is none."""
    return context.allows((PUBLISH, topic), _may_publish, topic)


def _may_publish(grants: tuple[Grant, ...], topic: str) -> bool:
    return is_topic(topic) and may_publish(grants, topic)


class _PubSub:
    """The interface's functions."""

    def __init__(
        self, router: Router, recorder: Recorder, rates: Rates, topics: Topics, now_ns: Callable[[], int]
    ) -> None:  # fmt: skip
        self._router, self._recorder, self._rates = router, recorder, rates
        self._topics, self._now_ns = topics, now_ns

    def publish(self, context: GuestContext, topic: str, payload: bytes) -> Ok | Err:
        if not may_publish_on(context, topic):
            return _not_published(context, topic)
        refused = too_large((payload,))
        if refused is not None:
            return Err(refused.case, refused.detail)
        over = over_its_rate(self._rates, context)
        if over is not None:
            return over
        found = self._topics.matching(topic)
        return Ok(self._router.publish(found, self._mail(context, topic, payload)) if found else 0)

    def _mail(self, context: GuestContext, topic: str, payload: bytes) -> Mail:
        sent_ns, requester = self._now_ns(), context.requester
        trace = self._recorder.trace(requester, sent_ns)
        return Mail(requester.address, (payload,), sent_ns, requester.conversation, None, trace, topic)

    def subscribe(self, context: GuestContext, pattern: str) -> Ok | Err:
        if not is_pattern(pattern):
            return _malformed(pattern, PATTERN_SAYS)
        if not context.takes_messages:
            return Err("delivery-failed", f"{context.key} takes no messages: it is no actor, or a job")
        context.may_subscribe(pattern)
        why = self._topics.subscribe(context.subscriber, pattern)
        return Err("delivery-failed", why) if why else Ok()

    def unsubscribe(self, context: GuestContext, pattern: str) -> Ok | Err:
        if self._topics.unsubscribe(context.subscriber, pattern):
            return Ok()
        return Err("delivery-failed", f"this instance does not subscribe to {pattern[:SHOWN_MAX]!a}")

    def current_topic(self, context: GuestContext) -> str | None:
        return context.current.topic


def pubsub_imports(
    router: Router, recorder: Recorder, rates: Rates, topics: Topics, now_ns: Callable[[], int]
) -> Sequence[HostImport]:
    """Return the interface's functions."""
    one = _PubSub(router, recorder, rates, topics, now_ns)
    functions: dict[str, Callable[..., Any]] = {
        "publish": one.publish, "subscribe": one.subscribe, "unsubscribe": one.unsubscribe,
        "current-topic": one.current_topic,
    }  # fmt: skip
    return [HostImport(INTERFACE, name, call) for name, call in functions.items()]


def _not_published(context: GuestContext, topic: str) -> Err:
    if not is_topic(topic):
        return _malformed(topic, TOPIC_SAYS)
    return Err("delivery-failed", f"capability denied: {context.key} was not granted {PUBLISH}: [{topic}]")


def _malformed(text: str, wanted: str) -> Err:
    return Err("invalid-message", f"{text[:SHOWN_MAX]!a} is not {wanted}")
