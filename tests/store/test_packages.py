"""The component store: packages are whole or gone, verified as they are read, and stay while they are needed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from orchestrator.model.package import PackageReference
from orchestrator.store.artifacts import Artifacts
from orchestrator.store.packages import PackageDamaged, Packages

NOTHING = frozenset()


def store(tmp_path) -> Packages:
    return Packages(tmp_path, Artifacts(tmp_path / "artifacts" / "sha256"))


def put(packages: Packages, name: str, reference: str = "", **more: object):
    note = PackageReference(reference=reference or f"oci://h/{name}:1", resolved="sha256:x", **more)
    return packages.put(name.encode(), f"toml of {name}".encode(), b"", (name, "1.0.0"), note)


def test_a_package_is_what_was_put_and_is_there_once(tmp_path):
    packages = store(tmp_path)
    one = put(packages, "a")
    assert put(packages, "a", "oci://other/a:1") == one
    assert packages.all() == [one]
    assert packages.read(one.digest).manifest == b"toml of a"
    assert [note.reference for note in packages.references()] == ["oci://h/a:1", "oci://other/a:1"]
    assert packages.artifacts() == {one.artifact}


@pytest.mark.parametrize("file", ["Component.toml", "package.json"])
@pytest.mark.parametrize("change", [lambda path: path.write_bytes(b"\xff"), lambda path: path.unlink()])
def test_a_package_that_was_changed_is_not_believed_and_is_put_again(tmp_path, file, change):
    packages = store(tmp_path)
    package = put(packages, "a")
    change(tmp_path / "packages" / package.digest.removeprefix("sha256:") / file)
    with pytest.raises((PackageDamaged, FileNotFoundError)):
        packages.read(package.digest)
    assert packages.all() == []
    assert put(packages, "a") == package
    assert packages.all() == [package]


def test_a_note_that_was_changed_is_none(tmp_path):
    packages = store(tmp_path)
    put(packages, "a")
    note = next((tmp_path / "references").iterdir())
    note.write_bytes(b'{"reference": 7}')
    assert packages.reference("oci://h/a:1") is None
    assert packages.references() == []
    assert packages.reference("../../etc/passwd") is None


def test_a_package_stays_while_it_is_installed_needed_or_young(tmp_path):
    packages = store(tmp_path)
    installed = put(packages, "installed", is_installed=True)
    needed, used, old = (put(packages, name) for name in ("needed", "used", "old"))
    now = time.time()
    for path in [*(tmp_path / "references").iterdir(), *(tmp_path / "packages").iterdir()]:
        os.utime(path, (now - 1_000, now - 1_000))
    packages.touch("oci://h/used:1", now)
    collected = packages.collect(lambda: {needed.artifact}, now - 500)
    assert (collected.packages, collected.references) == ((old,), ("oci://h/old:1",))
    assert packages.all() == [installed, needed, used]
    assert packages.collect(lambda: NOTHING, now + 1).packages == (needed, used)
    assert packages.all() == [installed]


def test_a_tag_that_moved_leaves_its_old_package_to_those_who_need_it(tmp_path):
    packages = store(tmp_path)
    before, after = put(packages, "a", "oci://h/x:1"), put(packages, "b", "oci://h/x:1")
    assert packages.reference("oci://h/x:1").package == after.digest
    assert packages.collect(lambda: {before.artifact}, time.time() + 1).packages == (after,)
    assert packages.all() == [before]


def test_what_is_removed_by_hand_takes_its_references_along(tmp_path):
    packages = store(tmp_path)
    package = put(packages, "a", is_installed=True)
    packages.remove(package.digest)
    assert (packages.all(), packages.references()) == ([], [])


WRITER = """
import sys, time
from pathlib import Path
from orchestrator.model.package import PackageReference
from orchestrator.store.artifacts import Artifacts
from orchestrator.store.packages import Packages
state = Path(sys.argv[1])
packages = Packages(state, Artifacts(state / "artifacts" / "sha256"))
print("ready", flush=True)
number = 0
while True:
    name = f"n{number % 7}"
    note = PackageReference(reference=f"oci://h/{name}:1", resolved="sha256:x")
    packages.put(name.encode(), b"toml of " + name.encode(), b"signed", (name, "1"), note)
    if number % 3 == 2:
        packages.collect(frozenset, time.time() + 1)
    number += 1
"""


def test_a_kill_at_any_instant_leaves_each_package_whole_or_gone(tmp_path):
    artifacts = Artifacts(tmp_path / "artifacts" / "sha256")
    packages = Packages(tmp_path, artifacts)
    for attempt in range(12):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        os.sched_yield()
        limit = time.monotonic() + 0.003 * attempt
        while time.monotonic() < limit:
            os.listdir(tmp_path / "packages") if (tmp_path / "packages").exists() else None
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        whole = {path.name for path in (tmp_path / "packages").glob("[0-9a-f]*") if len(path.name) == 64}
        assert {package.digest.removeprefix("sha256:") for package in packages.all()} == whole
        for package in packages.all():
            assert artifacts.read(package.artifact) == package.name.encode()
        for note in packages.references():
            assert packages.read(note.package).signatures == b"signed"
    packages.collect(lambda: NOTHING, time.time() + 1)
    assert [path.name for path in (tmp_path / "packages").iterdir()] == [".lock"]
