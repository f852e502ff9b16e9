"""Say which generated files no longer agree with what they are made of; exit 1 if there are any. Part of `make check`.

Looks at the lock files (against pyproject.toml, without asking a registry), the schemas of what airs prints (against
the types it prints), the documents' made parts (as `docs/draw.py` would make them), the picture of what was measured
(against the results) and `examples/components.lock` (against sources and components). Writes nothing: each line says
which command does. `tests/project` runs it on copies that were made stale.
"""

import hashlib
import json
import re
import runpy
import sys
import tomllib
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from packaging.requirements import Requirement

from orchestrator.cli.documents import DOCUMENTS, document_schema
from orchestrator.plan.schema import plan_schema

ROOT = Path(__file__).resolve().parent.parent
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)((?:.*\\\n\s+--hash=sha256:[0-9a-f]{64})*)", re.MULTILINE)
ADDRESS = re.compile(r"(https?|file|git\+\w+)://|^\s*-(-index|-extra-index|-find-links|i |f )", re.MULTILINE)


def wanted_by(project: dict, group: str) -> Iterator[str]:
    """Yield the requirements of a dependency group, those of the groups it includes among them."""
    for entry in project["dependency-groups"][group]:
        if isinstance(entry, str):
            yield entry
        else:
            yield from wanted_by(project, entry["include-group"])


def pins_of(text: str) -> dict[str, str]:
    """Return the version of every package that a lock file pins, by its normalised name."""
    return {normalised(name): version for name, version, _ in PIN.findall(text)}


def normalised(name: str) -> str:
    """Return a package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def lock_problems(root: Path) -> Iterator[str]:
    """Yield what is wrong with the lock files of the project at `root`."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    runtime = [*project["project"]["dependencies"], *project["build-system"]["requires"], *wanted_by(project, "build")]
    wanted = {
        "requirements.lock": runtime,
        "requirements-dev.lock": [*runtime, *wanted_by(project, "dev")],
        "requirements-bench.lock": [*wanted_by(project, "bench")],
        "requirements-guests.lock": [*wanted_by(project, "guests")],
    }
    for lock, requirements in wanted.items():
        text = (root / lock).read_text()
        yield from (f"{lock}: {problem}" for problem in text_problems(text))
        yield from (f"{lock}: {problem}" for problem in unmet(requirements, pins_of(text)))
    yield from disagreements(root)


def text_problems(text: str) -> Iterator[str]:
    """Yield what a lock file may not hold: a package without hashes, the address of a registry."""
    yield from (f"{name} has no hash" for name, _, hashes in PIN.findall(text) if not hashes)
    if ADDRESS.search(text):
        yield "names a registry"


def unmet(requirements: list[str], pins: dict[str, str]) -> Iterator[str]:
    """Yield the requirements that the pins do not meet."""
    for requirement in map(Requirement, requirements):
        version = pins.get(normalised(requirement.name))
        if version is None or not requirement.specifier.contains(version):
            yield f"pyproject.toml wants {requirement}, locked is {version}"


def disagreements(root: Path) -> Iterator[str]:
    """Yield the packages that users and developers would get in different versions."""
    runtime, dev = (pins_of((root / lock).read_text()) for lock in ("requirements.lock", "requirements-dev.lock"))
    for name, version in runtime.items():
        if dev.get(name) != version:
            yield f"requirements-dev.lock: {name} is {dev.get(name)}, in requirements.lock {version}"


def recipe_of(root: Path) -> ModuleType:
    """Import `examples/build.py`, which is no package."""
    loader = SourceFileLoader("examples_build", str(root / "examples/build.py"))
    module = ModuleType(loader.name)
    module.__file__ = loader.path
    sys.modules[loader.name] = module  # dataclasses look their own module up
    loader.exec_module(module)
    return module


def component_problems(root: Path) -> Iterator[str]:
    """Yield the components that are not what their lock says, or whose sources have changed since."""
    locked = json.loads((root / "examples/components.lock").read_bytes())
    made_of = recipe_of(root).inputs()
    for path in sorted(made_of.keys() | locked.keys()):
        entry = locked.get(path, {})
        if entry.get("inputs") != made_of.get(path):
            yield f"{path}: its sources have changed"
        elif entry["sha256"] != hashlib.sha256((root / path).read_bytes()).hexdigest():
            yield f"{path}: is not what examples/components.lock says"


def schema_problems(root: Path) -> Iterator[str]:
    """Yield the committed schemas that are older than the types of what they describe."""
    made = {"plan": plan_schema(), **{name: document_schema(name) for name in DOCUMENTS}}
    for name, schema in made.items():
        path = root / f"schemas/{name}.schema.json"
        if not path.is_file() or path.read_bytes() != schema:
            yield f"schemas/{path.name}: its types have changed"


def document_problems(root: Path) -> Iterator[str]:
    """Yield the documents whose made parts are older than the tables, schemas and commands they are made from."""
    draw = runpy.run_path(str(root / "docs/draw.py"))
    for document in draw["MADE"]:
        try:
            is_current = draw["drawn"](document) == (root / document).read_text(encoding="utf-8")
        except LookupError as missing:
            yield f"{missing}: write the markers first"
            continue
        if not is_current:
            yield f"{document}: what it is made from has changed"


def picture_problems(root: Path) -> Iterator[str]:
    """Yield the pictures of what was measured that are not of what was measured."""
    for script in ("docs/draw_calls.py", "docs/draw_scale.py"):
        draw = runpy.run_path(str(root / script))
        if draw["drawn"](root) != (root / draw["PICTURE"]).read_text(encoding="utf-8"):
            yield f"{draw['PICTURE']}: what it is drawn from has changed"


CHECKS = (
    (lock_problems, "make lock"),
    (component_problems, "make components"),
    (schema_problems, "make generate"),
    (document_problems, "make generate"),
    (picture_problems, "make generate"),
)


def main(root: Path = ROOT) -> int:
    """Print every problem with the command that repairs it; return the exit code."""
    found = [f"{problem}; `{command}` makes it current\n" for check, command in CHECKS for problem in check(root)]
    sys.stderr.writelines(found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
