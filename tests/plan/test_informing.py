"""Everything that a plan tells of an action beside the decision: a row for each kind."""

import pytest
from msgspec.structs import replace

from orchestrator.model.facts import DeploymentFacts, StoredData, Switch
from orchestrator.model.policy import MachineLimits, NamespaceLimits
from orchestrator.model.signed import Signer
from orchestrator.model.spec import DeploymentUse, Limits, Strategy
from orchestrator.plan.action import ActionKind
from orchestrator.plan.finding import FindingKind
from orchestrator.plan.findings.known import NOTHING_KNOWN, KnownFacts
from orchestrator.plan.findings.words import size, spans
from orchestrator.plan.make import compare, make_plan
from orchestrator.plan.ruled import Judging
from orchestrator.plan.saved import render_json
from orchestrator.plan.text import render_text
from tests.policy.values import document, rules

from .build import by, deployment, desired, grant, hold, key, observed, record, rejection, revision

KEY_A, KEY_B = Signer(key_id="ed25519:" + "a" * 32, name="release"), Signer(key_id="ed25519:" + "b" * 32)
STORES = (grant("storage.read", "self"), grant("storage.write", "self"))


def at(version="1.0.0", name="hello", **fields):
    more = {field: fields.pop(field) for field in ("grants", "stateful", "limits") if field in fields}
    return deployment(name, version, revision=revision(version, **more), **fields)


def facts(**of_hello):
    return KnownFacts(facts=lambda wanted: DeploymentFacts(key=wanted, **of_hello) if wanted == key("hello") else None)


def told(plan, kind, name="hello"):
    found = (finding for action in plan.actions if action.key == key(name) for finding in action.findings)
    return [finding for finding in found if finding.kind is kind]


def sentences(plan, kind, name="hello"):
    return [finding.text for finding in told(plan, kind, name)]


def planned(then, now, known=NOTHING_KNOWN, **more):
    wish, there = ([] if each is None else [each] for each in (then, now))
    return make_plan(desired(*wish, deployment("other")), observed(*there, deployment("other")), known=known, **more)


SWITCHES = (Switch(took_ms=9_000), Switch(took_ms=90, held_ms=90), Switch(took_ms=1_200, held_ms=1_200))
RECREATE = {"rollout": by(Strategy.RECREATE)}
USE_OF_HELLO = DeploymentUse(deployment=key("hello"))
STORED = {"stored": StoredData(keys=12, bytes=3_482)}

# now, then, what is known, the kind, what is said
TOLD = [
    pytest.param(at(stateful=True), at("2.0.0", stateful=True), {"switches": SWITCHES}, FindingKind.INTERRUPTION,
                 ["held for a moment; 90 ms to 1.2 s in the last 2 such switches"], id="stateful"),
    pytest.param(at(), at("2.0.0", **RECREATE), {}, FindingKind.INTERRUPTION,
                 ["stops before it starts; for how long is not known, as no such switch was recorded"], id="recreate"),
    pytest.param(at(), at("2.0.0"), {"switches": SWITCHES}, FindingKind.INTERRUPTION, [], id="side by side"),
    pytest.param(at(), at(suspend=True), {}, FindingKind.INTERRUPTION, ["stops every instance"], id="suspended"),
    pytest.param(at(), at("2.0.0"), STORED, FindingKind.DATA,
                 ["12 keys, 3.4 KiB, written by 1.0.0, for 2.0.0 to read"], id="data taken over"),
    pytest.param(at(), None, STORED, FindingKind.DATA,
                 ["12 keys, 3.4 KiB: stored as before, and there when it is deployed again"], id="data left"),
    pytest.param(at(), at("2.0.0"), {"stored": StoredData()}, FindingKind.DATA, [], id="no data"),
    pytest.param(at(), at(replicas=2), STORED, FindingKind.DATA, [], id="the same version"),
    pytest.param(at(), at("2.0.0", limits=Limits(memory_bytes=1, fuel=1, timeout_ms=1, storage_bytes=1_024)), STORED,
                 FindingKind.DATA, ["12 keys, 3.4 KiB, written by 1.0.0, for 2.0.0 to read, over its quota of 1 KiB: "
                                    "they can only shrink"], id="quota below what is stored"),
    pytest.param(at(signers=(KEY_A,)), at("2.0.0", signers=(KEY_B,)), {}, FindingKind.SIGNER,
                 [f"signed by {KEY_B.shown}, and what runs by {KEY_A.shown}"], id="another key"),
    pytest.param(at(signers=(KEY_A,)), at("2.0.0"), {}, FindingKind.SIGNER,
                 [f"nobody signed it, and {KEY_A.shown} signed what runs"], id="no key any more"),
    pytest.param(at(), at("2.0.0", signers=(KEY_A,)), {}, FindingKind.SIGNER, [], id="signed at last"),
    pytest.param(None, at(asks=(grant("storage.read", "self"),), rationale=(("storage.read", "counts"),)), {},
                 FindingKind.CAPABILITY, ['asks for storage.read on self, which it is not granted: "counts"'],
                 id="asks"),
    pytest.param(at(asks=STORES), at("2.0.0", asks=STORES), {}, FindingKind.CAPABILITY, [], id="asked before"),
    pytest.param(None, at(asks=STORES, grants=STORES), {}, FindingKind.CAPABILITY, [], id="granted"),
]  # fmt: skip


@pytest.mark.parametrize(("now", "then", "known", "kind", "said"), TOLD)
def test_a_plan_tells_what_is_known(now, then, known, kind, said):
    plan = planned(then, now, facts(**known))
    assert sentences(plan, kind) == said
    assert all(sentence in render_text(plan) for sentence in said)


def test_what_cannot_be_known_is_said_not_guessed():
    assert sentences(planned(at("2.0.0", grants=STORES), at(grants=STORES)), FindingKind.DATA) == [
        "how much it stores is not known here"
    ]
    assert sentences(planned(at("2.0.0"), at()), FindingKind.DATA) == []


def test_who_is_interrupted_is_named():
    there = observed(at(), deployment("desk", uses=(USE_OF_HELLO,)))
    there = replace(there, deployments=tuple(replace(seen, messages_per_s=2.5) for seen in there.deployments))
    plan = make_plan(desired(at("2.0.0", **RECREATE), deployment("desk", uses=(USE_OF_HELLO,))), there)
    (finding,) = told(plan, FindingKind.INTERRUPTION)
    assert finding.callers == ("default/desk",)
    assert "called by default/desk; 2.5 messages a second come now" in finding.text


def test_what_a_plan_takes_is_told_beside_each_limit():
    limited = rules(document(limits={"memory": "64MiB", "instances": 4}))
    limited = replace(limited, machine=MachineLimits(limits=NamespaceLimits(instances=9, line=3), file="airs.toml"))
    plan = planned(at(replicas=3), at(), judging=Judging(rules=limited, now_ms=1))
    found = told(plan, FindingKind.QUOTA)
    assert [finding.place.partition(":")[0] for finding in found] == ["p.yaml", "airs.toml", "p.yaml"]
    assert [finding.text.partition(";")[0] for finding in found] == [
        "instances 1 → 3", "instances 1 → 3", "memory 16 MiB → 48 MiB",
    ]  # fmt: skip
    assert "with this plan, its namespace has 64 MiB of 64 MiB" in found[2].text
    assert told(planned(at(), at(replicas=3), judging=Judging(rules=limited, now_ms=1)), FindingKind.QUOTA) == []


STOPPED = [
    (desired(deployment("a", needs=["gone"])), observed(), FindingKind.DEPENDENCY),
    (desired(at("2.0.0")), observed(record(at(), rejected=(rejection(at("2.0.0")),))), FindingKind.HELD),
    (desired(at("2.0.0")), observed(record(at(), held=hold(at("2.0.0")))), FindingKind.HELD),
    (desired(at()), observed(record(at(), source="/elsewhere")), FindingKind.OWNER),
    (desired(), observed(at()), FindingKind.REMOVAL),
]


@pytest.mark.parametrize(("wish", "there", "kind"), STOPPED)
def test_every_stopped_row_says_what_would_unblock_it(wish, there, kind):
    (action,) = make_plan(wish, there).actions
    (finding,) = [finding for finding in action.findings if finding.blocks]
    assert finding.kind is kind
    assert finding.unblock
    text = render_text(make_plan(wish, there))
    assert text.count(action.note) == 1


def test_facts_make_no_other_plan():
    """An apply compares decisions: a key more that is stored is none."""
    wish, there = desired(at("2.0.0", stateful=True)), observed(at(stateful=True))
    shown = make_plan(wish, there, known=facts(switches=SWITCHES, **STORED))
    decided = compare(wish, there)
    assert [replace(action, found=decided.actions[0].found) for action in shown.actions] == [*decided.actions]
    assert shown.actions[0].kind is ActionKind.ROLL_OUT
    assert render_json(shown) == render_json(make_plan(wish, there, known=facts(switches=SWITCHES, **STORED)))


@pytest.mark.parametrize(("count", "said"), [(0, "0 B"), (1_023, "1023 B"), (1_536, "1.5 KiB"), (1 << 30, "1 GiB")])
def test_sizes_are_written_for_people(count, said):
    assert size(count) == said


@pytest.mark.parametrize(
    ("held", "said"), [((), ""), ((5,), "5 ms"), ((5, 5), "5 ms"), ((5, 61_000), "5 ms to 61 s"), ((300_000,), "5 min")]
)
def test_spans_are_written_for_people(held, said):
    assert spans(held) == said
