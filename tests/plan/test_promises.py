"""The promises of a plan, each held against generated worlds."""

from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.decoding import from_json
from orchestrator.model.base import canonical_json
from orchestrator.model.desired import DesiredState
from orchestrator.model.observed import ObservedState
from orchestrator.plan.action import ActionKind
from orchestrator.plan.document import Plan, has_changes, summarize
from orchestrator.plan.make import make_plan
from orchestrator.plan.saved import read_plan, render_json, seal
from orchestrator.plan.text import render_text

from .build import SOURCE, deployment, desired, observed
from .world import carry_out
from .worlds import desired_states, observed_states

KEY = b"k" * 32


def moving(plan: Plan) -> list[str]:
    return [f"{action.sigil} {action.key}" for action in plan.actions if not action.kind.is_stopped]


@given(desired_states(), observed_states())
def test_it_converges(wanted: DesiredState, state: ObservedState) -> None:
    for _ in range(
        3
    ):  # an adoption, or the end of a rollout that was in progress, and then the difference that is left
        state = carry_out(make_plan(wanted, state), state)
    assert moving(make_plan(wanted, state)) == []


@given(desired_states(), observed_states(rollouts=False))
def test_it_converges_in_one_pass_where_nothing_was_in_progress(wanted: DesiredState, state: ObservedState) -> None:
    first = make_plan(wanted, state)
    second = make_plan(wanted, carry_out(first, state))
    adopted = {a.key for a in first.actions if a.kind is ActionKind.ADOPT}
    assert [a for a in second.actions if not a.kind.is_stopped and a.key not in adopted] == []
    assert {a.key for a in second.actions} <= {a.key for a in first.actions}


@given(st.lists(st.sampled_from("abcdefgh"), unique=True), st.data())
def test_a_plan_of_a_plans_result_is_empty(names: list[str], data: st.DataObject) -> None:
    wanted = desired(*(deployment(name, data.draw(st.sampled_from(["1.0.0", "2.0.0"]))) for name in names))
    before = observed(*map(deployment, data.draw(st.lists(st.sampled_from("abcdef"), unique=True, max_size=3))))
    if not names:
        wanted = msgspec.structs.replace(
            wanted, permissions=msgspec.structs.replace(wanted.permissions, allow_empty=True)
        )
    after = make_plan(wanted, carry_out(make_plan(wanted, before), before))
    assert not has_changes(after)
    assert render_text(after).splitlines()[-1].startswith("No changes.")


@given(desired_states(), observed_states(), st.randoms(use_true_random=False))
def test_order_does_not_matter(wanted: DesiredState, state: ObservedState, chance: Random) -> None:
    def shuffled(members: tuple) -> tuple:
        return tuple(chance.sample(members, len(members)))

    other_wanted = msgspec.structs.replace(
        wanted, deployments=shuffled(wanted.deployments), invalid=shuffled(wanted.invalid)
    )
    other_state = msgspec.structs.replace(state, deployments=shuffled(state.deployments))
    assert render_json(make_plan(other_wanted, other_state)) == render_json(make_plan(wanted, state))


@given(desired_states(), observed_states())
def test_same_inputs_same_bytes(wanted: DesiredState, state: ObservedState) -> None:
    copied_wanted = from_json(canonical_json(wanted), DesiredState)
    copied_state = from_json(canonical_json(state), ObservedState)
    one, other = make_plan(wanted, state), make_plan(copied_wanted, copied_state)
    assert seal(one, KEY) == seal(other, KEY)
    assert render_text(one) == render_text(other)


@given(desired_states(), observed_states())
def test_nothing_is_deleted_while_it_may_stand_in_an_unreadable_file(
    wanted: DesiredState, state: ObservedState
) -> None:
    removed = {a.key for a in make_plan(wanted, state).actions if a.kind is ActionKind.REMOVE}
    own = [d.record for d in state.deployments if d.record.source == SOURCE]
    named = {d.key for d in wanted.deployments} | set(wanted.invalid)
    unreadable = set(wanted.unreadable_files)
    assert not removed & {r.key for r in own if r.wanted.file in unreadable}
    if unreadable - {r.wanted.file for r in own if r.key not in named}:
        assert not removed


@given(desired_states(), observed_states())
def test_only_what_this_source_owns_and_no_longer_names_is_deleted(wanted: DesiredState, state: ObservedState) -> None:
    removed = {a.key for a in make_plan(wanted, state).actions if a.kind is ActionKind.REMOVE}
    named = {d.key for d in wanted.deployments} | set(wanted.invalid)
    owned = {d.record.key for d in state.deployments if d.record.source == SOURCE}
    assert removed <= owned - named
    if not wanted.permissions.allow_mass_prune and not (wanted.empty and wanted.permissions.allow_empty):
        assert len(removed) <= max(3, len(owned) / 2)


@given(desired_states(), observed_states())
def test_what_belongs_to_another_source_is_touched_only_when_adopted(
    wanted: DesiredState, state: ObservedState
) -> None:
    plan = make_plan(wanted, state)
    theirs = {d.record.key for d in state.deployments if d.record.source != SOURCE}
    touched = {a.key for a in plan.actions if a.kind not in (ActionKind.ADOPT, ActionKind.BLOCKED)}
    assert not theirs & touched
    assert wanted.permissions.adopt or plan.summary.adopt == 0


@given(desired_states(), observed_states())
def test_what_is_needed_comes_before_what_needs_it(wanted: DesiredState, state: ObservedState) -> None:
    plan = make_plan(wanted, state)
    needs = {d.key: set(d.depends_on) for d in plan.desired.deployments}
    places = {a.key: place for place, a in enumerate(plan.actions) if a.kind is ActionKind.CREATE}
    for key, place in places.items():
        late = {need for need in needs[key] if places.get(need, -1) > place}
        assert all(reaches(need, key, needs) for need in late), "only a circle has no order"


def reaches(start: object, goal: object, needs: dict) -> bool:
    seen, front = set(), [start]
    while front:
        key = front.pop()
        if key == goal:
            return True
        if key not in seen:
            seen.add(key)
            front.extend(needs.get(key, ()))
    return False


@given(desired_states(), observed_states())
def test_each_deployment_has_one_action_beside_what_is_stopped_and_each_a_reason(
    wanted: DesiredState, state: ObservedState
) -> None:
    plan = make_plan(wanted, state)
    for stopped in (True, False):
        keys = [action.key for action in plan.actions if action.kind.is_stopped is stopped]
        assert len(set(keys)) == len(keys)
    both = {a.key for a in plan.actions if a.kind.is_stopped} & {a.key for a in plan.actions if not a.kind.is_stopped}
    assert all(a.kind in (ActionKind.UPDATE, ActionKind.HELD) for a in plan.actions if a.key in both)
    assert all(action.reasons and action.sigil == action.kind.sigil for action in plan.actions)
    assert plan.summary == summarize(plan.actions)
    counts = msgspec.structs.astuple(plan.summary)
    assert sum(count for count in counts if count is not msgspec.UNSET) == len(plan.actions)


@given(desired_states(), observed_states())
def test_a_saved_plan_is_read_back_as_it_was(wanted: DesiredState, state: ObservedState) -> None:
    plan = make_plan(wanted, state)
    assert read_plan(seal(plan, KEY), KEY) == plan


def test_a_thousand_deployments_are_planned_all_the_same() -> None:
    old = [deployment(f"app-{n:04}") for n in range(1000)]
    new = [deployment(f"app-{n:04}", "2.0.0", needs=[f"app-{n - 1:04}"] if n else []) for n in range(1000)]
    assert not make_plan(desired(*old), observed(*old)).actions
    plan = make_plan(desired(*reversed(new)), observed(*old))
    assert [action.key.name for action in plan.actions] == [d.key.name for d in new]
