"""What is asked of an instance to know how it is, and what its answers mean."""

import msgspec

from orchestrator.model.base import canonical_json
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import Answer, BadCall, CallAnswer, Exited, Health, Message, Refused, Replied, Returned
from orchestrator.model.spec import CheckCall, CheckMessage, HealthPolicy
from orchestrator.supervise.ports import Guest

SHOWN = 200  # characters of an answer


class HealthFinding(msgspec.Struct, frozen=True):
    """How an instance is; `why` is what its health call came to, empty where `health()` said so."""

    health: Health
    why: str = ""


async def examined(
    guest: Guest, policy: HealthPolicy, id: ComponentId, now_ns: int, timeout_ms: int
) -> HealthFinding | Exited:  # fmt: skip
    """Ask `health()`, and where that is not *unhealthy* make the policy's call too, each within `timeout_ms`."""
    health = await guest.health(timeout_ms)
    if isinstance(health, Exited):
        return health
    check = policy.call
    if check is None or health is Health.UNHEALTHY:
        return HealthFinding(health)
    work = check if isinstance(check, CheckCall) else Message(id, check.message.encode(), now_ns)
    answer = await guest.check(work, timeout_ms)
    if isinstance(answer, Exited):
        return answer
    why = fault(check, answer)
    return HealthFinding(Health.UNHEALTHY, why) if why else HealthFinding(health)


def fault(check: CheckCall | CheckMessage, answer: Answer | CallAnswer) -> str:
    """Say what is wrong with the answer to a health call, empty where nothing is."""
    match answer:
        case Refused():
            return f"its health call returned err: {_cut(str(answer))}"
        case BadCall(problem=problem):
            return f"its health call cannot be made: {_cut(problem)}"
        case Returned(value=value):
            said = canonical_json(value).decode()
        case Replied(payload=payload):
            said = "" if payload is None else payload.decode(errors="replace")
        case _:
            raise AssertionError("an exit is no answer")
    return (
        "" if check.expect in (None, said) else f"its health call answered {_quoted(said)}, not {_quoted(check.expect)}"
    )


def _quoted(text: str) -> str:
    return canonical_json(_cut(text)).decode()


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
