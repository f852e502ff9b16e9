"""`airssys:core/host-messaging`: sending to other deployments, behind `messaging.send`."""

from collections.abc import Callable, Sequence

from orchestrator.host.context import GuestContext
from orchestrator.messaging.rates import Rates
from orchestrator.messaging.recorder import Recorder
from orchestrator.messaging.router import Router
from orchestrator.model.hop import HopKind
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import Mail, Undelivered
from orchestrator.model.plain import Err, Ok
from orchestrator.runtime.engine.host_import import HostImport, Wait
from orchestrator.security.grants import may_send

INTERFACE = "airssys:core/host-messaging@1.0.0"
WAIT_MAX_S = 86_400.0  # for room; the deadline of a sender's own call is sooner


def _yes(_key: DeploymentKey) -> bool:
    return True


def _no(_key: DeploymentKey) -> bool:
    return False


def may_reach(context: GuestContext, target: DeploymentKey) -> bool:
    """Decide whether a guest may send to a deployment."""
    return context.allows(target, may_send, context.key, target)


def messaging_error(refused: Undelivered, target: ComponentId) -> Err:
    """Say to a guest why its message was not taken."""
    return Err(refused.case, {"target-not-found": target, "queue-full": None}.get(refused.case, refused.detail))


def over_its_rate(rates: Rates, context: GuestContext, count: int = 1) -> Err | None:
    """Say to a guest that it may not send so much now; asked once it is known that it may send at all."""
    why = rates.over(context.key, count)
    return Err("delivery-failed", why) if why else None


def messaging_imports(
    router: Router, recorder: Recorder, rates: Rates, now_ns: Callable[[], int]
) -> Sequence[HostImport]:
    """Return the functions for one message at a time and no answer."""

    def send(context: GuestContext, target: ComponentId, payload: bytes) -> Ok | Err | Wait:
        key, sent_ns, requester = target.deployment, now_ns(), context.requester
        may = may_reach(context, key)
        over = over_its_rate(rates, context) if may else None
        if over is not None:
            return over
        trace = recorder.trace(requester, sent_ns)
        mail = Mail(requester.address, (payload,), sent_ns, requester.conversation, None, trace, to=target.instance)
        _, refused = router.send_many(key, mail, _yes if may else _no, may_wait=True)
        if refused is None:
            when_room = router.crowded(key)
            return Ok(None) if when_room is None else Wait(WAIT_MAX_S, Ok(None), when_room)
        if trace is not None:
            recorder.lost(mail.message(0), target, HopKind.SEND, refused)
        return messaging_error(refused, target)

    def self_id(context: GuestContext) -> ComponentId:
        return context.requester.address

    return [
        HostImport(INTERFACE, "send", send, waits=True),
        HostImport(INTERFACE, "self-id", self_id),
    ]
