"""Who is calling: what a host function knows about the instance it serves."""

from collections.abc import Callable, Sequence

from orchestrator.model.ids import ComponentId
from orchestrator.model.spec import Grant, Limits, Revision

Log = Callable[[str, str, Sequence[tuple[str, str]] | None], None]  # level, message, context
GrantsInForce = Callable[[], tuple[Grant, ...] | None]


class GuestContext:
    """One instance's identity and what it may do.

    A grant must be in the instance's own revision and in what the source asks for now: taking one away acts at
    once on what runs, before any rollout.
    """

    __slots__ = ("_in_force", "id", "limits", "log", "revision")

    def __init__(self, component: ComponentId, revision: Revision, in_force: GrantsInForce, log: Log) -> None:
        self.id = component
        self.revision = revision
        self.limits: Limits = revision.limits
        self.log = log
        self._in_force = in_force

    def grant_sets(self) -> tuple[tuple[Grant, ...], ...]:
        """Return the grant lists that must all allow a call."""
        in_force = self._in_force()
        return (self.revision.grants,) if in_force is None else (self.revision.grants, in_force)
