"""One desired deployment and its observed state → its action, by an ordered table; first match wins.

That is one action, or none; and where its revision is held back, a row for that beside it.

Called by `make.py` for each deployment that its source wants. `removals.py` removes those no longer wanted.
"""

# ruff: noqa: D103 — the rows of RULES say what each predicate and action is for
from collections.abc import Callable

import msgspec

from orchestrator.model.observed import Hold, ObservedDeployment, Record, Rejection
from orchestrator.model.secret import LackingSecret
from orchestrator.model.source import NOBODY
from orchestrator.model.spec import Deployment, Strategy
from orchestrator.plan.action import Action, ActionKind, Reason
from orchestrator.plan.dependencies import Obstacle
from orchestrator.plan.differences import (
    all_changes,
    capability_changes,
    in_place_changes,
    in_place_reasons,
    news_of,
    revision_reasons,
    signer_changes,
)
from orchestrator.plan.renames import FormerName
from orchestrator.rollout.in_place import in_force, with_edits
from orchestrator.rollout.standing import hold_of, is_barred, is_going_back, refusals, under_way


class Case(msgspec.Struct, frozen=True):
    """Everything a rule may look at. `seen` is None where nothing is known of the deployment yet."""

    source: str
    wanted: Deployment
    seen: ObservedDeployment | None
    obstacle: Obstacle | None
    may_adopt: bool
    is_left: bool  # by its owner, a source of the same repository or work tree
    agent_running: bool
    lacking: tuple[LackingSecret, ...] = ()
    former: FormerName | None = None

    @property
    def record(self) -> Record:
        """The record; asked only by rules that come after those for a deployment without one."""
        assert self.seen is not None
        return self.seen.record

    @property
    def stable(self) -> Deployment | None:
        """The deployment as it serves."""
        return self.record.stable

    @property
    def target(self) -> Deployment | None:
        """The target of a rollout in progress; one that only keeps the old version warm has already arrived."""
        rollout = under_way(self.record)
        return rollout.target if rollout is not None else None

    @property
    def in_force(self) -> Deployment | None:
        """The side that a difference is shown against: the stable one, or for a first version the target."""
        return self.stable or self.target


Rule = tuple[Callable[[Case], bool], Callable[[Case], Action | tuple[Action, ...] | None]]


def decide(case: Case) -> tuple[Action, ...]:
    """Return the actions for one wanted deployment: at most one, beside a row for a revision that is held back."""
    found = next(act(case) for applies, act in RULES if applies(case))
    return found if isinstance(found, tuple) else () if found is None else (found,)


def is_as_wanted(case: Case) -> bool:
    """Whether all is as it is wanted, to every field, with nothing in progress."""
    if case.seen is None:
        return False
    record, is_ours = case.seen.record, case.seen.record.source == case.source != NOBODY
    is_at_rest = record.rollout is None or record.rollout.phase.is_over
    return is_ours and is_at_rest and record.stable == case.wanted and not is_not_running(case)


def is_unknown(case: Case) -> bool:
    return case.seen is None


def is_renamed(case: Case) -> bool:
    return case.former is not None


def cannot_be_renamed(case: Case) -> bool:
    return case.former is not None and case.former.reason is not None


def is_anothers(case: Case) -> bool:
    return case.record.source != case.source


def is_nobodys(case: Case) -> bool:
    return case.record.source == NOBODY


def never_served(case: Case) -> bool:
    return case.stable is None and case.target is None


def has_arrived(case: Case) -> bool:
    """Whether the wanted revision serves, and no rollout leads elsewhere."""
    return case.target is None and is_same_revision(case.wanted, case.stable)


def is_under_way(case: Case) -> bool:
    return is_same_revision(case.wanted, case.target)


def is_coming_back(case: Case) -> bool:
    return is_going_back(case.record) and (is_under_way(case) or is_same_revision(case.wanted, case.stable))


def is_reverted(case: Case) -> bool:
    return case.target is not None and is_same_revision(case.wanted, case.stable)


def is_refused(case: Case) -> bool:
    return refusal(case) is not None


def is_obstructed(case: Case) -> bool:
    return case.obstacle is not None


def lacks_a_secret(case: Case) -> bool:
    return bool(case.lacking)


def differs_in_place(case: Case) -> bool:
    return edit(case) is not None


def edit(case: Case) -> tuple[Deployment, Deployment] | None:
    """Return a set's spec before and after the edits in place; None where these make no difference.

    It is the new set's spec where a rollout leads to the wanted revision; else that of the set that serves.
    """
    seen = in_force(case.record, case.wanted)
    old = case.target if is_under_way(case) else case.stable
    if seen is None or old is None:
        return None
    new = with_edits(old, seen, case.wanted)
    return (old, new) if in_place_reasons(old, new) else None


def is_not_running(case: Case) -> bool:
    """Whether an agent runs and has no instance at all; those backing off or given up are the supervisor's."""
    has_none = case.agent_running and case.seen is not None and case.seen.instances == ()
    return has_none and not case.wanted.suspend and case.wanted.replicas > 0 and not is_barred(case.record)


def is_same_revision(wanted: Deployment, other: Deployment | None) -> bool:
    return other is not None and other.revision.id == wanted.revision.id


def refusal(case: Case) -> Rejection | Hold | None:
    """Return the record of this very revision having failed, or having been rolled back from."""
    return max(refusals(case.record, case.wanted.revision.id), key=lambda entry: entry.at_ms, default=None)


def both(first: Callable[[Case], bool], second: Callable[[Case], bool]) -> Callable[[Case], bool]:
    return lambda case: first(case) and second(case)


def always(case: Case) -> bool:
    return True


def nothing(case: Case) -> None:
    return None


def action(case: Case, kind: ActionKind, *reasons: Reason, **more: object) -> Action:
    """Start an action from what every kind shows."""
    new = case.wanted.revision
    old = case.in_force.revision if case.seen is not None and case.in_force else None
    plain = Action(
        kind=kind,
        sigil=kind.sigil,
        key=case.wanted.key,
        reasons=reasons,
        old_version=old.version if old else None,
        new_version=new.version,
        old_revision=old.id if old else None,
        new_revision=new.id,
    )
    return msgspec.structs.replace(plain, **more)


def create(case: Case) -> Action:
    capabilities = capability_changes(None, case.wanted)
    changes = (*signer_changes(None, case.wanted), *news_of(case.wanted))
    if case.seen is None:
        return action(case, ActionKind.CREATE, Reason.NEW, changes=changes, capabilities=capabilities)
    reasons, note = (Reason.NEW, *release(case)), ended_hold(case) or "recorded, but has never served"
    return action(case, ActionKind.CREATE, *reasons, changes=changes, capabilities=capabilities, note=note)


def block_rename(case: Case) -> Action:
    assert case.former is not None
    assert case.former.reason is not None
    return action(case, ActionKind.BLOCKED, case.former.reason, note=case.former.why)


def rename(case: Case) -> Action:
    """Pass everything on to the new name; what else differs is left to the next pass, and shown."""
    assert case.former is not None
    record = case.former.record
    old = record.stable or record.wanted
    return action(
        case,
        ActionKind.RENAME,
        Reason.RENAMED,
        formerly=record.key,
        old_version=old.revision.version,
        old_revision=old.revision.id,
        interrupts="stops before it starts" if record.stable is not None and not record.stable.suspend else "",
        changes=all_changes(old, case.wanted),
        capabilities=capability_changes(old.revision, case.wanted),
        note=f"with record, history, data and kept messages; other messages to {record.key} are refused",
    )


def block_on_dependency(case: Case) -> Action:
    assert case.obstacle is not None
    return action(case, ActionKind.BLOCKED, case.obstacle.reason, note=case.obstacle.note)


def block_on_secret(case: Case) -> Action:
    """Leave it as it is: its revision cannot be told without the value."""
    told = "; ".join(f"secret {each.name} {each.why}{f', {each.hint}' * bool(each.hint)}" for each in case.lacking)
    file, line = case.wanted.file, case.wanted.line
    where = f" ({file}:{line})" if line else f" ({file})" if file else ""
    return action(case, ActionKind.BLOCKED, Reason.MISSING_SECRET, new_revision=None, note=told + where)


def block_as_anothers(case: Case) -> Action:
    note = f"belongs to {case.record.source}; --adopt takes it over"
    return action(case, ActionKind.BLOCKED, Reason.OWNED_BY_OTHER_SOURCE, note=note)


def adopt(case: Case) -> Action:
    return take_over(case, Reason.ADOPTED, f"was owned by {case.record.source or 'no source'}")


def move(case: Case) -> Action:
    return take_over(case, Reason.MOVED, f"from {case.record.source}, which no longer names it; it runs on")


def take_over(case: Case, reason: Reason, note: str) -> Action:
    old = case.in_force
    changes = all_changes(old, case.wanted) if old else ()
    capabilities = capability_changes(old.revision if old else None, case.wanted)
    return action(case, ActionKind.ADOPT, reason, changes=changes, capabilities=capabilities, note=note)


def hold(case: Case) -> tuple[Action, ...]:
    """Hold the revision back; edits in place act on the set that serves, and are a row of their own."""
    entry, found = refusal(case), edit(case)
    assert entry is not None
    reason = Reason.ROLLED_BACK if isinstance(entry, Hold) else Reason.REJECTED_BEFORE
    once = "" if isinstance(entry, Hold) else " once what made it fail is mended"
    note = f"{entry.reason}; another revision releases it, or `airs rollout retry {case.wanted.key}`{once}"
    serving = found[1] if found else case.stable
    held_back = all_changes(serving, case.wanted) if serving is not None else ()
    held = action(case, ActionKind.HELD, reason, changes=held_back, note=note)
    return (update(case, *found), held) if found else (held,)


def update_in_place(case: Case) -> Action:
    found = edit(case)
    assert found is not None
    return update(case, *found)


def update(case: Case, old: Deployment, new: Deployment) -> Action:
    stops = new.suspend and not old.suspend
    return action(
        case,
        ActionKind.UPDATE,
        *in_place_reasons(old, new),
        old_version=old.revision.version,
        old_revision=old.revision.id,
        new_version=new.revision.version,
        new_revision=new.revision.id,
        interrupts="stops every instance" if stops else "",
        changes=in_place_changes(old, new),
    )


def start(case: Case) -> Action:
    return action(case, ActionKind.RESTART, Reason.NOT_RUNNING, note="the agent has no instance of it")


def revert(case: Case) -> Action:
    assert case.stable is not None
    assert case.target is not None
    return action(
        case,
        ActionKind.ROLL_OUT,
        Reason.REVERTED,
        strategy=case.wanted.rollout.strategy,
        changes=in_place_changes(case.stable, case.wanted),
        note=f"ends the rollout of {case.target.revision.version} in progress",
    )


def roll_out(case: Case) -> Action:
    old = case.in_force
    assert old is not None
    return action(
        case,
        ActionKind.ROLL_OUT,
        *revision_reasons(old.revision, case.wanted.revision),
        *release(case),
        strategy=case.wanted.rollout.strategy if not case.wanted.revision.is_job else None,
        interrupts=interruption(case),
        changes=all_changes(old, case.wanted),
        capabilities=capability_changes(old.revision, case.wanted),
        note=f"replaces the rollout of {case.target.revision.version} in progress" if case.target else ended_hold(case),
    )


def release(case: Case) -> tuple[Reason, ...]:
    """Name the reason where the revision wanted before was held back, and this is wanted in its place."""
    return (Reason.HOLD_RELEASED,) if ended_hold(case) else ()


def ended_hold(case: Case) -> str:
    before = case.record.wanted.revision
    entry = hold_of(case.record) if before.id != case.wanted.revision.id else None
    return f"{before.version} was held because {entry.reason}" if entry else ""


def interruption(case: Case) -> str:
    """Say how a rollout by this deployment's strategy interrupts callers; a first version has none yet."""
    if case.stable is None or case.stable.suspend or case.stable.revision.is_job:
        return ""
    if case.wanted.rollout.strategy is Strategy.RECREATE:
        return "stops before it starts"
    return "held for a moment" if case.wanted.revision.stateful or case.stable.revision.stateful else ""


RULES: tuple[Rule, ...] = (
    # As wanted: the rules below would come to the same, one after another. It is what most deployments are.
    (is_as_wanted, nothing),
    # New, and names a secret that cannot be given: it could only fail.
    (both(is_unknown, lacks_a_secret), block_on_secret),
    # New by its name only, and what it was called before cannot be taken over yet.
    (both(is_renamed, cannot_be_renamed), block_rename),
    # New by its name only: it takes over what it was, and the next pass compares it.
    (is_renamed, rename),
    # New, but a dependency will not be there: creating it could only fail.
    (both(is_unknown, is_obstructed), block_on_dependency),
    # New.
    (is_unknown, create),
    # Nobody's since its source was removed: the first source to want it takes it, and the next pass compares it.
    (is_nobodys, adopt),
    # A source's of the same repository or work tree, which no longer names it: it moved here.
    (both(is_anothers, lambda case: case.is_left), move),
    # Another source's, and the operator said to take it over: the next pass compares it like any other.
    (both(is_anothers, lambda case: case.may_adopt), adopt),
    # Another source's: two sources that both want it would overwrite each other for ever.
    (is_anothers, block_as_anothers),
    # Names a secret that cannot be given: without its value, not even the revision is known. Its instances run on.
    (lacks_a_secret, block_on_secret),
    # Failed on its first try, and is the same revision: the same would happen again.
    (both(never_served, is_refused), hold),
    # Recorded but never tried to the end, and now something it depends on is gone.
    (both(never_served, is_obstructed), block_on_dependency),
    # Recorded but never tried to the end: an agent died between the record and the first instance.
    (never_served, create),
    # On its way back, to the wanted revision or from it; edits in place act on the set that goes on.
    (both(is_coming_back, differs_in_place), update_in_place),
    # The same, with no such difference: wait, for its end decides what is next.
    (is_coming_back, nothing),
    # The rollout in progress leads there; only fields that change in place differ.
    (both(is_under_way, differs_in_place), update_in_place),
    # The rollout in progress leads there.
    (is_under_way, nothing),
    # The wanted revision serves, with nothing in progress; only fields that change in place differ.
    (both(has_arrived, differs_in_place), update_in_place),
    # It serves, but an agent runs without a single instance of it.
    (both(has_arrived, is_not_running), start),
    # It is as wanted; a hold on something else no longer matters.
    (has_arrived, nothing),
    # Failed or was rolled back from; the set that serves may still be edited in place.
    # Before the next row: after a manual rollback, the revision still wanted is its stable.
    (is_refused, hold),
    # The revision that serves is wanted again, while a rollout leads elsewhere.
    (is_reverted, revert),
    # Another revision, but a dependency will not be there: everything is checked before the first step.
    (is_obstructed, block_on_dependency),
    # Another revision; replaces the rollout in progress, if there is one.
    (always, roll_out),
)
