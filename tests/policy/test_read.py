"""A policy source is in force whole or not at all; every problem names its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.policy import Mode, OnViolation
from orchestrator.model.snapshot import Content, Snapshot, Unreadable
from orchestrator.policy.read import read_policies
from tests.policy.values import ARTIFACT, document, read, rules

GOOD = document(
    namespaces=["a", "b-*"], limits={"memory": "1GiB", "instances": 3}, mode="permissive", onViolation="stop"
)


def test_a_policy_is_read_with_its_defaults():
    (policy,) = rules(document()).policies
    assert (policy.name, policy.mode, policy.namespaces, policy.sources) == ("production", Mode.STRICT, ("*",), None)
    (policy,) = rules(GOOD).policies
    assert (policy.mode, policy.on_violation, policy.namespaces) == (Mode.PERMISSIVE, OnViolation.STOP, ("a", "b-*"))
    assert (policy.limits.memory_bytes, policy.limits.instances, policy.limits.storage_bytes) == (1 << 30, 3, None)
    assert policy.file == "p.yaml"


@pytest.mark.parametrize(("documents", "says"), [
    ([document(mode="lax")], "mode"),
    ([document(forbid={"storage.erase": ["self"]})], "storage.erase"),
    ([document(signers=[{"keys": []}])], "keys"),
    ([document(sources=[])], "sources"),
    ([document(unknown=1)], "unknown"),
    ([document(kind="Deployment")], "kind `Deployment` has no place among policies"),
    ([document(), document()], "written down twice, here and in p.yaml:1"),
    ([{"a": 1}], "a document without a `kind`"),
    (["a: [", document()], ""),
    ([document("x", "Approval", deployment="a")], "artifact"),
])  # fmt: skip
def test_one_problem_makes_all_of_it_unusable(documents, says):
    found = read(document("good"), *documents)
    assert says in " ".join(diagnostic.summary for diagnostic in found.diagnostics)
    assert found.rules.policies == ()
    assert found.rules.problem.startswith("p.yaml:")


def test_a_place_without_a_policy_is_no_policy_but_a_problem():
    empty = read_policies(Snapshot("/srv", "/srv", "", "", (), {}))
    assert empty.rules.problem == "/srv holds no policy"
    missing = read_policies(Snapshot("/srv", "/srv", "", "", ("x.yaml",), {"x.yaml": Unreadable("io", "denied")}))
    assert "cannot be read" in missing.rules.problem


def test_an_approval_beside_the_policies_is_read_with_its_place():
    written = document(
        "counter", "Approval", deployment="counter", artifact=ARTIFACT, reason="reviewed in #812",
        capabilities={"storage.write": ["self"], "filesystem.read": ["/b/**", "/a/**"], "messaging.send": []},
    )  # fmt: skip
    (approval,) = rules(document(), written).approvals
    assert [(grant.capability, grant.patterns) for grant in approval.capabilities] == [
        ("filesystem.read", ("/a/**", "/b/**")), ("storage.write", ("self",)),
    ]  # fmt: skip
    assert str(approval.key) == "default/counter"
    assert approval.why == "reviewed in #812"
    assert approval.origin.startswith("p.yaml:")


@given(st.binary(max_size=300))
def test_no_bytes_are_an_exception(data):
    found = read_policies(Snapshot("/srv", "/srv", "", "", ("p.yaml",), {"p.yaml": Content(data)}))
    assert found.rules.problem
