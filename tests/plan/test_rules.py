"""One row per situation: what is wanted, what is seen of it, and the kind and reasons of the action, if any."""

from typing import Any

import msgspec
import pytest

from orchestrator.model.desired import Permissions
from orchestrator.model.observed import ObservedDeployment, ObservedInstance, ObservedState, Phase, Record
from orchestrator.model.rollout import RolloutPhase
from orchestrator.model.signed import Signer
from orchestrator.model.source import NOBODY
from orchestrator.model.spec import (
    Deployment,
    HealthPolicy,
    Job,
    Mailbox,
    Priority,
    RateLimit,
    RestartPolicy,
    RolloutPolicy,
    Routing,
    RoutingPolicy,
    Strategy,
)
from orchestrator.plan.action import Action, ActionKind, Reason
from orchestrator.plan.make import make_plan

from .build import (
    LIMITS,
    OTHER_SOURCE,
    by,
    deployment,
    desired,
    grant,
    hold,
    key,
    observed,
    record,
    rejection,
    revision,
    rollout,
    with_fields,
)
from .world import carry_out

ONE, TWO, THREE = deployment(version="1.0.0"), deployment(version="2.0.0"), deployment(version="3.0.0")
PHASES_BEFORE_ARRIVAL = [
    phase
    for phase in RolloutPhase
    if not phase.is_over and phase not in (RolloutPhase.KEEPING, RolloutPhase.ROLLING_BACK)
]
NOTHING = None
KEY_ID = "ed25519:00112233445566778899aabbccddeeff"
SIGNED = (Signer(key_id=KEY_ID, name="acme", expires_ms=1_893_456_000_000), Signer(key_id=KEY_ID[::-1], revoked=True))


def planned(wanted: Deployment, *seen: Deployment | Record | ObservedDeployment, **fields: Any) -> Action | None:
    agent = fields.pop("agent", True)
    actions = make_plan(desired(wanted, **fields), observed(*seen, agent=agent)).actions
    return next((action for action in actions if action.key == wanted.key), None)


def said(action: Action | None) -> tuple[str, ...] | None:
    return action and (action.kind.value, *(reason.value for reason in action.reasons))


def without(phase: Phase | None) -> ObservedDeployment:
    instance = phase and ObservedInstance(name="hello-0", revision=ONE.revision.id, phase=phase, ready=False)
    return ObservedDeployment(record=record(ONE), instances=(instance,) if instance else ())


@pytest.mark.parametrize(
    ("wanted", "seen", "expected"),
    [
        (ONE, None, ("create", "new")),
        (ONE, record(None, wanted=ONE), ("create", "new")),
        (ONE, record(None, wanted=ONE, rejected=(rejection(ONE),)), ("held", "rejected-before")),
        (ONE, record(None, wanted=ONE, rejected=(rejection(TWO),)), ("create", "new")),
        (ONE, record(None, wanted=ONE, rollout=rollout(ONE, RolloutPhase.FAILED)), ("create", "new")),
        (ONE, record(ONE, source=OTHER_SOURCE), ("blocked", "owned-by-other-source")),
        (TWO, record(ONE, source=OTHER_SOURCE), ("blocked", "owned-by-other-source")),
        (ONE, record(ONE), NOTHING),
        (TWO, record(ONE), ("roll-out", "artifact-changed")),
        (TWO, record(ONE, rejected=(rejection(TWO),)), ("held", "rejected-before")),
        (TWO, record(ONE, rejected=(rejection(THREE), rejection(TWO))), ("held", "rejected-before")),
        (TWO, record(ONE, held=hold(TWO)), ("held", "rolled-back")),
        (THREE, record(ONE, held=hold(TWO), rejected=(rejection(TWO),)), ("roll-out", "artifact-changed")),
        (ONE, record(ONE, held=hold(TWO), rejected=(rejection(TWO),)), NOTHING),
        (THREE, record(ONE, wanted=TWO, held=hold(TWO)), ("roll-out", "artifact-changed", "hold-released")),
        (TWO, record(None, wanted=ONE, rejected=(rejection(ONE),)), ("create", "new", "hold-released")),
        (with_fields(TWO, file="moved.yaml", line=9), record(ONE, held=hold(TWO)), ("held", "rolled-back")),
        (TWO, record(ONE, rollout=rollout(TWO, RolloutPhase.FAILED)), ("roll-out", "artifact-changed")),
        (ONE, record(ONE, rollout=rollout(TWO, RolloutPhase.FAILED)), NOTHING),
        (TWO, record(TWO, rollout=rollout(TWO, RolloutPhase.KEEPING)), NOTHING),
        (THREE, record(TWO, rollout=rollout(TWO, RolloutPhase.KEEPING)), ("roll-out", "artifact-changed")),
        (ONE, record(TWO, rollout=rollout(TWO, RolloutPhase.KEEPING)), ("roll-out", "artifact-changed")),
        (TWO, record(ONE, rollout=rollout(TWO, RolloutPhase.ROLLING_BACK)), NOTHING),
        (ONE, record(ONE, rollout=rollout(TWO, RolloutPhase.ROLLING_BACK)), NOTHING),
        (THREE, record(ONE, rollout=rollout(TWO, RolloutPhase.ROLLING_BACK)), ("roll-out", "artifact-changed")),
        (THREE, record(ONE, rollout=rollout(TWO), rejected=(rejection(THREE),)), ("held", "rejected-before")),
        (TWO, record(TWO, rollout=rollout(ONE), held=hold(TWO)), ("held", "rolled-back")),
        (TWO, record(None, wanted=ONE, rollout=rollout(ONE)), ("roll-out", "artifact-changed")),
    ],
)
def test_what_is_seen_decides(wanted: Deployment, seen: Record | None, expected: tuple[str, ...] | None) -> None:
    assert said(planned(wanted, *([seen] if seen else []))) == expected


@pytest.mark.parametrize("phase", PHASES_BEFORE_ARRIVAL)
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (TWO, NOTHING),
        (with_fields(TWO, replicas=4), ("update", "replicas-changed")),
        (ONE, ("roll-out", "reverted")),
        (THREE, ("roll-out", "artifact-changed")),
    ],
)
def test_a_rollout_in_progress_is_let_be_corrected_ended_or_replaced(
    phase: RolloutPhase, wanted: Deployment, expected: tuple[str, ...] | None
) -> None:
    assert said(planned(wanted, record(ONE, rollout=rollout(TWO, phase)))) == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"replicas": 2}, "replicas-changed"),
        ({"mailbox": Mailbox(capacity=1)}, "mailbox-changed"),
        ({"priority": Priority.LOW}, "priority-changed"),
        ({"routing": Routing(policy=RoutingPolicy.ROUND_ROBIN)}, "routing-changed"),
        ({"subscribe": ("orders.*",)}, "subscribe-changed"),
        ({"restart": RestartPolicy(intensity=1)}, "restart-changed"),
        ({"health": HealthPolicy(failure_threshold=1)}, "health-changed"),
        ({"rollout": RolloutPolicy(retain=1)}, "rollout-changed"),
        ({"labels": (("team", "core"),)}, "labels-changed"),
        ({"depends_on": (key("ledger"),)}, "depends-on-changed"),
        ({"suspend": True}, "suspended"),
    ],
)
def test_a_field_that_needs_no_new_instance_is_updated_in_place(changed: dict[str, Any], expected: str) -> None:
    wanted = with_fields(ONE, **changed)
    action = planned(wanted, ONE)
    assert said(action) == ("update", expected)
    assert len(action.changes) == 1
    assert action.old_version == action.new_version == "1.0.0"


def test_a_rate_limit_that_comes_changes_or_goes_is_updated_in_place() -> None:
    ten = with_fields(ONE, rate_limit=RateLimit(messages=10, burst=10))
    more = with_fields(ONE, rate_limit=RateLimit(messages=10, burst=20))
    for wanted, seen in ((ten, ONE), (more, ten), (ONE, ten)):
        assert said(planned(wanted, seen)) == ("update", "rate-limit-changed")
    (change,) = planned(more, ten).changes
    assert (change.field, change.old, change.new) == ("rateLimit.burst", "10", "20")


def test_every_field_of_a_deployment_is_compared_or_known_not_to_matter() -> None:
    compared = {
        "replicas",
        "labels",
        "mailbox",
        "subscribe",
        "rate_limit",
        "routing",
        "priority",
        "restart",
        "group",
        "depends_on",
        "uses",
        "health",
        "rollout",
        "schedule",
        "suspend",
    }
    assert set(Deployment.__struct_fields__) - compared == {
        "key",
        "revision",
        "file",
        "line",
        "rationale",
        "signers",
        "asks",
        "names_before",
        "requires",
    }


@pytest.mark.parametrize(
    "changed", [{"file": "moved.yaml"}, {"line": 7}, {"rationale": (("storage.read", "why"),)}, {"signers": SIGNED}]
)
def test_where_and_why_it_is_written_is_no_difference(changed: dict[str, Any]) -> None:
    assert planned(with_fields(ONE, **changed), ONE) is None


def test_a_new_component_and_another_revision_show_who_signed_them() -> None:
    signed = "acme (ed25519:001122334455) until 2030-01-01, ffeeddccbbaa99887766, revoked"
    (change,) = planned(with_fields(ONE, signers=SIGNED)).changes
    assert (change.field, change.old, change.new) == ("signed by", "", signed)
    assert ("signed by", signed, "") in [
        (c.field, c.old, c.new) for c in planned(TWO, with_fields(ONE, signers=SIGNED)).changes
    ]
    assert all(c.field != "signed by" for c in planned(TWO, ONE).changes)


def test_a_component_that_was_signed_is_rolled_out_for_that_alone() -> None:
    wanted = with_fields(
        ONE, revision=msgspec.structs.replace(ONE.revision, id="signed", manifest="sha256:" + "ab" * 32)
    )
    assert said(planned(wanted, ONE)) == ("roll-out", "manifest-changed")
    assert [(c.field, c.new) for c in planned(wanted, ONE).changes] == [("manifest", "sha256:abababababab")]
    both = msgspec.structs.replace(wanted.revision, limits=msgspec.structs.replace(LIMITS, fuel=1))
    assert said(planned(with_fields(ONE, revision=both), ONE)) == ("roll-out", "limits-changed")


def test_resuming_is_an_update() -> None:
    assert said(planned(ONE, with_fields(ONE, suspend=True))) == ("update", "resumed")


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (revision("1.0.1", artifact=ONE.revision.artifact), ("version-changed",)),
        (revision(artifact="sha256:00"), ("artifact-changed",)),
        (revision(component="other"), ("artifact-changed",)),
        (revision(stateful=True), ("artifact-changed",)),
        (revision(config='{"a":1}'), ("config-changed",)),
        (revision(grants=(grant("storage.read", "self"),)), ("grants-changed",)),
        (revision(limits=msgspec.structs.replace(LIMITS, fuel=1)), ("limits-changed",)),
        (revision(job=Job(args=("x",))), ("job-changed",)),
        (revision("2.0.0", config='{"a":1}'), ("artifact-changed", "config-changed")),
    ],
)
def test_another_revision_is_rolled_out_for_what_differs(new: Any, expected: tuple[str, ...]) -> None:
    assert said(planned(with_fields(ONE, revision=new), ONE)) == ("roll-out", *expected)


@pytest.mark.parametrize(
    ("seen", "agent", "wanted", "expected"),
    [
        (without(None), True, ONE, ("restart", "not-running")),
        (without(None), False, ONE, NOTHING),
        (ObservedDeployment(record=record(ONE), instances=None), True, ONE, NOTHING),
        *((without(phase), True, ONE, NOTHING) for phase in Phase),
    ],
)
def test_only_a_running_agent_without_any_instance_is_a_reason_to_start(
    seen: ObservedDeployment, agent: bool, wanted: Deployment, expected: tuple[str, ...] | None
) -> None:
    assert said(planned(wanted, seen, agent=agent)) == expected


@pytest.mark.parametrize("changed", [{"suspend": True}, {"replicas": 0}])
def test_what_should_have_no_instance_is_not_started(changed: dict[str, Any]) -> None:
    wanted = with_fields(ONE, **changed)
    assert planned(wanted, ObservedDeployment(record=record(wanted), instances=())) is None


def test_what_belongs_to_no_source_is_taken_over_by_whoever_wants_it_first() -> None:
    action = planned(with_fields(TWO, replicas=2), record(ONE, source=NOBODY))
    assert said(action) == ("adopt", "adopted")
    assert action is not None
    assert action.note == "was owned by no source"


def test_adopting_shows_what_differs_and_leaves_it_to_the_next_pass() -> None:
    action = planned(
        with_fields(TWO, replicas=2), record(ONE, source=OTHER_SOURCE), permissions=Permissions(adopt=True)
    )
    assert said(action) == ("adopt", "adopted")
    assert [change.field for change in action.changes] == ["artifact", "replicas"]
    assert OTHER_SOURCE in action.note


def test_another_sources_deployment_is_never_removed() -> None:
    theirs = record(deployment("theirs"), source=OTHER_SOURCE)
    assert make_plan(desired(ONE), observed(ONE, theirs)).actions == ()


@pytest.mark.parametrize(
    ("strategy", "stateful", "expected"),
    [
        (Strategy.RECREATE, False, "stops before it starts"),
        (Strategy.RECREATE, True, "stops before it starts"),
        (Strategy.BLUE_GREEN, False, ""),
        (Strategy.CANARY, False, ""),
        (Strategy.BLUE_GREEN, True, "held for a moment"),
    ],
)
def test_a_rollout_says_what_it_interrupts(strategy: Strategy, stateful: bool, expected: str) -> None:
    wanted = with_fields(ONE, revision=revision("2.0.0", stateful=stateful), rollout=by(strategy))
    action = planned(wanted, with_fields(ONE, revision=revision(stateful=stateful)))
    assert (action.strategy, action.interrupts) == (strategy, expected)


def test_a_job_is_run_anew_for_each_change_of_how_and_interrupts_nobody() -> None:
    old = with_fields(ONE, revision=revision(job=Job(args=("a",), env=(("A", "1"), ("B", "2")))))
    new = with_fields(ONE, revision=revision(job=Job(args=("a", "b c"), env=(("A", "1"), ("B", "3")))))
    action = planned(new, old)
    assert (action.strategy, action.interrupts) == (None, "")
    assert [(c.field, c.old, c.new) for c in action.changes] == [
        ("job.args", '["a"]', '["a","b c"]'),
        ("job.env.B", '"2"', '"3"'),
    ]


def test_granted_and_withdrawn_capabilities_are_listed_with_their_rationale() -> None:
    old = with_fields(ONE, revision=revision(grants=(grant("storage.read", "self"), grant("messaging.send", "a"))))
    new = with_fields(
        ONE, revision=revision(grants=(grant("storage.read", "self", "b"),)), rationale=(("storage.read", "why"),)
    )
    changes = [(c.capability, c.pattern, c.added, c.rationale) for c in planned(new, old).capabilities]
    assert changes == [("messaging.send", "a", False, ""), ("storage.read", "b", True, "why")]


def test_config_and_limits_change_by_key() -> None:
    old = with_fields(ONE, revision=revision(config='{"a":1,"b":[2]}'))
    limits = msgspec.structs.replace(LIMITS, timeout_ms=1500, storage_bytes=1 << 20, log_per_s=5)
    new = with_fields(ONE, revision=revision(config='{"b":[3],"c":"x"}', limits=limits))
    changes = [(c.field, c.old, c.new) for c in planned(new, old).changes]
    assert changes == [
        ("config.b", "[2]", "[3]"),
        ("config.c", "", '"x"'),
        ("config.a", "1", ""),
        ("limits.timeout", "2s", "1500ms"),
        ("limits.storage", "", "1MiB"),
        ("limits.log", "100", "5"),
    ]


@pytest.mark.parametrize(
    ("wanted", "invalid", "seen", "expected"),
    [
        ([("console", ["ledger"])], [], [], {"console": "missing-dependency"}),
        ([("console", ["ledger"])], [], ["ledger-of-another"], {"console": "missing-dependency"}),
        ([("console", ["ledger"]), ("ledger", [])], [], [], {}),
        ([("console", ["ledger"])], ["ledger"], [], {"console": "dependency-blocked"}),
        ([("a", ["b"]), ("b", ["c"]), ("c", ["gone"])], [], [], {
            "a": "dependency-blocked", "b": "dependency-blocked", "c": "missing-dependency",
        }),
        ([("a", ["b"]), ("b", ["a", "gone"])], [], [], {"a": "dependency-blocked", "b": "missing-dependency"}),
        ([("a", ["a"])], [], [], {}),
        ([("a", ["b"]), ("b", ["a"])], [], [], {}),
    ],
)  # fmt: skip
def test_what_depends_on_nothing_that_will_be_there_is_blocked(
    wanted: list[tuple[str, list[str]]], invalid: list[str], seen: list[str], expected: dict[str, str]
) -> None:
    state = desired(*(deployment(name, needs=needs) for name, needs in wanted), invalid=tuple(map(key, invalid)))
    plan = make_plan(state, observed(*(record(deployment(name), source=OTHER_SOURCE) for name in seen)))
    blocked = {a.key.name: a.reasons[0].value for a in plan.actions if a.kind is ActionKind.BLOCKED}
    assert blocked == expected
    assert {a.key.name for a in plan.actions if a.kind is ActionKind.CREATE} == {n for n, _ in wanted} - set(expected)


@pytest.mark.parametrize("source", [OTHER_SOURCE, None])
def test_a_dependency_that_is_there_already_blocks_nothing(source: str | None) -> None:
    there = record(deployment("ledger"), **({"source": source} if source else {}))
    state = desired(deployment("console", needs=["ledger"]), invalid=(key("ledger"),))
    assert [said(a) for a in make_plan(state, observed(there)).actions] == [("create", "new")]


def test_a_new_deployment_does_not_lean_on_what_the_same_plan_removes() -> None:
    state = desired(deployment("console", needs=["ledger"]))
    actions = make_plan(state, observed(deployment("ledger"))).actions
    assert [(a.key.name, *said(a)) for a in actions] == [
        ("ledger", "remove", "removed-from-source"),
        ("console", "blocked", "missing-dependency"),
    ]


def test_a_rollout_whose_dependency_is_missing_waits_but_what_runs_is_left_alone() -> None:
    old = deployment("console")
    new = deployment("console", "2.0.0", needs=["ledger"])
    assert said(planned(new, old)) == ("blocked", "missing-dependency")
    assert planned(with_fields(old, depends_on=(key("ledger"),)), with_fields(old, depends_on=(key("ledger"),))) is None


def test_what_was_recorded_but_never_served_is_blocked_like_something_new() -> None:
    wanted = deployment("console", needs=["ledger"])
    assert said(planned(wanted, record(None, wanted=wanted))) == ("blocked", "missing-dependency")


def test_dependencies_come_first_removals_last_and_what_is_stopped_at_the_end() -> None:
    state = desired(
        deployment("a", needs=["z"]),
        deployment("z"),
        deployment("m", "2.0.0", needs=["a"]),
        deployment("blocked", needs=["nowhere"]),
    )
    leaving = (deployment("lower"), deployment("upper", needs=["lower"]))
    actions = make_plan(state, observed(deployment("m", needs=["a"]), *leaving)).actions
    assert [(a.sigil, a.key.name) for a in actions] == [
        ("+", "z"), ("+", "a"), ("±", "m"), ("-", "upper"), ("-", "lower"), ("!", "blocked"),
    ]  # fmt: skip


def test_a_circle_puts_nothing_outside_it_in_the_wrong_place() -> None:
    circle = (deployment("y", needs=["z"]), deployment("z", needs=["y"]))
    actions = make_plan(desired(deployment("a", needs=["y"]), *circle), observed()).actions
    assert [a.key.name for a in actions] == ["z", "y", "a"]


def test_what_is_invalid_and_runs_is_left_alone() -> None:
    assert make_plan(desired(ONE, invalid=(TWO.key,)), observed(TWO)).actions == ()
    assert make_plan(desired(invalid=(TWO.key,)), observed(TWO)).actions == ()


def removed(count: int, inventory: int, **permissions: bool) -> set[tuple[str, ...] | None]:
    everything = [deployment(f"app-{number:02}") for number in range(inventory)]
    state = desired(*everything[count:], permissions=Permissions(**permissions))
    return {said(action) for action in make_plan(state, observed(*everything)).actions}


REMOVED = {("remove", "removed-from-source")}


@pytest.mark.parametrize(
    ("count", "inventory", "permissions", "expected"),
    [
        (3, 3 + 1, {}, REMOVED),
        (4, 8, {}, REMOVED),
        (4, 7, {}, {("held", "mass-prune")}),
        (5, 7, {"allow_mass_prune": True}, REMOVED),
        (5, 7, {"allow_empty": True}, {("held", "mass-prune")}),
        (1, 1, {}, {("held", "source-empty")}),
        (9, 9, {"allow_mass_prune": True}, {("held", "source-empty")}),
        (9, 9, {"allow_empty": True}, REMOVED),
    ],
)
def test_many_removals_wait_to_be_allowed(
    count: int, inventory: int, permissions: dict[str, bool], expected: set[tuple[str, ...]]
) -> None:
    assert removed(count, inventory, **permissions) == expected


def test_a_state_without_anything_counts_as_empty_even_when_it_does_not_say_so() -> None:
    state = msgspec.structs.replace(desired(), empty=False)
    assert [said(a) for a in make_plan(state, observed(ONE)).actions] == [("held", "source-empty")]


def test_what_an_unreadable_file_owned_stays_and_the_rest_may_go() -> None:
    state = desired(ONE, unreadable_files=("kept.yaml",))
    actions = make_plan(state, observed(ONE, deployment("kept"), deployment("gone"))).actions
    assert [(a.key.name, *said(a)) for a in actions] == [("gone", "remove", "removed-from-source")]


def test_an_unreadable_file_that_owned_nothing_may_hold_anything() -> None:
    state = desired(
        ONE,
        unreadable_files=("new.yaml",),
        permissions=Permissions(adopt=True, allow_mass_prune=True, allow_empty=True),
    )
    actions = make_plan(state, observed(ONE, deployment("a"), deployment("b"))).actions
    assert {said(a) for a in actions} == {("held", "unreadable-file")}
    assert "new.yaml" in actions[0].note


def test_an_unreadable_file_whose_deployment_has_moved_may_hold_anything() -> None:
    state = desired(with_fields(ONE, file="moved-to.yaml"), unreadable_files=(ONE.file,))
    assert [said(a) for a in make_plan(state, observed(ONE, deployment("b"))).actions] == [("held", "unreadable-file")]


def test_a_mass_removal_goes_on_waiting_when_the_inventory_has_grown() -> None:
    state: ObservedState = observed(*(deployment(f"old-{n}") for n in range(4)))
    wanted = desired(*(deployment(f"new-{n}") for n in range(6)))
    for _ in range(2):
        plan = make_plan(wanted, state)
        assert {said(a) for a in plan.actions if a.key.name.startswith("old")} == {("held", "mass-prune")}
        state = carry_out(plan, state)
    allowed = msgspec.structs.replace(wanted, permissions=Permissions(allow_mass_prune=True))
    assert {said(a) for a in make_plan(allowed, state).actions} == REMOVED


def test_a_removal_that_waited_goes_once_it_is_not_a_mass_any_more() -> None:
    old = [deployment(f"old-{n}") for n in range(4)]
    state = observed(*old)
    state = carry_out(make_plan(desired(deployment("new")), state), state)
    actions = make_plan(desired(deployment("new"), *old[2:]), state).actions
    assert [(a.key.name, *said(a)) for a in actions] == [(f"old-{n}", *REMOVED.copy().pop()) for n in (1, 0)]


def test_what_is_edited_in_place_acts_on_what_serves_and_keeps_the_hold() -> None:
    for refused in (record(ONE, wanted=TWO, rejected=(rejection(TWO),)), record(ONE, wanted=TWO, held=hold(TWO))):
        update, held = make_plan(desired(with_fields(TWO, labels=(("team", "core"),))), observed(refused)).actions
        assert said(update) == ("update", "labels-changed")
        assert (update.old_version, update.new_version) == ("1.0.0", "1.0.0")
        assert [(c.field, c.new) for c in update.changes] == [("labels.team", "core")]
        assert held.kind is ActionKind.HELD
        assert "artifact" in [c.field for c in held.changes]
        assert "airs rollout retry default/hello" in held.note


def test_what_came_with_a_rejected_revision_does_not_reach_what_serves() -> None:
    came = with_fields(TWO, restart=RestartPolicy(intensity=0), health=HealthPolicy(failure_threshold=1))
    refused = record(ONE, wanted=came, rejected=(rejection(came),))
    assert [said(a) for a in make_plan(desired(came), observed(refused)).actions] == [("held", "rejected-before")]
    update, _ = make_plan(desired(with_fields(came, replicas=2)), observed(refused)).actions
    assert [c.field for c in update.changes] == ["replicas"]


def test_every_reason_has_its_own_word() -> None:
    assert len({reason.value for reason in Reason}) == len(Reason) == 51
