"""Signed components in a running agent: plans, status, starts, revocation, the audit book; one agent for all of it."""

import json
import shutil
from pathlib import Path

import pytest

from orchestrator.model.ids import DeploymentKey

from .stage import COUNTER_GRANTS, Stage, wait_until


def keygen(stage: Stage, name: str) -> Path:
    stage.run("keygen", "--name", name, "--out", str(stage.folder / "keys"))
    return stage.folder / "keys" / f"{name}.pem"


def signature(stage: Stage, name: str = "counter") -> tuple[str, list[str]]:
    view = stage.json("status", name)
    return view["signature"], [signer["state"] for signer in view["signers"]]


def kinds(stage: Stage) -> list[str]:
    return [json.loads(line)["kind"] for line in stage.run("-o", "json", "audit", "show").out.splitlines()]


@pytest.fixture
def signed(stage: Stage) -> Stage:
    """A stage on which a signed counter runs, whose key is trusted."""
    stage.write("counter", "counter-1.0.0", grants=COUNTER_GRANTS)
    key, component = keygen(stage, "acme"), stage.folder / "components/counter-1.0.0"
    stage.run("sign", str(component), "--key", str(key), "--expires", "365d")
    stage.run("trust", "add", str(key.with_suffix(".pub")))
    stage.apply()
    return stage


def test_a_signed_component_runs_as_who_signed_it_until_that_key_is_revoked(signed: Stage):
    assert signature(signed) == ("trusted", ["trusted"])
    assert "signed by  acme (ed25519:" in signed.run("status", "counter").out
    assert "verified" in kinds(signed)
    component, key = signed.folder / "components/counter-1.0.0", signed.folder / "keys/acme.pem"
    assert "the signature on counter" not in signed.run("plan", str(signed.manifests)).err
    signed.run("sign", str(component), "--key", str(key), "--expires", "10d")
    assert "the signature on counter 1.0.0 expires soon, on 20" in signed.run("plan", str(signed.manifests)).err
    revoked = signed.json("trust", "revoke", "acme", "--reason", "the laptop was stolen")
    assert [(one["name"], one["phase"]) for one in revoked["deployments"]] == [("default/counter", "running")]
    assert signature(signed) == ("revoked", ["revoked"])
    assert "it is signed with a revoked key alone" in signed.run("status").out
    signed.run("restart", "counter")
    wait_until(lambda: "signature-faulty" in signed.events("counter"))
    assert signed.ask("counter", "add 1") == "1"  # without a policy, nothing is required
    assert kinds(signed).count("key-revoked") == 1
    signed.run("audit", "verify")
    plan = signed.run("plan", str(signed.manifests))
    assert "signed with a revoked key: acme" in plan.err


def test_a_second_signature_is_no_rollout_and_a_first_one_is(signed: Stage):
    component = signed.folder / "components/counter-1.0.0"
    before, other = signed.view("counter").revision, keygen(signed, "other")
    signed.run("sign", str(component), "--key", str(other))
    assert "No changes." in signed.run("plan", str(signed.manifests)).out
    signed.apply()
    assert signed.view("counter").revision == before
    (component / "Component.toml.dsse").unlink()
    assert "because manifest-changed" in signed.run("plan", str(signed.manifests)).out


def test_what_is_kept_of_signatures_is_checked_at_a_start_without_the_source(signed: Stage):
    shutil.rmtree(signed.folder / "components")
    signed.kill()
    signed.start()
    wait_until(lambda: signed.is_running("counter", "1.0.0"))
    assert signature(signed) == ("trusted", ["trusted"])
    assert "signature-faulty" not in signed.events("counter")
    (file,) = (signed.state_dir / "signatures").iterdir()
    envelope = json.loads(file.read_text())
    envelope["signatures"][0]["sig"] = envelope["signatures"][0]["sig"][::-1]
    file.write_text(json.dumps(envelope) + "\n")
    assert signature(signed) == ("broken", [])
    signed.run("restart", "counter")
    wait_until(lambda: "signature-faulty" in signed.events("counter"))
    assert "none of its signatures is good" in signed.run("status", "counter").out


def test_what_is_changed_under_a_signature_of_a_followed_source_changes_nothing_that_runs(signed: Stage):
    signed.run("source", "add", str(signed.manifests))
    toml = signed.folder / "components/counter-1.0.0/Component.toml"
    text = toml.read_text()
    toml.write_text(text.replace('memory = "', 'memory = "1'))
    wait_until(lambda: "signature broken" in json.dumps(signed.json("get", "sources")))
    assert signed.ask("counter", "get") == "0"
    assert signature(signed) == ("trusted", ["trusted"])
    toml.write_text(text)
    wait_until(lambda: "signature broken" not in json.dumps(signed.json("get", "sources")))
    signed.run("trust", "remove", "acme")
    assert signature(signed) == ("not-trusted", ["not-trusted"])
    wanted = signed.client.state().by_key()[DeploymentKey("default", "counter")].record.wanted
    assert [signer.key_id[:8] for signer in wanted.signers] == ["ed25519:"]


def test_a_signature_that_comes_into_a_followed_folder_is_seen(stage: Stage):
    stage.write("counter", "counter-1.0.0", grants=COUNTER_GRANTS)
    stage.run("source", "add", str(stage.manifests))
    assert signature(stage) == ("", [])
    stage.run("sign", str(stage.folder / "components/counter-1.0.0"), "--key", str(keygen(stage, "acme")))
    wait_until(lambda: signature(stage) == ("not-trusted", ["not-trusted"]))
    assert stage.history("counter")[-1][3] in ("running", "")
