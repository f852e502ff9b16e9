"""Components of a real registry and of a real git server: pushed, deployed, followed as their names move, collected."""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fetch.registry import SmallRegistry, docker_registry, layer, manifest
from tests.fetch.repository import repository
from tests.fetch.web import COMPONENTS, certificate, component, server_side
from tests.fetch.web import web as served

from .stage import Stage, wait_until
from .test_components import runs, want

HELLO, NEWER = (next(COMPONENTS.glob(f"0*/components/{name}")) for name in ("hello-1.0.0", "hello-1.1.0"))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as made:
        yield made


def trust(stage: Stage, host: str, **more: object) -> None:
    stage.state_dir.mkdir(mode=0o700, exist_ok=True)
    lines = [f'[registries."{host}"]', "plain-http = true", *(f'{key} = "{value}"' for key, value in more.items())]
    (stage.state_dir / "airs.toml").write_text("\n".join(lines) + "\n")


@pytest.fixture
def stage(tmp_path: Path, host: str) -> Iterator[Stage]:
    made = Stage(tmp_path)
    trust(made, host)
    made.start()
    try:
        yield made
        made.stop()
    finally:
        made.close()


def test_a_tag_that_is_pushed_is_deployed_and_followed_as_it_moves(stage: Stage, host: str) -> None:
    reference = f"oci://{host}/acme/hello:1"
    pushed = stage.json("push", str(HELLO), reference)
    assert stage.json("push", str(HELLO), reference) == pushed  # the same component is the same digest
    assert "is another component already" in stage.run("push", str(NEWER), reference, code=1).err
    want(stage, "hello", oci={"reference": f"{host}/acme/hello:1"}, refresh="1s")
    want(stage, "fixed", oci={"reference": f"{host}/acme/hello@{pushed['digest']}"})
    stage.run("source", "add", str(stage.manifests))
    wait_until(lambda: runs(stage, "hello", "1.0.0") and runs(stage, "fixed", "1.0.0"))
    moved = stage.json("push", "--force", str(NEWER), reference)
    wait_until(lambda: runs(stage, "hello", "1.1.0"))
    assert stage.ask("hello", "Ada") == "Good day, Ada! (hello 1.1.0)"
    assert runs(stage, "fixed", "1.0.0")
    events = [json.loads(line) for line in stage.run("-o", "json", "events").out.splitlines()]
    told = next(event["message"] for event in events if event["reason"] == "component-moved")
    assert told == f"{reference} moved from {pushed['digest'][:19]} to {moved['digest'][:19]}"
    listed = stage.json("component", "list")
    assert [(one["version"], one["usedBy"]) for one in listed] == [
        ("1.0.0", ["default/fixed", "default/hello"]), ("1.1.0", ["default/hello"]),
    ]  # fmt: skip
    assert "used by default/fixed, default/hello" in stage.run("component", "remove", "hello@1.0.0", code=1).err
    assert stage.json("component", "gc", "--all") == {"components": [], "kept": 2}  # rollback needs the old one
    stage.run("source", "remove", str(stage.manifests), "--prune", "--yes")
    wait_until(lambda: not stage.json("get", "deployments"))
    assert sorted(stage.json("component", "gc", "--all")["components"]) == ["hello 1.0.0", "hello 1.1.0"]
    assert stage.run("component", "list").out == "The component store is empty.\n"


def test_an_installed_component_stays_and_starts_without_its_registry(tmp_path: Path, host: str) -> None:
    stage = Stage(tmp_path)
    reference = f"oci://{host}/acme/hello:2"
    try:
        stage.run("push", "--plain-http", str(HELLO), reference)
        told = stage.run("component", "install", "--plain-http", reference).out
        assert told.startswith("Installed hello 1.0.0  sha256:")
        assert stage.json("component", "gc", "--all") == {"components": [], "kept": 1}
        assert stage.json("component", "info", "hello")["digest"] == stage.json("component", "list")[0]["digest"]
        want(stage, "hello", oci={"reference": f"{host}/acme/hello:2"})
        (stage.state_dir / "airs.toml").write_text('[fetch]\nattempts = 1\n[registries."x"]\n')
        planned = stage.run("plan", str(stage.manifests))  # the registry speaks no TLS: it cannot be looked up
        assert "+ default/hello   1.0.0" in planned.out
        assert "is used as it was fetched before" in planned.err
        assert "no component other in the store" in stage.run("component", "remove", "other", code=1).err
        stage.run("component", "remove", "hello")
        assert stage.json("component", "list") == []
    finally:
        stage.close()


def test_a_component_of_others_runs_by_a_component_toml_that_init_writes(
    tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layouts of `wkg`, Spin and wasmCloud, from a registry that wants a login for a token."""
    wasm = component("hello-1.0.0")["hello.wasm"]
    layouts = {
        "wkg": ("application/vnd.wasm.config.v0+json", "application/wasm"),
        "spin": ("application/vnd.fermyon.spin.application.v1+config", "application/vnd.wasm.content.layer.v1+wasm"),
        "wash": (
            "application/vnd.wasmcloud.actor.archive.config", "application/vnd.module.wasm.content.layer.v1+wasm",
        ),
    }  # fmt: skip
    stage = Stage(tmp_path)
    with served() as web:
        registry = SmallRegistry(web, "others/hello", login="ada:secret-word")
        for tag, (config, kind) in layouts.items():
            registry.put(tag, manifest(config, layer(kind, wasm)), wasm)
        logins = tmp_path / "logins.json"
        logins.write_text(json.dumps({"auths": {registry.host: {"username": "ada", "password": "secret-word"}}}))
        logins.chmod(0o600)
        trust(stage, registry.host, credentials=logins)
        monkeypatch.chdir(stage.manifests)
        try:
            for tag in layouts:
                (stage.manifests / tag).mkdir()
                monkeypatch.chdir(stage.manifests / tag)
                stage.run("init", f"oci://{registry.host}/others/hello:{tag}", "--name", tag)
            stage.start()
            stage.apply()
            assert [stage.ask(tag, "Ada") for tag in layouts] == ["Hello, Ada!"] * 3
            blobs = [path for method, path, _ in web.asked if "/blobs/" in path]
            assert len(blobs) == 1  # one digest under three names is fetched once
            said = b"".join(path.read_bytes() for path in stage.state_dir.rglob("*") if path.is_file())
            assert b"secret-word" not in said
            assert b"YWRhOnNlY3JldC13b3Jk" not in said
            logins.unlink()
            refused = stage.run("component", "install", f"oci://{registry.host}/others/hello:x", code=1).err
            assert "does not exist" in refused
            stage.stop()
        finally:
            stage.close()


def test_a_branch_is_a_commit_and_a_force_push_is_told(stage: Stage, tmp_path: Path) -> None:
    with repository(tmp_path / "repo") as repo:
        first = repo.commit({f"components/hello/{name}": data for name, data in component("hello-1.0.0").items()})
        repo.git("tag", "-a", "-m", "x", "v1")
        want(stage, "hello", git={"url": repo.url, "ref": "main", "path": "components/hello"}, refresh="1s")
        want(stage, "tagged", git={"url": repo.url, "ref": "v1", "path": "components/hello"})
        stage.run("source", "add", str(stage.manifests))
        wait_until(lambda: runs(stage, "hello", "1.0.0") and runs(stage, "tagged", "1.0.0"))
        files = {f"components/hello/{name}": data for name, data in component("hello-1.1.0").items()}
        second = repo.commit(files, "--amend", "--no-edit")
        wait_until(lambda: runs(stage, "hello", "1.1.0"))
        assert runs(stage, "tagged", "1.0.0")
        events = stage.run("events").out
        assert f"moved from {first[:12]} to {second[:12]}" in events
        third = repo.commit({"README": b"nothing of the component"})
        wait_until(lambda: f"to {third[:12]}" in stage.run("events").out)
        wait_until(lambda: "updated" in stage.events("hello"))  # in place: the same bytes from another commit
        assert [view[1] for view in stage.history("hello")] == ["1.0.0", "1.1.0"]


def test_git_is_given_the_login_of_its_host_and_of_no_other(tmp_path: Path) -> None:
    """By https only, so that it is asked of git itself what it would send."""
    from orchestrator.fetch.git import GitFetcher, spec_of
    from orchestrator.fetch.limits import FetchSettings, HostSettings
    from orchestrator.model.component_source import GitComponent

    logins = tmp_path / "logins"
    logins.write_text("https://ada:secret@git.example\nhttps://eve:other@evil.example\n")
    logins.chmod(0o600)
    settings = FetchSettings(hosts={"git.example": HostSettings(git_credentials=str(logins))})
    fetcher = GitFetcher(tmp_path, settings, {})

    def filled(url: str, host: str) -> str:
        given = fetcher.of_host(spec_of(GitComponent(url=url, ref="main")))
        options = [part for key, value in given.items() for part in ("-c", f"{key}={value}")]
        asked = f"protocol=https\nhost={host}\n\n".encode()
        quiet = {"GIT_TERMINAL_PROMPT": "0", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "GIT_ASKPASS": "false"}
        done = subprocess.run(["git", *options, "credential", "fill"], input=asked, env=quiet, capture_output=True)
        return done.stdout.decode()

    assert "password=secret" in filled("https://git.example/x.git", "git.example")
    assert "password" not in filled("https://git.example/x.git", "evil.example")
    assert "password" not in filled("https://evil.example/x.git", "evil.example")


def test_signatures_travel_with_a_component_through_a_registry(stage: Stage, host: str) -> None:
    copy, keys, reference = stage.folder / "hello", stage.folder / "keys", f"oci://{host}/acme/signed:1"
    shutil.copytree(HELLO, copy)
    stage.run("keygen", "--name", "acme", "--out", str(keys))
    stage.run("trust", "add", str(keys / "acme.pub"))
    stage.run("sign", str(copy), "--key", str(keys / "acme.pem"))
    stage.run("push", str(copy), reference)
    assert stage.json("verify", reference)["verdict"] == "trusted"
    want(stage, "hello", oci={"reference": reference.removeprefix("oci://")})
    stage.apply()
    assert [signer["name"] for signer in stage.json("status", "hello")["signers"]] == ["acme"]


def test_a_signature_that_is_attached_later_lets_a_component_run(
    tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    trust(stage, host)
    key = stage.json("keygen", "--name", "acme")["keyId"]
    policy = {"signers": [{"components": ["hello"], "keys": [key]}]}
    body = {"apiVersion": "airs.dev/v1", "kind": "Policy", "metadata": {"name": "production"}, "spec": policy}
    (tmp_path / "policy.yaml").write_text(json.dumps(body))
    monkeypatch.setenv("AIRS_POLICY", str(tmp_path / "policy.yaml"))
    folder, reference = shutil.copytree(HELLO, tmp_path / "hello"), f"oci://{host}/later/hello:1"
    digest = stage.json("push", str(folder), reference)["digest"]
    want(stage, "hello", oci={"reference": f"{host}/later/hello:1"}, refresh="1s")
    want(stage, "fixed", oci={"reference": f"{host}/later/hello@{digest}"}, refresh="1s")
    stage.start()
    try:
        added = stage.run("source", "add", str(stage.manifests), code=1)  # it waits for what is being fetched
        assert added.said.count("blocked: not signed by anybody whom policy production trusts") == 2
        assert stage.run("plan", str(stage.manifests)).out.count("blocked because policy-refused") == 2
        assert "nothing to attach" in stage.run("push", "--attach", str(folder), reference, code=64).err
        stage.run("sign", str(folder), "--key", "acme")
        newer = shutil.copytree(NEWER, tmp_path / "newer")
        stage.run("sign", str(newer), "--key", "acme")
        assert "is another component" in stage.run("push", "--attach", str(newer), reference, code=1).err
        assert stage.json("push", "--attach", str(folder), reference)["digest"] == digest  # which stays what it is
        wait_until(lambda: runs(stage, "hello", "1.0.0") and runs(stage, "fixed", "1.0.0"))
        assert [one["keyId"] for one in stage.json("status", "hello")["signers"]] == [key]
        assert f"{key}, trusted by policy production" in stage.run("verify", reference).out
    finally:
        stage.close()


def test_a_private_repository_by_https_is_read_with_the_credentials_and_authority_of_its_host(tmp_path: Path) -> None:
    """A git server with a login, behind TLS of its own authority; both come from `airs.toml`."""
    stage, cert = Stage(tmp_path), certificate(tmp_path)
    with repository(tmp_path / "repo") as repo:
        repo.web.encrypt(server_side(cert))
        repo.login = "Basic " + base64.b64encode(b"ada:secret-word").decode()
        repo.commit({f"components/hello/{name}": data for name, data in component("hello-1.0.0").items()})
        logins, host = tmp_path / "logins", f"127.0.0.1:{repo.web.port}"
        logins.write_text(f"https://ada:secret-word@{host}\nhttps://eve:other@evil.example\n")
        logins.chmod(0o600)
        want(stage, "hello", git={"url": repo.url, "ref": "main", "path": "components/hello"}, refresh="1s")
        stage.state_dir.mkdir(mode=0o700)
        for lines, told in (
            ([], "certificate"),
            ([f'ca = "{cert[1]}"'], "could not read Username"),
            ([f'ca = "{tmp_path}/gone.pem"'], "is no file of certificates"),
        ):
            settings(stage, host, *lines)
            assert told in stage.run("plan", str(stage.manifests), code=1).err
        settings(stage, host, f'ca = "{cert[1]}"', f'credentials = "{logins}"')
        stage.start()
        try:
            stage.run("source", "add", str(stage.manifests), "--no-wait")  # it failed a moment ago, and is tried again
            wait_until(lambda: runs(stage, "hello", "1.0.0"))
            repo.commit({f"components/hello/{name}": data for name, data in component("hello-1.1.0").items()})
            wait_until(lambda: runs(stage, "hello", "1.1.0"))
            said = b"".join(path.read_bytes() for path in stage.state_dir.rglob("*") if path.is_file())
            assert b"secret-word" not in said
            assert base64.b64encode(b"ada:secret-word") not in said
            logins.chmod(0o644)
            wait_until(lambda: "is not used for credentials" in stage.run("status").out)
            assert stage.ask("hello", "Ada") == "Good day, Ada! (hello 1.1.0)"
        finally:
            stage.close()


def settings(stage: Stage, host: str, *lines: str) -> None:
    attempts = "[fetch]\nattempts = 1\n"
    (stage.state_dir / "airs.toml").write_text(attempts + "\n".join([f'[git."{host}"]', *lines]) + "\n")
