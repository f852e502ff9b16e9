"""Acts by hand: the user at the other end of the agent's socket, the reason that was given, and acts as kept."""

from enum import Enum

from orchestrator.model.base import Value


class Peer(Value, frozen=True):
    """The user whose process is at the other end of the socket, as the kernel tells; `user` is empty without a name."""

    uid: int
    user: str = ""

    def __str__(self) -> str:
        return self.user or f"uid {self.uid}"


class By(Value, frozen=True):
    """The user who asked for something and, where they said so, why."""

    peer: Peer
    why: str = ""

    def __str__(self) -> str:
        return f"{self.peer} ({self.why})" if self.why else str(self.peer)


class Verb(Enum):
    """An operation that an operator can do to a deployment by hand."""

    PROMOTE = "promote"
    ABORT = "abort"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    ROLLBACK = "rollback"
    RESTART = "restart"
    DELETE = "delete"
    RUN = "run"
    REPLAY = "replay"
    DISCARD = "discard"
    APPROVE = "approve"


class Act(Value, frozen=True):
    """One manual act on a deployment: what was done or begun, by whom and when; those of a deployment are numbered."""

    number: int
    verb: Verb
    by: By
    at_ms: int
    detail: str = ""
