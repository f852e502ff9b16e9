"""What each rule of a policy refuses, in each mode, and that every verdict names the rule's file and line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrator.model.policy import NO_POLICY, PolicySet
from orchestrator.policy.overlap import folders_ruled
from tests.policy.values import (
    ACME,
    ARTIFACT,
    INTERNAL,
    NOW,
    REFUSED,
    WAITS,
    WARNED,
    approval,
    approved,
    deployment,
    document,
    effects,
    judged,
    rules,
    signed,
)

SIGNED_BY_ACME = rules(document(signers=[{"components": ["acme-*"], "keys": [ACME]}]))


def test_without_a_policy_everything_is_allowed():
    assert judged(NO_POLICY, deployment(storage_write=["self"])).is_allowed


def test_policies_that_cannot_be_known_refuse_everything():
    verdict = judged(PolicySet(place="/srv", problem="it is gone"), deployment())
    assert effects(verdict) == [("unknown", REFUSED)]
    assert "it is gone" in verdict.text


@pytest.mark.parametrize(("signers", "says"), [
    ([signed()], ""),
    ([signed(INTERNAL), signed()], ""),
    ([signed(expires_ms=NOW + 1)], ""),
    ([], "it is not signed"),
    ([signed(INTERNAL)], "signed by ed25519:bbbbbbbbbbbb"),
    ([signed(expires_ms=NOW)], "revoked or expired: ed25519:aaaaaaaaaaaa"),
    ([signed(revoked=True)], "revoked or expired"),
])  # fmt: skip
def test_a_component_has_to_be_signed_by_a_key_that_the_policy_names(signers, says):
    verdict = judged(SIGNED_BY_ACME, deployment(component="acme-counter", signers=signers))
    assert verdict.is_allowed == (not says)
    assert says in verdict.text
    assert says == "" or "whom policy production trusts for acme-* " in verdict.text
    assert says == "" or "(p.yaml:" in verdict.text


def test_a_key_may_be_named_as_this_machine_trusts_it():
    by_name = rules(document(signers=[{"keys": ["acme-release"]}]))
    assert judged(by_name, deployment(signers=[signed(name="acme-release")])).is_allowed
    assert not judged(by_name, deployment(signers=[signed(name="acme-release", revoked=True)])).is_allowed
    assert not judged(by_name, deployment(signers=[signed(INTERNAL, name="other")])).is_allowed


def test_several_keys_may_be_wanted():
    both = rules(document(signers=[{"keys": [ACME, INTERNAL], "atLeast": 2}]))
    verdict = judged(both, deployment(signers=[signed()]))
    assert "signed by 1 of those whom policy production trusts" in verdict.text
    assert judged(both, deployment(signers=[signed(), signed(INTERNAL)])).is_allowed
    twice = deployment(signers=[signed(), signed(expires_ms=NOW + 1)])
    assert not judged(both, twice).is_allowed, "one key counts once"


def test_a_component_that_no_rule_about_signers_covers_is_refused():
    verdict = judged(SIGNED_BY_ACME, deployment(component="counter", signers=[signed()]))
    assert "names nobody who may sign component counter" in verdict.text


@pytest.mark.parametrize(("pattern", "place", "is_allowed"), [
    ("/srv/manifests/**", "/srv/manifests", True),
    ("/srv/manifests/**", "/srv/manifests/team", True),
    ("/srv/manifests/**", "/srv/manifests-evil", False),
    ("/srv/*", "/srv/a/b", False),
    ("oci://registry.example.org/acme/**", "oci://registry.example.org/acme/counter:1.0.0", True),
    ("oci://registry.example.org/acme/**", "oci://registry.example.org.evil/acme/counter:1.0.0", False),
    ("oci://registry.example.org/acme/**", "oci://evil/registry.example.org/acme/x:1", False),
    ("https://a.example/acme/**", "https://a.example/acme/../evil/x.tgz", False),
    ("https://a.example/acme/**", "https://a.example/acme/%2e%2e/evil/x.tgz", False),
    ("https://a.example/**", "https://a.example@evil/x", False),
    ("https://*.example.org/**", "https://evil/x.example.org/y", False),
])  # fmt: skip
def test_components_come_only_from_where_a_policy_allows(pattern, place, is_allowed):
    verdict = judged(rules(document(sources=[pattern])), deployment(), place)
    assert verdict.is_allowed == is_allowed
    assert is_allowed or f"its component is from {place}" in verdict.text


@pytest.mark.parametrize(("capability", "granted", "ruled", "is_concerned"), [
    ("storage_write", "self", "self", True),
    ("filesystem_read", "/srv/in/**", "/srv/**", True),
    ("filesystem_read", "/srv/**", "/srv/in/**", True),
    ("filesystem_read", "/srv/in/**", "/srv/input/**", False),
    ("filesystem_write", "/srv/in/**", "/srv/out/**", False),
    ("network_connect", "**", "**", True),
    ("messaging_send", "ledger", "default/ledger", True),
    ("messaging_send", "ledger", "billing/*", False),
    ("messaging_send", "billing/*", "billing/ledger", True),
    ("messaging_publish", "orders.*", "orders.new", True),
    ("messaging_publish", "orders.**", "orders.eu.new", True),
    ("messaging_publish", "orders.*", "orders.eu.new", False),
    ("messaging_publish", "**", "orders", True),
    ("messaging_publish", "orders", "orders.**", False),
])  # fmt: skip
def test_a_rule_concerns_every_grant_that_it_has_anything_in_common_with(capability, granted, ruled, is_concerned):
    name = capability.replace("_", ".")
    forbidding = rules(document(forbid={name: [ruled]}))
    verdict = judged(forbidding, deployment(**{capability: [granted]}))
    assert verdict.is_allowed != is_concerned
    asking = rules(document(approve={name: [ruled]}))
    assert bool(judged(asking, deployment(**{capability: [granted]})).needs) == is_concerned


def test_a_verdict_names_the_line_of_its_rule():
    policy = rules("""apiVersion: airs.dev/v1
kind: Policy
metadata: {name: production}
spec:
  sources:
    - /opt/**
  signers:
    - components: [other]
      keys: [one]
    - keys: [two]
  forbid:
    storage.read: [self]
    storage.write:
      - self
""")
    found = judged(policy, deployment(storage_write=["self"], storage_read=["self"])).findings
    assert [(finding.rule, finding.line) for finding in found] == [
        ("signers", 10), ("sources", 5), ("forbid", 12), ("forbid", 13),
    ]  # fmt: skip


RULES = {"signers": [{"keys": [ACME]}], "sources": ["/opt/**"], "forbid": {"storage.read": ["self"]},
         "approve": {"storage.write": ["self"]}}  # fmt: skip
EVERYTHING = deployment(storage_read=["self"], storage_write=["self"])


@pytest.mark.parametrize(("mode", "wanted"), [
    ("strict", [("signers", REFUSED), ("sources", REFUSED), ("forbid", REFUSED), ("approve", WAITS)]),
    ("permissive", [("signers", WARNED), ("sources", WARNED), ("forbid", REFUSED), ("approve", WARNED)]),
    ("development", [
        ("mode", WARNED), ("signers", WARNED), ("sources", WARNED), ("forbid", WARNED), ("approve", WARNED),
    ]),
])  # fmt: skip
def test_a_mode_says_what_is_refused(mode, wanted):
    assert effects(judged(rules(document(mode=mode, **RULES)), EVERYTHING)) == wanted


def test_strict_is_the_default():
    assert effects(judged(rules(document(**RULES)), EVERYTHING)) == [
        ("signers", REFUSED), ("sources", REFUSED), ("forbid", REFUSED), ("approve", WAITS),
    ]  # fmt: skip


def test_all_policies_about_a_namespace_have_to_agree():
    two = rules(
        document("a", namespaces=["bill*"], forbid={"storage.read": ["self"]}), document("b", sources=["/opt/**"])
    )
    assert len(judged(two, deployment(namespace="billing", storage_read=["self"])).findings) == 2
    assert len(judged(two, deployment(namespace="other", storage_read=["self"])).findings) == 1


ASKING = rules(document(approve={"storage.write": ["self"], "filesystem.write": ["/srv/**"]}))
WANTED = deployment(storage_write=["self"], storage_read=["self"])


def test_an_approval_is_for_exactly_this_deployment_artifact_and_capabilities():
    fits = approval(WANTED, storage_write=["self"])
    assert not judged(ASKING, WANTED).is_allowed
    assert judged(approved(ASKING, fits), WANTED).is_allowed
    others = (
        replace(fits, artifact=ARTIFACT.replace("1", "2")),
        replace(fits, key=deployment("other").key),
        approval(WANTED, storage_write=["self"], storage_read=["self"]),
        approval(WANTED, filesystem_write=["/srv/**"]),
    )
    assert not judged(approved(ASKING, *others), WANTED).is_allowed
    wider = deployment(storage_write=["self"], filesystem_write=["/srv/out/**"])
    assert not judged(approved(ASKING, fits), wider).is_allowed


@given(st.permutations(["storage_write", "storage_read"]), st.booleans())
def test_the_order_of_grants_means_nothing(order, is_repeated):
    wanted = deployment(**{name: ["self"] for name in order})
    fits = approval(wanted, storage_write=["self"])
    assert judged(approved(ASKING, *([fits] * (1 + is_repeated))), wanted).is_allowed


def test_only_a_policy_that_says_so_stops_what_runs():
    for action, stops in (("report", False), ("stop", True)):
        assert judged(rules(document(onViolation=action, **RULES)), EVERYTHING).stops is stops
    waiting = rules(document(onViolation="stop", approve={"storage.write": ["self"]}))
    assert not judged(waiting, EVERYTHING).stops, "what waits for an approval was approved by nobody yet"
    soft = rules(document(onViolation="stop", mode="permissive", sources=["/opt/**"]))
    assert not judged(soft, EVERYTHING).stops


@pytest.mark.parametrize(("ruled", "grants", "says"), [
    ("filesystem.read", {"filesystem_write": ["/srv/in/**"]}, "filesystem.read, as in filesystem.write, on /srv/in/**"),
    ("filesystem.read", {"filesystem_read": ["/srv/**"]}, "filesystem.read on /srv/**"),
    ("filesystem.write", {"filesystem_read": ["/srv/**"]}, ""),
])  # fmt: skip
def test_a_rule_on_reading_is_about_directories_that_may_be_written_to_as_well(ruled, grants, says):
    wanted = deployment(**grants)
    for spec, effect in (({"forbid": {ruled: ["/srv/**"]}}, REFUSED), ({"approve": {ruled: ["/srv/**"]}}, WAITS)):
        verdict = judged(rules(document(**spec)), wanted)
        assert effects(verdict) == ([(next(iter(spec)), effect)] if says else [])
        assert says in verdict.text
    needs = judged(rules(document(approve={ruled: ["/srv/**"]})), wanted).needs
    consent = approval(wanted, **{grant.capability.replace(".", "_"): grant.patterns for grant in needs})
    assert not needs or judged(approved(rules(document(approve={ruled: ["/srv/**"]})), consent), wanted).is_allowed


def test_the_directories_of_rules_are_those_of_policies_that_refuse_in_that_namespace():
    both = {
        "forbid": {"filesystem.write": ["/a/**"], "storage.read": ["self"]},
        "approve": {"filesystem.read": ["/b/**"]},
    }

    def folders(**spec):
        return [(each.path, each.only_writable) for each in folders_ruled(rules(document(**spec)), "shop")]

    assert folders(**both) == [("/a", True), ("/b", False)]
    assert folders(mode="permissive", **both) == [("/a", True)]
    assert folders(mode="development", **both) == folders(namespaces=["other"], **both) == []
