"""Builds the optional extension that makes a guest's call in one crossing; hatchling calls it, as pyproject.toml says.

An editable install builds it in place where there is a compiler and Python.h; else it goes on without, and calls go by
ctypes. A wheel is pure, unless AIRS_PLATFORM names the platform that it is for (`manylinux_2_17_x86_64`):
then the extension is in it, or there is no wheel. CC is the compiler, with its options.
"""

import os
import shlex
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = "orchestrator/runtime/engine/_crossing.c"
EXTENSION = "orchestrator/runtime/engine/_crossing.abi3.so"
FLAGS = ("-std=c11", "-O2", "-g0", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fPIC", "-shared")
ABI = "cp311-abi3"  # the stable one of the oldest Python that airs runs on
LIMIT_S = 300


class Unbuilt(Exception):
    """There is nothing to build it with, or the compiler failed."""


class Extension(BuildHookInterface[Any]):
    """The hook of every build."""

    _made: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the extension if this build is to have it."""
        root, platform = Path(self.root), os.environ.get("AIRS_PLATFORM")
        if version == "editable":
            try:
                built(root / SOURCE, root / EXTENSION)
            except Unbuilt as why:
                self.app.display_info(f"calls will go by ctypes: {why}")
        elif platform and self.target_name == "wheel":
            made = Path(tempfile.mkdtemp(), Path(EXTENSION).name)
            built(root / SOURCE, made)
            self._made = made
            build_data["force_include"][str(made)] = EXTENSION
            build_data["pure_python"] = False
            build_data["tag"] = f"{ABI}-{platform}"

    def finalize(self, _version: str, _build_data: dict[str, Any], _artifact_path: str) -> None:
        """Remove what is in the wheel by now."""
        if self._made is not None:
            shutil.rmtree(self._made.parent)


def built(source: Path, extension: Path) -> None:
    """Build the extension, and put it in place whole.

    Raises:
        Unbuilt: it cannot be; what was in place is still there.
    """
    compiler = shlex.split(os.environ.get("CC") or "cc")
    if shutil.which(compiler[0]) is None:
        raise Unbuilt(f"there is no {compiler[0]}")
    with tempfile.TemporaryDirectory(dir=extension.parent) as folder:
        made, headers = Path(folder, extension.name), _headers(Path(folder, "include"))
        command = [*compiler, *FLAGS, f"-I{headers}", str(source), "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=LIMIT_S, check=False)
        if done.returncode:
            raise Unbuilt(f"{shlex.join(command)} failed:\n{done.stderr}")
        made.chmod(0o755)
        made.replace(extension)


def _headers(folder: Path) -> Path:
    """Copy Python's headers, with the settings of this machine: Debian's ask for those of the one that is built for.

    All that the stable interface takes from them, the sizes of C's types, is the same on both 64-bit machines.
    """
    own = Path(sysconfig.get_path("include"))
    if not (own / "Python.h").is_file():
        raise Unbuilt(f"there is no Python.h in {own}")
    shutil.copytree(own, folder)
    of_machine = own.parent / (sysconfig.get_config_var("MULTIARCH") or "") / own.name / "pyconfig.h"
    if of_machine.is_file():
        shutil.copyfile(of_machine, folder / "pyconfig.h")
    return folder
