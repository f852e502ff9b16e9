"""Why an instance ended: a closed set, so that policy can be a table."""

from enum import Enum

from orchestrator.model.base import Value


class ExitKind(Enum):
    """The ways an instance can end; all but `normal`, `killed` and `cancelled` are abnormal."""

    NORMAL = "normal"  # asked to stop, and did
    KILLED = "killed"  # asked to stop, and had to be interrupted
    CANCELLED = "cancelled"  # its caller gave the call up, and another instance takes its place
    TRAPPED = "trapped"  # unreachable, division by zero, out of bounds …
    OUT_OF_FUEL = "out-of-fuel"
    DEADLINE = "deadline"
    MEMORY = "memory"
    STACK = "stack"
    HOST_CALLS = "host-calls"  # more of them in one call than allowed
    STUCK_CALLS = "stuck-calls"  # too many calls of its deployment were given up and have not returned
    INITIALIZE_FAILED = "initialize-failed"  # initialize returned err, or metadata contradicts the manifest
    UNHEALTHY = "unhealthy"  # health() failed as often as the policy allows
    HOST_FAULT = "host-fault"  # the machine or a bug of ours, never the guest


class ExitReason(Value, frozen=True):
    """Why an instance ended: its kind, one line for people, and the guest's wasm backtrace when there is one.

    `code` is what a guest handed to `wasi:cli/exit`, None when it did not end that way.
    """

    kind: ExitKind
    detail: str = ""
    backtrace: tuple[str, ...] = ()
    code: int | None = None

    @property
    def is_abnormal(self) -> bool:
        """Whether a transient instance is started again after this."""
        return self.kind not in (ExitKind.NORMAL, ExitKind.KILLED, ExitKind.CANCELLED) or self.code not in (None, 0)

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.detail}" if self.detail else self.kind.value
