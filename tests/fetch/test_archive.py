"""An archive holds the files of a component, or is refused; any bytes end in one of the two."""

import gzip
import io
import itertools
import random
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.fetch.archive import files_of, unpacked
from orchestrator.fetch.limits import ENTRIES_MAX, FetchFailed
from orchestrator.fetch.url import component_in

from .web import archive

MAX = 4 << 20
FILES = {"Component.toml": b'[artifact]\npath = "a.wasm"\n', "a.wasm": bytes(70_000)}


def read(data: bytes, limit: int = MAX) -> dict[str, bytes]:
    return files_of(unpacked(iter([data]), 2 * limit), limit)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_packers_write_is_read(form):
    files = {**FILES, f"{'long/' * 15}{'n' * 120 if form != tarfile.USTAR_FORMAT else 'n'}.txt": b"x", "é.txt": b"y"}
    assert read(archive(files, format=form)) == files


def packed(*members: tarfile.TarInfo) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    return made.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, **more: str) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.size = kind, size
    for key, value in more.items():
        setattr(made, key, value)
    return made


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "cut off"),
        (b"PK\3\4 no gzip", "no gzip file"),
        (gzip.compress(b"no tar" * 200), "not well formed"),
        (archive(FILES)[:80], "cut off"),
        (packed(member("../x")), "leaves it"),
        (packed(member("/etc/passwd")), "leaves it"),
        (packed(member("a/../../x")), "leaves it"),
        (packed(member("a\nb")), "leaves it"),
        (packed(member("a"), member("./a")), "twice"),
        (packed(member("a", tarfile.SYMTYPE, linkname="/etc/passwd")), "a link"),
        (packed(member("a", tarfile.LNKTYPE, linkname="b")), "a link"),
        (packed(member("a", tarfile.CHRTYPE)), "a device"),
        (packed(member("a", tarfile.FIFOTYPE)), "a pipe"),
        (packed(member("a", b"S")), "something that is no file"),
        (packed(member("a", size=MAX + 1)), "too large"),
        (packed(*(member(str(n)) for n in range(ENTRIES_MAX + 1))), "more than 1000 files"),
        (packed(member("a", size=3 << 20)), "too large unpacked"),
        (packed(member("a", b"x", size=100_000)), "longer than any name"),
        (packed(member("a", b"L", size=100_000)), "longer than any name"),
    ],
    ids=itertools.count(),
)
def test_an_archive_that_holds_anything_else_is_refused(data, said):
    with pytest.raises(FetchFailed, match=said):
        read(data)


def test_what_does_not_shrink_is_held_against_the_whole_and_each_file():
    """No ratio gives these away."""
    noise = gzip.compress(random.Random(1).randbytes(300_000), 1)
    with pytest.raises(FetchFailed, match="too large unpacked"):
        [*unpacked([noise], 200_000)]
    plain = gzip.decompress(packed(member("a", size=1_001)))
    assert files_of(iter([plain]), 1_001) == {"a": bytes(1_001)}
    with pytest.raises(FetchFailed, match="too large a file"):
        files_of(iter([plain]), 1_000)


def test_a_bomb_is_refused_by_its_ratio_before_it_is_unpacked():
    bomb = packed(member("a", size=100 << 20))
    with pytest.raises(FetchFailed, match="too large unpacked"):
        read(bomb, 1 << 30)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "it holds nothing"),
        ({"a/x": b"", "b/y": b""}, "at its top"),
        ({"Component.toml": b"]"}, "names none"),
        ({"Component.toml": b'[artifact]\npath = "../a.wasm"'}, "names none"),
        ({"Component.toml": b'[artifact]\npath = "b.wasm"'}, "names b.wasm"),
        ({"Component.toml": bytes(70_000)}, "too large"),
    ],
)
def test_files_that_are_no_component_are_refused(files, said):
    with pytest.raises(FetchFailed, match=said):
        component_in(files, "sha256:x")


@pytest.mark.parametrize("folder", ["", "hello-1.0.0/"])
def test_a_component_lies_at_the_top_or_in_the_one_folder(folder):
    found = component_in({f"{folder}{name}": data for name, data in FILES.items()}, "sha256:x")
    assert (found.manifest, found.artifact) == (FILES["Component.toml"], FILES["a.wasm"])


@pytest.mark.parametrize("folder", ["", "hello-1.0.0/"])
def test_what_macos_writes_beside_files_is_passed_over(folder):
    """`tar` of macOS writes `._NAME` before each file that has extended attributes, and `._FOLDER` beside a folder."""
    files = {f"{folder}{before}{name}": data for name, data in FILES.items() for before in ("._", "")}
    if folder:
        files = {"._hello-1.0.0": b"\0\5\x16\7", **files}
    packed = archive(files)
    found = component_in(files_of(unpacked([packed], MAX), MAX), "sha256:x")
    assert (found.manifest, found.artifact) == (FILES["Component.toml"], FILES["a.wasm"])


@given(st.integers(0, 2**32), st.integers(1, 20))
def test_any_bytes_are_files_or_a_failure(seed, changes):
    """The same in benchmarks/fuzz.py, a hundred thousand times."""
    chance = random.Random(seed)
    plain = bytearray(gzip.decompress(SAMPLE))
    for _ in range(changes):
        plain[chance.randrange(2_048)] = chance.randrange(256)
    try:
        files_of(iter([bytes(plain)]), MAX)
    except FetchFailed:
        return


SAMPLE = archive({**FILES, "n" * 150: b"long"}, format=tarfile.PAX_FORMAT)


def test_a_whole_file_whose_archive_is_cut_off_is_not_fetched_again():
    """Its digest was that which was named: the server would send the same."""
    with pytest.raises(FetchFailed, match="cut off") as failed:
        [*unpacked([archive(FILES)[:80]], 1 << 20)]
    assert not failed.value.is_passing
