"""Every document that `-o json` prints has a committed schema, and what really comes out fits it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from orchestrator.cli.documents import DOCUMENTS, document_schema
from tests.e2e.conftest import REPOSITORY, Airs, deployment, wait_until

SCHEMAS = REPOSITORY / "schemas"


@pytest.fixture(scope="module")
def eventful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airs]:
    """A user to whom something has happened: an update, a failure, a rejected version, a line in a log."""
    user = Airs(tmp_path_factory.mktemp("eventful"))
    try:
        manifest = user.copy_example("01-hello") / "manifests" / "hello.yaml"
        user.run("apply", manifest.parent)
        manifest.write_text(manifest.read_text().replace("hello-1.0.0", "hello-1.1.0"))
        user.quick("apply", manifest.parent)
        user.copy_component("faulty")
        user.copy_component("faulty-init")
        (user.folder / "faulty").mkdir()
        spec = {"restart": {"intensity": 1, "backoff": {"initial": "1ms", "max": "1ms"}}}
        for name in ("faulty", "faulty-init"):
            (user.folder / "faulty" / "faulty.yaml").write_text(deployment("faulty", f"../components/{name}", **spec))
            user.quick("apply", user.folder / "faulty", check=False)
        user.quick("request", "faulty", "shout out loud")
        user.quick("request", "faulty", "trap", check=False)
        wait_until(lambda: user.phase("faulty") == "running")
        yield user
    finally:
        user.close()


def fits(name: str, document: Any) -> None:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_the_committed_schema_is_current(name: str, request: pytest.FixtureRequest):
    committed = SCHEMAS / f"{name}.schema.json"
    if request.config.getoption("--update-golden"):
        committed.write_bytes(document_schema(name))
    assert committed.read_bytes() == document_schema(name), "--update-golden, then look at the diff"


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("status", ["status"]),
        ("status-deployment", ["status", "hello"]),
        ("status-deployment", ["status", "faulty"]),
        ("get-deployments", ["get", "deployments"]),
        ("get-instances", ["get", "instances"]),
        ("get-revisions", ["get", "revisions"]),
        ("get-revisions", ["history", "hello"]),
        ("get-sources", ["get", "sources"]),
        ("rollout-status", ["rollout", "status", "hello"]),
        ("rollout-status", ["rollout", "status", "faulty"]),
        ("agent-status", ["agent", "status"]),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_is_printed_fits_its_schema(eventful: Airs, name: str, command: list[str]):
    document = eventful.json(*command)
    assert document
    fits(name, document)


@pytest.mark.parametrize("name", ["logs", "events"])
def test_every_line_fits_its_schema(eventful: Airs, name: str):
    lines = eventful.quick(name, "-o", "json").stdout.splitlines()
    assert lines
    for line in lines:
        fits(name, json.loads(line))


def test_validate_and_plan_fit_with_and_without_errors(eventful: Airs):
    folder = eventful.folder / "01-hello" / "manifests"
    fits("validate", eventful.json("validate", folder))
    fits("plan", eventful.json("plan", folder))
    bad = folder / "bad.yaml"
    bad.write_text("kind: Deployment\n")
    try:
        fits("validate", eventful.json("validate", folder, check=False))
        fits("plan", eventful.json("plan", folder, check=False))
    finally:
        bad.unlink()


@pytest.mark.parametrize("option", ["--wait", "--no-wait"])
def test_apply_fits(eventful: Airs, option: str):
    folder: Path = eventful.folder / "faulty"
    document = eventful.json("apply", folder, option, check=False)
    assert document["actions"][0]["kind"] == "held"
    fits("apply", document)


def test_times_are_milliseconds_and_names_are_camel_case(eventful: Airs):
    def names(value: Any) -> Iterator[str]:
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from names(each)
        if isinstance(value, dict):
            yield from value

    documents = [eventful.json("status"), eventful.json("get", "revisions"), eventful.json("agent", "status")]
    assert not [name for document in documents for name in names(document) if "_" in name]
    assert eventful.json("history", "hello")[0]["startedAt"] > 1_700_000_000_000


def test_the_schema_of_every_document_can_be_printed(eventful: Airs):
    kinds = eventful.quick("schema").stdout.split()
    assert {*DOCUMENTS, "plan", "component", "deployment"} <= set(kinds)
    for kind in kinds:
        assert json.loads(eventful.quick("schema", kind).stdout)["$schema"].endswith("2020-12/schema")
