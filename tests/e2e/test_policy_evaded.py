"""Ways around a policy, each tried with a real agent and real components."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.contract.codes import FAILED, REFUSED
from orchestrator.contract.problem import Failure
from orchestrator.store.layout import TRUST

from .ruled import Ruled
from .stage import COUNTER_GRANTS, wait_until


@pytest.fixture
def ruled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ruled]:
    made = Ruled(tmp_path)
    made.policies.mkdir()
    monkeypatch.setenv("AIRS_POLICY", str(made.policies))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    try:
        yield made
        made.stop()
    finally:
        made.close()


def follow(ruled: Ruled, count: int) -> None:
    """Wait until the agent saw so many sets of policies."""
    wait_until(lambda: ruled.run("events").out.count("policy-changed") == count)


def test_no_directory_is_had_by_another_capability_or_by_a_link(ruled: Ruled) -> None:
    secret, link, plain = (ruled.folder / name for name in ("secret", "link", "plain"))
    for folder in (secret, plain):
        folder.mkdir()
    (secret / "note.txt").write_text("secret\n")
    link.symlink_to(secret)
    ruled.rule(forbid={"filesystem.read": [f"{secret}/**"]})
    ruled.start()

    def probe(capability: str, folder: Path, code: int = 0) -> str:
        words = {"args": ["cat", f"{folder}/note.txt"]}
        ruled.write("one", "probe", job=words, grants={capability: [f"{folder}/**"]})
        return ruled.apply(code=code).said

    for_writing = probe("filesystem.write", secret, REFUSED)  # who may write may read
    assert f"forbids filesystem.read, as in filesystem.write, on {secret}/**" in for_writing
    assert f"leads to {secret}, which policy production ({ruled.policies}/production.yaml:9)" in probe(
        "filesystem.read", link, FAILED
    )
    assert "secret" not in ruled.run("logs", "one").out.replace(str(secret), "")
    ruled.run("delete", "one")

    ruled.rule(forbid={"filesystem.read": [f"{link}/**"]})  # the rule may be the one that names the link
    follow(ruled, 2)
    assert f"leads to {secret}, which policy production" in probe("filesystem.read", secret, FAILED)
    ruled.run("delete", "one")
    probe("filesystem.read", plain)


def test_a_job_that_may_not_run_any_more_is_not_run_by_hand(ruled: Ruled) -> None:
    ruled.rule()
    ruled.start()
    ruled.write("one", "probe", job={"args": ["env"]})
    ruled.apply()
    ruled.run("run", "one")
    ruled.rule(sources=["/nowhere/**"])
    follow(ruled, 2)
    kept = [json.loads(line) for line in ruled.run("-o", "json", "audit", "show", "--kind", "policy").out.splitlines()]
    assert [(entry["subject"], entry["facts"]["policies"]) for entry in kept] == [
        (str(ruled.policies), "production")
    ] * 2
    refused = ruled.run("run", "one", code=FAILED).err
    assert "1.0.0 may not run: its component is from" in refused


def test_a_canary_that_may_not_run_any_more_is_not_promoted_by_hand(ruled: Ruled) -> None:
    ruled.rule()
    ruled.start()
    ruled.have("hello", "hello-1.0.0")
    steps = [{"weight": 10}, {"pause": {}}, {"weight": 90}]
    ruled.write("hello", "hello-1.1.0", rollout={"strategy": "canary", "steps": steps})
    ruled.run("apply", "--no-wait", str(ruled.manifests))
    ruled.wait_for_rollout("hello", "paused")
    ruled.rule(sources=["/nowhere/**"])
    follow(ruled, 2)
    assert "1.1.0 may not run" in ruled.run("rollout", "promote", "hello", code=FAILED).err
    assert "1.1.0 may not run" in ruled.run("rollout", "promote", "--full", "hello", code=FAILED).err
    ruled.run("rollout", "abort", "hello")


def test_a_canary_that_may_not_run_any_more_is_not_resumed_by_hand(ruled: Ruled) -> None:
    ruled.rule()
    ruled.start()
    ruled.have("hello", "hello-1.0.0")
    ruled.write("hello", "hello-1.1.0", rollout={"strategy": "canary", "steps": [{"weight": 10}, {"pause": "1h"}]})
    ruled.run("apply", "--no-wait", str(ruled.manifests))
    ruled.wait_for_rollout("hello", "progressing", "paused")
    ruled.run("rollout", "pause", "hello")
    ruled.rule(sources=["/nowhere/**"])
    follow(ruled, 2)
    assert "1.1.0 may not run" in ruled.run("rollout", "resume", "hello", code=FAILED).err
    assert ruled.rollout_phase("hello") == "paused"


def test_a_version_that_may_not_run_any_more_is_not_tried_again_by_hand(ruled: Ruled) -> None:
    ruled.rule()
    ruled.start()
    ruled.have("hello", "hello-1.0.0")
    ruled.have("hello", "hello-1.1.0")
    ruled.run("rollback", "hello")
    ruled.rule(sources=["/nowhere/**"])
    follow(ruled, 2)
    assert "1.1.0 may not run" in ruled.run("rollout", "retry", "hello", code=FAILED).err
    assert ruled.is_running("hello", "1.0.0")


def test_a_saved_plan_that_a_policy_refuses_by_now_is_refused_at_once(
    ruled: Ruled, monkeypatch: pytest.MonkeyPatch
) -> None:
    ruled.rule()
    ruled.start()
    ruled.write("hello", "hello-1.0.0")
    saved = ruled.folder / "plan.json"
    ruled.run("plan", str(ruled.manifests), "--out", str(saved))
    ruled.rule(sources=["/nowhere/**"])
    follow(ruled, 2)
    refused = ruled.run("apply", str(saved), code=REFUSED).err
    assert "a policy refuses by now what the plan would do" in refused
    assert f"{ruled.policies}/production.yaml:8)" in refused
    assert "Nothing is deployed" in ruled.run("status").said

    # An agent that is told of another place has nothing of what the one before held.
    ruled.rule()
    follow(ruled, 3)
    ruled.stop()
    monkeypatch.setenv("AIRS_POLICY", str(ruled.folder / "elsewhere"))
    ruled.start()
    ruled.run("source", "add", str(ruled.manifests), code=FAILED)
    wait_until(lambda: "the policies cannot be known" in ruled.run("audit", "show", "--kind", "denied").out)


def test_an_approval_is_for_what_its_caller_saw(ruled: Ruled) -> None:
    ruled.rule(approve={"storage.write": ["self"]})
    ruled.start()
    ruled.write("counter", "counter-1.0.0", grants=COUNTER_GRANTS)
    ruled.apply(code=REFUSED)
    with pytest.raises(Failure, match="waits for another approval by now"):
        ruled.client.approve(ruled.key("counter"), "0" * 64, "why")
    assert ruled.waits_for() == ["counter"]


def test_an_instance_whose_signature_is_gone_does_not_start_where_a_policy_stops_it(ruled: Ruled) -> None:
    key = ruled.json("keygen", "--name", "acme")["keyId"]
    ruled.rule(signers=[{"keys": [key]}], onViolation="stop")
    ruled.write("hello", "hello-1.0.0")
    ruled.run("sign", str(ruled.folder / "components" / "hello-1.0.0"), "--key", "acme")
    ruled.start()
    ruled.apply()
    for kept in (ruled.state_dir / "signatures").iterdir():
        kept.write_bytes(b"")
    ruled.run("restart", "--no-wait", "hello")
    wait_until(lambda: "not signed by anybody whom policy production trusts" in ruled.run("status", "hello").out)


def test_a_key_that_was_revoked_stays_so_whatever_becomes_of_the_file_of_trust(ruled: Ruled) -> None:
    public = ruled.json("keygen", "--name", "acme")["publicFile"]
    ruled.write("hello", "hello-1.0.0")
    ruled.run("sign", str(ruled.folder / "components" / "hello-1.0.0"), "--key", "acme")
    key = ruled.json("trust", "add", public)["keyId"]
    ruled.run("trust", "revoke", "acme", "--reason", "stolen")
    again = ruled.run("trust", "add", public, code=FAILED).err
    assert "acme is trusted never again" in again
    assert "stolen" in again
    kinds = [json.loads(line)["kind"] for line in ruled.run("-o", "json", "audit", "show").out.splitlines()]
    assert kinds[-2:] == ["key-trusted", "key-revoked"]  # a refusal changes nothing, and is no entry

    ruled.rule(signers=[{"keys": [key]}])
    ruled.start()
    ruled.run("source", "add", str(ruled.manifests), code=FAILED)
    wait_until(lambda: "revoked or expired: acme" in ruled.run("audit", "show", "--kind", "denied").out)
    ruled.stop()
    trust = ruled.state_dir / TRUST
    good = trust.read_bytes()
    trust.write_bytes(good[:-10])
    assert "revoke again" in ruled.run("trust", "list", code=FAILED).err
    ruled.start()  # it never knew who is trusted: any key may be a revoked one
    wait_until(lambda: "no signature counts" in ruled.run("events").out)
    wait_until(lambda: "revoked or expired: ed25519:" in ruled.run("audit", "show", "--kind", "denied").out)
