import hashlib
import os
import resource
import stat
from pathlib import Path

import pytest

from orchestrator.store.artifacts import ArtifactDamaged, ArtifactMissing, Collected
from orchestrator.store.state_dir import StateDir

WASM = b"\0asm\x0d\0\1\0"
DIGEST = f"sha256:{hashlib.sha256(WASM).hexdigest()}"


def test_an_artifact_is_kept_under_its_digest_and_only_once(state):
    assert state.artifacts.put(WASM) == DIGEST
    assert state.artifacts.put(WASM) == DIGEST
    assert state.artifacts.read(DIGEST) == WASM
    folder = state.path / "artifacts" / "sha256"
    assert [path.name for path in folder.iterdir()] == [DIGEST.removeprefix("sha256:")]
    assert stat.S_IMODE(next(folder.iterdir()).stat().st_mode) == 0o600


def test_an_artifact_that_was_changed_is_detected_and_put_heals_it(state):
    state.artifacts.put(WASM)
    state.artifacts.path(DIGEST).write_bytes(WASM + b"!")
    with pytest.raises(ArtifactDamaged, match="apply its manifest again"):
        state.artifacts.read(DIGEST)
    assert not state.artifacts.has(DIGEST)
    state.artifacts.put(WASM)
    assert state.artifacts.read(DIGEST) == WASM


def test_an_artifact_that_does_not_fit_on_the_disk_is_named_and_leaves_nothing(state):
    state.artifacts.put(WASM)  # the folder is there
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError, match="artifacts/sha256/"):
            state.artifacts.put(WASM + bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in (state.path / "artifacts" / "sha256").iterdir()] == [DIGEST.removeprefix("sha256:")]


MANY = {f"sha256:{hashlib.sha256(data).hexdigest()}": data for data in (WASM + bytes([number]) for number in range(40))}


def test_artifacts_that_are_kept_together_are_claimed_written_or_healed(state):
    here, damaged = list(MANY)[:2]
    put(state, MANY[here])
    put(state, MANY[damaged])
    state.artifacts.path(damaged).write_bytes(b"!")
    absent_here = {digest: data for digest, data in MANY.items() if digest != here}
    state.artifacts.keep(MANY, absent_here)
    assert {digest: state.artifacts.read(digest) for digest in state.artifacts.digests()} == MANY
    assert {stat.S_IMODE(state.artifacts.path(digest).stat().st_mode) for digest in MANY} == {0o600}
    assert len(names(state)) == len(MANY)
    assert state.artifacts.collect(set, LATER_S) == NOTHING


def test_each_of_many_artifacts_is_on_the_disk_before_it_has_its_name_and_their_folder_at_the_end(state, monkeypatch):
    steps: list[tuple[str, int]] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        fsync(descriptor)
        steps.append(("synced", os.fstat(descriptor).st_ino))

    def named(draft: Path, path: Path) -> None:
        steps.append(("named", draft.stat().st_ino))
        replace(draft, path)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", named)
    state.artifacts.keep(MANY, MANY)
    inodes = [state.artifacts.path(digest).stat().st_ino for digest in MANY]
    assert all(steps.index(("synced", inode)) < steps.index(("named", inode)) for inode in inodes)
    assert steps[-1] == ("synced", state.artifacts.path(DIGEST).parent.stat().st_ino)
    assert len(steps) == 2 * len(MANY) + 1


def test_artifacts_of_which_one_does_not_fit_on_the_disk_leave_only_whole_ones(state):
    large = WASM + bytes(100_000)
    found = {**MANY, f"sha256:{hashlib.sha256(large).hexdigest()}": large}
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError, match="artifacts/sha256/"):
            state.artifacts.keep(found, found)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(names(state)) == len(state.artifacts.digests())
    assert all(state.artifacts.has(digest) for digest in state.artifacts.digests())


def test_an_artifact_that_is_neither_kept_nor_found_is_told_before_any_is_written(state):
    with pytest.raises(KeyError, match=DIGEST):
        state.artifacts.keep([*MANY, DIGEST], MANY)
    assert state.artifacts.digests() == []


def test_an_artifact_that_is_not_there_is_missing(state):
    assert not state.artifacts.has(DIGEST)
    with pytest.raises(ArtifactMissing):
        state.artifacts.read(DIGEST)


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:../../key", "md5:" + "0" * 64, "sha256:" + "A" * 64])
def test_what_is_not_a_digest_never_becomes_a_path(state, digest):
    with pytest.raises(ValueError, match="64 hex digits"):
        state.artifacts.read(digest)


NOW_S, LATER_S = 1_000_000_000.0, 1_000_000_100.0
NOTHING = Collected()


def aged(path: Path, at_s: float = NOW_S) -> Path:
    os.utime(path, (at_s, at_s))
    return path


def put(state: StateDir, data: bytes, at_s: float = NOW_S) -> str:
    digest = state.artifacts.put(data)
    aged(state.artifacts.path(digest), at_s)
    return digest


def names(state: StateDir) -> list[str]:
    return sorted(path.name for path in (state.path / "artifacts" / "sha256").iterdir())


def test_what_nothing_names_is_collected_with_what_a_crash_left(state):
    put(state, WASM)
    put(state, b"other")
    for left in (".draft.abc", f".leaving.{'ab' * 32}"):
        path = state.path / "artifacts" / "sha256" / left
        path.write_bytes(b"half")
        aged(path)
    assert state.artifacts.collect(lambda: {DIGEST}, LATER_S) == Collected(1, len(b"other"))
    assert names(state) == [DIGEST.removeprefix("sha256:")]


def test_what_was_claimed_lately_is_not_collected(state):
    digests = [put(state, b"put", LATER_S), put(state, b"claimed"), put(state, b"put again")]
    assert state.artifacts.claim(digests[1])
    state.artifacts.put(b"put again")
    draft = state.path / "artifacts" / "sha256" / ".draft.abc"
    draft.write_bytes(b"being written")
    assert state.artifacts.collect(set, LATER_S) == NOTHING
    assert len(names(state)) == 4


def test_what_is_claimed_while_it_is_collected_stays(state):
    digest = put(state, WASM)

    def named() -> set[str]:
        assert state.artifacts.claim(digest)  # by another process, once this one has looked at the folder
        return set()

    assert state.artifacts.collect(named, LATER_S) == NOTHING
    assert state.artifacts.read(digest) == WASM


def test_what_is_not_there_cannot_be_claimed_and_what_is_damaged_neither(state):
    assert not state.artifacts.claim(DIGEST)
    state.artifacts.put(WASM)
    state.artifacts.path(DIGEST).write_bytes(WASM + b"!")
    assert not state.artifacts.claim(DIGEST)


def test_where_nothing_is_old_nobody_asks_what_is_named(state):
    assert state.artifacts.collect(lambda: pytest.fail("asked"), LATER_S) == NOTHING
    put(state, WASM, LATER_S)
    assert state.artifacts.collect(lambda: pytest.fail("asked"), LATER_S) == NOTHING
