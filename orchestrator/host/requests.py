"""`airssys:core/host-messaging`: requests, their cancelling, and broadcasts, behind `messaging.send` as sending is."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from orchestrator.host.context import GuestContext
from orchestrator.host.messaging import INTERFACE, may_reach, messaging_error, over_its_rate
from orchestrator.messaging.asking import Requests
from orchestrator.messaging.rates import Rates
from orchestrator.messaging.recorder import Recorder
from orchestrator.messaging.router import Router, denied
from orchestrator.model.hop import HopKind
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import Mail, Undelivered
from orchestrator.model.plain import Err, Ok
from orchestrator.runtime.engine.host_import import HostImport

TARGETS_MAX = 256  # of one broadcast
SHOWN_MAX = 64  # characters of an id that are repeated to the guest that gave it


def request_imports(
    router: Router, requests: Requests, rates: Rates, now_ns: Callable[[], int]
) -> Sequence[HostImport]:
    """Return the functions for answers, or several targets."""
    recorder = requests.recorder

    def request(context: GuestContext, target: ComponentId, payload: bytes, timeout_ms: int) -> Ok | Err:
        if not may_reach(context, target.deployment):
            return messaging_error(denied(context.id.deployment, target.deployment), target)
        over = over_its_rate(rates, context)
        if over is not None:
            return over
        asked = requests.ask(context.requester, target, payload, timeout_ms)
        return messaging_error(asked, target) if isinstance(asked, Undelivered) else Ok(asked)

    def cancel_request(context: GuestContext, id: str) -> Ok | Err:
        if requests.cancel(context.requester, id):
            return Ok(None)
        return Err("delivery-failed", f"no request {id[:SHOWN_MAX]} of this instance waits for an answer")

    def broadcast(context: GuestContext, targets: Sequence[ComponentId], payload: bytes) -> Ok | Err:
        refusal = _why_not(context, targets) or over_its_rate(rates, context, len(targets))
        if refusal is not None:
            return refusal
        sent_ns, requester = now_ns(), context.requester
        trace = recorder.trace(requester, sent_ns)
        mail = Mail(requester.address, (payload,), sent_ns, requester.conversation, None, trace)
        refused = [
            (
                target,
                _send(router, recorder, target, replace(mail, to=target.instance) if target.instance else mail),
            )
            for target in targets
        ]
        return next((_named(target, why) for target, why in refused if why is not None), Ok(None))

    return [
        HostImport(INTERFACE, "request", request),
        HostImport(INTERFACE, "cancel-request", cancel_request),
        HostImport(INTERFACE, "broadcast", broadcast),
    ]


def _why_not(context: GuestContext, targets: Sequence[ComponentId]) -> Err | None:
    """Say why a broadcast is not sent to anybody: one that is not granted keeps all of them from it."""
    if len(targets) > TARGETS_MAX:
        return Err("invalid-message", f"{len(targets)} targets; a broadcast has at most {TARGETS_MAX}")
    for target in targets:
        if not may_reach(context, target.deployment):
            return messaging_error(denied(context.id.deployment, target.deployment), target)
    return None


def _send(router: Router, recorder: Recorder, target: ComponentId, mail: Mail) -> Undelivered | None:
    """Queue one message of a broadcast, whose grant was looked at; why not, if it was not."""
    _, refused = router.send_many(target.deployment, mail, lambda _key: True)
    if refused is not None:
        recorder.lost(mail.message(0), target, HopKind.SEND, refused)
    return refused


def _named(target: ComponentId, why: Undelivered) -> Err:
    """Say which target did not take a message, also where the error's own case would not."""
    if why.case == "queue-full":
        return Err("delivery-failed", f"{target.deployment}: {why}")
    return messaging_error(why, target)
