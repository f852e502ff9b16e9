"""A command that is killed while it fetches leaves nothing half, and the next one goes on where it ended."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from tests.fetch.web import archive, component, serves, sha256
from tests.fetch.web import web as served

from .stage import Stage, wait_until
from .test_components import want

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
            stage.run("source", "add", str(stage.manifests))
            wait_until(lambda: web.asked)
            stage.stop()  # within the stage's limit, which is shorter than the server may say nothing for
        finally:
            go_on.set()
            stage.close()
