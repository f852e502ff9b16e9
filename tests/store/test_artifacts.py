import hashlib
import resource
import stat

import pytest

from orchestrator.store.artifacts import ArtifactDamaged, ArtifactMissing

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


def test_an_artifact_that_is_not_there_is_missing(state):
    assert not state.artifacts.has(DIGEST)
    with pytest.raises(ArtifactMissing):
        state.artifacts.read(DIGEST)


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:../../key", "md5:" + "0" * 64, "sha256:" + "A" * 64])
def test_what_is_not_a_digest_never_becomes_a_path(state, digest):
    with pytest.raises(ValueError, match="64 hex digits"):
        state.artifacts.read(digest)


def test_gc_removes_what_nobody_keeps_and_what_a_crash_left(state):
    other = state.artifacts.put(b"other")
    state.artifacts.put(WASM)
    (state.path / "artifacts" / "sha256" / ".draft.abc").write_bytes(b"half")
    assert state.artifacts.gc({DIGEST}) == [other]
    assert [path.name for path in (state.path / "artifacts" / "sha256").iterdir()] == [DIGEST.removeprefix("sha256:")]


def test_gc_of_nothing_removes_nothing(state):
    assert state.artifacts.gc(set()) == []
