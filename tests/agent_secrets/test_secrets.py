"""Where a value is found, what is remembered, what a fingerprint tells, and that a secret does not show itself."""

import copy
import pickle
from pathlib import Path

import msgspec
import pytest

from orchestrator.agent.secret_variables import GivenSecrets
from orchestrator.manifest.identity import identified
from orchestrator.model.desired import DesiredState
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import Exited
from orchestrator.model.secret import REDACTED, LackingSecret, Secret, SecretName, SecretUse
from orchestrator.model.spec import Deployment, Limits, Revision
from orchestrator.observe.redaction import Redaction
from orchestrator.secrets import keys as sealing
from orchestrator.secrets.filled import Before, with_fingerprints
from orchestrator.secrets.sealing import seal
from orchestrator.secrets.secrets import FoundSecret, SecretPlaces, Secrets
from orchestrator.secrets.variables import name_of, secrets_among, take_secrets, variable_name

NAME = SecretName(namespace="default", name="api-key")
KEY = bytes(32)


def secrets(tmp_path: Path, key: bytes | None = KEY, **variables: str) -> Secrets:
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    return Secrets(SecretPlaces(folder, secrets_among(variables)), tmp_path, key)


def put(tmp_path: Path, value: str, name: str = "api-key") -> None:
    file = tmp_path / "secrets" / name
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_text(value)
    file.chmod(0o600)


def found(one: FoundSecret | LackingSecret) -> tuple[str, str]:
    assert isinstance(one, FoundSecret), one
    return one.origin, one.value.reveal()


def test_a_variable_comes_before_the_folder_before_a_sealed_value(tmp_path: Path):
    public = sealing.have_keys(tmp_path).public
    assert public is not None
    sealed = [seal(public, NAME, Secret("sealed"))]
    given = secrets(tmp_path)
    assert isinstance(given.find(NAME), LackingSecret)
    assert found(given.find(NAME, sealed)) == ("sealed", "sealed")
    put(tmp_path, "file")
    assert found(given.find(NAME, sealed)) == ("folder", "file")
    assert found(secrets(tmp_path, AIRS_SECRET_API_KEY="variable").find(NAME, sealed)) == ("variable", "variable")


def test_a_value_that_cannot_be_used_is_never_passed_over(tmp_path: Path):
    given = secrets(tmp_path, AIRS_SECRET_API_KEY="")
    put(tmp_path, "file")
    lacking = given.find(NAME)
    assert isinstance(lacking, LackingSecret)
    assert lacking.why == "is empty"


def test_a_missing_secret_says_what_to_do(tmp_path: Path):
    lacking = secrets(tmp_path).find(SecretName(namespace="shop", name="api-key"))
    assert isinstance(lacking, LackingSecret)
    assert f"{tmp_path}/secrets/shop/api-key" in lacking.hint
    assert "AIRS_SECRET_SHOP__API_KEY" in lacking.hint


@pytest.mark.parametrize("name", [NAME, SecretName(namespace="my-shop", name="db")], ids=str)
def test_a_variable_names_its_secret(name: SecretName):
    assert name_of(variable_name(name)) == name


def test_secrets_are_taken_out_of_the_environment():
    variables = {"AIRS_SECRET_X": "hunter2", "PATH": "/bin"}
    assert [secret.reveal() for secret in take_secrets(variables).values()] == ["hunter2"]
    assert variables == {"PATH": "/bin"}


def test_a_fingerprint_depends_on_value_name_and_key_and_is_nothing_without_one(tmp_path: Path):
    put(tmp_path, "same")
    put(tmp_path, "same", "other")
    other = SecretName(namespace="default", name="other")
    prints = {
        secrets(tmp_path).fingerprints([NAME])[NAME],
        secrets(tmp_path).fingerprints([other])[other],
        secrets(tmp_path, bytes([1] * 32)).fingerprints([NAME])[NAME],
    }
    put(tmp_path, "another")
    prints.add(secrets(tmp_path).fingerprints([NAME])[NAME])
    assert len(prints) == 4
    assert secrets(tmp_path, None).fingerprints([NAME]) == {NAME: ""}


def test_a_revision_gets_its_own_value_while_it_is_remembered(tmp_path: Path):
    given = secrets(tmp_path)
    put(tmp_path, "old")
    old = given.fingerprints([NAME])[NAME]
    put(tmp_path, "new")
    assert isinstance(old, str)
    assert found(given.read(NAME, old))[1] == "old"
    assert found(given.find(NAME))[1] == "new"
    later = secrets(tmp_path)
    assert found(later.read(NAME, old)) == ("folder", "new"), (
        "an agent that started since knows the value in force only"
    )


def deployment(*uses: SecretUse) -> Deployment:
    revision = identified(
        Revision(
            id="", component="c", version="1.0.0", artifact="sha256:0", stateful=False, config="{}", grants=(),
            limits=Limits(memory_bytes=1, fuel=1, timeout_ms=1), secrets=uses,
        )
    )  # fmt: skip
    return Deployment(key=DeploymentKey(namespace="default", name="one"), revision=revision)


def test_a_fingerprint_changes_the_id_of_a_revision_and_an_equal_one_nothing():
    plain = DesiredState(source="s", deployments=(deployment(SecretUse(name="api-key", env="K")),))
    first = with_fingerprints(plain, {NAME: "a"})
    assert first.deployments[0].revision.id != plain.deployments[0].revision.id
    assert with_fingerprints(first, {NAME: "a"}) is first
    assert with_fingerprints(first, {NAME: "b"}).deployments[0].revision.id != first.deployments[0].revision.id
    lacking = LackingSecret(namespace="default", name="api-key", why="is not there")
    without = with_fingerprints(first, {NAME: lacking})
    assert without.lacking == (lacking,)
    assert without.deployments[0].revision == plain.deployments[0].revision
    assert with_fingerprints(without, {NAME: "a"}) == first


def test_a_deployment_that_did_not_change_is_the_very_same_when_others_did():
    one, other = (deployment(SecretUse(name="api-key", env=env)) for env in ("K", "L"))
    before: Before = {}
    first = with_fingerprints(DesiredState(source="s", deployments=(one,)), {NAME: "a"}, before)
    again = with_fingerprints(DesiredState(source="s", deployments=(one,), root="/"), {NAME: "a"}, before)
    assert again.deployments[0] is first.deployments[0]
    for wanted, fingerprint in ((one, "b"), (other, "a")):
        changed = with_fingerprints(DesiredState(source="s", deployments=(wanted,)), {NAME: fingerprint}, before)
        assert changed.deployments[0].revision.id != first.deployments[0].revision.id


def test_a_secret_shows_itself_to_nothing_but_reveal():
    secret = Secret("hunter2")
    shown = (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>20}",
        "%s" % (secret,),  # noqa: UP031
        repr([secret]),
        repr({"a": secret}),
    )
    assert all("hunter2" not in one and REDACTED in one for one in shown)
    for write in (msgspec.json.encode, msgspec.msgpack.encode, pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            write(secret)
    assert secret != Secret("hunter2")
    assert not hasattr(secret, "__dict__")


def test_an_instances_words_lose_its_secrets():
    redaction = Redaction(
        [Secret("hunter2-is-long"), Secret("-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----"), Secret("abc")]
    )
    assert redaction("password hunter2-is-long!") == f"password {REDACTED}!"
    assert redaction("line MIIEvQIBADANBg of a key") == f"line {REDACTED} of a key"
    assert redaction("abc is too short to be told from words") == "abc is too short to be told from words"
    assert "hunter2" not in repr(redaction)


def test_the_reason_why_an_instance_did_not_start_loses_its_secrets():
    secret = Secret("hunter2-is-long")
    given = GivenSecrets((("KEY", secret),), Redaction([secret]))
    reason = ExitReason(kind=ExitKind.INITIALIZE_FAILED, detail="initialize refused: no such user hunter2-is-long")
    hidden = given.hidden(Exited(reason))
    assert isinstance(hidden, Exited)
    assert hidden.reason.detail == f"initialize refused: no such user {REDACTED}"
    assert GivenSecrets().hidden("started") == "started"
