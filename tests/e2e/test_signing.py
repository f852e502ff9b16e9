"""Keys, signatures and trust by the command line, with a real component and the real `openssl`; no agent is needed."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest

from tests.e2e.conftest import EXAMPLES, REPOSITORY, Airs
from tests.fetch.web import archive, serves, sha256, web

COUNTER = EXAMPLES / "02-counter/components/counter-1.0.0"


def fits(name: str, document: object) -> None:
    jsonschema.validate(document, json.loads((REPOSITORY / f"schemas/{name}.schema.json").read_text()))


@pytest.fixture
def component(airs: Airs) -> Path:
    return Path(shutil.copytree(COUNTER, airs.folder / "components/counter"))


def keygen(airs: Airs, name: str = "acme", *options: str) -> Path:
    airs.quick("keygen", "--name", name, "--out", airs.folder / "keys", *options)
    return airs.folder / "keys" / f"{name}.pem"


def test_a_key_pair_is_private_is_read_by_openssl_and_is_never_replaced(airs: Airs):
    made = airs.json("keygen", "--name", "acme", "--out", airs.folder / "keys")
    fits("keygen", made)
    private, public = Path(made["privateFile"]), Path(made["publicFile"])
    assert (private.stat().st_mode & 0o777, private.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    derived = subprocess.run(("openssl", "pkey", "-in", private, "-pubout"), capture_output=True, check=True).stdout
    assert derived == public.read_bytes() == made["publicKey"].encode()
    again = airs.quick("keygen", "--name", "acme", "--out", airs.folder / "keys", check=False)
    assert (again.returncode, "exists already" in again.stderr) == (1, True)
    assert derived == public.read_bytes()


def test_keys_of_ones_own_go_by_their_names(airs: Airs, component: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(airs.folder / "config"))
    airs.quick("keygen", "--name", "acme")
    assert (airs.folder / "config/airs/keys/acme.pem").exists()
    assert "written" in airs.quick("sign", component, "--key", "acme").stdout
    missing = airs.quick("sign", component, "--key", "other", check=False)
    assert (missing.returncode, "There are keys named acme." in missing.stderr) == (64, True)


def test_a_passphrase_opens_a_key_and_nothing_else_does(airs: Airs, component: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIRS_KEY_PASSPHRASE", "correct horse")
    key = keygen(airs, "acme", "--passphrase")
    assert b"ENCRYPTED PRIVATE KEY" in key.read_bytes()
    check = ("openssl", "pkey", "-in", key, "-noout", "-passin", "env:AIRS_KEY_PASSPHRASE")
    assert subprocess.run(check, check=False).returncode == 0
    airs.quick("sign", component, "--key", key)
    monkeypatch.setenv("AIRS_KEY_PASSPHRASE", "battery staple")
    assert "its passphrase is another" in airs.quick("sign", component, "--key", key, check=False).stderr
    monkeypatch.delenv("AIRS_KEY_PASSPHRASE")
    refused = airs.run("sign", component, "--key", key, check=False)
    assert (refused.returncode, "Set AIRS_KEY_PASSPHRASE." in refused.stderr) == (64, True)


def test_a_signature_is_trusted_by_who_trusts_its_key_until_it_is_revoked(airs: Airs, component: Path):
    key = keygen(airs)
    signed = airs.json("sign", component, "--key", key, "--expires", "90d")
    fits("sign", signed)
    assert signed["artifact"].startswith("sha256:")
    steps = [verdict(airs, component)]
    fits("trust", airs.json("trust", "add", key.with_suffix(".pub")))
    steps.append(verdict(airs, component))
    fits("trust-list", airs.json("trust", "list"))
    fits("trust-revoke", airs.json("trust", "revoke", "acme", "--reason", "the laptop was stolen"))
    steps.append(verdict(airs, component))
    assert airs.json("trust", "list")[0]["reason"] == "the laptop was stolen"
    airs.quick("trust", "remove", "acme")
    steps.append(verdict(airs, component))
    assert steps == [(77, "not-trusted"), (0, "trusted"), (77, "revoked"), (77, "not-trusted")]


def verdict(airs: Airs, component: Path) -> tuple[int, str]:
    done = airs.quick("verify", component, "-o", "json", check=False)
    document = json.loads(done.stdout)
    fits("verify", document)
    return done.returncode, document["verdict"]


def test_what_lies_beside_a_signature_can_be_reformatted_and_not_changed(airs: Airs, component: Path):
    key, toml = keygen(airs), component / "Component.toml"
    airs.quick("trust", "add", key.with_suffix(".pub"))
    assert verdict(airs, component) == (77, "unsigned")
    airs.quick("sign", component, "--key", key)
    text = toml.read_text()
    toml.write_text("# ours\n" + text.replace("storage.read", '"storage.read"', 1).replace(" = ", "   =  ", 3))
    assert verdict(airs, component) == (0, "trusted")
    toml.write_text(text.replace('memory = "', 'memory = "1'))
    assert verdict(airs, component) == (77, "broken")
    said = airs.quick("verify", component, check=False)
    assert "Component.toml.dsse:1: signature broken: the Component.toml was changed after it was signed" in said.stderr
    toml.write_text(text)
    with (component / "counter.wasm").open("ab") as wasm:
        wasm.write(b"\x00")
    assert "it is for another artifact" in airs.quick("verify", component, check=False).stderr


def test_several_keys_sign_and_signing_anew_drops_what_no_longer_holds(airs: Airs, component: Path):
    acme, other = keygen(airs), keygen(airs, "other")
    airs.quick("sign", component, "--key", acme)
    airs.quick("sign", component, "--key", other)
    assert len(airs.json("sign", component, "--key", acme, "--expires", "2099-01-01")["signers"]) == 2
    toml = component / "Component.toml"
    toml.write_text(toml.read_text().replace("1.0.0", "1.0.1"))
    signed = airs.json("sign", component, "--key", acme)
    assert [len(signed["signers"]), len(signed["removed"])] == [1, 1]
    assert signed["removed"][0]["why"] == "it is for counter 1.0.0"


REFUSED = {
    "a key that others may read": (["sign", "{component}", "--key", "{loose}"], 64, "mode 0600"),
    "a public key": (["sign", "{component}", "--key", "{public}"], 64, "cannot be used"),
    "no component": (["sign", "{folder}", "--key", "{key}"], 64, "name a folder with a Component.toml"),
    "an end that is past": (["sign", "{component}", "--key", "{key}", "--expires", "2001-01-01"], 64, "already"),
    "an end that is none": (["sign", "{component}", "--key", "{key}", "--expires", "soon"], 64, "no time"),
    "a name with a slash": (["keygen", "--name", "../acme"], 64, "is no name for a key"),
    "a private key to trust": (["trust", "add", "{key}"], 64, "it is a private key"),
    "an unknown key": (["trust", "revoke", "nobody"], 64, "no key is known as nobody"),
    "nothing to verify": (["verify", "{folder}/nowhere"], 64, "there is no"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_request_that_cannot_be_is_refused_in_words(airs: Airs, component: Path, what: str):
    key = keygen(airs)
    loose, public = airs.folder / "loose.pem", airs.folder / "public.pem"
    shutil.copy(key, loose)
    loose.chmod(0o644)
    shutil.copy(key.with_suffix(".pub"), public)
    public.chmod(0o600)
    arguments, code, said = REFUSED[what]
    places = {"component": component, "folder": airs.folder, "key": key, "loose": loose, "public": public}
    done = airs.quick(*(each.format(**places) for each in arguments), check=False)
    assert said in done.stderr
    assert done.returncode == code or what == "a public key"


def test_a_damaged_file_of_trust_is_told_and_trusts_nobody(airs: Airs, component: Path):
    key = keygen(airs)
    airs.quick("trust", "add", key.with_suffix(".pub"))
    airs.quick("sign", component, "--key", key)
    file = airs.state_dir / "trust.json"
    file.write_text("{")
    done = airs.quick("verify", component, check=False)
    assert (done.returncode, "does not say who is trusted" in done.stderr) == (1, True)
    file.unlink()
    os.symlink("/etc/hostname", file)
    assert airs.quick("verify", component, check=False).returncode == 1


def test_a_plan_tells_who_signed_and_blocks_what_was_changed_under_a_signature(airs: Airs):
    example = airs.copy_example("02-counter")
    component, key = example / "components/counter-1.0.0", keygen(airs)
    airs.quick("sign", component, "--key", key, "--expires", "2099-01-01T00:00:00+00:00")
    assert "signed by     (none) → ed25519:" in airs.quick("plan", example / "manifests").stdout
    airs.quick("trust", "add", key.with_suffix(".pub"))
    told = airs.quick("plan", example / "manifests").stdout
    assert "(none) → acme (ed25519:" in told
    assert "until 2099-01-01" in told
    toml = component / "Component.toml"
    toml.write_text(toml.read_text().replace('memory = "', 'memory = "1'))
    refused = airs.quick("plan", example / "manifests", check=False)
    assert (refused.returncode, "signature broken: the Component.toml was changed" in refused.stderr) == (65, True)


def packed(component: Path) -> bytes:
    return archive({file.name: file.read_bytes() for file in component.iterdir()})


def test_a_component_is_verified_and_installed_by_its_reference(airs: Airs, component: Path):
    key = keygen(airs)
    airs.quick("trust", "add", key.with_suffix(".pub"))
    airs.quick("sign", component, "--key", key)
    good = packed(component)
    toml = component / "Component.toml"
    toml.write_text(toml.read_text().replace('memory = "', 'memory = "1'))
    widened = packed(component)
    with web() as site:
        for name, data in (("good", good), ("widened", widened)):
            site.routes[f"/{name}.tgz"] = serves(data)
        reference, other = f"{site.url}/good.tgz#{sha256(good)}", f"{site.url}/widened.tgz#{sha256(widened)}"
        assert "trusted" in airs.quick("verify", "--plain-http", reference).stdout
        assert "Installed counter 1.0.0" in airs.quick("component", "install", "--plain-http", reference).stdout
        done = airs.quick("verify", "--plain-http", other, check=False)
        assert (done.returncode, "the Component.toml was changed after it was signed" in done.stderr) == (77, True)
        refused = airs.quick("component", "install", "--plain-http", other, check=False)
        assert (refused.returncode, "is not what was signed, and not installed" in refused.stderr) == (77, True)
        missing = airs.quick("verify", "--plain-http", f"{site.url}/none.tgz#{'0' * 64}", check=False)
        assert (missing.returncode, "none.tgz" in missing.stderr) == (1, True)
    installed = {one["source"][0]["installed"]: one["signers"] for one in airs.json("component", "list")}
    assert (installed[True][0]["name"], installed[False]) == ("acme", [])
