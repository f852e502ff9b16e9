"""What is real here: directories, links, pipes, git and its repositories, inotify. What is not: manifests and wasm.

A "manifest" is lines `component DIR` and `base DIR`, a "Component.toml" is lines `artifact NAME`, and a "wasm file" is
any bytes whose world exports the functions it names; so that these tests do not depend on how manifests are written.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from orchestrator.model.snapshot import Content, FileEntry
from orchestrator.model.source import FolderSpec
from orchestrator.model.world import ArtifactFault, Drive, World
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.folder import FolderSource
from orchestrator.source.spec import parse_source


@dataclass(frozen=True)
class Wanted:
    path: str
    is_artifact: bool
    confined_to: str | None
    is_folder: bool = False


def references(files: Mapping[str, FileEntry], manifests: Sequence[str]) -> tuple[Wanted, ...]:
    found = []
    for path, entry in files.items():
        folder = path.rpartition("/")[0]
        for kind, _, name in (line.partition(" ") for line in _lines(entry)):
            if kind == "component" and path in manifests:
                found.append(Wanted(f"{name}/Component.toml", False, ""))
            if kind == "base" and path in manifests:
                found.append(Wanted(f"{name}/", False, "", is_folder=True))
            if kind == "artifact" and path.endswith(".toml"):
                found.append(Wanted(f"{folder}/{name}", True, folder))
    return tuple(found)


def _lines(entry):
    return entry.data.decode(errors="replace").splitlines() if isinstance(entry, Content) else ()


class Inspector:
    """Stands in for the engine: counts what it was asked, refuses what does not start with `wasm`."""

    def __init__(self):
        self.asked = []

    def __call__(self, data, name):
        self.asked.append(data)
        if not data.startswith(b"wasm"):
            raise ArtifactFault("not a component")
        return World(imports=(), exports=(), drives=frozenset({Drive.CALLABLE}))


@pytest.fixture
def inspector():
    return Inspector()


@pytest.fixture
def artifacts(inspector):
    return ArtifactCache(inspector)


@pytest.fixture
def project(tmp_path):
    """`app/manifests/a.yaml` deploys `app/components/hello`."""
    write(tmp_path / "app/manifests/a.yaml", "component app/components/hello\n")
    write(tmp_path / "app/components/hello/Component.toml", "artifact hello.wasm\n")
    write(tmp_path / "app/components/hello/hello.wasm", "wasm 1")
    return tmp_path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def read(artifacts):
    """Read a folder now: `read(folder, root=…)`."""

    def read_now(folder, root=None):
        spec = parse_source(str(folder), root=None if root is None else str(root), cwd=folder.parent)
        assert isinstance(spec, FolderSpec)
        return FolderSource(spec, references, artifacts).read()

    return read_now


def git(folder, *arguments):
    identity = ("-c", "user.name=Ada Lovelace", "-c", "user.email=ada@example.org", "-c", "gc.auto=0")
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, env=env, capture_output=True, check=True)
    return done.stdout.decode(errors="replace").strip()
