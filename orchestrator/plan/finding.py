"""One fact that the plan found out about an action, for people and for tools. Made by `ruled.py` and `findings/`."""

from enum import Enum

from orchestrator.model.base import Value


class FindingKind(Enum):
    """The subject of a finding; the values are the words shown."""

    RULE = "rule"  # of a policy, or a limit of the settings
    BREAKS_CALLER = "breaks-caller"  # a deployed one, which uses what will not be there
    UNMET_USE = "unmet-use"  # of another deployment, which does not have it


class PlanFinding(Value, frozen=True, omit_defaults=True):
    """One fact about an action, as a sentence and in fields; those that do not concern its kind are left out.

    `blocks` where it keeps the action from being carried out; `unblock` says what would let it. A `rule` has the name
    that policies give it, its `policy` ("" for the machine's own settings), and its place. Of a call there are its
    `caller`, its `target` and the `function`, and the place of the caller.
    """

    kind: FindingKind
    text: str
    blocks: bool = False
    unblock: str = ""
    caller: str = ""
    target: str = ""
    function: str = ""
    rule: str = ""
    policy: str = ""
    file: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        """Where it is written down, as people read it; empty for nowhere."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file
