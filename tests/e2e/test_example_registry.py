"""The commands of examples/10-registry, on a copy of it, with a real registry and an agent of its own."""

import shutil

from tests.fetch.registry import docker_registry
from tests.project.test_examples import commands
from tests.project.tree import ROOT, run

NAMED = "localhost:5000"


def test_the_commands_of_the_registry_example_work(tmp_path):
    clone = tmp_path / "airs"
    shutil.copytree(ROOT / "examples", clone / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    example = clone / "examples/10-registry"
    state = {"AIRS_STATE_DIR": str(tmp_path / "state"), "AIRS_CONFIG": "examples/10-registry/airs.toml"}
    with docker_registry(tmp_path) as host:
        for path in (example / "airs.toml", example / "manifests/hello.yaml", example / "README.md"):
            path.write_text(path.read_text().replace(NAMED, host))
        said = {}
        try:
            for command, code in commands(example / "README.md"):
                done = run("bash", "-c", command, cwd=clone, **state)
                assert done.returncode == code, f"$ {command}\n{done.stdout}"
                said.setdefault(command, []).append(done.stdout)
        finally:
            run("airs", "agent", "stop", cwd=clone, **state)
    assert said["airs request hello Ada"] == ["Hello, Ada!\n", "Good day, Ada! (hello 1.1.0)\n", "Hello, Ada!\n"]
    assert "because artifact-changed, origin-changed" in said["airs plan examples/10-registry/manifests"][1]
    assert said["airs component gc --all"] == ["0 components removed, 2 kept\n"]
