"""A condition of a deployment: one question about it, answered, with a word for tools and a sentence for people."""

from enum import Enum

from orchestrator.model.base import Value


class ConditionType(Enum):
    """The question: whether it serves, whether it is on its way, whether it waits for a person."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class Truth(Enum):
    """The answer; unknown is what nobody can tell while no agent runs."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Value, frozen=True):
    """One answer: `reason` is a word for tools, `message` a sentence, empty where the word says it all.

    `since` is when the answer, or its reason, changed last: wall-clock milliseconds, 0 where that is not known.
    """

    type: ConditionType
    status: Truth
    reason: str
    message: str = ""
    since: int = 0
