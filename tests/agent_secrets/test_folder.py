"""Which files are secrets, and why others are refused."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.model.secret import SECRET_MAX_BYTES, Secret, SecretName
from orchestrator.secrets.folder import RefusedSecret, as_secret, names_in, read_secret_file, signature

NAME = SecretName(namespace="default", name="api-key")
VALUE = "correct horse battery staple"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "secrets"
    made.mkdir(mode=0o700)
    return made


def put(path: Path, value: str = f"{VALUE}\n", mode: int = 0o600) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(value)
    path.chmod(mode)
    return path


def test_a_file_is_a_secret_without_the_line_break_at_its_end(folder: Path):
    put(folder / "api-key")
    found = read_secret_file(folder, NAME)
    assert isinstance(found, Secret)
    assert found.reveal() == VALUE


def test_a_namespace_is_a_folder(folder: Path):
    put(folder / "shop" / "api-key")
    found = read_secret_file(folder, SecretName(namespace="shop", name="api-key"))
    assert isinstance(found, Secret)
    assert read_secret_file(folder, NAME) is None
    assert names_in(folder) == [SecretName(namespace="shop", name="api-key")]
    assert read_secret_file(folder, SecretName(namespace="default", name="shop")) is None


def test_a_link_within_the_folder_is_followed_as_mounted_volumes_need_it(folder: Path):
    put(folder / "..v1" / "api-key")
    (folder / "..data").symlink_to("..v1")
    (folder / "api-key").symlink_to("..data/api-key")
    assert isinstance(read_secret_file(folder, NAME), Secret)
    assert names_in(folder) == [NAME]


def _link_out(folder: Path) -> None:
    put(folder.parent / "elsewhere")
    (folder / "api-key").symlink_to(folder.parent / "elsewhere")


def _fifo(folder: Path) -> None:
    os.mkfifo(folder / "api-key", 0o600)


def _open_folder(folder: Path) -> None:
    put(folder / "api-key")
    folder.chmod(0o777)


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "readable by the group": (lambda f: put(f / "api-key", mode=0o640), "which others may read"),
    "readable by all": (lambda f: put(f / "api-key", mode=0o604), "which others may read"),
    "a link out": (_link_out, "is a link out of"),
    "a link to nothing": (lambda f: (f / "api-key").symlink_to("missing"), "is a link to nothing"),
    "a link to itself": (lambda f: (f / "api-key").symlink_to("api-key"), "cannot be read"),
    "a pipe": (_fifo, "is no ordinary file"),
    "in a folder that all may write to": (_open_folder, "which others may write to"),
    "empty": (lambda f: put(f / "api-key", ""), "is empty"),
    "a line break alone": (lambda f: put(f / "api-key", "\n"), "is empty"),
    "too long": (lambda f: put(f / "api-key", "x" * (SECRET_MAX_BYTES + 1)), "has more than 65536 bytes"),
    "with a NUL": (lambda f: put(f / "api-key", "a\0b"), "holds a NUL"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_no_secret_is_refused_and_not_shown(case: str, folder: Path):
    make, why = REFUSED[case]
    make(folder)
    found = read_secret_file(folder, NAME)
    assert isinstance(found, RefusedSecret)
    assert why in found.why
    assert VALUE not in str(found)


def test_bytes_that_are_no_text_are_refused():
    assert isinstance(as_secret(b"\xff\xfe"), RefusedSecret)


@pytest.mark.parametrize(
    "change",
    [lambda f: put(f / "api-key", "another"), lambda f: put(f / "other"), lambda f: (f / "api-key").unlink(),
     lambda f: (f / "api-key").chmod(0o644), lambda f: put(f / "shop" / "x")],
)  # fmt: skip
def test_the_signature_differs_once_something_changed(folder: Path, change: Callable[[Path], object]):
    put(folder / "api-key")
    before = signature(folder)
    assert signature(folder) == before
    change(folder)
    assert signature(folder) != before


def test_files_of_other_names_are_no_secrets(folder: Path):
    for name in ("README.md", "API_KEY", ".hidden", "a--b"):
        put(folder / name)
    assert names_in(folder) == []


def test_a_folder_that_is_not_there_holds_no_secret(tmp_path: Path):
    assert read_secret_file(tmp_path / "missing", NAME) is None
    assert names_in(tmp_path / "missing") == []
