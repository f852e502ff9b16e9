"""How a plan shows secrets: named, changed, and blocked where one is missing; a fingerprint is not shown."""

from orchestrator.model.desired import DesiredState
from orchestrator.model.secret import LackingSecret, SecretUse
from orchestrator.model.spec import Deployment
from orchestrator.plan.action import Action, ActionKind, FieldChange, Reason
from orchestrator.plan.make import make_plan
from orchestrator.plan.text import render_text

from .build import deployment, desired, observed, revision

LACKING = LackingSecret(namespace="default", name="key", why="is not there", hint="write it")


def using(*uses: tuple[str, str, str]) -> Deployment:
    secrets = tuple(SecretUse(name=name, env=env, fingerprint=fingerprint) for name, env, fingerprint in uses)
    return deployment(revision=revision(secrets=secrets))


def action(wanted: Deployment, *seen: Deployment, lacking: tuple[LackingSecret, ...] = ()) -> Action:
    (only,) = make_plan(desired(wanted, lacking=lacking), observed(*seen)).actions
    return only


def test_a_new_deployment_names_its_secrets() -> None:
    assert action(using(("key", "KEY", "f1"))).changes == (FieldChange(field="secrets.key", old="", new="KEY"),)


def test_another_value_is_a_rollout_that_says_changed_and_no_fingerprint() -> None:
    old, new = using(("key", "KEY", "f1")), using(("key", "KEY", "f2"))
    found = action(new, old)
    assert (found.kind, found.reasons) == (ActionKind.ROLL_OUT, (Reason.SECRETS_CHANGED,))
    assert found.changes == (FieldChange(field="secrets.key", old="KEY", new="changed"),)
    text = render_text(make_plan(desired(new), observed(old)))
    assert "secrets.key   KEY → changed" in text
    assert "f1" not in text.replace(old.revision.short, "").replace(new.revision.short, "")


def test_secrets_that_come_go_or_move_are_named() -> None:
    old = using(("gone", "GONE", "f"), ("moved", "A", "f"))
    found = action(using(("came", "CAME", "f"), ("moved", "B", "f")), old)
    assert {(change.field, change.old, change.new) for change in found.changes} == {
        ("secrets.gone", "GONE", ""), ("secrets.moved", "A", "B"), ("secrets.came", "", "CAME"),
    }  # fmt: skip


def test_a_missing_secret_blocks_what_is_new_and_what_runs_and_says_what_to_do() -> None:
    wanted, note = using(("key", "KEY", "")), "secret key is not there, write it (hello.yaml)"
    for seen in ((), (using(("key", "KEY", "f1")),)):
        found = action(wanted, *seen, lacking=(LACKING,))
        assert (found.kind, found.reasons) == (ActionKind.BLOCKED, (Reason.MISSING_SECRET,))
        assert found.note == note
        assert found.new_revision is None


def test_a_missing_secret_of_another_namespace_blocks_nothing() -> None:
    elsewhere = LackingSecret(namespace="shop", name="key", why="is not there")
    wanted: DesiredState = desired(using(("key", "KEY", "f")), lacking=(elsewhere,))
    assert [each.kind for each in make_plan(wanted, observed()).actions] == [ActionKind.CREATE]
