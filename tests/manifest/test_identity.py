"""Ids of revisions: golden ones, as state directories hold them, and what a field that is added later does to them."""

import pytest
from msgspec.structs import asdict

from orchestrator.manifest.identity import identified, terse
from orchestrator.model.base import Value
from orchestrator.model.spec import CheckCall, Grant, Job, Limits, Mount, Revision

LIMITS = Limits(memory_bytes=16 << 20, fuel=50_000_000, timeout_ms=2_000)


def revision(kind: type[Revision] = Revision, **fields) -> Revision:
    usual = {
        "id": "", "component": "counter", "version": "1.4.0", "artifact": "sha256:" + "ab" * 32, "stateful": False,
        "config": "{}", "grants": (), "limits": LIMITS,
    }  # fmt: skip
    return kind(**usual | fields)


EVERYTHING = {
    "stateful": True, "config": '{"a":1}', "grants": (Grant(capability="messaging.send", patterns=("billing/*",)),),
    "limits": Limits(memory_bytes=1, fuel=2, timeout_ms=3, storage_bytes=4, log_per_s=5),
    "job": Job(args=("--all",), env=(("A", "1"),)), "accepts": ("json",),
    "mounts": (Mount(path="/srv", guest_path="/data"),),
}  # fmt: skip

GOLDEN = {  # a changed id rolls out anew what runs: change none of these
    "little": ({}, "041420089eb4e70c741048e3d4a736cccf2adf901980d5b30d117c19d2de29f8"),
    "a job": ({"job": Job()}, "11c513727aca6157cc73555b884af53520dfaf31d2dbf137685fde607d1701b7"),
    "everything": (EVERYTHING, "9d508bf59c5023a117a509c686f3773773bef840592558595f37514edc3f60c6"),
}


@pytest.mark.parametrize(("fields", "id"), GOLDEN.values(), ids=GOLDEN)
def test_ids_are_those_that_state_directories_hold(fields: dict[str, object], id: str):
    assert identified(revision(**fields)).id == id


def test_an_id_does_not_count_what_it_was_before():
    assert identified(revision(id="old")) == identified(revision())


@pytest.mark.parametrize("field", EVERYTHING)
def test_whatever_is_not_at_its_default_is_part_of_the_id(field: str):
    assert identified(revision(**{field: EVERYTHING[field]})).id != identified(revision()).id


class Sidecar(Value, frozen=True):
    name: str
    port: int = 80


class LaterLimits(Limits, frozen=True):
    """Limits of a later version, which knows one more."""

    files_max: int = 100


class LaterRevision(Revision, frozen=True):
    """A revision of a later version, which says more."""

    sidecars: tuple[Sidecar, ...] = ()


@pytest.mark.parametrize("fields", [{}, EVERYTHING], ids=["little", "everything"])
def test_a_field_that_is_added_later_changes_no_id_at_its_default(fields: dict[str, object]):
    now = revision(**fields)
    later = revision(LaterRevision, **fields | {"limits": LaterLimits(**asdict(now.limits))})
    assert identified(later).id == identified(now).id


def test_a_field_that_is_added_later_counts_as_soon_as_it_says_something():
    with_files = revision(limits=LaterLimits(**asdict(LIMITS), files_max=5))
    with_sidecar = revision(LaterRevision, sidecars=(Sidecar(name="proxy"),))
    assert len({identified(each).id for each in (revision(), with_files, with_sidecar)}) == 3


def test_a_list_of_values_says_of_each_what_is_not_its_default():
    sidecars = Sidecar(name="proxy"), Sidecar(name="log", port=9)
    said = terse(revision(LaterRevision, sidecars=sidecars))
    assert said["sidecars"] == [{"name": "proxy"}, {"name": "log", "port": 9}]


def test_one_kind_of_several_says_which_it_is():
    assert terse(CheckCall(function="f")) == {"type": "function", "function": "f"}
