"""Sources that an agent's `airs.toml` declares: followed from its start, confined to namespaces, forgotten with it."""

from pathlib import Path

import pytest

from tests.e2e.conftest import EXAMPLES, Airs, git, wait_until


@pytest.fixture
def shop(airs: Airs) -> Path:
    """A repository of one example, in a namespace of its own."""
    folder = airs.copy_example("01-hello")
    write(folder, "shop")
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder)
    return folder


def write(folder: Path, namespace: str, version: str = "1.0.0", file: str = "hello.yaml") -> None:
    text = (EXAMPLES / "01-hello" / "manifests" / "hello.yaml").read_text().replace("hello-1.0.0", f"hello-{version}")
    (folder / "manifests" / file).write_text(text.replace("metadata:\n", f"metadata:\n  namespace: {namespace}\n"))


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "change")


def declare(airs: Airs, *entries: str) -> Path:
    airs.state_dir.mkdir(mode=0o700, exist_ok=True)
    file = airs.state_dir / "airs.toml"
    file.write_text("".join(f"[[sources]]\n{entry}\n" for entry in entries))
    return file


def entry(place: Path | str, *more: str, name: str = "shop") -> str:
    return "\n".join((f'name = "{name}"', f'place = "{place}#main:manifests"', 'interval = "1h"', *more))


def source(airs: Airs, name: str = "shop") -> dict[str, object]:
    return next((each for each in airs.json("source", "list", check=False) if each["name"] == name), {})


def start(airs: Airs) -> None:
    airs.quick("agent", "stop", check=False)
    airs.run("agent", "start")


def version(airs: Airs) -> str:
    return next((view.version for view in airs.client().deployments()), "")


def test_a_declared_source_is_followed_reconciled_suspended_and_forgotten(airs: Airs, shop: Path):
    declare(airs, entry(shop, 'namespaces = ["shop"]'))
    planned = airs.quick("plan", f"{shop}#main:manifests")
    assert "shop/hello" in planned.stdout
    start(airs)
    wait_until(lambda: version(airs) == "1.0.0")
    seen = source(airs)
    assert (seen["declared"], seen["namespaces"], seen["follow"]) == (True, ["shop"], "watched")
    assert "No changes" in airs.quick("plan", f"{shop}#main:manifests").stdout  # by its declared name

    write(shop, "shop", "1.1.0")
    commit(shop)
    running = airs.background("up", f"{shop}#main:manifests")
    running.says("Watching shop")
    running.says("and it stays watched after this")
    assert running.end() == 0
    assert "shop was read at" in airs.quick("reconcile", "--now").stderr
    assert version(airs) == "1.1.0"
    assert airs.quick("reconcile", check=False).returncode == 64

    write(shop, "other", file="stray.yaml")  # another's namespace
    commit(shop)
    refused = airs.quick("reconcile", "shop", check=False)
    assert refused.returncode == 65
    assert (
        "stray.yaml:7:14: error: other/hello is of namespace `other`, which this source may not name" in refused.stderr
    )
    assert {view.namespace for view in airs.client().deployments()} == {"shop"}
    planned = airs.quick("plan", f"{shop}#main:manifests", check=False)
    assert (planned.returncode, "which this source may not name" in planned.stderr) == (65, True)
    (shop / "manifests" / "stray.yaml").unlink()
    commit(shop)
    airs.quick("reconcile", "shop")

    for verb in (("source", "add", f"{shop}#main:manifests", "--name", "shop"), ("source", "remove", "shop", "--yes")):
        told = airs.quick(*verb, check=False)
        assert (told.returncode, "declared in the agent's airs.toml" in told.stderr) == (1, True)
    airs.quick("suspend", "source", "shop")
    start(airs)  # a suspension by hand outlives the agent
    assert source(airs)["follow"] == "suspended"
    told = airs.quick("reconcile", "shop", check=False)
    assert (told.returncode, "airs source resume shop" in told.stderr) == (1, True)
    airs.quick("resume", "source", "shop")

    declare(airs, entry(shop, "suspend = true"))
    start(airs)
    assert source(airs)["follow"] == "suspended"
    told = airs.quick("source", "resume", "shop", check=False)
    assert "airs.toml suspends shop" in told.stderr
    declare(airs, entry(shop))
    start(airs)
    wait_until(lambda: source(airs)["lookedAt"])
    assert source(airs)["follow"] == "watched"

    declare(airs)
    start(airs)
    assert source(airs) == {}
    assert airs.json("get", "deployments")[0]["sync"] == "unowned"
    declare(airs, entry(shop))
    start(airs)
    wait_until(lambda: airs.json("get", "deployments")[0]["sync"] == "synced")


def test_a_place_that_is_not_there_keeps_no_agent_from_starting(airs: Airs, shop: Path):
    away = shop.with_name("away")
    shop.rename(away)
    declare(airs, entry(shop), entry(away, name="other"))
    start(airs)
    wait_until(lambda: version(airs) == "1.0.0")  # of the other one
    seen = source(airs)
    assert (seen["follow"], seen["revision"]) == ("watched", None)
    assert "does not exist" in str(seen["failure"])
    assert "does not exist" in airs.quick("status").stdout
    away.rename(shop)
    start(airs)
    wait_until(lambda: source(airs)["lookedAt"])
    assert source(airs)["staleSince"] is None


def test_a_source_is_added_for_some_namespaces_alone(airs: Airs, shop: Path):
    added = airs.run(
        "source", "add", f"{shop}#main:manifests", "--namespace", "red", "--namespace", "blue", check=False
    )
    assert added.returncode == 65
    assert "shop/hello is of namespace `shop`, which this source may not name" in added.stderr
    assert "The operator allows it: blue, red." in added.stderr
    assert airs.client().deployments() == []
    assert "namespaces blue, red" in airs.quick("source", "show", f"{shop}#main:manifests").stdout
    airs.quick("source", "add", f"{shop}#main:manifests", "--namespace", "shop")
    assert version(airs) == "1.0.0"
    refused = airs.quick("source", "add", shop, "--namespace", "No", check=False)
    assert (refused.returncode, "is no name of a namespace" in refused.stderr) == (64, True)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ((entry("/x"), entry("/y")), "`shop` is in `sources` twice"),
        (('name = "shop"',), "`place`"),
        ((entry("/x", 'namespaces = ["A"]'),), "a namespace"),
        ((entry("/x", "[sources.verify]", 'mode = "head"'),), "`signers`"),
        ((entry("/x", "[sources.verify]", 'mode = "all"', 'signers = ["x"]'),), "every-commit"),
    ],
)
def test_a_wrong_declaration_is_told_with_its_line(airs: Airs, entries: tuple[str, ...], said: str):
    file = declare(airs, *entries)
    shown = airs.quick("config", "show", check=False)
    assert shown.returncode == 65
    assert f"{file}:" in shown.stderr
    assert said in shown.stderr
