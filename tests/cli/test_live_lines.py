"""What is under way is drawn on a terminal until the block ends, and told once in a file."""

import io
import os
import select
from collections.abc import Iterator
from typing import TextIO

import pytest

from orchestrator.cli.compiling import Progress
from orchestrator.cli.fetching import FetchProgress
from orchestrator.cli.terminal import Console
from orchestrator.model.compiling import MIB, Compiling

LIMIT_S = 20.0


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIO]]:
    ours, theirs = os.openpty()
    with open(theirs, "w", encoding="utf-8") as stream:
        yield ours, stream
    os.close(ours)


def read_until(ours: int, wanted: bytes) -> bytes:
    said = b""
    while wanted not in said and select.select([ours], [], [], LIMIT_S)[0]:
        said += os.read(ours, 1 << 16)
    return said


def test_downloads_are_drawn_as_they_go_on(terminal: tuple[int, TextIO]):
    ours, stream = terminal
    with FetchProgress(Console(stream, color=False, is_terminal=True)) as progress:
        progress.heard("oci://here/a:1", MIB, 4 * MIB)
        progress.heard("oci://here/b:1", MIB // 2, None)
        said = read_until(ours, b"b:1  0.5 MiB")
        assert b"Fetching oci://here/a:1  1.0 of 4.0 MiB" in said
        progress.heard("oci://here/a:1", 2 * MIB, 4 * MIB)
        assert b"2.0 of 4.0 MiB" in read_until(ours, b"2.0 of 4.0 MiB")


def test_compilations_are_drawn_with_their_time(terminal: tuple[int, TextIO]):
    ours, stream = terminal
    with Progress(Console(stream, color=False, is_terminal=True)) as progress:
        progress.heard(Compiling("sha256:aa", 3 * MIB, "big.wasm"))
        assert b"Compiling big.wasm (3.0 MiB)  0 s" in read_until(ours, b" s")


def test_in_a_file_a_large_download_is_told_of_once_and_a_small_one_not_at_all():
    stream = io.StringIO()
    with FetchProgress(Console(stream, color=False)) as progress:
        for has in (0, MIB, 2 * MIB):
            progress.heard("oci://here/a:1", has, 4 * MIB)
        progress.heard("oci://here/small:1", 10, MIB // 2)
    assert stream.getvalue() == "Fetching oci://here/a:1 (4.0 MiB)\n"
