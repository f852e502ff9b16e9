"""`make check` finds every generated file that no longer agrees with what it is made of. Here: copies made stale."""

import runpy
import shutil

import pytest

from .tree import ROOT

COPIED = (
    "pyproject.toml", "requirements.lock", "requirements-dev.lock", "requirements-bench.lock",
    "requirements-guests.lock",
    "examples", "schemas", "wit", "tests/components", "tests/guests", "benchmarks",
    "docs", "ARCHITECTURE.md", "DECISIONS.md",
)  # fmt: skip
HELLO = "examples/01-hello/components/hello-1.0.0/hello.wasm"


@pytest.fixture
def copy(tmp_path):
    for name in COPIED:
        source, target = ROOT / name, tmp_path / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    return tmp_path


def check(root):
    return runpy.run_path(str(ROOT / ".ci/generated.py"))["main"](root)


def change(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_everything_committed_is_current(copy, capsys):
    assert check(copy) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("file", "old", "new", "said", "remedy"),
    [
        ("pyproject.toml", '"click>=8.1"', '"click>=8.1", "left-pad>=1"', "left-pad", "make lock"),
        ("pyproject.toml", '"click>=8.1"', '"click>=99"', "click>=99", "make lock"),
        ("pyproject.toml", '"build>=1.3"', '"build>=99"', "requirements-dev.lock", "make lock"),
        ("pyproject.toml", '"extism>=1.1"', '"extism>=99"', "requirements-bench.lock", "make lock"),
        ("pyproject.toml", '"ziglang==0.17.0"', '"ziglang==9"', "requirements-guests.lock", "make lock"),
        ("requirements.lock", "\nclick==", "\nkclick==", "requirements.lock", "make lock"),
        ("requirements.lock", "anyio==4", "unhashed==1.0\nanyio==4", "unhashed has no hash", "make lock"),
        ("requirements.lock", "anyio==4", "--index-url https://example.org\nanyio==4", "registry", "make lock"),
        ("requirements-dev.lock", "\nanyio==", "\nanyio==0.", "anyio is 0.", "make lock"),
        ("examples/01-hello/src/hello.c", "Hello", "Hallo", HELLO, "make components"),
        ("wit/types.wit", "record", "// more\nrecord", HELLO, "make components"),
        ("schemas/plan.schema.json", "airs plan", "airs plans", "plan.schema.json", "make generate"),
        ("schemas/status.schema.json", "airs status", "airs stats", "status.schema.json", "make generate"),
        ("benchmarks/results.json", '"date": "2', '"date": "1', "docs/calls.svg", "make generate"),
        ("benchmarks/scale.json", '"date": "2', '"date": "1', "docs/scale.svg", "make generate"),
        ("docs/cli.md", "<!-- airs apply -->\n", "<!-- airs apply -->\nmore\n", "docs/cli.md", "make generate"),
        ("docs/cli.md", "<!-- airs apply -->\n", "", "docs/cli.md has no <!-- airs apply -->", "make generate"),
        ("docs/decisions/0001-nouns-are-structs.md", "Nouns are", "Nouns were", "DECISIONS.md", "make generate"),
    ],
)
def test_a_stale_file_is_named_with_the_command_that_makes_it_current(copy, capsys, file, old, new, said, remedy):
    change(copy / file, old, new)
    assert check(copy) == 1
    lines = capsys.readouterr().err.splitlines()
    assert any(said in line and remedy in line for line in lines), lines


def test_a_component_that_is_not_what_its_lock_says_is_named(copy, capsys):
    shutil.copyfile(copy / HELLO.replace("1.0.0", "1.1.0"), copy / HELLO)
    assert check(copy) == 1
    assert HELLO in capsys.readouterr().err
