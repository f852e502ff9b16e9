"""Which changes are blocked because a deployed caller would break: each kind of evidence, all of a plan at once."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrator.interface.fitness import MESSAGING
from orchestrator.model.desired import Permissions
from orchestrator.model.spec import DeploymentUse
from orchestrator.model.wit import FunctionType, Scalar
from orchestrator.model.world import Drive, Import, Interface, World, WorldTypes
from orchestrator.plan.finding import FindingKind
from orchestrator.plan.findings.known import KnownFacts
from orchestrator.plan.make import compare_some, make_plan
from orchestrator.plan.ruled import standing_in
from orchestrator.plan.saved import render_json
from orchestrator.plan.text import render_text

from .build import deployment, desired, grant, key, observed, revision

NAME = "demo:apps/counter@1.0.0"
U32, STRING = Scalar("u32"), Scalar("string")


def world(*functions, drives=(Drive.CALLABLE,), interface=NAME, sends=False):
    kinds = tuple((f, FunctionType((("n", U32),), U32)) if isinstance(f, str) else f for f in functions)
    imports = (Import(interface=MESSAGING, functions=("send",)),) if sends else ()
    types = WorldTypes(exports=(Interface(name=interface, functions=kinds),) if kinds else ())
    return World(imports=imports, exports=(), drives=frozenset(drives), types=types)


ACTOR = world(drives=(Drive.ACTOR,))
BOTH, ADD = world("add", "reset"), world("add")
OTHER_TYPE = world("add", ("reset", FunctionType((("n", STRING),), U32)))


def at(version, target="counter", **fields):
    return deployment(target, version, revision=revision(version, component=target), **fields)


def known(*pairs, senders=None):
    """Know the worlds of deployments, by their artifacts."""
    worlds = {each.revision.artifact: found for each, found in pairs}
    return KnownFacts(world=worlds.get, senders=lambda target: (senders or {}).get(target, ()))


OLD, NEW = at("1.0.0"), at("2.0.0")


def console(version="9.0.0", uses=(), patterns=(), component="console", **fields):
    grants = (grant("messaging.send", *patterns),) if patterns else ()
    made = revision(version, component=component, grants=grants)
    return deployment("console", uses=tuple(uses), revision=made, **fields)


def use(*functions, of="counter", interface=""):
    return DeploymentUse(deployment=key(of), functions=functions, interface=interface)


def planned(wanted, there, knowing, **permissions):
    wish = replace(desired(*wanted), permissions=Permissions(**permissions))
    return make_plan(wish, observed(*there), known=knowing)


def said(plan):
    return {str(action.key): (action.kind.value, *(r.value for r in action.reasons)) for action in plan.actions}


BROKEN = {"default/counter": ("blocked", "breaks-callers")}
GOES = {"default/counter": ("roll-out", "artifact-changed")}

# what the caller says or is granted, the old and the new world, what becomes of the new version
ONE_CALLER = [
    pytest.param([use("reset")], BOTH, ADD, BROKEN, id="function removed"),
    pytest.param([use("counter#reset")], BOTH, ADD, BROKEN, id="named with its interface"),
    pytest.param([use("reset")], BOTH, OTHER_TYPE, BROKEN, id="function of another type"),
    pytest.param([use("add")], BOTH, ADD, GOES, id="another function removed"),
    pytest.param([use(interface=NAME)], BOTH, ADD, BROKEN, id="all of an interface"),
    pytest.param([use("add", interface="demo:apps/counter")], BOTH, ADD, GOES, id="one of an interface"),
    pytest.param([use("add")], BOTH, world("add", interface="demo:apps/counter@1.1.0"), GOES, id="a later version"),
    pytest.param([use("add")], BOTH, world("add", interface="demo:apps/counter@2.0.0"), BROKEN, id="another track"),
    pytest.param([use("never")], BOTH, ADD, GOES, id="was not there before either"),
    pytest.param([use()], ACTOR, ADD, BROKEN, id="messages to what is no actor any more"),
    pytest.param([use()], ACTOR, ACTOR, GOES, id="messages to what still is one"),
    pytest.param([use("reset", of="other")], BOTH, ADD, GOES, id="of another deployment"),
]


@pytest.mark.parametrize(("uses", "old", "new", "expected"), ONE_CALLER)
def test_a_declared_use_blocks_what_breaks_it_and_nothing_else(uses, old, new, expected):
    caller = console(uses=uses)
    plan = planned((NEW, caller), (OLD, caller), known((OLD, old), (NEW, new)))
    assert said(plan) == expected


def test_a_finding_names_caller_function_place_and_what_would_unblock_it():
    caller = console(uses=[use("reset")], line=7)
    plan = planned((NEW, caller), (OLD, caller), known((OLD, BOTH), (NEW, ADD)))
    (finding,) = plan.actions[0].findings
    assert (finding.kind, finding.blocks) == (FindingKind.BREAKS_CALLER, True)
    assert (finding.caller, finding.target, finding.function) == ("default/console", "default/counter", f"{NAME}#reset")
    assert finding.place == "console.yaml:7"
    assert "default/console" in finding.unblock
    assert "--allow-breaking" in finding.unblock
    text = render_text(plan)
    assert "breaks-caller" in text
    assert "default/console uses counter#reset" in text
    assert text.count("nobody can call it any more") == 1
    assert json.loads(render_json(plan))["actions"][0]["findings"][0]["caller"] == "default/console"


def test_all_callers_are_named_at_once():
    callers = [replace(console(uses=[use("reset")]), key=key(name)) for name in ("one", "three", "two")]
    plan = planned((NEW, *callers), (OLD, *callers), known((OLD, BOTH), (NEW, ADD)))
    found = plan.actions[0].findings
    assert [finding.caller for finding in found] == ["default/one", "default/three", "default/two"]


def test_what_breaks_is_carried_out_when_that_is_allowed_and_still_told():
    caller = console(uses=[use("reset")])
    plan = planned((NEW, caller), (OLD, caller), known((OLD, BOTH), (NEW, ADD)), allow_breaking=True)
    assert said(plan) == GOES
    (finding,) = plan.actions[0].findings
    assert not finding.blocks
    assert finding.unblock == ""


def test_a_caller_changed_in_the_same_plan_is_judged_by_what_it_uses_then():
    before, after = console(uses=[use("reset")]), console("9.1.0", uses=[use("add")])
    facts = known((OLD, BOTH), (NEW, ADD))
    assert said(planned((NEW, after), (OLD, before), facts)) == {
        **GOES, "default/console": ("roll-out", "artifact-changed"),
    }  # fmt: skip
    kept = console("9.1.0", uses=[use("reset")])
    assert said(planned((NEW, kept), (OLD, before), facts))["default/counter"] == BROKEN["default/counter"]


def test_a_caller_and_its_target_are_blocked_together_where_neither_may_go_alone():
    """The caller would use what only the new target has, which somebody else blocks: so it is blocked as well."""
    before, after = console(uses=[use("reset")]), console("9.1.0", uses=[use("more")])
    other = replace(console(uses=[use("reset")]), key=key("other"))
    facts = known((OLD, BOTH), (NEW, world("add", "more")))
    assert said(planned((NEW, after, other), (OLD, before, other), facts)) == {
        "default/console": ("blocked", "unmet-use"), **BROKEN,
    }  # fmt: skip
    alone = planned((NEW, after), (OLD, before), facts)
    assert {kind for kind, *_ in said(alone).values()} == {"roll-out"}


# the pattern that is granted, whether it was seen, whether its component sends at all
SENDING = [
    ("counter", False, True, "blocked"),
    ("default/counter", False, True, "blocked"),
    ("counter", False, False, "roll-out"),  # it cannot send at all
    ("default/*", False, True, "roll-out"),  # it may send to anybody, and never did
    ("default/*", True, True, "blocked"),
    ("other", True, True, "roll-out"),  # it did once, and may not any more
]


@pytest.mark.parametrize(("pattern", "was_seen", "sends", "kind"), SENDING)
def test_a_sender_is_a_caller_where_it_is_named_or_was_seen(pattern, was_seen, sends, kind):
    caller = console(patterns=[pattern])
    seen = {key("counter"): [caller.key]} if was_seen else {}
    facts = known((OLD, ACTOR), (NEW, ADD), (caller, world("f", sends=sends)), senders=seen)
    plan = planned((NEW, caller), (OLD, caller), facts)
    assert said(plan)["default/counter"][0] == kind


def test_of_what_is_not_known_nothing_is_blocked_and_the_plan_says_so():
    caller = console(uses=[use("reset")])
    plan = planned((NEW, caller), (OLD, caller), known((NEW, ADD)))
    assert said(plan) == GOES
    (finding,) = plan.actions[0].findings
    assert not finding.blocks
    assert "not known" in finding.text


def test_a_removal_is_blocked_by_who_says_that_it_uses_it_and_told_of_who_sends():
    using, sending = console(uses=[use("add")]), replace(console(patterns=["counter"]), key=key("sending"))
    plan = planned((using, sending), (OLD, using, sending), known((OLD, BOTH)))
    assert said(plan) == BROKEN
    assert [(finding.caller, finding.blocks) for finding in plan.actions[0].findings] == [
        ("default/console", True), ("default/sending", False),
    ]  # fmt: skip
    assert said(planned((sending,), (OLD, sending), known((OLD, BOTH)))) == {
        "default/counter": ("remove", "removed-from-source")
    }
    assert said(planned((), (OLD, using), known(), allow_empty=True)).keys() == {"default/console", "default/counter"}


@pytest.mark.parametrize(("uses", "why"), [
    (use("never"), "there is no function never"), (use(interface="demo:apps/x"), "does not export demo:apps/x"),
    (use(), "takes no messages"), (use("add", of="nobody"), "which is not deployed"),
])  # fmt: skip
def test_a_use_that_nobody_meets_blocks_who_says_it(uses, why):
    caller = console(uses=[uses])
    plan = planned((OLD, caller), (OLD,), known((OLD, BOTH)))
    assert said(plan) == {"default/console": ("blocked", "unmet-use")}
    assert why in plan.actions[0].findings[0].text
    met = console(uses=[use("add", "reset"), use(interface=NAME)])
    assert said(planned((OLD, met), (OLD,), known((OLD, BOTH)))) == {"default/console": ("create", "new")}
    assert said(planned((OLD, met), (), known((OLD, BOTH))))["default/console"] == ("create", "new")


def test_a_use_that_nobody_meets_any_more_is_a_warning_while_its_deployment_goes_on():
    caller = console(uses=[use("reset")], line=3)
    plan = planned((NEW, caller), (NEW, caller), known((NEW, ADD)))
    assert plan.actions == ()
    (warning,) = plan.diagnostics
    assert (warning.severity.value, str(warning.location)) == ("warning", "console.yaml:3:1")
    assert "there is no function reset" in warning.summary
    assert planned((OLD, caller), (OLD, caller), known((OLD, BOTH))).diagnostics == ()
    ending = planned((NEW, caller), (OLD, caller), known((OLD, BOTH), (NEW, ADD)), allow_breaking=True)
    assert len(ending.diagnostics) == 1, "it is allowed, and told all the same"


def test_an_edit_in_place_of_a_caller_is_not_blocked_by_what_it_used_before():
    before, after = console(uses=[use("never")]), console(uses=[use("never")], replicas=3)
    assert said(planned((after,), (OLD, before), known((OLD, BOTH)), allow_mass_prune=True))["default/console"] == (
        "update", "replicas-changed",
    )  # fmt: skip


def test_a_plan_for_some_blocks_what_a_whole_one_blocks():
    caller = console(uses=[use("reset")])
    there = observed(OLD, caller)
    facts = replace(
        known((OLD, BOTH), (NEW, ADD)), standing=lambda: standing_in(seen.record for seen in there.deployments)
    )
    part = compare_some(desired(NEW, caller), [NEW], observed(OLD), {OLD.key, caller.key}, known=facts)
    assert said(part) == BROKEN


NAMES = ("a", "b", "c")
VERSIONS = ("1.0.0", "2.0.0")
FUNCTIONS = ("f", "g")


@st.composite
def systems(draw):
    """Three deployments in two versions each, every one with some functions, each using some of the others'."""
    uses = st.lists(st.builds(use, st.sampled_from(FUNCTIONS), of=st.sampled_from(NAMES)), max_size=2)

    def some():
        return [
            at(draw(st.sampled_from(VERSIONS)), name, uses=tuple(sorted(set(draw(uses)))))
            for name in draw(st.sets(st.sampled_from(NAMES), min_size=1))
        ]

    worlds = [world(*draw(st.sets(st.sampled_from(FUNCTIONS)))) for _ in range(len(VERSIONS))]
    return some(), some(), known(*zip((at(version) for version in VERSIONS), worlds, strict=True))


@given(systems())
def test_what_goes_on_leaves_no_caller_broken_and_a_plan_of_the_result_blocks_no_more(system):
    wanted, there, facts = system
    plan = planned(wanted, there, facts, allow_empty=True, allow_mass_prune=True)
    assert render_json(plan) == render_json(
        planned(wanted[::-1], there[::-1], facts, allow_empty=True, allow_mass_prune=True)
    )
    after = {each.key: each for each in there}
    for action in plan.actions:
        if action.kind.value == "remove":
            del after[action.key]
        elif not action.kind.is_stopped:
            after[action.key] = next(each for each in wanted if each.key == action.key)
    again = planned(wanted, after.values(), facts, allow_empty=True, allow_mass_prune=True)
    assert {a.key for a in again.actions} == {a.key for a in plan.actions if a.kind.is_stopped}
    assert all(action.kind.is_stopped for action in again.actions)
    assert all(action.findings for action in again.actions)
