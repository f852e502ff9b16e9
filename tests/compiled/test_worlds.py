"""What is kept of an inspected artifact is believed only if this very airs has written it: all else is a miss."""

import os
from pathlib import Path

import msgspec
import pytest

from orchestrator.compiled import worlds as keeping
from orchestrator.compiled.cache import CompileCache
from orchestrator.compiled.sealed import SealedFolder
from orchestrator.compiled.worlds import Worlds
from orchestrator.model.wit import FunctionType, ListOf, Scalar
from orchestrator.model.world import Drive, Function, Import, Interface, World, WorldTypes

ARTIFACT, OTHER = f"sha256:{1:064}", f"sha256:{2:064}"
ADD = FunctionType(params=(("values", ListOf(Scalar("u32"))),), result=Scalar("u64"))
WORLD = World(
    imports=(Import(interface="wasi:cli/stdout@0.2.0", functions=("get-stdout",)),),
    exports=(Function(name="add", signature=str(ADD)),),
    drives=frozenset({Drive.CALLABLE}),
    types=WorldTypes(exports=(Interface(name="", functions=(("add", ADD),)),)),
    refused=(("wasi:cli/stdout@0.2.0#get-stdout", "it is of another type"),),
)
ANOTHER = msgspec.structs.replace(WORLD, refused=())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def kept(folder: Path) -> Path:
    """The file of `WORLD`."""
    opened(folder).keep(ARTIFACT, WORLD)
    assert opened(folder).read(ARTIFACT) == WORLD
    return file_of(folder, ARTIFACT)


def opened(folder: Path) -> Worlds:
    return Worlds(SealedFolder(folder))


def file_of(folder: Path, artifact: str) -> Path:
    (path,) = folder.glob(f"{artifact.removeprefix('sha256:')}-*.world")
    return path


def size_of_world() -> int:
    return len(msgspec.msgpack.encode(WORLD))


def test_a_world_is_read_as_it_was_kept_and_its_file_is_private(folder: Path, kept: Path):
    assert opened(folder).read(OTHER) is None
    assert kept.stat().st_mode & 0o777 == 0o600
    assert not list(folder.glob(".*.tmp"))


def test_a_flipped_bit_anywhere_is_a_miss(folder: Path, kept: Path):
    content, worlds = kept.read_bytes(), opened(folder)
    for where in range(len(content)):
        kept.write_bytes(content[:where] + bytes([content[where] ^ 1]) + content[where + 1 :])
        assert worlds.read(ARTIFACT) is None, where
    kept.write_bytes(content)
    assert worlds.read(ARTIFACT) == WORLD


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 31 + size_of_world()])
def test_a_truncated_file_is_a_miss(folder: Path, kept: Path, size: int):
    os.truncate(kept, size)
    assert opened(folder).read(ARTIFACT) is None


def test_a_file_with_more_at_its_end_is_a_miss(folder: Path, kept: Path):
    kept.write_bytes(kept.read_bytes() + b"\0")
    assert opened(folder).read(ARTIFACT) is None


def test_the_world_of_another_artifact_is_a_miss(folder: Path, kept: Path):
    opened(folder).keep(OTHER, ANOTHER)
    kept.write_bytes(file_of(folder, OTHER).read_bytes())
    assert opened(folder).read(ARTIFACT) is None
    assert opened(folder).read(OTHER) == ANOTHER


def test_compiled_code_is_no_world(folder: Path, kept: Path):
    code = CompileCache(SealedFolder(folder), "these")
    code.write(ARTIFACT, b"", msgspec.msgpack.encode(WORLD))
    kept.write_bytes(code.path(ARTIFACT).read_bytes())
    assert opened(folder).read(ARTIFACT) is None


@pytest.mark.parametrize(
    ("what", "other"),
    [("VERSION", 0), ("__version__", "0.0.9"), ("settings_text", lambda adapter: f"wasmtime 1.0 adapter {adapter}")],
    ids=["another reading", "another airs", "another wasmtime"],
)  # fmt: skip
def test_what_another_version_found_is_a_miss_under_its_own_name_and_under_ours(
    folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, what: str, other: object
):
    monkeypatch.setattr(keeping, what, other)
    foreign = opened(folder)
    assert foreign.read(ARTIFACT) is None
    foreign.keep(ARTIFACT, ANOTHER)
    (theirs,) = set(folder.glob("*.world")) - {kept}
    monkeypatch.undo()
    assert opened(folder).read(ARTIFACT) == WORLD
    theirs.replace(kept)
    assert opened(folder).read(ARTIFACT) is None


def test_what_was_sealed_with_another_key_is_a_miss(folder: Path, kept: Path):
    (folder / "key").write_bytes(bytes(32))
    assert opened(folder).read(ARTIFACT) is None


@pytest.mark.parametrize("spoil", [lambda key: key.chmod(0o640), lambda key: key.write_bytes(b"short"), Path.unlink])
def test_with_a_key_that_is_no_secret_nothing_is_believed(folder: Path, kept: Path, spoil):
    spoil(folder / "key")
    assert opened(folder).read(ARTIFACT) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"\xc0", b"\x80", b"\x81\xa7imports\x90", msgspec.msgpack.encode({**msgspec.to_builtins(WORLD), "more": 1}),
     msgspec.msgpack.encode({**msgspec.to_builtins(WORLD), "drives": ["a drive of tomorrow"]})],
    ids=["nothing", "null", "an empty map", "half a world", "a field more", "an unknown drive"],
)  # fmt: skip
def test_an_authentic_file_that_is_no_world_is_a_miss(folder: Path, kept: Path, content: bytes):
    SealedFolder(folder).write(kept.name, content)
    assert SealedFolder(folder).read(kept.name, 1 << 20) == content
    assert opened(folder).read(ARTIFACT) is None


def test_a_file_that_others_may_write_is_a_miss(folder: Path, kept: Path):
    kept.chmod(0o622)
    assert opened(folder).read(ARTIFACT) is None


def test_neither_a_link_nor_a_folder_nor_a_pipe_is_read(folder: Path, kept: Path, tmp_path: Path):
    kept.rename(tmp_path / "elsewhere")
    kept.symlink_to(tmp_path / "elsewhere")
    assert opened(folder).read(ARTIFACT) is None
    kept.unlink()
    kept.mkdir(0o700)
    assert opened(folder).read(ARTIFACT) is None
    kept.rmdir()
    os.mkfifo(kept, 0o600)
    assert opened(folder).read(ARTIFACT) is None


def test_a_miss_is_replaced(folder: Path, kept: Path):
    kept.write_bytes(b"damaged")
    opened(folder).keep(ARTIFACT, ANOTHER)
    assert opened(folder).read(ARTIFACT) == ANOTHER


def test_a_world_beyond_the_limit_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keeping, "MAX_WORLD_BYTES", size_of_world() - 1)
    opened(folder).keep(ARTIFACT, WORLD)
    assert [path.name for path in folder.iterdir()] == ["key"]


def test_worlds_not_used_for_the_longest_time_make_room_and_code_stays(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keeping, "MAX_WORLDS_BYTES", 3 * (32 + size_of_world()))
    code = CompileCache(SealedFolder(folder), "these")
    code.write(ARTIFACT, b"", b"code")
    os.utime(code.path(ARTIFACT), ns=(0, 0))
    worlds = opened(folder)
    names = [f"sha256:{number:064}" for number in range(4)]
    for number, name in enumerate(names):
        opened(folder).keep(name, WORLD)
        os.utime(file_of(folder, name), ns=(number, number))
    assert [worlds.read(name) is not None for name in names] == [False, True, True, True]
    assert code.read(ARTIFACT) is not None


def test_a_process_that_keeps_many_worlds_makes_room_now_and_then(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keeping, "MAX_WORLDS_BYTES", 3 * (32 + size_of_world()))
    monkeypatch.setattr(keeping, "SHRUNK_EVERY", 5)
    worlds, there = opened(folder), []
    for number in range(12):
        worlds.keep(f"sha256:{number:064}", WORLD)
        there.append(len(list(folder.glob("*.world"))))
    assert there == [1, 2, 3, 4, 5, 3, 4, 5, 6, 7, 3, 4]


def test_a_full_disk_costs_nothing_but_a_look(folder: Path, monkeypatch: pytest.MonkeyPatch):
    worlds = opened(folder)

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    worlds.keep(ARTIFACT, WORLD)
    assert worlds.read(ARTIFACT) is None
    assert [path.name for path in folder.iterdir()] == ["key"]
