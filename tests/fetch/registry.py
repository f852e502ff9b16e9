"""Registries on loopback: Debian's own, and one of ours that wants a token, or misbehaves."""

import base64
import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from orchestrator.fetch.oci.manifest import INDEX, MANIFEST
from orchestrator.fetch.oci.registry import digest_of

from .web import Route, Web, not_found, serves

LIMIT_S = 20.0


def free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def docker_registry(folder: Path) -> Iterator[str]:
    """Run Debian's registry and yield its HOST:PORT; where `.ci/run` could install it, it must be there."""
    program = shutil.which("docker-registry")
    if program is None:
        missing = pytest.fail if os.environ.get("AIRS_REGISTRY_INSTALLED") else pytest.skip
        missing("docker-registry is not installed: apt-get install docker-registry")
    host = f"127.0.0.1:{free_port()}"
    config = folder / "registry.yml"
    config.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder / 'registry'}}}, delete: {{enabled: true}}}}\n"
        f'http: {{addr: "{host}"}}\nlog: {{level: error, accesslog: {{disabled: true}}}}\n'
    )
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + LIMIT_S
        while not answers(f"http://{host}/v2/"):
            assert process.poll() is None, (folder / "registry.log").read_text()
            assert time.monotonic() < deadline, "the registry does not answer"
            time.sleep(0.02)
        yield host
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


class SmallRegistry:
    """A registry of one repository in memory, over a `Web`; with a `login`, it hands out tokens for that alone.

    `referrers`, once it is a dictionary, is its API of them: lists by the digest that they are about.
    """

    def __init__(self, web: Web, name: str, login: str = "") -> None:
        self.referrers: dict[str, bytes] | None = None
        self.stalled: dict[str, Route] = {}  # blobs that are served in another way
        self.web, self.name, self.login = web, name, login
        self.manifests: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {}
        web.routes = _Routes(self)  # type: ignore[assignment]

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.web.port}"

    def put(self, tag: str, manifest: dict, *blobs: bytes) -> str:
        """Put a manifest and blobs into it; returns the manifest's digest."""
        data = json.dumps(manifest).encode()
        self.manifests[tag] = self.manifests[digest_of(data)] = data
        self.blobs |= {digest_of(blob): blob for blob in blobs}
        return digest_of(data)

    def attach(self, subject: dict, kind: str, *layers: tuple[str, bytes], **more: object) -> str:
        """Attach a manifest with layers to another; it is listed by the API, or under a tag where there is none."""
        described = {"mediaType": MANIFEST, **subject}
        made = {**manifest(kind, *(layer(*one) for one in layers)), "artifactType": kind, "subject": described, **more}
        digest = self.put(digest_of(json.dumps(made).encode()), made, *(data for _, data in layers))
        lists = self.manifests if self.referrers is None else self.referrers
        where = subject["digest"].replace(":", "-") if self.referrers is None else subject["digest"]
        before = json.loads(lists[where])["manifests"] if where in lists else []
        listed = [*before, {"mediaType": MANIFEST, "digest": digest, "artifactType": kind}]
        lists[where] = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).encode()
        return digest

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        path = to.path.partition("?")[0]
        if path == "/token":
            return self._token(to)
        if self.login and to.headers.get("Authorization") != "Bearer right":
            challenge = f'Bearer realm="{self.web.url}/token",service="small"'
            return serves(b"", 401, WWW_Authenticate=challenge)(to)
        found = re.fullmatch(rf"/v2/{self.name}/(manifests|blobs|referrers)/(.+)", path)
        lists = {"manifests": self.manifests, "blobs": self.blobs, "referrers": self.referrers or {}}
        held = lists[found[1]].get(found[2]) if found else None
        if found is not None and found[2] in self.stalled:
            return self.stalled[found[2]](to)
        return not_found(to) if held is None else serves(held)(to)

    def _token(self, to: BaseHTTPRequestHandler) -> None:
        wanted = "Basic " + base64.b64encode(self.login.encode()).decode()
        if to.headers.get("Authorization") != wanted:
            return serves(b"{}", 401)(to)
        return serves(b'{"token": "right"}')(to)


class _Routes(dict):
    def __init__(self, registry: SmallRegistry) -> None:
        super().__init__()
        self._registry = registry

    def get(self, key, default=None):
        return self._registry.answer


def layer(kind: str, data: bytes, **more: object) -> dict:
    return {"mediaType": kind, "digest": digest_of(data), "size": len(data), **more}


def manifest(config: str, *layers: dict, **more: object) -> dict:
    return {
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": layer(config, b"{}"), "layers": [*layers], **more,
    }  # fmt: skip
