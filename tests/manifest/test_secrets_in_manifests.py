"""Secrets and sealed secrets in manifests: what they become, and what is refused where."""

import pytest
from hypothesis import given, settings

from orchestrator.manifest import resolve
from orchestrator.model.secret import SealedSecret, SecretUse
from orchestrator.secrets.resealing import reseal
from tests.manifest.samples import deployment, diagnose, said, snapshot
from tests.manifest.test_mutated import mutated, plausible

SEALED = """apiVersion: airs.dev/v1
kind: SealedSecret
metadata: {name: api-key}
spec:
  key: "0123456789abcdef"
  sealed: aGVsbG8=
"""
KEY = bytes(range(32))


def test_secrets_are_named_in_short_or_with_their_variable():
    resolution = resolve(snapshot(deployment(spec="  secrets: [{name: db, env: DB_PASSWORD}, api-key]\n")))
    assert resolution.diagnostics == ()
    (wanted,) = resolution.desired.deployments
    assert wanted.revision.secrets == (
        SecretUse(name="api-key", env="API_KEY"),
        SecretUse(name="db", env="DB_PASSWORD"),
    )


def test_a_sealed_secret_is_no_deployment():
    resolution = resolve(snapshot(deployment() + "---\n" + SEALED))
    assert resolution.diagnostics == ()
    assert resolution.desired.sealed == (
        SealedSecret(namespace="default", name="api-key", key="0123456789abcdef", sealed="aGVsbG8="),
    )
    assert len(resolution.desired.deployments) == 1
    assert resolve(snapshot(SEALED)).desired.empty


REFUSED = {
    "  secrets: [Api_Key]\n": "6:13: `spec.secrets[0]` is `Api_Key`, which is not a name like `api-key`",
    "  secrets: [{env: X}]\n": "6:13: `spec.secrets[0].name` is missing",
    "  secrets: [{name: a, env: 1X}]\n": "6:28: `spec.secrets[0].env` is `1X`, which is not a variable's name",
    "  secrets: [{name: a, value: x}]\n": "6:23: unknown key `value` in `spec.secrets[0]`",
    "  secrets: [a, {name: b, env: A}]\n": "6:31: variable `A` of secret `b` is given by another secret as well",
    "  secrets: [a, a]\n": "6:16: variable `A` of secret `a` is given by another secret as well",
    "  config: {A: 1}\n  secrets: [a]\n": "7:13: variable `A` of secret `a` is given by `spec.config` as well",
    "  secrets: a\n": "6:12: `spec.secrets` must be a list, but is text",
}


@pytest.mark.parametrize("spec", REFUSED)
def test_what_is_wrong_with_secrets_is_told_at_its_place(spec: str):
    (told,) = diagnose(deployment(spec=spec))
    assert told.startswith(f"./manifests/app.yaml:{REFUSED[spec]}")


def test_a_mapping_in_config_gives_no_variable():
    assert diagnose(deployment(spec="  config: {A: {b: 1}}\n  secrets: [a]\n")) == []


def test_two_values_of_one_secret_are_refused_both_and_neither_is_taken():
    resolution = resolve(snapshot({"a.yaml": SEALED, "b.yaml": SEALED}))
    assert said(resolution) == [
        "./manifests/a.yaml:1:1: secret default/api-key is written down twice, here and in ./manifests/b.yaml:1:1",
        "./manifests/b.yaml:1:1: secret default/api-key is written down twice, here and in ./manifests/a.yaml:1:1",
    ]
    assert resolution.desired.sealed == ()


SEALED_REFUSED = {
    ("sealed: aGVsbG8=", "sealed: 'not base64!'"): "6:11: `spec.sealed` is `not base64!`, which is not base64",
    ('"0123456789abcdef"', "0123"): "5:8: `spec.key` must be text, but is a whole number",
    ("  sealed: aGVsbG8=\n", ""): "5:3: `spec.sealed` is missing",
    ("{name: api-key}", "{name: api-key, labels: {}}"): "3:27: unknown key `labels` in `metadata`",
    ("kind: SealedSecret", "kind: SealdSecret"): "2:7: unknown kind `SealdSecret`",
}


@pytest.mark.parametrize("change", SEALED_REFUSED)
def test_what_is_wrong_with_a_sealed_secret_is_told_at_its_place(change: tuple[str, str]):
    told = diagnose(SEALED.replace(*change))
    assert told[0].startswith(f"./manifests/app.yaml:{SEALED_REFUSED[change]}")


@given(mutated([SEALED, deployment(spec="  secrets: [a, {name: b, env: C}]\n") + "---\n" + SEALED]))
@settings(max_examples=150)
def test_any_sealed_secret_is_taken_or_refused(data: bytes):
    plausible(resolve(snapshot(data)), data)
    reseal(data.decode(errors="replace"), {}, KEY)
