"""Plans on a machine without agent and state: against an exported state, another revision, and nothing.

One agent for all; what plays the other machine has a state directory that does not exist.
"""

import base64
import json
import re
import shutil
import threading
import zlib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import jsonschema
import pytest

from tests.e2e.conftest import REPOSITORY, Airs, git

USAGE, INVALID, CHANGES, FAILED = 64, 65, 2, 1
SECRET = "a-key-nobody-prints-4711"


class Machines(NamedTuple):
    """Two machines: one that runs what a repository wants, and another with a clone of it and nothing else."""

    runs: Airs
    other: Airs
    repository: Path
    state: Path


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    runs, other = (Airs(tmp_path_factory.mktemp(name)) for name in ("runs", "other"))
    repository = runs.folder / "deploy"
    for name in ("01-hello", "02-counter", "11-secrets"):
        runs.copy_example(name).rename(repository / name) if repository.is_dir() else (
            repository.mkdir(), runs.copy_example(name).rename(repository / name)
        )  # fmt: skip
    git(repository, "init", "-q", "-b", "main")
    commit(repository, "first")
    try:
        for name in ("01-hello", "02-counter", "11-secrets"):
            runs.run("apply", repository / name / "manifests", "--yes", env={"AIRS_SECRET_SIGNING_KEY": SECRET})
        state = runs.folder / "prod.airs-state"
        runs.run("request", "counter", "add 41")
        runs.run("state", "export", "--out", state)
        yield Machines(runs, other, repository, state)
    finally:
        runs.close()
        other.close()


@pytest.fixture
def clone(both: Machines, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "-q", str(both.repository), "clone")
    return tmp_path / "clone"


def document_of(data: bytes) -> bytes:
    """Return the JSON in the file of a state."""
    return zlib.decompress(base64.b64decode(json.loads(data)["payload"]))


def commit(folder: Path, subject: str) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", subject)
    return git(folder, "rev-parse", "HEAD")


def updated(clone: Path) -> Path:
    manifest = clone / "01-hello" / "manifests" / "hello.yaml"
    manifest.write_text(manifest.read_text().replace("hello-1.0.0", "hello-1.1.0"))
    return manifest.parent


def test_a_clone_elsewhere_is_the_source_that_the_agent_has_by_its_path(both: Machines, clone: Path):
    for name in ("01-hello", "02-counter", "11-secrets"):  # the last without the secret, which is as it was
        done = both.other.quick("plan", clone / name / "manifests", "--against", both.state, "--detailed-exitcode")
        assert "No changes. 1 deployment matches." in done.stdout
        assert f"root    {both.repository} (where the agent reads {both.repository}" in done.stdout
    assert not both.other.state_dir.exists()


def test_the_plan_of_a_change_is_that_of_the_agent_and_says_how_old_the_state_is(both: Machines, clone: Path):
    folder = updated(clone)
    done = both.other.quick("plan", folder, "--against", both.state, "--detailed-exitcode", check=False)
    assert done.returncode == CHANGES
    assert "± default/hello   1.0.0 → 1.1.0   (blue-green)   because artifact-changed" in done.stdout
    assert f"compared with the state {both.state} at serial " in done.stdout
    assert "old\nsigned by ed25519:" in done.stdout.replace("less than a minute old", "old").replace(
        "1 minute old", "old"
    )
    there = both.other.json("plan", folder, "--against", both.state)
    updated(both.repository)
    here = both.runs.json("plan", both.repository / "01-hello" / "manifests")
    git(both.repository, "checkout", "-q", ".")
    assert there["actions"] == here["actions"]
    assert (there["lineage"], there["serial"]) == (here["lineage"], here["serial"])
    assert there["against"]["kind"] == "file"
    jsonschema.validate(there, json.loads((REPOSITORY / "schemas" / "plan.schema.json").read_text()))
    assert "against" not in here


def test_the_exported_state_holds_no_secret_no_data_and_says_what_it_holds(both: Machines):
    payload = document_of(both.state.read_bytes())
    assert SECRET.encode() not in payload
    shown = both.other.json("state", "show", both.state)
    assert [source["path"] for source in shown["sources"]] == [
        "01-hello/manifests", "02-counter/manifests", "11-secrets/manifests",
    ]  # fmt: skip
    named = {seen["record"]["stable"]["revision"]["artifact"] for seen in shown["state"]["deployments"]}
    assert {*shown["worlds"]} == named
    assert "storage" in json.dumps(shown["worlds"])
    assert all(seen["traffic"]["received"] == 0 for seen in shown["state"]["deployments"])
    assert "signed by   ed25519:" in both.other.quick("state", "show", both.state).stdout


def test_a_key_that_is_named_is_the_only_one_believed(both: Machines, clone: Path, tmp_path: Path):
    pem = tmp_path / "prod.pub"
    pem.write_text(both.runs.quick("state", "key").stdout)
    name = both.runs.json("state", "key")["keyId"]
    plan = partial(both.other.quick, "plan", clone / "01-hello" / "manifests", "--against")
    for key in (pem, name):
        assert f"signed by {name}\n" in plan(both.state, "--state-key", key).stdout
    assert f"signed by {name} (no --state-key was named" in plan(both.state).stdout
    other = plan(both.state, "--state-key", "ed25519:" + "0" * 32, check=False)
    assert (other.returncode, "is signed by another key" in other.stderr) == (INVALID, True)
    altered = tmp_path / "altered"
    envelope = json.loads(both.state.read_bytes())
    document = zlib.compress(document_of(both.state.read_bytes()).replace(b'"1.0.0"', b'"0.9.9"', 1))
    altered.write_text(json.dumps(envelope | {"payload": base64.b64encode(document).decode()}))
    refused = plan(altered, check=False)
    assert (refused.returncode, "was changed after it was signed" in refused.stderr) == (INVALID, True)


def test_a_revision_of_the_repository_shows_what_a_change_does(both: Machines, clone: Path):
    folder = updated(clone)
    before = commit(clone, "say it in another way") and git(clone, "rev-parse", "HEAD~1")
    done = both.other.quick("plan", folder, "--against", "HEAD~1")
    assert f"compared with what HEAD~1 wants, commit {before[:10]} (first)" in done.stdout
    assert "± default/hello   1.0.0 → 1.1.0" in done.stdout
    for place in ("main", git(clone, "rev-parse", "HEAD")):
        assert "No changes" in both.other.quick("plan", folder, "--against", place).stdout
    of_git = both.other.quick("plan", f"{clone}#main:01-hello/manifests", "--against", "HEAD~1").stdout
    assert "± default/hello   1.0.0 → 1.1.0" in of_git


def test_a_folder_that_a_revision_lacks_is_all_new_and_one_that_left_is_removed(both: Machines, clone: Path):
    shutil.copytree(clone / "01-hello", clone / "new" / "01-hello")
    (clone / "02-counter" / "manifests" / "counter.yaml").unlink()
    (clone / "02-counter" / "manifests" / ".gitkeep").touch()
    assert (
        "1 to create" in both.other.quick("plan", clone / "new" / "01-hello" / "manifests", "--against", "HEAD").stdout
    )
    left = both.other.quick("plan", clone / "02-counter" / "manifests", "--against", "HEAD", "--allow-empty").stdout
    assert "- default/counter" in left


def test_nothing_runs_and_what_names_no_state_is_told(both: Machines, clone: Path, tmp_path: Path):
    folder = clone / "01-hello" / "manifests"
    assert "compared with nothing: everything is new" in both.other.quick("plan", folder, "--against", "empty").stdout
    shutil.copytree(folder.parent, tmp_path / "plain" / "hello")
    cases = [
        ((folder, "--against", "no-such-thing"), "neither a file nor a revision"),
        ((folder, "--against", "--upload-pack=touch x"), "neither a file nor a revision"),
        ((tmp_path / "plain" / "hello" / "manifests", "--against", "HEAD"), "lies in no git work tree"),
        ((folder, "--state-key", "ed25519:" + "0" * 32), "--state-key is for --against"),
        ((folder, "--against", "HEAD", "--state-key", "x"), "there is no file HEAD"),
    ]
    for arguments, says in cases:
        done = both.other.quick("plan", *arguments, check=False)
        assert (done.returncode, says in done.stderr) == (USAGE, True), done.stderr
    junk = tmp_path / "junk"
    junk.write_bytes(b"{}\n")
    done = both.other.quick("plan", folder, "--against", junk, check=False)
    assert (done.returncode, "this is not an exported state" in done.stderr) == (INVALID, True)


def test_a_source_that_the_state_lacks_is_told_and_can_be_named(both: Machines, clone: Path, tmp_path: Path):
    shutil.copytree(clone / "01-hello", tmp_path / "elsewhere" / "01-hello")
    folder = tmp_path / "elsewhere" / "01-hello" / "manifests"
    done = both.other.quick("plan", folder, "--against", both.state)
    assert "no source of that state is" in done.stderr
    assert "owned-by-other-source" in done.stdout
    named = both.repository / "01-hello" / "manifests"
    assert "No changes" in both.other.quick("plan", folder, "--against", both.state, "--source", named).stdout


def test_a_state_is_fetched_by_the_rules_of_everything_that_is_fetched(both: Machines, clone: Path, tmp_path: Path):
    (tmp_path / "prod").write_bytes(both.state.read_bytes())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/prod"
        done = both.other.quick("plan", clone / "01-hello" / "manifests", "--against", url)
        assert f"compared with the state {url} at serial" in done.stdout
        lost = both.other.quick("plan", clone / "01-hello" / "manifests", "--against", f"{url}-x", check=False)
        assert (lost.returncode, "has no exported state" in lost.stderr) == (FAILED, True)
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
    plain = both.other.quick("plan", clone / "01-hello" / "manifests", "--against", "http://example.org/x", check=False)
    assert (plain.returncode, "not fetched from by http://" in plain.stderr) == (FAILED, True)


def test_without_an_agent_the_records_are_exported(both: Machines, tmp_path: Path):
    assert both.other.quick("state", "export", check=False).returncode == 69
    alone = Airs(tmp_path)
    try:
        manifests = alone.copy_example("01-hello") / "manifests"
        alone.run("apply", manifests, "--yes")
        running = alone.run("state", "export").stdout
        alone.run("agent", "stop")
        recorded = alone.run("state", "export").stdout
        documents = [json.loads(document_of(text.encode())) for text in (running, recorded)]
        for document in documents:
            assert {"lineage", "serial"} <= document["state"].keys()
            assert len(document["worlds"]) == 1
        assert documents[0]["publicKey"] == documents[1]["publicKey"]
        assert [document["state"]["agentRunning"] for document in documents] == [True, False]
    finally:
        alone.close()


@pytest.fixture
def shop(airs: Airs, tmp_path: Path) -> tuple[Airs, Path, Path]:
    """A machine that runs a repository's manifests, and a clone of that repository."""
    repository = airs.folder / "deploy"
    airs.copy_example("01-hello").rename(repository)
    git(repository, "init", "-q", "-b", "main")
    commit(repository, "first")
    airs.run("apply", repository / "manifests", "--yes")
    git(tmp_path, "clone", "-q", str(repository), "clone")
    return airs, repository, tmp_path / "clone"


def reviewed(airs: Airs, clone: Path, version: str, *options: str) -> Path:
    """Change the clone, make the plan as CI does, and return the file of it."""
    state, plan = clone.parent / "prod.airs-state", clone.parent / f"{version}.plan"
    airs.quick("state", "export", "--out", state)
    manifest = clone / "manifests" / "hello.yaml"
    manifest.write_text(re.sub(r"hello-[0-9.]+", f"hello-{version}", manifest.read_text()))
    elsewhere = ["--state-dir", clone.parent / "none"]
    airs.run("plan", clone / "manifests", "--against", state, "--out", plan, *elsewhere, *options)
    assert not (clone.parent / "none").exists()
    return plan


def merged(repository: Path, clone: Path) -> None:
    shutil.copy(clone / "manifests" / "hello.yaml", repository / "manifests" / "hello.yaml")
    commit(repository, "merged")


def test_a_plan_made_elsewhere_is_applied_as_it_was_reviewed_or_not_at_all(shop: tuple[Airs, Path, Path]):
    airs, repository, clone = shop
    plan = reviewed(airs, clone, "1.1.0")
    early = airs.quick("apply", plan, check=False)  # the manifests here are still the old ones
    assert (early.returncode, "the plan made here is another one" in early.stderr) == (INVALID, True)
    assert "not those that were reviewed: default/hello" in early.stderr
    merged(repository, clone)
    airs.run("apply", plan)  # where the manifests are, the records know
    assert airs.version() == "1.1.0"
    again = airs.quick("apply", repository / "manifests", "--plan", plan, check=False)
    assert (again.returncode, "the plan is stale" in again.stderr) == (INVALID, True)


def test_a_reviewed_plan_is_refused_once_anything_that_it_rests_on_has_moved(shop: tuple[Airs, Path, Path]):
    airs, repository, clone = shop
    plan = reviewed(airs, clone, "1.1.0")
    merged(repository, clone)
    toml = repository / "components" / "hello-1.1.0" / "Component.toml"
    text = toml.read_text()
    toml.write_text(text.replace("16MiB", "17MiB") if "16MiB" in text else text.replace("MiB", "0MiB", 1))
    moved = airs.quick("apply", repository / "manifests", "--plan", plan, check=False)
    assert (moved.returncode, "the plan made here is another one" in moved.stderr) == (INVALID, True), moved.stderr
    toml.write_text(text)
    airs.run("restart", "hello")  # which is recorded
    stale = airs.quick("apply", repository / "manifests", "--plan", plan, check=False)
    assert (stale.returncode, "the plan is stale" in stale.stderr) == (INVALID, True)
    assert airs.version() == "1.0.0"


def test_what_is_no_reviewed_plan_of_this_agent_is_refused(shop: tuple[Airs, Path, Path], tmp_path: Path):
    airs, repository, clone = shop
    plan = reviewed(airs, clone, "1.1.0")
    merged(repository, clone)
    edited, junk, sealed = (tmp_path / name for name in ("edited", "junk", "sealed"))
    edited.write_text(plan.read_text().replace('"serial"', '"serial" ').replace("1.1.0", "1.2.0"))
    junk.write_text("{}")
    airs.run("plan", repository / "manifests", "--out", sealed)
    by_revision = clone.parent / "revision.plan"
    airs.run("plan", clone / "manifests", "--against", "HEAD", "--out", by_revision)
    for file, says in (
        (edited, "the plan was edited"), (junk, "this is not a saved plan"), (sealed, "the plan was made here"),
        (by_revision, "the plan does not say what runs here"),
    ):  # fmt: skip
        done = airs.quick("apply", repository / "manifests", "--plan", file, check=False)
        assert (done.returncode, says in done.stderr) == (INVALID, True), done.stderr
    (tmp_path / "other").mkdir()
    other = Airs(tmp_path / "other")
    try:
        assert "and nothing here is source" in other.run("apply", plan, check=False).stderr
        done = other.run("apply", repository / "manifests", "--plan", plan, check=False)
        assert (done.returncode, "belongs to another state directory" in done.stderr) == (INVALID, True)
        assert "and nothing here is source" in other.run("apply", plan, check=False).stderr
    finally:
        other.close()
    assert airs.version() == "1.0.0"
