"""One fact that the plan found out about an action, for people and for tools. Made by `ruled.py` and `findings/`."""

from enum import Enum

from orchestrator.model.base import Value


class FindingKind(Enum):
    """What a finding is about; the values are the words shown."""

    RULE = "rule"  # of a policy, or a limit of the settings


class PlanFinding(Value, frozen=True, omit_defaults=True):
    """One fact about an action, as a sentence and in fields; those that do not concern its kind are left out.

    `blocks` where it keeps the action from being carried out; `unblock` says what would let it. A `rule` has the name
    that policies give it, its `policy` ("" for the machine's own settings), and its place.
    """

    kind: FindingKind
    text: str
    blocks: bool = False
    unblock: str = ""
    rule: str = ""
    policy: str = ""
    file: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        """Where it is written down, as people read it; empty for nowhere."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file
