"""The example 04-pipeline: what its README says, through the command line."""

import shutil

import pytest

from orchestrator.contract.codes import FAILED

from .stage import ROOT, Stage, wait_until

EXAMPLE = ROOT / "examples/04-pipeline"


@pytest.fixture
def pipeline(stage: Stage) -> Stage:
    shutil.copytree(EXAMPLE / "components", stage.folder / "components")
    shutil.copytree(EXAMPLE / "manifests", stage.manifests, dirs_exist_ok=True)
    stage.apply()
    return stage


def shown(stage: Stage) -> list[str]:
    """Return what the tally shows, by topic."""
    return sorted(stage.ask("tally", "show").splitlines())


def test_orders_go_from_intake_to_enrich_and_all_of_it_to_the_tally(pipeline: Stage):
    replies = [pipeline.ask("intake", order) for order in ("tea 4", "cake 2", "coffee 1", "tea")]
    assert replies == ["orders.new, taken by 2"] * 3 + ["orders.rejected, taken by 1"]
    wait_until(lambda: sum(int(line.split()[1].rstrip(",")) for line in shown(pipeline)) == 7)
    told = {line.split(":")[0]: line.split(": ")[1] for line in shown(pipeline)}
    assert {topic: said.split(",")[0] for topic, said in told.items()} == {
        "orders.new": "3", "orders.priced": "2", "orders.rejected": "2",
    }  # fmt: skip
    assert told["orders.new"] == "3, last coffee 1"
    assert told["orders.priced"] in ("2, last tea 4 12", "2, last cake 2 10")


def test_the_tally_listens_to_more_and_to_less_within_its_grant(pipeline: Stage):
    assert pipeline.ask("tally", "listen news.**") == "so be it"
    pipeline.run("publish", "news.weather.today", "rain")
    wait_until(lambda: shown(pipeline) == ["news.weather.today: 1, last rain"])
    denied = pipeline.run("request", "tally", "listen invoices.*", code=FAILED).err
    assert "was not granted messaging.subscribe: [invoices.*]" in denied
    assert pipeline.ask("tally", "ignore orders.*") == "so be it"
    assert "queued by 1 deployment" in pipeline.run("publish", "orders.new", "cake 7").err
    assert [s["pattern"] for s in pipeline.json("get", "subscriptions", "tally")] == ["news.**"]


def test_a_grant_taken_from_the_tally_acts_at_once_and_the_instance_that_insists_on_it_does_not_take_over(
    pipeline: Stage,
):
    manifest = pipeline.manifests / "tally.yaml"
    manifest.write_text(manifest.read_text().replace("[orders.*, news.**]", "[news.**]"))
    pipeline.apply(code=FAILED)
    (seen,) = pipeline.json("get", "subscriptions", "tally")
    assert (seen["pattern"], seen["inForce"]) == ("orders.*", False)
    assert pipeline.ask("intake", "tea") == "orders.rejected, taken by 0"
    assert pipeline.ask("tally", "show") == "nothing yet"
    assert "was not granted messaging.subscribe: [orders.*]" in pipeline.run("events", "tally").out
