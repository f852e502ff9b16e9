"""Resolve pyproject.toml's dependencies into the lock files. Run as `make lock`.

One resolution serves every platform and Python from 3.11 on. Without `--upgrade`, what is locked stays as it is as
far as pyproject.toml allows. The files name packages, versions and hashes, never the registry they came from.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPILE = (
    "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes",
    "--no-emit-index-url", "--no-emit-find-links", "--custom-compile-command", "make lock",
)  # fmt: skip
LOCKS = (
    ("requirements.lock", ("pyproject.toml", "--group", "build")),
    ("requirements-dev.lock", ("pyproject.toml", "--group", "dev", "--constraint", "requirements.lock")),
    ("requirements-bench.lock", ("--group", "bench", "--constraint", "requirements-dev.lock")),
    ("requirements-guests.lock", ("--group", "guests")),
)


def main() -> None:
    """Write every lock file, the runtime's first because the others follow it."""
    uv = Path(sys.executable).parent / COMPILE[0]
    for lock, what in LOCKS:
        command = [str(uv), *COMPILE[1:], *what, "--output-file", lock, *sys.argv[1:]]
        subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
