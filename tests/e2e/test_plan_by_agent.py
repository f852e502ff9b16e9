"""A plan of a folder is the same, byte for byte, made by the agent, of what it remembers, and by the command."""

import os
import shutil
import subprocess
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest

from tests.e2e.conftest import AIRS, Airs, deployment

ELSEWHERE = ["unshare", "--mount"]  # another mount namespace: to the agent, it may be other files
BY_AGENT = "POST /v1/plan → 200"


def _may_unshare() -> bool:
    return shutil.which("unshare") is not None and subprocess.run([*ELSEWHERE, "true"], check=False).returncode == 0


needs_namespaces = pytest.mark.skipif(not _may_unshare(), reason="making a mount namespace takes root")


def _outcome(airs: Airs, within: list[str], *arguments: str | Path) -> tuple[int, str, list[str], bool]:
    """Run `airs -v`; returns exit code, stdout, stderr but for the requests, and whether the agent made the plan."""
    done = subprocess.run(
        [*within, *AIRS, "-v", *map(str, arguments)], cwd=airs.folder, env=airs.env, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    told = done.stderr.splitlines()
    return done.returncode, done.stdout, [line for line in told if " /v1/" not in line], BY_AGENT in told


def _broken(folder: Path) -> None:
    (folder / "bad.yaml").write_text(deployment("bad", "../components/hello-1.0.0", replicas="many"))


def _not_text(folder: Path) -> None:
    (folder / "binary.yaml").write_bytes(b"\xff\xfe\0")


def _lacking(folder: Path) -> None:
    (folder / "lacking.yaml").write_text(deployment("lacking", "../components/helo-1.0.0"))


def _twice(folder: Path) -> None:
    shutil.copy(folder / "hello.yaml", folder / "again.yaml")


def _changed(folder: Path) -> None:
    (folder / "hello.yaml").write_text((folder / "hello.yaml").read_text().replace("hello-1.0.0", "hello-1.1.0"))


def _more(folder: Path) -> None:
    (folder / "more.yaml").write_text(deployment("more", "../components/hello-1.0.0", dependsOn=["nothing"]))


def _other_artifact(folder: Path) -> None:
    wasm = folder.parent / "components" / "hello-1.0.0" / "hello.wasm"
    wasm.write_bytes(wasm.read_bytes() + b"\0\3\1nx")


def _linked(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to("elsewhere")


def _emptied(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def _unreadable(folder: Path) -> None:
    (folder / "hello.yaml").unlink()
    os.mkfifo(folder / "hello.yaml")


CHANGES: list[Callable[[Path], None]] = [
    _broken, _not_text, _lacking, _twice, _more, _changed, _other_artifact, _linked, _unreadable, _emptied,
]  # fmt: skip

OPTIONS = [[], ["-o", "json"], ["--detailed-exitcode", "--adopt", "--allow-empty", "--source", "other"], ["--no-color"]]


@needs_namespaces
def test_a_plan_is_the_same_with_and_without_the_memory_of_the_agent(airs: Airs):
    folder = airs.copy_example("01-hello") / "manifests"
    airs.run("apply", folder)
    for change, more in zip([lambda _: None, *CHANGES], cycle(OPTIONS), strict=False):
        change(folder)
        arguments = ["plan", folder.relative_to(airs.folder), *more]
        *asked, is_asked = _outcome(airs, [], *arguments)
        *alone, is_asked_elsewhere = _outcome(airs, ELSEWHERE, *arguments)
        assert asked == alone, change.__name__
        assert (is_asked, is_asked_elsewhere) == (True, False)


@needs_namespaces
def test_a_plan_that_the_agent_made_is_saved_and_applied_as_any(airs: Airs):
    folder = airs.copy_example("01-hello") / "manifests"
    airs.run("agent", "start")
    here, elsewhere = airs.folder / "here.plan", airs.folder / "elsewhere.plan"
    assert _outcome(airs, [], "plan", folder, "--out", here)[3]
    assert not _outcome(airs, ELSEWHERE, "plan", folder, "--out", elsewhere)[3]
    assert here.read_bytes() == elsewhere.read_bytes()
    shutil.rmtree(folder.parent / "components")  # the artifact was kept
    airs.run("apply", here)
    assert airs.phase() == "running"


def test_a_folder_is_planned_as_it_is_now_and_not_as_it_was_planned_last(airs: Airs):
    folder = airs.copy_example("01-hello") / "manifests"
    airs.run("agent", "start")
    text = (folder / "hello.yaml").read_text()
    for count in range(1, 4):
        (folder / f"n{count}.yaml").write_text(text.replace("name: hello", f"name: n{count}"))
        assert f"Plan: {count + 1} to create" in airs.quick("plan", folder).stdout
        assert BY_AGENT in airs.quick("-v", "plan", folder).stderr
    (folder / "n1.yaml").write_text(text.replace("name: hello", "name: n9"))
    assert "+ default/n9 " in airs.quick("plan", folder).stdout
