"""A disk whose power can be cut: a file system in a file, and what of it has reached that file."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SIZE_BYTES = 96 << 20
OPTIONS = "loop,commit=300"  # nothing reaches the disk by itself while a test looks
TOOLS = ("mkfs.ext4", "mount", "umount")


class Disk:
    """An ext4 file system, mounted from an image."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._image = folder, folder / "disk.img"
        self.path = folder / "disk"
        self._mounted: list[Path] = []

    def make(self) -> None:
        """Make and mount it, or skip the test where that is not allowed."""
        missing = [tool for tool in TOOLS if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
        if missing or os.geteuid() != 0:
            pytest.skip(f"cannot cut the power of a disk here: needs root and {', '.join(TOOLS)}")
        with self._image.open("wb") as file:
            file.truncate(SIZE_BYTES)
        run("mkfs.ext4", "-q", "-F", "-m", "0", self._image)
        try:
            self._mount(self._image, self.path)
        except subprocess.CalledProcessError as refused:
            pytest.skip(f"no file system can be mounted from a file here: {refused.stderr.decode().strip()}")

    @contextlib.contextmanager
    def as_if_power_was_cut(self) -> Iterator[Path]:
        """Yield what a machine would find whose power was cut now: what has reached the disk, and no more."""
        image, path = self._folder / "copy.img", self._folder / "copy"
        shutil.copyfile(self._image, image)
        self._mount(image, path)
        try:
            yield path
        finally:
            self._unmount(path)

    def close(self) -> None:
        """Unmount everything, also what a test that failed still uses."""
        for path in self._mounted:
            run("umount", "--lazy", path)

    def _mount(self, image: Path, path: Path) -> None:
        path.mkdir(exist_ok=True)
        run("mount", "-o", OPTIONS, image, path)
        self._mounted.append(path)

    def _unmount(self, path: Path) -> None:
        run("umount", "--lazy", path)
        self._mounted.remove(path)


def run(*command: str | Path) -> None:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PATH": path})
