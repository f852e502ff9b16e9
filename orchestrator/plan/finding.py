"""One fact that the plan found out about an action, for people and for tools. Made by `ruled.py` and `findings/`."""

from enum import Enum

from orchestrator.model.base import Value


class FindingKind(Enum):
    """The subject of a finding; the values are the words shown."""

    RULE = "rule"  # of a policy, or a limit of the settings
    BREAKS_CALLER = "breaks-caller"  # a deployed one, which uses what will not be there
    UNMET_USE = "unmet-use"  # of another deployment, which does not have it
    SECRET = "secret"  # noqa: S105 — a kind
    DEPENDENCY = "dependency"
    OWNER = "owner"  # another source
    HELD = "held"  # a revision that failed, or that somebody rolled back from
    REMOVAL = "removal"  # that waits until somebody allows it
    CAPABILITY = "capability"  # that is asked for anew, and not granted
    SIGNER = "signer"  # of what comes, and not of what runs
    QUOTA = "quota"  # a limit that it comes closer to
    DATA = "data"  # that another version takes over
    INTERRUPTION = "interruption"  # whose, and for how long


NOTED = (  # what the note of a row says, as people are shown it
    FindingKind.SECRET, FindingKind.DEPENDENCY, FindingKind.OWNER, FindingKind.HELD, FindingKind.REMOVAL,
)  # fmt: skip


class PlanFinding(Value, frozen=True, omit_defaults=True):
    """One fact about an action, as a sentence and in fields; those that do not concern its kind are left out.

    `blocks` where it keeps the action from being carried out; `unblock` says what would let it. A `rule` has the name
    that policies give it, its `policy` ("" for the machine's own settings), and its place. Of a call there are its
    `caller`, its `target` and the `function`, and the place of the caller. Of an interruption there are the `callers`,
    and for how long messages were held in earlier switches; of data, how many keys and bytes are stored.
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
    capability: str = ""
    patterns: tuple[str, ...] = ()
    callers: tuple[str, ...] = ()
    held_ms: tuple[int, ...] = ()
    keys: int = 0
    bytes: int = 0
    old: str = ""
    new: str = ""

    @property
    def place(self) -> str:
        """Where it is written down, as people read it; empty for nowhere."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file
