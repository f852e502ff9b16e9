"""The health checks of an instance, and the meaning of its answers."""

import msgspec

from orchestrator.model.base import canonical_json
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import Answer, BadCall, CallAnswer, Exited, Health, Message, Refused, Replied, Returned
from orchestrator.model.spec import CheckCall, CheckMessage, HealthPolicy
from orchestrator.supervise.ports import GuestPort

KNOWN_MS = 60_000  # between looks at a guest that can say nothing else than that it is well
SHOWN = 200  # characters of an answer


class HealthFinding(msgspec.Struct, frozen=True):
    """The health of an instance; `why` is the outcome of its health call, empty where `health()` said so."""

    health: Health
    why: str = ""

    @property
    def is_well(self) -> bool:
        """Whether it may take messages."""
        return self.health is not Health.UNHEALTHY


UNKNOWN = HealthFinding(Health.UNKNOWN)


class HealthRecord:
    """The last finding on one instance, how often in a row it was unhealthy, and whether it was ever Ready."""

    __slots__ = ("_failures", "found", "was_ready")

    def __init__(self) -> None:
        self.found, self.was_ready = UNKNOWN, False
        self._failures = 0

    def note(self, found: HealthFinding, policy: HealthPolicy) -> bool:
        """Note how it is now; True when it was unhealthy too often in a row."""
        self.found = found
        self._failures = 0 if found.is_well else self._failures + 1
        return self._failures >= policy.failure_threshold

    def forget(self, reason: ExitReason) -> None:
        """Begin anew after an exit; one that ended because it was unhealthy stays known as that."""
        self.found = HealthFinding(Health.UNHEALTHY) if reason.kind is ExitKind.UNHEALTHY else UNKNOWN
        self._failures = 0

    def failure(self) -> ExitReason:
        """Say why an instance is ended that was found unhealthy too often."""
        often, why = f"{self._failures} times in a row", self.found.why
        detail = f"failed {often}, at last so: {why}" if why else f"health() failed {often}"
        return ExitReason(kind=ExitKind.UNHEALTHY, detail=detail)

    def said(self, before: Health) -> str | None:
        """Say how it is, where that is news after how it was; None where it is none."""
        now, why = self.found.health, self.found.why
        if now is before or (before is Health.UNKNOWN and now is Health.HEALTHY):
            return None
        if now is Health.UNHEALTHY:
            problem = f"is unhealthy: {why}" if why else "says that it is unhealthy"
            return f"{problem}; it is given no message until it is not"
        return _NEWS.get(now, f"says that it is {now.value}")


_NEWS = {
    Health.HEALTHY: "is healthy again",
    Health.DEGRADED: "says that it is degraded; it goes on",
}


def next_check_ms(policy: HealthPolicy, guest: GuestPort | None, found: HealthFinding) -> int:
    """Return how long after a check the next one is made."""
    is_known = guest is not None and guest.has_constant_health and policy.call is None and found.is_well
    return max(policy.interval_ms, KNOWN_MS) if is_known else policy.interval_ms


async def examined(
    guest: GuestPort, policy: HealthPolicy, id: ComponentId, now_ns: int, timeout_ms: int
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
