"""Policies and approvals, with a real agent, real components and real signatures."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.contract.codes import FAILED, INVALID, REFUSED, USAGE
from tests.fetch.web import archive, component, serves, sha256
from tests.fetch.web import web as served

from .conftest import git
from .ruled import Ruled
from .stage import COUNTER_GRANTS, wait_until


@pytest.fixture
def ruled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ruled]:
    made = Ruled(tmp_path)
    made.policies.mkdir()
    monkeypatch.setenv("AIRS_POLICY", str(made.policies))
    try:
        yield made
        made.stop()
    finally:
        made.close()


def test_a_capability_waits_for_a_person_and_an_approval_is_for_exactly_that(ruled: Ruled) -> None:
    ruled.rule(approve={"storage.write": ["self"]})
    ruled.start()
    ruled.write("counter", "counter-1.0.0", grants=COUNTER_GRANTS)
    plan = ruled.run("plan", str(ruled.manifests)).out
    assert "! default/counter   1.0.0   blocked because needs-approval" in plan
    assert f"{ruled.policies}/production.yaml:9" in plan
    refused = ruled.apply(code=REFUSED).err
    assert "wants storage.write on self approved" in refused
    assert ruled.waits_for() == ["counter"]
    (row,) = ruled.json("get", "deployments")
    assert (row["phase"], row["version"], row["wantedVersion"]) == ("blocked", "", "1.0.0")
    assert "wants storage.write on self approved" in row["message"]
    assert "blocked" in ruled.run("status", "counter").out
    waited = ruled.run("wait", "counter", code=FAILED).err  # at once: nothing comes of itself
    assert "waits for a person" in waited
    assert "`airs approvals`" in waited
    listed = ruled.run("approvals").out
    assert "storage.write  self" in listed
    assert "sha256:" in listed
    ruled.run("approve", "counter", code=USAGE)  # nobody approves without a reason

    shown = re.search(r"id ([0-9a-f]{12})\n", listed)
    assert shown is not None
    for other in ("0" * 12, shown[1][:3]):
        assert (
            "waits for another approval by now"
            in ruled.run("approve", "counter", "--id", other, "--reason", "x", code=FAILED).err
        )
    ruled.run("approve", "counter", "--id", shown[1], "--reason", "reviewed in #812")
    ruled.run("wait", "counter")
    ruled.kill()  # at once: an approval that was told is durable
    ruled.start()
    wait_until(lambda: ruled.runs("counter", "1.0.0"))
    assert ruled.ask("counter", "increment") == "1"
    assert ruled.waits_for() == []
    (given,) = ruled.json("approvals", "--given")
    assert (given["why"], given["capabilities"][0]["capability"]) == ("reviewed in #812", "storage.write")
    grants = {g["capability"]: (g["granted"], g["inForce"], g["why"]) for g in ruled.json("get", "grants", "counter")}
    assert grants["storage.read"] == (True, True, "")
    assert grants["storage.write"][:2] == (True, True)
    assert "reviewed in #812" in grants["storage.write"][2]

    ruled.write("counter", "counter-1.1.0", grants=COUNTER_GRANTS)  # another artifact: it asks again
    ruled.apply(code=REFUSED)
    assert ruled.is_running("counter", "1.0.0")
    assert ruled.waits_for() == ["counter"]
    ruled.run("approve", "nobody", "--reason", "x", code=FAILED)
    (entry,) = [
        json.loads(line) for line in ruled.run("-o", "json", "audit", "show", "--kind", "approved").out.splitlines()
    ]
    assert (entry["subject"], entry["why"]) == ("default/counter", "reviewed in #812")
    ruled.run("audit", "verify")


def test_a_commit_to_the_policies_is_an_approval(ruled: Ruled) -> None:
    ruled.rule(approve={"storage.write": ["self"]})
    repository = ruled.policies
    ruled.start()
    ruled.write("counter", "counter-1.0.0", grants=COUNTER_GRANTS)
    ruled.apply(code=REFUSED)
    document = ruled.run("approve", "counter", "--reason", "reviewed: it's fine", "--print").out
    ruled.write_policy("counter", document)
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    wait_until(lambda: ruled.runs("counter", "1.0.0"))
    (row,) = [g for g in ruled.json("get", "grants") if g["capability"] == "storage.write"]
    assert row["why"] == f"approved by {ruled.policies}/counter.yaml:1: reviewed: it's fine"


def test_a_repository_of_policies_is_read_by_its_commits(ruled: Ruled, monkeypatch: pytest.MonkeyPatch) -> None:
    git(ruled.policies, "init", "--quiet", "--initial-branch=main")
    place = f"{ruled.policies}#main:rules"
    (ruled.policies / "beside.yaml").write_text("kind: Nothing\n")  # outside of the path: read by nobody
    ruled.inside = "rules"
    ruled.policies.mkdir()
    monkeypatch.setenv("AIRS_POLICY", place)
    monkeypatch.setenv("AIRS_POLICY_REFRESH", "1s")
    ruled.rule(approve={"storage.write": ["self"]})
    commit_all(ruled)
    ruled.write("counter", "counter-1.0.0", grants=COUNTER_GRANTS)
    assert "needs-approval" in ruled.run("plan", str(ruled.manifests), "--policy", place).out  # without an agent
    ruled.start()
    ruled.apply(code=REFUSED)
    document = ruled.run("approve", "counter", "--reason", "reviewed", "--print").out

    ruled.write_policy("counter", document)  # a commit is noticed while the agent runs
    commit_all(ruled)
    wait_until(lambda: ruled.runs("counter", "1.0.0"))
    (row,) = [g for g in ruled.json("get", "grants") if g["capability"] == "storage.write"]
    assert "approved by " in row["why"]
    assert doctor(ruled)["verdict"] == "ok"
    assert "read last 20" in doctor(ruled)["detail"]

    ruled.write_policy("production", "a: [")  # a commit that is refused leaves the set known last in force
    commit_all(ruled)
    wait_until(lambda: "those known last stay in force" in ruled.run("status").out)
    assert doctor(ruled)["verdict"] == "problem"
    assert "production.yaml" in doctor(ruled)["summary"]
    assert ruled.is_running("counter", "1.0.0")
    ruled.write("other", "counter-1.0.0", grants=COUNTER_GRANTS)
    assert "wants storage.write on self approved" in ruled.apply(code=REFUSED).err


def doctor(ruled: Ruled) -> dict[str, str]:
    """Return what the doctor finds of policies."""
    found = json.loads(ruled.run("-o", "json", "doctor", code=None).out)["files"]
    (finding,) = (each for each in found if each["about"] == "policies")
    return dict(finding)


def commit_all(ruled: Ruled) -> None:
    git(ruled.policies, "add", "--all")
    git(ruled.policies, "commit", "--quiet", "--message", "change")


def test_a_component_runs_only_if_a_policy_knows_who_signed_it(ruled: Ruled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(ruled.folder / "config"))
    key = ruled.json("keygen", "--name", "acme")["keyId"]
    ruled.rule(signers=[{"components": ["hello"], "keys": [key]}])
    ruled.start()
    ruled.write("hello", "hello-1.0.0")
    refused = ruled.apply(code=REFUSED).err
    assert "not signed by anybody whom policy production trusts for hello (it is not signed)" in refused
    component = str(ruled.folder / "components" / "hello-1.0.0")
    ruled.run("sign", component, "--key", "acme")
    by = f"policy production ({ruled.policies}/production.yaml:9)"
    assert f"{key}, trusted by {by}\n" in ruled.run("verify", component).out
    ruled.apply()
    assert [signer["trustedBy"] for signer in ruled.json("status", "hello")["signers"]] == [[by]]
    assert ruled.ask("hello", "Ada") == "Hello, Ada!"

    artifact = ruled.folder / "components" / "hello-1.0.0" / "Component.toml"
    artifact.write_text(artifact.read_text().replace("memory = ", "log = 7\nmemory = ", 1))
    ruled.run("plan", str(ruled.manifests), code=INVALID)  # a signature on something else is worse than none
    assert ruled.is_running("hello", "1.0.0")


def signed(ruled: Ruled, *keys: str) -> None:
    component = str(ruled.folder / "components" / "hello-1.0.0")
    ruled.run("sign", component, *(part for key in keys for part in ("--key", key)))


def test_a_key_that_is_revoked_is_reported_or_stops_what_it_signed(
    ruled: Ruled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(ruled.folder / "config"))
    public = [ruled.json("keygen", "--name", name)["publicFile"] for name in ("acme", "second")]
    rule = [{"components": ["hello"], "keys": ["acme", "second"]}]
    ruled.rule(signers=rule)
    ruled.start()
    ruled.write("hello", "hello-1.0.0")
    signed(ruled, "acme")
    assert "not signed by anybody whom policy production trusts" in ruled.apply(code=REFUSED).err
    ruled.run("trust", "add", public[0])
    ruled.apply()

    (concerned,) = ruled.json("trust", "revoke", "acme", "--reason", "stolen")["deployments"]
    assert "revoked or expired: acme" in concerned["message"]  # reported, and no more
    assert "policy-violated" in ruled.events("hello")
    ruled.run("restart", "hello")
    wait_until(lambda: "signature-faulty" in ruled.events("hello"))
    assert ruled.ask("hello", "Ada") == "Hello, Ada!"

    ruled.rule(signers=rule, onViolation="stop")
    wait_until(lambda: ruled.view("hello").phase == "suspended" and not ruled.view("hello").ready)
    signed(ruled, "second")
    ruled.run("trust", "add", public[1])
    ruled.apply()  # the same revision, which another key vouches for now
    wait_until(lambda: ruled.is_running("hello", "1.0.0"))
    before = ruled.view("hello").revision
    ruled.run("trust", "revoke", "second")
    wait_until(lambda: ruled.view("hello").phase == "suspended")
    assert ruled.view("hello").revision == before


def test_a_policy_that_changes_reports_or_stops_what_runs(ruled: Ruled) -> None:
    ruled.rule()
    ruled.start()
    ruled.have("counter", "counter-1.0.0", grants=COUNTER_GRANTS)
    forbid = {"storage.write": ["self"]}
    ruled.rule(forbid=forbid)
    wait_until(lambda: "forbids storage.write on self" in ruled.message("counter"))
    assert ruled.view("counter").phase == "running"
    assert "forbids storage.write" in ruled.run("status").out
    told = ruled.run("plan", str(ruled.manifests))
    assert "No changes" in told.out
    assert "default/counter runs, and may not: policy production forbids storage.write on self" in told.err
    assert "policy-violated" in ruled.events("counter")
    ruled.write("counter", "counter-1.1.0", grants=COUNTER_GRANTS)
    ruled.apply(code=REFUSED)  # what is planned next is refused

    ruled.rule(forbid=forbid, onViolation="stop")
    wait_until(lambda: ruled.view("counter").phase == "suspended" and not ruled.view("counter").ready)
    ruled.run("request", "counter", "increment", code=FAILED)
    assert "stopped by a policy" in ruled.run("restart", "counter", code=FAILED).err
    ruled.stop()
    ruled.start()  # it stays stopped
    assert (ruled.view("counter").phase, ruled.view("counter").ready) == ("suspended", 0)

    ruled.rule()
    wait_until(lambda: ruled.is_running("counter", "1.1.0"))
    kinds = [json.loads(line)["kind"] for line in ruled.run("-o", "json", "audit", "show", "counter").out.splitlines()]
    assert "stopped" in kinds
    assert "denied" in kinds


def test_a_rollback_by_hand_is_judged_too(ruled: Ruled) -> None:
    ruled.rule()
    ruled.start()
    ruled.have("counter", "counter-1.0.0", grants=COUNTER_GRANTS)
    ruled.have("counter", "counter-1.1.0", grants={"storage.read": ["self"], "storage.write": []})
    ruled.rule(forbid={"storage.write": ["self"]})
    wait_until(lambda: ruled.run("events").out.count("policy-changed") == 2)
    assert "may not run: policy production forbids" in ruled.run("rollback", "counter", code=FAILED).err
    assert ruled.is_running("counter", "1.1.0")


def test_policies_that_cannot_be_read_change_nothing_and_are_told(ruled: Ruled) -> None:
    ruled.write_policy("production", "kind: Nonsense\n")
    ruled.start()
    ruled.write("hello", "hello-1.0.0")
    assert "the policies cannot be known" in ruled.apply(code=REFUSED).err  # none were ever known: nothing new runs
    ruled.rule()
    wait_until(lambda: not ruled.json("agent", "status")["policyWarning"])
    ruled.apply()
    ruled.write_policy("production", "a: [")
    wait_until(lambda: "those known last stay in force" in ruled.run("status").out)
    ruled.stop()
    ruled.start()
    assert "those known last stay in force" in ruled.run("agent", "status").out
    ruled.write("hello2", "hello-1.0.0")
    ruled.apply()
    ruled.policies.chmod(0o777)
    wait_until(lambda: "can be written by everybody" in ruled.run("status").out)
    ruled.policies.chmod(0o755)
    ruled.rule(mode="development", sources=["/nowhere/**"])
    wait_until(lambda: "is in mode development" in ruled.run("status").out)
    ruled.write("hello3", "hello-1.0.0")
    assert "is in mode development: it refuses nothing" in ruled.apply().err


def test_limits_of_a_namespace_hold_for_all_its_deployments(ruled: Ruled) -> None:
    ruled.rule(limits={"instances": 3})
    ruled.start()
    ruled.have("hello", "hello-1.0.0", replicas=2)
    ruled.write("more", "hello-1.0.0", replicas=2)
    assert "3 instances; with this, it would have 4" in ruled.apply(code=REFUSED).err
    ruled.write("more", "hello-1.0.0", replicas=1)
    ruled.apply()
    ruled.write("hello", "hello-1.0.0", replicas=3)
    assert "it would have 4" in ruled.apply(code=REFUSED).err
    ruled.have("hello", "hello-1.0.0", replicas=1)


def test_a_plan_is_judged_without_an_agent_and_no_source_may_hold_a_policy(ruled: Ruled) -> None:
    ruled.rule(sources=["/nowhere/**"])
    ruled.write("hello", "hello-1.0.0")
    plan = ruled.run("plan", str(ruled.manifests), "--policy", str(ruled.policies)).out
    assert "blocked because policy-refused" in plan
    assert f"its component is from {ruled.folder}" in plan
    assert "blocked because policy-refused" in ruled.run("plan", str(ruled.manifests)).out  # as configured
    ruled.run("plan", str(ruled.manifests), "--policy", str(ruled.folder / "nothing"), code=USAGE)
    (ruled.policies / "wrong.yaml").write_text("kind: Policy\n")
    wrong = ruled.run("plan", str(ruled.manifests), code=INVALID).err
    assert "wrong.yaml:1" in wrong
    (ruled.manifests / "policy.yaml").write_text((ruled.policies / "production.yaml").read_text())
    refused = ruled.run("validate", str(ruled.manifests), code=INVALID).err
    assert "a document of kind Policy has no place in a source" in refused


def test_a_component_from_elsewhere_is_judged_by_its_reference(ruled: Ruled) -> None:
    packed = archive(component("hello-1.0.0"))
    with served() as web:
        web.routes["/acme/hello.tgz"] = serves(packed)
        ruled.write("hello", "hello-1.0.0")
        manifest = ruled.manifests / "hello.yaml"
        body = json.loads(manifest.read_text())
        body["spec"]["component"] = {"url": {"component": f"{web.url}/acme/hello.tgz", "sha256": sha256(packed)}}
        manifest.write_text(json.dumps(body))
        ruled.rule(sources=["oci://registry.example.org/**", f"{ruled.folder}/**", f"{web.url}/other/**"])
        ruled.start()
        assert f"its component is from {web.url}/acme/hello.tgz#" in ruled.apply(code=REFUSED).err
        ruled.rule(sources=[f"{web.url}/acme/**"])
        wait_until(lambda: ruled.runs("hello", "1.0.0"))
        assert ruled.ask("hello", "Ada") == "Hello, Ada!"
