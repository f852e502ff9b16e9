"""Components from a URL: deployed through `airs`, kept, started again without the network; failures change nothing."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.contract.codes import FAILED, INVALID
from tests.fetch.web import Web, archive, component, serves, sha256
from tests.fetch.web import web as served

from .stage import COUNTER_GRANTS, LIMIT_S, Stage, wait_until

HELLO = archive({f"hello-1.0.0/{name}": data for name, data in component("hello-1.0.0").items()})
NEWER = archive(component("hello-1.1.0"))


@pytest.fixture
def web() -> Iterator[Web]:
    with served() as made:
        yield made


def want(stage: Stage, name: str, **component: object) -> None:
    body = {
        "apiVersion": "airs.dev/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"component": component},
    }  # fmt: skip
    (stage.manifests / f"{name}.yaml").write_text(json.dumps(body, indent=1))


def url_of(web: Web, path: str, data: bytes) -> dict[str, str]:
    return {"component": f"{web.url}{path}", "sha256": sha256(data)}


def runs(stage: Stage, name: str, version: str) -> bool:
    rows = stage.json("get", "deployments")
    return any((row["name"], row["version"], row["phase"]) == (name, version, "running") for row in rows)


def test_a_component_of_a_url_runs_and_starts_again_without_the_network(stage: Stage, web: Web) -> None:
    web.routes["/hello.tgz"] = serves(HELLO)
    want(stage, "hello", url=url_of(web, "/hello.tgz", HELLO))
    planned = stage.run("plan", str(stage.manifests)).out
    assert f" → {web.url}/hello.tgz#{sha256(HELLO)[:12]}\n" in planned
    stage.apply()
    assert stage.ask("hello", "Ada") == "Hello, Ada!"
    assert [path for _, path, _ in web.asked] == ["/hello.tgz"]  # planned, planned again and applied, fetched once
    web.close()
    stage.kill()
    stage.start()
    wait_until(lambda: stage.is_running("hello", "1.0.0"))
    assert stage.ask("hello", "Bob") == "Hello, Bob!"
    assert "No changes." in stage.run("plan", str(stage.manifests)).out


def test_one_digest_under_two_urls_is_downloaded_once(stage: Stage, web: Web) -> None:
    begun, both = threading.Event(), threading.Event()

    def slowly(to):
        begun.set()
        both.wait(LIMIT_S)  # the other one is being looked up meanwhile
        serves(HELLO)(to)

    web.routes["/a.tgz"] = web.routes["/b.tgz"] = slowly
    want(stage, "one", url=url_of(web, "/a.tgz", HELLO))
    want(stage, "two", url=url_of(web, "/b.tgz", HELLO))
    stage.run("source", "add", str(stage.manifests), "--no-wait")
    begun.wait(LIMIT_S)
    wait_until(lambda: len([*(stage.state_dir / "incoming").glob("*.lock")]) == 1)
    both.set()
    wait_until(lambda: runs(stage, "one", "1.0.0") and runs(stage, "two", "1.0.0"))
    want(stage, "three", url=url_of(web, "/c.tgz", HELLO))  # nobody serves it
    wait_until(lambda: runs(stage, "three", "1.0.0"))
    assert len(web.asked) == 1
    (listed,) = stage.json("component", "list")
    assert len(listed["source"]) == 3


def test_a_followed_source_goes_on_while_a_component_cannot_be_fetched_and_takes_it_when_it_can(
    stage: Stage, web: Web
) -> None:
    web.routes["/1.tgz"] = serves(HELLO)
    want(stage, "hello", url=url_of(web, "/1.tgz", HELLO))
    want(stage, "other", url=url_of(web, "/1.tgz", HELLO))
    stage.run("source", "add", str(stage.manifests))
    wait_until(lambda: runs(stage, "hello", "1.0.0") and runs(stage, "other", "1.0.0"))
    want(stage, "hello", url=url_of(web, "/2.tgz", NEWER))
    told = wait_until(lambda: "cannot be fetched" in (said := stage.run("status").out) and said)
    assert "has no 2.tgz" in told
    assert "its component is not here yet: " in stage.run("status", "hello").out
    assert {row["name"]: row["sync"] for row in stage.json("get", "deployments")} == {
        "hello": "fetching", "other": "synced",
    }  # fmt: skip
    want(stage, "later", url=url_of(web, "/3.tgz", NEWER))  # it never ran
    (later,) = wait_until(lambda: [row for row in stage.json("get", "deployments") if row["name"] == "later"])
    assert (later["phase"], later["version"], later["sync"]) == ("fetching", "", "fetching")
    wait_until(lambda: "has no 3.tgz" in stage.json("status", "later")["message"])
    assert "default/later" in stage.run("status").out
    assert f"its component is not here yet: {stage.manifests}/later.yaml:9" in stage.run("status", "later").out
    (stage.manifests / "later.yaml").unlink()
    wait_until(lambda: stage.run("status", "later", code=None).code != 0)
    assert stage.is_running("hello", "1.0.0")
    assert stage.ask("hello", "Ada") == "Hello, Ada!"
    web.routes["/2.tgz"] = serves(NEWER)
    wait_until(lambda: stage.is_running("hello", "1.1.0"))
    assert stage.ask("hello", "Ada") == "Good day, Ada! (hello 1.1.0)"
    reasons = [json.loads(line)["reason"] for line in stage.run("-o", "json", "events").out.splitlines()]
    assert reasons.count("component-fetched") == 2
    assert reasons.count("fetch-failed") == 2  # told once of each, however often it was attempted


def test_other_bytes_than_were_named_are_refused_and_said(stage: Stage, web: Web) -> None:
    web.routes["/hello.tgz"] = serves(NEWER)
    want(stage, "hello", url=url_of(web, "/hello.tgz", HELLO))
    refused = stage.apply(code=1)  # nobody knows whether the manifest is wrong, or the server
    assert "is another file than the one that was named" in refused.err
    assert f"its digest is {sha256(NEWER)}" in refused.err
    assert "hello.yaml:" in refused.err


def test_a_component_that_is_not_there_is_no_error_of_the_manifests(stage: Stage, web: Web) -> None:
    want(stage, "hello", url=url_of(web, "/gone.tgz", HELLO))
    stage.write("counter", "counter-1.0.0", grants=COUNTER_GRANTS)
    for command in ("plan", "apply"):
        told = stage.run(command, str(stage.manifests), code=FAILED).err
        assert "hello.yaml:9:" in told
        assert ": failure: " in told
        assert "a component was not fetched" in told
        assert "Instances go on as they are. An agent that watches the source tries again by itself." in told
    assert stage.is_running("counter", "1.0.0")  # the others are applied
    assert (
        "no errors found, but a component was not fetched"
        in stage.run("validate", str(stage.manifests), code=FAILED).err
    )
    (found,) = json.loads(stage.run("-o", "json", "validate", str(stage.manifests), code=FAILED).out)["diagnostics"]
    assert found["severity"] == "failure"
    added = stage.run("source", "add", str(stage.manifests), code=FAILED)
    assert "cannot be fetched" in added.err
    (stage.manifests / "wrong.yaml").write_text("kind: Deployment\n")  # an error of the manifests beside it is one
    assert "in the manifests" in stage.run("plan", str(stage.manifests), code=INVALID).err
    stage.run("validate", str(stage.manifests), code=INVALID)


def test_an_artifact_alone_runs_by_the_component_toml_of_the_source(stage: Stage, web: Web) -> None:
    files = component("hello-1.0.0")
    web.routes["/hello.wasm"] = serves(files["hello.wasm"])
    (stage.folder / "own").mkdir()
    toml = files["Component.toml"].decode()
    without = toml[: toml.index("[artifact]")] + toml[toml.index("[resources]") :]
    (stage.folder / "own" / "Component.toml").write_text(without)
    url = {"artifact": f"{web.url}/hello.wasm", "sha256": sha256(files["hello.wasm"])}
    want(stage, "hello", url=url, manifest="../own")
    stage.apply()
    assert stage.ask("hello", "Ada") == "Hello, Ada!"
    (stage.folder / "own" / "Component.toml").write_text(without.replace("memory", "memroy"))
    refused = stage.run("plan", str(stage.manifests), code=65).err
    assert "own/Component.toml:" in refused
    assert "memroy" in refused


def test_a_component_that_needs_another_waits_for_a_deployment_of_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.write("console", "hello-1.0.0")
    toml = stage.folder / "components/hello-1.0.0/Component.toml"
    plain = toml.read_text()
    toml.write_text(f'{plain}\n[dependencies]\ncounter = "^1.0"\n')
    planned = stage.run("plan", str(stage.manifests)).out
    assert "! default/console" in planned
    assert "missing-component" in planned
    assert "hello needs component counter ^1.0, which nobody deploys" in planned
    stage.write("numbers", "counter-1.0.0", grants={"storage.read": ["self"], "storage.write": ["self"]})
    assert "2 to create" in stage.run("plan", str(stage.manifests)).out
    toml.write_text(f'{plain}\n[dependencies]\ncounter = "^2.1"\n')
    assert "and deployed is 1.0.0" in stage.run("plan", str(stage.manifests)).out
    toml.write_text(f'{plain}\n[dependencies]\ncounter = "two"\n')
    refused = stage.run("plan", str(stage.manifests), code=65).err
    assert "`dependencies.counter` is `two`, which is not a version range" in refused


def test_a_large_file_is_told_of_once_while_it_is_fetched(stage: Stage, web: Web) -> None:
    files = component("hello-1.0.0")
    section = b"\x04many" + os.urandom(2 << 20)  # of which a reader of components takes no notice
    size = bytes((len(section) >> shift & 0x7F) | (0x80 if shift < 28 else 0) for shift in range(0, 35, 7))
    large = archive({**files, "hello.wasm": files["hello.wasm"] + b"\0" + size + section})
    web.routes["/large.tgz"] = serves(large)
    want(stage, "hello", url=url_of(web, "/large.tgz", large))
    told = stage.run("plan", str(stage.manifests)).err
    assert told.count("Fetching large.tgz (2.0 MiB)") == 1
    assert "Fetching" not in stage.run("plan", str(stage.manifests)).err  # it is in the store
