"""What is asked for and not granted, and components that are not what they say: warnings, and nothing is stopped."""

import json
from typing import Any

from tests.e2e.conftest import Airs, deployment, wait_until


def events(airs: Airs) -> list[dict[str, Any]]:
    return [json.loads(line) for line in airs.quick("events", "-o", "json").stdout.splitlines()]


def warnings(airs: Airs, *command: object) -> str:
    done = airs.run(*command)
    return done.stderr + done.stdout


def test_what_is_asked_for_and_imported_and_not_granted_is_a_warning(airs: Airs):
    manifest = airs.copy_example("02-counter") / "manifests/counter.yaml"
    assert "warning" not in warnings(airs, "validate", manifest.parent)
    text = manifest.read_text()
    begin = text.index("  grants:")
    manifest.write_text(text.replace("    storage.write: [self]\n", ""))
    for command in ("validate", "plan"):
        said = airs.run(command, manifest.parent)
        told = said.stderr + said.stdout
        assert "counter.yaml:" in told
        assert "`storage.write` is not granted: every call that needs it is denied" in told
        assert "keeps the count when the instance is gone" in told
        assert (
            "add `storage.write: [self]` to `spec.grants`, or `storage.write: []` if it is meant to be denied" in told
        )
        assert "storage.read` is not" not in told
    manifest.write_text(text.replace("storage.write: [self]", "storage.write: []"))
    assert "warning" not in warnings(airs, "validate", manifest.parent)
    manifest.write_text(text[:begin])
    assert "`storage.read` is not granted" in warnings(airs, "validate", manifest.parent)


def test_a_component_that_is_built_anew_under_its_old_version_is_a_warning(airs: Airs):
    folder = airs.copy_example("01-hello")
    component = folder / "components/hello-1.0.0/hello.wasm"
    airs.run("apply", folder / "manifests")
    custom = b"\0\x05\x04note"
    component.write_bytes(component.read_bytes() + custom)
    said = airs.run("plan", folder / "manifests")
    assert "component hello 1.0.0 is not the artifact that serves under this version" in said.stderr + said.stdout
    assert "give the new build another `version` in its Component.toml" in said.stderr + said.stdout


def test_one_version_with_two_artifacts_in_one_source_is_a_warning(airs: Airs):
    folder = airs.copy_example("01-hello")
    twin = airs.folder / "01-hello/components/hello-1.1.0/Component.toml"
    twin.write_text(twin.read_text().replace('"1.1.0"', '"1.0.0"'))
    (folder / "manifests/twin.yaml").write_text(deployment("twin", "../components/hello-1.1.0"))
    said = warnings(airs, "validate", folder / "manifests")
    assert "component hello 1.0.0 has another artifact in" in said
    assert "give one of them another `version` in its Component.toml" in said


def test_a_guest_that_calls_itself_otherwise_runs_and_is_told_of(airs: Airs):
    folder = airs.copy_example("01-hello")
    toml = folder / "components/hello-1.0.0/Component.toml"
    toml.write_text(toml.read_text().replace('version = "1.0.0"', 'version = "1.0.7"'))
    airs.run("apply", folder / "manifests")
    assert airs.run("request", "hello", "Ada").stdout == "Hello, Ada!\n"
    event = wait_until(lambda: [each for each in events(airs) if each["reason"] == "metadata-differs"])
    assert [each["type"] for each in event] == ["warning"]  # once, though two instances started
    assert event[0]["message"].endswith(
        "1.0.7 runs, although its metadata() says hello 1.0.0, its Component.toml says hello 1.0.7"
    )
