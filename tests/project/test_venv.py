"""Which Python `make` takes: the script is real; the Pythons on its path are shell scripts, but in the last test."""

import os
import shutil
import subprocess
import sys

import pytest

from .tree import ROOT

REFUSAL = "No Python 3.11 or newer with venv among: "
# Answers what the script asks of a Python, and how long it worked; its environments hold one that notes what it hears.
STAND_IN = """#!/bin/sh
case $1 in
-c) case $2 in *process_time*) echo {took} ;; *) {answer} ;; esac ;;
-m) echo "{name} $*" >>{log}; shift $(($# - 1)); mkdir -p "$1/bin"
    printf '#!/bin/sh\\necho "env $*" >>{log}\\n' >"$1/bin/python"; chmod +x "$1/bin/python" ;;
esac
"""


@pytest.fixture
def machine(tmp_path):
    """A machine with nothing on its path but what the script and the stand-ins need."""
    (tmp_path / "bin").mkdir()
    for tool in ("rm", "mkdir", "chmod"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    return tmp_path


def have(machine, name, build, wheel="/own/pip-1-py3-none-any.whl", where=None, took=1000):
    """Put a Python on the path that is built so and takes so long; None for one that cannot be used."""
    line = "\\t".join([str(where or f"/opt/{name}"), "3.11.0", build or "", wheel])
    path = machine / "bin" / name
    answer = "exit 1" if build is None else f"printf '{line}\\n'"
    body = STAND_IN.format(name=name, log=machine / "log", took=took, answer=answer)
    path.write_text(body)
    path.chmod(0o755)
    if where is None:
        path.write_text(body.replace(f"/opt/{name}", str(path)))


def made(machine, python=None):
    """Make an environment; returns how that ended, and what the Pythons were told."""
    env = {"PATH": str(machine / "bin")} | ({"PYTHON": python} if python else {})
    command = [ROOT / ".ci/venv", machine / "env"]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    log = machine / "log"
    told = log.read_text().replace(str(machine / "env"), "ENV").splitlines() if log.exists() else []
    return ended, told


@pytest.mark.parametrize(
    ("pythons", "chosen", "why"),
    [
        ({"python3": ("plain", 1000)}, "python3", "the only one here."),
        ({"python3.11": (None, 0), "python3": ("plain", 1000)}, "python3", "the only one here."),
        ({"python3.11": ("plain", 1500), "python3": ("plain", 1000)}, "python3", "the fastest of 2 here"),
        ({"python3.11": ("optimised", 1500), "python3": ("plain", 1000)}, "python3", "the fastest of 2 here"),
        ({"python3.11": ("plain", 1000), "python3": ("plain", 950)}, "python3.11", "the fastest of 2 here"),
        ({"python3.11": ("plain", 950), "python3": ("optimised", 1000)}, "python3", "the fastest of 2 here"),
        (
            {"python3.11": ("plain", 1300), "python3.12": ("plain", 1000), "python3": ("plain", 1400)},
            "python3.12",
            "the fastest of 3 here, the slowest taking 140 % of its time.",
        ),
    ],
)
def test_the_fastest_is_taken_and_of_equals_the_optimised_build_or_the_first(machine, pythons, chosen, why):
    for name, (build, took) in pythons.items():
        have(machine, name, build, took=took)
    ended, told = made(machine)
    assert told == [f"{chosen} -m venv ENV"]
    assert ended.stdout.startswith(f"{machine / 'env'} has Python 3.11.0, {machine / 'bin' / chosen}: {why}")


def test_one_that_has_several_names_counts_once(machine):
    have(machine, "python3.11", "plain", where=machine / "bin/python3.11")
    have(machine, "python3", "optimised", where=machine / "bin/python3.11")
    ended, told = made(machine)
    assert told == ["python3.11 -m venv ENV"]
    assert "the only one here" in ended.stdout


def test_one_without_a_pip_is_lent_the_wheel_of_another(machine):
    have(machine, "python3.11", "plain", "/other/pip-23.2.1-py3-none-any.whl")
    have(machine, "python3", "optimised", "-")
    ended, (making, installing) = made(machine)
    assert making == "python3 -m venv --without-pip ENV"
    assert installing.startswith("env /other/pip-23.2.1-py3-none-any.whl/pip ")
    assert installing.endswith(" install --no-index /other/pip-23.2.1-py3-none-any.whl")
    assert "pip is another's, pip-23.2.1-py3-none-any.whl" in ended.stdout


@pytest.mark.parametrize(("build", "wheel"), [(None, "-"), ("plain", "-")], ids=["too old", "no pip anywhere"])
def test_where_none_can_be_used_it_says_what_to_install_and_leaves_nothing(machine, build, wheel):
    have(machine, "python3", build, wheel)
    ended, told = made(machine)
    assert (ended.returncode, told) == (1, [])
    assert ended.stderr.startswith(REFUSAL)
    assert "apt install python3 python3-venv" in ended.stderr
    assert not (machine / "env").exists()


def test_the_one_that_is_named_is_taken_however_slow(machine):
    have(machine, "python3.11", "optimised", took=1000)
    have(machine, "mine", "plain", took=2000)
    assert made(machine, python="mine")[1] == ["mine -m venv ENV"]
    assert made(machine, python=str(machine / "bin/mine"))[1][1:] == ["mine -m venv ENV"]


def test_a_real_environment_is_made_and_can_install(tmp_path):
    python = os.path.realpath(sys.executable)
    lender = shutil.which("python3.11", path=os.environ["PATH"]) or python
    ended = subprocess.run(
        [ROOT / ".ci/venv", tmp_path / "env"], env={**os.environ, "PYTHON": f"{python} {lender}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    pip = subprocess.run([tmp_path / "env/bin/python", "-m", "pip", "--version"], capture_output=True, check=True)
    assert str(tmp_path / "env").encode() in pip.stdout
