import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.compiled import cache as caching
from orchestrator.compiled.cache import CacheEntry, CompileCache
from orchestrator.compiled.sealed import SealedFolder
from orchestrator.compiled.settings import settings_text
from orchestrator.model.message import Returned
from orchestrator.runtime import CodeOrigin, digest_of_bytes
from orchestrator.runtime.adapter import window
from tests.runtime.guests import ROOT, TRAPS, start, wasm

COMPONENT = wasm(TRAPS)
OTHER = (ROOT / "examples/03-calculator/components/calculator-1.0.0/calculator.wasm").read_bytes()
COMPONENTS = sorted({path.name: path for path in ROOT.glob("**/components/**/*.wasm")}.values())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def load(make_runtime, folder):
    """Load with a new engine, as after a restart of the agent."""

    def load(data: bytes = COMPONENT) -> CodeOrigin:
        return make_runtime(cache=folder).load(digest_of_bytes(data), lambda: data).origin

    return load


def entry(folder: Path, data: bytes = COMPONENT) -> Path:
    (path,) = folder.glob(f"{digest_of_bytes(data).removeprefix('sha256:')}-*.cwasm")
    return path


def opened(folder: Path, settings: str) -> CompileCache:
    return CompileCache(SealedFolder(folder), settings)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_component_is_compiled_once_and_then_loaded_from_the_cache(load, folder):
    assert [load(), load(), load()] == [CodeOrigin.COMPILED, CodeOrigin.CACHE, CodeOrigin.CACHE]


def test_what_the_cache_holds_is_private(load, folder):
    load()
    assert (mode(folder), mode(folder / "key"), mode(entry(folder))) == (0o700, 0o600, 0o600)
    assert sorted(path.name for path in folder.iterdir()) == sorted(["key", entry(folder).name])


def test_a_component_from_the_cache_works(make_runtime, load, folder):
    load()
    runtime = make_runtime(cache=folder)
    assert start(runtime, COMPONENT).call("seven", []) == Returned(7)


def test_bytes_are_not_asked_for_when_the_cache_has_the_component(make_runtime, load, folder):
    load()

    def never() -> bytes:
        raise AssertionError("asked for the artifact")

    assert make_runtime(cache=folder).load(digest_of_bytes(COMPONENT), never).origin is CodeOrigin.CACHE


def test_a_component_in_memory_is_not_loaded_again(make_runtime):
    runtime = make_runtime(cache=None)
    origins = [runtime.load(digest_of_bytes(COMPONENT), lambda: COMPONENT).origin for _ in range(2)]
    assert origins == [CodeOrigin.COMPILED, CodeOrigin.MEMORY]


@pytest.mark.parametrize("data", COMPONENTS, ids=lambda path: path.stem)
def test_what_the_cache_says_of_a_component_is_what_was_read_off_it(make_runtime, folder, data):
    compiled, cached = (
        make_runtime(cache=folder).load(digest_of_bytes(data.read_bytes()), data.read_bytes) for _ in range(2)
    )
    assert (compiled.origin, cached.origin) == (CodeOrigin.COMPILED, CodeOrigin.CACHE)
    assert cached.description == compiled.description
    assert cached.missing == compiled.missing


def test_without_a_folder_nothing_is_kept(make_runtime):
    assert [make_runtime(cache=None).load(digest_of_bytes(COMPONENT), lambda: COMPONENT).origin for _ in range(2)] == [
        CodeOrigin.COMPILED,
        CodeOrigin.COMPILED,
    ]


@pytest.mark.parametrize("where", [0, 31, 32, 100, 5_000, -1])
def test_a_flipped_byte_is_never_loaded_and_is_replaced(load, folder, where):
    load()
    content = bytearray(entry(folder).read_bytes())
    content[where] ^= 1
    entry(folder).write_bytes(content)
    assert [load(), load()] == [CodeOrigin.COMPILED, CodeOrigin.CACHE]


@pytest.mark.parametrize("size", [0, 10, 32, 1_000])
def test_a_truncated_file_is_never_loaded_and_is_replaced(load, folder, size):
    load()
    os.truncate(entry(folder), size)
    assert [load(), load()] == [CodeOrigin.COMPILED, CodeOrigin.CACHE]


def test_a_file_of_another_artifact_is_never_loaded(load, folder):
    load()
    load(OTHER)
    entry(folder).write_bytes(entry(folder, OTHER).read_bytes())
    assert [load(), load()] == [CodeOrigin.COMPILED, CodeOrigin.CACHE]


def test_a_file_of_other_engine_settings_is_never_loaded(folder):
    opened(folder, "these").write("sha256:" + "0" * 64, b"about", b"code")
    assert opened(folder, "these").read("sha256:" + "0" * 64) == CacheEntry(b"about", b"code")
    assert opened(folder, "those").read("sha256:" + "0" * 64) is None
    (written,) = folder.glob("*.cwasm")
    written.rename(opened(folder, "those").path("sha256:" + "0" * 64))
    assert opened(folder, "those").read("sha256:" + "0" * 64) is None


def test_with_another_key_nothing_is_loaded(load, folder):
    load()
    (folder / "key").write_bytes(bytes(32))
    assert [load(), load()] == [CodeOrigin.COMPILED, CodeOrigin.CACHE]


@pytest.mark.parametrize("spoil", [lambda key: key.chmod(0o644), lambda key: key.write_bytes(b"short"), Path.unlink])
def test_a_key_that_is_no_secret_is_replaced(load, folder, spoil):
    load()
    before = (folder / "key").read_bytes()
    spoil(folder / "key")
    assert load() is CodeOrigin.COMPILED
    assert (folder / "key").read_bytes() != before
    assert mode(folder / "key") == 0o600
    assert load() is CodeOrigin.CACHE


def test_a_file_that_others_may_write_is_never_loaded(load, folder):
    load()
    entry(folder).chmod(0o622)
    assert load() is CodeOrigin.COMPILED


def test_a_link_is_never_followed(load, folder, tmp_path):
    load()
    path, elsewhere = entry(folder), tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert load() is CodeOrigin.COMPILED
    assert not path.is_symlink()


def test_authentic_code_that_wasmtime_refuses_is_compiled_again(load, folder):
    load()
    cache = opened(folder, settings_text(str(window.VERSION)))
    entry = cache.read(digest_of_bytes(COMPONENT))
    assert entry is not None
    cache.write(digest_of_bytes(COMPONENT), bytes(entry.about), b"no code at all")
    assert [load(), load()] == [CodeOrigin.COMPILED, CodeOrigin.CACHE]


def test_what_another_airs_says_about_a_component_is_not_believed(load, folder):
    load()
    cache = opened(folder, settings_text(str(window.VERSION)))
    entry = cache.read(digest_of_bytes(COMPONENT))
    assert entry is not None
    cache.write(digest_of_bytes(COMPONENT), b"\xc0", bytes(entry.code))
    assert [load(), load()] == [CodeOrigin.COMPILED, CodeOrigin.CACHE]


def test_a_folder_open_to_others_is_closed(folder):
    folder.mkdir(mode=0o755)
    opened(folder, "x")
    assert mode(folder) == 0o700


def test_a_full_disk_costs_a_compilation_and_nothing_else(make_runtime, folder, monkeypatch):
    runtime = make_runtime(cache=folder)

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert runtime.load(digest_of_bytes(COMPONENT), lambda: COMPONENT).origin is CodeOrigin.COMPILED
    assert not list(folder.glob("*.tmp")) + list(folder.glob(".*.tmp"))


def test_the_oldest_files_make_room(folder, monkeypatch):
    monkeypatch.setattr(caching, "MAX_CACHE_BYTES", 300)
    cache = opened(folder, "x")
    for number in range(4):
        cache.write(f"sha256:{number:064}", b"", bytes(64))  # 100 bytes with what is around it
        os.utime(cache.path(f"sha256:{number:064}"), ns=(number, number))
    assert [cache.read(f"sha256:{number:064}") is not None for number in range(4)] == [False, True, True, True]


def test_a_file_that_was_read_lately_outlives_older_ones(folder, monkeypatch):
    monkeypatch.setattr(caching, "MAX_CACHE_BYTES", 300)
    cache = opened(folder, "x")
    for number in range(3):
        cache.write(f"sha256:{number:064}", b"", bytes(64))
        os.utime(cache.path(f"sha256:{number:064}"), ns=(number, number))
    assert cache.read(f"sha256:{0:064}") is not None
    cache.write(f"sha256:{3:064}", b"", bytes(64))
    assert [cache.read(f"sha256:{number:064}") is not None for number in range(4)] == [True, False, True, True]


def test_processes_that_start_together_agree_on_one_key(folder):
    together = threading.Barrier(8)

    def open_cache(_n: int) -> CompileCache:
        together.wait()
        return opened(folder, "x")

    with ThreadPoolExecutor(8) as pool:
        caches = list(pool.map(open_cache, range(8)))
    for number, cache in enumerate(caches):
        cache.write(f"sha256:{number:064}", b"about", b"code")
    assert all(other.read(f"sha256:{number:064}") for number in range(8) for other in caches)


def test_loads_of_one_artifact_at_once_compile_it_once(make_runtime, folder):
    runtime = make_runtime(cache=folder)
    together = threading.Barrier(8)
    asked: list[int] = []

    def data() -> bytes:
        asked.append(1)
        return COMPONENT

    def load(_n: int) -> CodeOrigin:
        together.wait()
        return runtime.load(digest_of_bytes(COMPONENT), data).origin

    with ThreadPoolExecutor(8) as pool:
        origins = sorted(origin.value for origin in pool.map(load, range(8)))
    assert origins == ["compiled"] + ["memory"] * 7
    assert len(asked) == 1


def test_a_component_pushed_out_of_memory_keeps_its_guests(make_runtime):
    runtime = make_runtime(cache=None)
    guest = start(runtime, COMPONENT)
    for number in range(70):
        runtime.inspect(wasm(f'(component (core module (func (export "f{number}"))))'))
    assert guest.call("seven", []) == Returned(7)
    assert runtime.load(digest_of_bytes(COMPONENT), lambda: COMPONENT).origin is CodeOrigin.COMPILED
