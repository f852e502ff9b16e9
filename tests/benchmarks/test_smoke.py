"""Every benchmark runs here with counts so small that its figures mean nothing; it still checks what it compares.

Everything is real, `airs up` as a process included. Not a package: it would hide the one it tests.
"""

import pytest

from benchmarks import check, instances, machine, run
from benchmarks.goals import TARGETS
from benchmarks.measure import TINY, Each, Effort, Raced, Row, Table, race

EXPECTED = {
    "calls": ("request 16B", "request 1KiB", "request 16KiB", "message 16B, many at a time"),
    "hostcalls": ("storage.get, 100 bytes", "storage.set, 100 bytes"),
    "load": ("instantiate", "load, from the authenticated cache"),
    "instances": ("one more idle actor, 01-hello",),
    "many": ("the same, latest", "a short call beside one that computes, how much later"),
    "actors": ("spawn", "ask", "send, many at a time", "fan out to 10", "fan out to 100", "ring of 100"),
    "reconcile": ("manifest edited, new version answers", "wasm file rebuilt, new version answers"),
    "plan": ("1 documents loaded", "1 deployments: plan, all changed", "1 deployments: plan, nothing changed"),
    "store": ("write and fsync",),
    "signing": ("a package of 1 MiB verified", "libsodium's verification alone"),
    "starting": ("airs status", "airs --help", "python -c pass"),
}
GOALS = {
    "calls": ("request-", "messages-"),
    "hostcalls": ("host-call-", "storage-"),
    "load": ("load", "instantiate"),
    "instances": ("instance-",),
    "many": ("deadline-", "sleepers", "beside-", "cores-"),
    "actors": ("actor-",),
    "starting": ("start-",),
}


def test_every_subject_is_expected_here():
    assert run.SUBJECTS.keys() == EXPECTED.keys()
    assert GOALS.keys() == set(check.SUBJECTS)
    assert all(name.startswith(sum(GOALS.values(), ())) for name in TARGETS)


@pytest.mark.parametrize("subject", EXPECTED)
def test_measures_what_it_says(subject: str):
    (table,) = run.measured([subject], TINY)

    names = [name for row in table.rows for name in (row.what, row.beside)]
    assert set(EXPECTED[subject]) <= set(names)
    assert all(row.airs > 0 for row in table.rows)
    assert all(row.beside and row.ratio for row in table.rows if row.other is not None)
    wanted = {name for name in TARGETS if name.startswith(GOALS.get(subject, ()))}
    assert table.figures.keys() | table.skipped.keys() == wanted
    assert table.meanwhile


def test_results_say_what_was_measured_on_and_when():
    table = Table("A subject", (Row("work", 2e-6, "stock", 17e-6), Row("alone", 0.25)), ("a note",))

    written = run.as_markdown([table], "2025-01-31", machine.described(), 0.5)

    assert "On 2025-01-31" in written
    assert "wasmtime " in written
    assert "| work | 2.00 µs | stock | 17.0 µs | 8.5× |" in written
    assert "| alone | 250 ms |  |  |  |" in written
    assert "- a note" in written


def test_results_say_what_others_did_meanwhile():
    before = machine.Used(at_s=0.0, all_s=10.0, own_s=4.0, withheld_s=1.0)

    said = machine.others(before, machine.Used(at_s=20.0, all_s=26.0, own_s=15.0, withheld_s=3.0))

    assert said == "25% of one core; the hypervisor withheld 10%"
    table = Table("A subject", (Row("work", 2e-6),), meanwhile=said)
    assert f"- Others meanwhile had {said}." in run.as_markdown([table], "2025-01-31", (), 0.5)


def test_text_table_lines_up():
    table = Table("A subject", (Row("work", 2e-6, "stock", 17e-6), Row("longer work", 0.25)))

    assert run.as_text(table).splitlines() == [
        "A subject",
        "                  airs  beside it    takes  ratio",
        "  work         2.00 µs  stock      17.0 µs   8.5×",
        "  longer work   250 ms",
    ]


def test_contenders_take_turns_and_what_is_prepared_is_handed_on():
    order: list[str] = []
    each = Each(lambda: 3, lambda given: order.append("b") or given + 1, lambda made: order.append(str(made)))

    took = race({"a": lambda: order.append("a"), "b": each}, Effort(rounds=2, slice_s=0.0))

    assert "".join(order[-6:]) == "ab4b4a"
    assert took.keys() == {"a", "b"}


def test_a_ratio_is_of_what_lay_side_by_side():
    took = Raced({"airs": [1, 2, 30, 4, 5], "beside": [3, 6, 90, 4, 15]})  # one busy moment, one lucky one

    assert (took["airs"], took["beside"], took.ratio("beside", "airs")) == (4, 6, 3)


def test_unknown_subject_is_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        run.main(["nonsense"])

    assert "no subject nonsense; there are calls" in capsys.readouterr().err


def test_crashes_under_the_supervisor_do_not_grow_memory():
    assert instances.supervised(400) < 4 << 20
    assert instances.crashes(400) < 4 << 20
