"""What users install: a wheel is really built, opened, installed and run from where nothing else of the project is."""

import json
import re
import shutil
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

import orchestrator

from .tree import ROOT, run

SITE = "import sysconfig; print(sysconfig.get_path('purelib'))"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BUILD = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir")
EXTENSION = "orchestrator/runtime/engine/_crossing.abi3.so"
HEADER = Path(sysconfig.get_path("include"), "Python.h")
STEM = f"airs_orchestrator-{PROJECT['version']}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    built = run(*BUILD, folder, ROOT)
    assert built.returncode == 0, built.stdout
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def in_venv(wheel, tmp_path_factory):
    """An environment with the wheel in it; the one that runs the tests lends it what the wheel depends on."""
    folder = tmp_path_factory.mktemp("venv")
    assert run(sys.executable, "-m", "venv", "--without-pip", folder).returncode == 0
    python = folder / "bin/python"
    site = run(python, "-c", SITE).stdout.strip()
    Path(site, "lent.pth").write_text(run(sys.executable, "-c", SITE).stdout, encoding="utf-8")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    done = run(*pip, PIP_DISABLE_PIP_VERSION_CHECK="1")
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", folder, wheel)
    done = run(*pip, PIP_DISABLE_PIP_VERSION_CHECK="1")
    assert done.returncode == 0, done.stdout
    return folder


def test_it_holds_every_schema_and_wit_file_the_licence_and_the_type_marker(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    data = [path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("schemas/*.json"), *ROOT.glob("wit/*.wit"))]
    assert len(data) >= 10
    assert [path for path in data if f"orchestrator/_data/{path}" not in names] == []
    assert any(re.search(r"\.dist-info/licenses/LICENSE$", name) for name in names)
    assert "orchestrator/py.typed" in names


def test_it_holds_nothing_but_the_package_and_the_command(wheel):
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert [name for name in names if not name.startswith("orchestrator/")] == [f"{STEM}.data/scripts/airs"]


def test_it_is_pure_unless_it_is_for_a_platform(wheel):
    assert wheel.name == f"{STEM}-py3-none-any.whl"
    assert [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith((".so", ".c"))] == []


@pytest.mark.skipif(not shutil.which("cc") or not HEADER.is_file(), reason="no compiler, or no Python.h")
def test_one_for_a_platform_has_the_extension_and_calls_by_it(tmp_path):
    built = run(*BUILD, tmp_path, ROOT, AIRS_PLATFORM="linux_x86_64")
    assert built.returncode == 0, built.stdout
    (wheel,) = tmp_path.iterdir()
    assert wheel.name == f"{STEM}-cp311-abi3-linux_x86_64.whl"
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    told = "from orchestrator.runtime.engine.crossing import extension; print(extension().__file__)"
    done = run(sys.executable, "-c", told, cwd=tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert done.stdout == f"{tmp_path}/site/{EXTENSION}\n"


def test_one_for_a_platform_is_not_built_without_a_compiler(tmp_path):
    built = run(*BUILD, tmp_path, ROOT, AIRS_PLATFORM="linux_x86_64", CC="no-such-compiler")
    assert built.returncode != 0
    assert "there is no no-such-compiler" in built.stdout
    assert not [*tmp_path.glob("*.whl")]


def test_an_editable_install_goes_on_where_there_is_no_compiler(tmp_path):
    left_out = shutil.ignore_patterns(".git", ".venv*", ".*cache", "__pycache__", "*.so", "*.wasm", "tests")
    clone = shutil.copytree(ROOT, tmp_path / "clone", ignore=left_out)
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation")
    done = run(*pip, "--target", tmp_path / "site", "--editable", clone, CC="no-such-compiler")
    assert done.returncode == 0, done.stdout
    assert not (clone / EXTENSION).exists()


@pytest.mark.parametrize("way", ["as it is", "over a symlink", "by a bare name"])
def test_the_command_finds_the_python_of_its_environment(in_venv, tmp_path, way):
    command, env = in_venv / "bin/airs", {}
    if way == "over a symlink":
        (tmp_path / "airs").symlink_to(command)
        command = tmp_path / "airs"
    if way == "by a bare name":
        command, env = "airs", {"PATH": f"{in_venv / 'bin'}:/usr/bin:/bin"}
    done = run(command, "--version", cwd=tmp_path, **env)
    assert (done.returncode, done.stdout) == (0, f"airs, version {PROJECT['version']}\n")


@pytest.mark.parametrize("kind", ["component", "deployment", "plan"])
def test_what_is_installed_prints_its_own_schemas(installed, tmp_path, kind):
    done = run(installed / "bin/airs", "schema", kind, cwd=tmp_path, PYTHONPATH=str(installed))
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout) == json.loads((ROOT / f"schemas/{kind}.schema.json").read_bytes())


def test_what_is_installed_is_what_runs_and_needs_no_repository(installed, tmp_path):
    told = "import orchestrator; print(orchestrator.__file__)"
    env = {"PYTHONPATH": str(installed), "AIRS_STATE_DIR": str(tmp_path)}
    assert run(sys.executable, "-c", told, cwd=tmp_path, **env).stdout.startswith(str(installed))
    done = run(installed / "bin/airs", "validate", ROOT / "examples/01-hello/manifests", cwd=tmp_path, **env)
    assert (done.returncode, done.stdout) == (0, "1 deployment valid\n")


def test_there_is_one_version():
    assert PROJECT["version"] == orchestrator.__version__


def test_the_licence_is_there_and_is_the_one_that_is_named():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
