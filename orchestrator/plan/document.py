"""The Plan itself: an inert value that can be shown, saved, compared and applied on its own."""

from collections import Counter
from collections.abc import Iterable

from msgspec import UNSET, UnsetType

from orchestrator.model.base import Value
from orchestrator.model.commit import Commit
from orchestrator.model.desired import DesiredState
from orchestrator.model.diagnostic import Diagnostic
from orchestrator.plan.action import Action, ActionKind
from orchestrator.plan.against import Against

FORMAT_VERSION = "1.0"


class Summary(Value, frozen=True):
    """How many actions of each kind; blocked and held ones are counted nowhere else."""

    create: int = 0
    update: int = 0
    roll_out: int = 0
    remove: int = 0
    restart: int = 0
    adopt: int = 0
    blocked: int = 0
    held: int = 0
    rename: int | UnsetType = UNSET  # left out where there is none


class Plan(Value, frozen=True):
    """The actions from the observed state to one source's desired state, in the order in which they are carried out.

    `lineage` and `serial` name the observation it was made from. `desired` is the state that it leads to, `commit` the
    one that this was read from, where it is known: `source_revision` is its id, with `-dirty` where the files differ
    from it. `digest` covers every other field. `against` is what it was compared with where no agent and no record here
    was asked; it is left out otherwise.
    """

    source: str
    root: str
    root_reason: str
    source_revision: str | None
    lineage: str
    serial: int
    agent_running: bool
    desired: DesiredState
    actions: tuple[Action, ...]
    summary: Summary
    diagnostics: tuple[Diagnostic, ...] = ()
    commit: Commit | None = None
    format_version: str = FORMAT_VERSION
    digest: str = ""
    against: Against | UnsetType = UNSET


def summarize(actions: Iterable[Action]) -> Summary:
    """Count the actions by kind."""
    count = Counter(action.kind for action in actions)
    return Summary(
        create=count[ActionKind.CREATE],
        update=count[ActionKind.UPDATE],
        roll_out=count[ActionKind.ROLL_OUT],
        remove=count[ActionKind.REMOVE],
        restart=count[ActionKind.RESTART],
        adopt=count[ActionKind.ADOPT],
        blocked=count[ActionKind.BLOCKED],
        held=count[ActionKind.HELD],
        rename=count[ActionKind.RENAME] or UNSET,
    )


def has_changes(plan: Plan) -> bool:
    """Whether anything differs from the desired state, blocked and held ones included."""
    return bool(plan.actions)
