"""What is said of a machine's limits, limit by limit."""

import pytest
from msgspec.structs import replace

from orchestrator.cli.machine import GIB, MIB, Capacity, Machine, capacity, judged, python, read_machine
from orchestrator.interpreter import Interpreter, is_optimised
from orchestrator.model.finding import Degree

ROOMY = Machine(
    cores=8,
    memory_bytes=32 * GIB,
    available_bytes=30 * GIB,
    cgroup_memory_bytes=None,
    cgroup_left_bytes=None,
    cgroup_cores=None,
    map_count=65_530,
    open_files=20_000,
    processes=None,
    address_space_bytes=None,
    overcommit=0,
)


def test_nothing_is_said_against_a_roomy_machine():
    assert {finding.verdict for finding in judged(ROOMY)} == {Degree.OK}


@pytest.mark.parametrize(
    ("configured", "prefix", "is_fast"),
    [
        ("'--enable-shared' '--prefix=/root/.pyenv/versions/3.11.7'", "/root/.pyenv/versions/3.11.7", False),
        ("", "/usr/local", False),
        ("'--enable-optimizations' '--with-lto'", "/usr/local", True),
        ("'--enable-shared' '--prefix=/usr' '--without-ensurepip'", "/usr", True),  # Debian's
    ],
)
def test_a_python_built_without_profiles_is_a_hint_and_no_fault(configured, prefix, is_fast):
    found = python(Interpreter("3.11.7", is_optimised(configured, prefix)))
    assert found.verdict is Degree.OK
    assert ("optimised build" in found.summary) == is_fast
    assert ("half as long again" in found.summary) == (bool(found.detail)) == (not is_fast)


@pytest.mark.parametrize(
    ("change", "about", "verdict"),
    [
        ({"cgroup_cores": 0.5}, "cores", Degree.WARNING),
        ({"cgroup_cores": 8.0}, "cores", Degree.OK),
        ({"available_bytes": 100 * MIB}, "memory", Degree.WARNING),
        ({"cgroup_left_bytes": 100 * MIB}, "memory", Degree.WARNING),
        ({"map_count": 65_529}, "maps", Degree.WARNING),
        ({"map_count": 1_000_000}, "maps", Degree.OK),
        ({"open_files": 256}, "open files", Degree.WARNING),
        ({"processes": 100}, "processes and threads", Degree.WARNING),
        ({"address_space_bytes": 2 * GIB}, "address space", Degree.PROBLEM),
        ({"address_space_bytes": 64 * GIB}, "address space", Degree.WARNING),
        ({"overcommit": 2}, "overcommit", Degree.WARNING),
        ({"overcommit": 1}, "overcommit", Degree.OK),
    ],
)
def test_each_limit_is_judged_by_itself(change, about, verdict):
    found = {finding.about: finding for finding in judged(replace(ROOMY, **change))}
    assert found[about].verdict is verdict
    assert bool(found[about].suggestion) == (verdict is not Degree.OK)
    others = {finding.verdict for name, finding in found.items() if name != about}
    assert others == {Degree.OK}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, Capacity(small=1_048_576, with_guards=32_515)),
        ({"available_bytes": 30 * MIB}, Capacity(small=1_024, with_guards=1_024)),
        ({"cgroup_left_bytes": 60 * MIB}, Capacity(small=2_048, with_guards=2_048)),
        ({"map_count": 600}, Capacity(small=1_048_576, with_guards=50)),
        ({"map_count": 10}, Capacity(small=1_048_576, with_guards=0)),
        ({"address_space_bytes": 9 * GIB}, Capacity(small=3_072, with_guards=2)),
        ({"available_bytes": None, "map_count": None}, Capacity(small=None, with_guards=None)),
    ],
)
def test_how_many_fit_is_what_the_tightest_limit_allows(change, expected):
    assert capacity(replace(ROOMY, **change)) == expected


def test_what_cannot_be_told_is_not_judged():
    unknown = replace(ROOMY, available_bytes=None, map_count=None, overcommit=None)
    assert {finding.about for finding in judged(unknown)} == {
        "cores", "open files", "processes and threads", "address space",
    }  # fmt: skip


def test_this_machine_can_be_read():
    machine = read_machine()
    assert machine.cores >= 1
    assert machine.memory_bytes
    assert machine.available_bytes
    assert machine.map_count
