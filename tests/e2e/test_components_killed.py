"""A command that is killed while it fetches leaves nothing half, and the next one goes on where it ended."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from orchestrator.fetch.oci.manifest import pushed
from orchestrator.fetch.oci.registry import digest_of
from tests.fetch.registry import SmallRegistry
from tests.fetch.web import Web, archive, component, serves, sha256
from tests.fetch.web import web as served

from .stage import Stage, wait_until
from .test_components import runs, want

KILLS = int(os.environ.get("AIRS_KILLS", "2"))  # `make soak` kills more often
PACKED = archive({**component("hello-1.0.0"), "filling": os.urandom(400_000)})


def test_a_fetch_that_is_killed_is_gone_on_with(tmp_path: Path) -> None:
    stage, go_on = Stage(tmp_path), threading.Event()
    with served() as web:

        def half(to):
            to.send_response(200)
            to.send_header("Content-Length", str(len(PACKED)))
            to.end_headers()
            to.wfile.write(PACKED[:200_000])
            to.wfile.flush()
            go_on.wait()

        web.routes["/hello.tgz"] = half
        reference = f"{web.url}/hello.tgz#{sha256(PACKED)}"
        command = [sys.executable, "-m", "orchestrator", "--state-dir", str(stage.state_dir), "component", "install"]
        with subprocess.Popen([*command, reference], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as killed:
            incoming = stage.state_dir / "incoming"
            parts = wait_until(lambda: [*incoming.glob("*.part")] if incoming.exists() else [])
            wait_until(lambda: parts[0].stat().st_size >= 65_536)
            killed.send_signal(signal.SIGKILL)
        go_on.set()
        assert stage.json("component", "list") == []
        web.routes["/hello.tgz"] = serves(PACKED)
        assert stage.run("component", "install", reference).out.startswith("Installed hello 1.0.0")
        assert web.asked[-1][2]["Range"].startswith("bytes=")
    assert [one["version"] for one in stage.json("component", "list")] == ["1.0.0"]
    assert not [*(stage.state_dir / "incoming").glob("*.part")]


def test_an_agent_that_fetches_from_a_server_that_says_nothing_ends_at_once(tmp_path: Path) -> None:
    stage, go_on = Stage(tmp_path), threading.Event()
    with served() as web:
        web.routes["/hello.tgz"] = lambda to: go_on.wait()
        url = {"component": f"{web.url}/hello.tgz", "sha256": sha256(PACKED)}
        want(stage, "hello", url=url)
        stage.start()
        try:
            stage.run("source", "add", str(stage.manifests), "--no-wait")
            wait_until(lambda: web.asked)
            stage.stop()  # within the stage's limit, which is shorter than the server may say nothing for
        finally:
            go_on.set()
            stage.close()


class Stalling:
    """Serves half of some bytes and then nothing, until it `goes_on`; then all, from where somebody asks."""

    def __init__(self, data: bytes) -> None:
        self.data, self.goes_on = data, threading.Event()

    def __call__(self, to) -> None:
        if self.goes_on.is_set():
            return serves(self.data)(to)
        to.send_response(200)
        to.send_header("Content-Length", str(len(self.data)))
        to.end_headers()
        to.wfile.write(self.data[: len(self.data) // 2])
        to.wfile.flush()
        self.goes_on.wait()
        return None


def padded(wasm: bytes, size: int) -> bytes:
    """Return a component with a custom section of so many bytes of nothing in particular."""
    content = b"\x04fill" + os.urandom(size)
    length, leb = len(content), bytearray()
    while length:
        leb.append((length & 0x7F) | (0x80 if length > 0x7F else 0))
        length >>= 7
    return wasm + b"\0" + bytes(leb) + content


def by_url(web: Web) -> tuple[dict, Stalling]:
    stalling = Stalling(PACKED)
    web.routes["/hello.tgz"] = stalling
    return {"url": {"component": f"{web.url}/hello.tgz", "sha256": sha256(PACKED)}}, stalling


def by_registry(web: Web) -> tuple[dict, Stalling]:
    files = component("hello-1.0.0")
    stalling = Stalling(padded(files["hello.wasm"], 400_000))
    made = pushed(stalling.data, files["Component.toml"], b"", digest_of, {})
    registry = SmallRegistry(web, "acme/hello")
    registry.put("1", json.loads(made.manifest), *made.blobs.values())
    registry.stalled[digest_of(stalling.data)] = stalling
    return {"oci": {"reference": f"{registry.host}/acme/hello:1"}}, stalling


@pytest.mark.parametrize("how", [by_url, by_registry])
def test_an_agent_that_is_killed_while_it_fetches_stores_nothing_half_and_gets_there(tmp_path: Path, how) -> None:
    stage = Stage(tmp_path)
    with served() as web:
        source, stalling = how(web)
        stage.state_dir.mkdir(mode=0o700)
        (stage.state_dir / "airs.toml").write_text(f'[registries."127.0.0.1:{web.port}"]\nplain-http = true\n')
        want(stage, "hello", **source)
        stage.start()
        try:
            stage.run("source", "add", str(stage.manifests), "--no-wait")
            for number in range(KILLS):
                wait_until(lambda: sum(part.stat().st_size for part in (stage.state_dir / "incoming").glob("*.part")))
                assert [row["phase"] for row in stage.json("get", "deployments")] == ["fetching"], number
                stage.kill()
                assert stage.json("component", "list") == []
                assert not [*(stage.state_dir / "packages").glob("[0-9a-f]*")]
                for artifact in (stage.state_dir / "artifacts" / "sha256").glob("[0-9a-f]*"):
                    assert artifact.name == sha256(artifact.read_bytes())
                stage.start()
            stalling.goes_on.set()
            wait_until(lambda: runs(stage, "hello", "1.0.0"))
            assert stage.ask("hello", "Ada") == "Hello, Ada!"
            assert [one["version"] for one in stage.json("component", "list")] == ["1.0.0"]
            assert not [*(stage.state_dir / "incoming").glob("*.part")]
        finally:
            stalling.goes_on.set()
            stage.close()
