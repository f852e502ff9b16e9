"""Directories under other paths than their own: for programs that expect `/`, or a path relative to it."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from .stage import Ran, Stage


class Folders(NamedTuple):
    """One directory that is granted for reading, and one for writing."""

    inside: Path
    out: Path


@pytest.fixture
def data(tmp_path: Path) -> Folders:
    made = Folders(tmp_path / "in", tmp_path / "out")
    for folder in made:
        folder.mkdir()
    (made.inside / "hello.txt").write_text("hello\n")
    (made.inside / "deep").mkdir()
    (made.inside / "deep" / "note.txt").write_text("deep\n")
    return made


def have(stage: Stage, data: Folders, mounts: list[dict[str, str]], code: int = 0, **spec: Any) -> Ran:
    grants = {"filesystem.read": [f"{data.inside}/**"], "filesystem.write": [f"{data.out}/**"]}
    stage.write("one", "probe", **{"job": {}, "grants": grants, "mounts": mounts, **spec})
    return stage.apply(code=code)


def run(stage: Stage, *words: str) -> list[str]:
    return stage.run("run", "one", "--", *words).out.splitlines()


def as_root(data: Folders) -> list[dict[str, str]]:
    return [{"path": str(data.inside), "as": "/"}]


def test_a_program_finds_a_directory_as_its_root_and_by_relative_paths(stage: Stage, data: Folders):
    have(stage, data, as_root(data))
    assert run(stage, "cat", "/hello.txt", ";", "cat", "hello.txt", ";", "cat", "deep/note.txt") == ["hello"] * 2 + [
        "deep"
    ]
    assert run(stage, "ls", "/") == run(stage, "ls", ".")
    assert run(stage, "cat", "deep/../hello.txt") == ["hello"]


def test_nothing_is_found_outside_of_what_is_mounted_nor_under_its_own_path(stage: Stage, data: Folders):
    have(stage, data, as_root(data))
    for path in (f"{data.inside}/hello.txt", "../out/new.txt", "/etc/hostname", "/../../etc/hostname"):
        assert run(stage, "cat", path)[0].startswith("error: "), path


def test_whether_a_mount_can_be_written_its_grant_says(stage: Stage, data: Folders):
    have(stage, data, [*as_root(data), {"path": str(data.out), "as": "/results"}])
    words = ["put", "/results/new.txt", "text", ";", "put", "/new.txt", "text", ";", "cat", "/results/new.txt"]
    written, refused, read = run(stage, *words)
    assert (written, read) == ("written", "text")
    assert refused.startswith("error: ")
    assert (data.out / "new.txt").read_text() == "text\n"
    assert not (data.inside / "new.txt").exists()


def test_a_part_of_a_granted_directory_can_be_mounted_and_the_whole_stays_where_it_is(stage: Stage, data: Folders):
    have(stage, data, [{"path": f"{data.inside}/deep", "as": "/"}])
    assert run(stage, "cat", "note.txt", ";", "cat", f"{data.inside}/hello.txt") == ["deep", "hello"]


def test_a_mount_is_shown_in_the_plan_and_a_changed_one_rolls_out(stage: Stage, data: Folders):
    first = have(stage, data, as_root(data), job={"args": ["ls", "/"]})
    assert " mounts./ (none) → " in " ".join(first.out.split())
    again = stage.apply()
    assert "No changes" in again.out
    moved = have(stage, data, [{"path": str(data.inside), "as": "/data"}], job={"args": ["ls", "/data"]})
    assert "mounts-changed" in moved.out
    assert run(stage, "cat", "/data/hello.txt") == ["hello"]
    assert [number for number, *_ in stage.history("one")] == [1, 2]


def test_what_a_narrower_grant_no_longer_covers_is_not_mounted(stage: Stage, data: Folders):
    have(stage, data, as_root(data))
    grants = {"filesystem.read": [f"{data.inside}/deep/**"]}
    refused = have(stage, data, as_root(data), code=65, grants=grants)
    assert "which no grant of this deployment covers" in refused.err


def test_a_mounted_directory_that_leads_to_a_forbidden_place_is_not_handed_over(stage: Stage, data: Folders):
    (data.inside / "state").symlink_to(stage.state_dir)
    refused = have(stage, data, [{"path": f"{data.inside}/state", "as": "/"}], code=1)
    assert "never for guests" in refused.err


NONSENSE: dict[str, tuple[list[dict[str, str]], str]] = {
    "relative": ([{"path": "in", "as": "/"}], "`spec.mounts[0].path`"),
    "up": ([{"path": "/tmp/../etc", "as": "/"}], "`spec.mounts[0].path`"),
    "a relative guest path": ([{"path": "IN", "as": "data"}], "`spec.mounts[0].as`"),
    "a guest path with ..": ([{"path": "IN", "as": "/data/.."}], "`spec.mounts[0].as`"),
    "a slash at the end": ([{"path": "IN", "as": "/data/"}], "`spec.mounts[0].as`"),
    "two on one guest path": ([{"path": "IN", "as": "/"}, {"path": "OUT", "as": "/"}], "two mounts are called `/`"),
    "not granted": ([{"path": "/tmp", "as": "/"}], "mounts `/tmp`, which no grant of this deployment covers"),
    "over another": ([{"path": "IN", "as": "OUT"}], "which is granted itself and found under that path"),
    "without a guest path": ([{"path": "IN"}], "`spec.mounts[0].as` is missing"),
}


@pytest.mark.parametrize(("mounts", "said"), NONSENSE.values(), ids=NONSENSE.keys())
def test_what_makes_no_sense_is_said_with_its_place(
    stage: Stage, data: Folders, mounts: list[dict[str, str]], said: str
):
    places = {"IN": str(data.inside), "OUT": str(data.out)}
    refused = have(stage, data, [{k: places.get(v, v) for k, v in one.items()} for one in mounts], code=65)
    line = next(line for line in refused.err.splitlines() if said in line)
    assert "one.yaml:" in line
    number, column = line.split("one.yaml:")[1].split(":")[:2]
    text = (stage.manifests / "one.yaml").read_text().splitlines()[int(number) - 1]
    assert int(column) - 1 <= len(text)
