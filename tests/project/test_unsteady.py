"""Tests that fail are run once more where they are few, and stay failures where they fail again."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / ".ci/unsteady.py"


@pytest.mark.parametrize(
    ("failed", "again", "code", "said"),
    [
        (1, 0, 0, "UNSTEADY, passed the second time, to be mended: tests/test_a.py::test_0"),
        (3, 0, 0, "tests/test_a.py::test_2"),
        (1, 1, 1, ""),
        (4, 0, 1, "4 tests failed: nothing is run again"),
        (None, 0, 1, "0 tests failed: nothing is run again"),
    ],
)
def test_a_test_that_passes_the_second_time_is_named_and_no_other_is_let_pass(tmp_path, failed, again, code, said):
    for folder in (".ci", ".venv/bin", ".pytest_cache/v/cache"):
        (tmp_path / folder).mkdir(parents=True)
    script = shutil.copy(SCRIPT, tmp_path / ".ci")
    stand_in = tmp_path / ".venv/bin/pytest"
    stand_in.write_text(f"#!/bin/sh\nexit {again}\n")
    stand_in.chmod(0o755)
    if failed is not None:
        names = {f"tests/test_a.py::test_{number}": True for number in range(failed)}
        (tmp_path / ".pytest_cache/v/cache/lastfailed").write_text(json.dumps(names))
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, said in ran.stdout) == (code, True), ran.stdout
