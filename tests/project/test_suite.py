"""In which order the tests run: pytest itself is asked."""

import sys

from .tree import run


def test_what_takes_long_comes_first_and_modules_stay_together():
    files = ("tests/model/test_selection.py", "tests/e2e/test_sets.py", "tests/e2e/test_soak.py")
    listed = run(sys.executable, "-m", "pytest", "-p", "no:xdist", "--collect-only", *files).stdout.splitlines()
    modules = [line.partition("::")[0] for line in listed if "::" in line]
    assert list(dict.fromkeys(modules)) == [*reversed(files)]
    assert modules == sorted(modules, key=[*reversed(files)].index)
