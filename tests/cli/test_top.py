"""What two looks come to. Views are built as the agent builds them; only its answers are stand-ins."""

import pytest
from msgspec.structs import replace

from orchestrator.agent.conditions import Conditions
from orchestrator.agent.describe_sources import SourceSeen
from orchestrator.agent.views import deployment_view
from orchestrator.cli.top import ORDERS, Look, Top, TopRow, compared, ordered, page, short_number
from orchestrator.contract.documents import DeploymentView
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedDeployment, Spent, Traffic
from tests.plan.build import deployment, record, running

NONE = Traffic()


def undated(_key: DeploymentKey, conditions: Conditions) -> Conditions:
    return conditions


def view(name: str = "hello", *spent: Spent, traffic: Traffic = NONE) -> DeploymentView:
    made = deployment(name, replicas=max(1, len(spent)))
    instances = tuple(
        replace(one, spent=each, memory_bytes=10) for one, each in zip(running(made), spent, strict=False)
    )
    seen = ObservedDeployment(record=record(made), instances=instances, traffic=traffic)
    return deployment_view(seen, SourceSeen(seen.record.source), lambda _artifact: None, lambda _revision: (), undated)


def between(before: list[DeploymentView], now: list[DeploymentView]) -> Top:
    return compared(Look(at_ms=1, at_s=10.0, views=before), Look(at_ms=2, at_s=12.0, views=now))


def only(top: Top) -> TopRow:
    (row,) = top.deployments
    return row


def test_rates_are_of_the_time_between_two_looks():
    before = view(traffic=Traffic(received=10, handled=8, errors=1))
    row = only(between([before], [view(traffic=Traffic(received=30, handled=18, errors=2, waiting=12))]))
    assert (row.received_per_s, row.handled_per_s, row.errors_per_s, row.waiting) == (10.0, 5.0, 0.5, 12)


def test_what_began_anew_or_was_not_there_counts_from_nothing():
    now = view("hello", Spent(2, 50), traffic=Traffic(received=4, handled=4))
    before = view("hello", Spent(1, 20), traffic=Traffic(received=90, handled=90))
    for earlier in ([before], []):
        row = only(between(earlier, [now]))
        assert (row.received_per_s, row.handled_per_s, row.fuel_per_message) == (2.0, 2.0, 25)


def test_fuel_is_an_average_over_instances_of_what_was_read_since():
    before = view("hello", Spent(10, 1000), Spent(5, 50), Spent(9, 900))
    row = only(between([before], [view("hello", Spent(12, 1020), Spent(5, 50), Spent(1, 100))]))
    assert (row.fuel_per_message, row.memory_bytes) == (40, 30)
    assert only(between([before], [before])).fuel_per_message is None


@pytest.mark.parametrize("sort", [order for order in ORDERS if order != "name"])
def test_the_most_of_what_is_asked_for_comes_first_and_equals_go_by_name(sort: str):
    much = view("zoo", Spent(1, 9), traffic=Traffic(waiting=1, received=3, handled=2, errors=1, dead_letters=1))
    much = replace(much, restarts=1)
    top = ordered(between([], [view("b"), much, view("a")]), sort)
    assert [row.name for row in top.deployments] == ["zoo", "a", "b"]


@pytest.mark.parametrize(
    ("number", "step", "said"),
    [
        (0, 1000, "0"), (999, 1000, "999"), (1000, 1000, "1k"), (1550, 1000, "1.6k"), (15_400, 1000, "15k"),
        (999_499, 1000, "999k"), (999_500, 1000, "1M"), (1 << 16, 1024, "64k"), (1023, 1024, "1023"),
        ((1 << 20) - 1, 1024, "1M"), (3 << 29, 1024, "1.5G"), (1 << 63, 1000, "9.2E"),
    ],
)  # fmt: skip
def test_a_number_takes_few_characters(number: int, step: int, said: str):
    assert short_number(number, step) == said


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_screen_and_columns_are_aligned(width: int):
    name = "a-name-" * 8
    busy = Traffic(waiting=999_999, received=10**9, handled=10**9, errors=10**9, dead_letters=10**9)
    long = replace(view(name + "z", Spent(1, 10**15), traffic=busy), restarts=99_999, mailbox_capacity=10**6)
    _, *lines = [line.plain for line in page(between([], [long, view("short")]), width)]
    assert len(lines) == 3
    assert {len(line) for line in lines} == {len(lines[0])}
    assert len(lines[0]) <= width
    begin, _, end = lines[1].split(" ")[0].partition("…")
    assert begin + end != f"default/{name}z"
    assert f"default/{name}z".startswith(begin)
    assert f"{name}z".endswith(end)
    assert abs(len(begin) - len(end)) <= 1
    assert lines[2].split()[0] == "default/short"


def test_a_name_that_there_is_room_for_is_whole():
    name = "a-name-" * 8 + "z"
    lines = [line.plain for line in page(between([], [view(name)]), 200)]
    assert lines[2].split(" ")[0] == f"default/{name}"
