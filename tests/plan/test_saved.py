"""Plan files as they come back: as saved, stale, edited, and as whoever edits them knows what they are doing."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.decoding import from_json
from orchestrator.model.base import canonical_json, digest_of
from orchestrator.model.desired import Permissions
from orchestrator.plan.against import Against, AgainstKind
from orchestrator.plan.document import Plan
from orchestrator.plan.make import make_plan
from orchestrator.plan.saved import (
    PLAN_MAX_BYTES,
    PlanRefused,
    SealedPlan,
    check_fresh,
    mac,
    read_plan,
    render_json,
    seal,
)

from .build import deployment, desired, grant, observed, revision

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
WANTED = desired(
    deployment("hello", revision=revision("2.0.0", grants=(grant("storage.read", "self"),)), labels=(("team", "ß"),)),
    deployment("new", needs=["hello"]),
    permissions=Permissions(adopt=True),
)
PLAN = make_plan(WANTED, observed(deployment("hello"), deployment("gone")))
SAVED = seal(PLAN, KEY)


def refusal(data: bytes, key: bytes = KEY) -> PlanRefused:
    with pytest.raises(PlanRefused) as caught:
        read_plan(data, key)
    assert caught.value.suggestion
    return caught.value


def edited(change: Callable[[dict[str, Any]], None]) -> bytes:
    document = json.loads(SAVED)
    change(document)
    return json.dumps(document).encode()


def redigested(document: dict[str, Any]) -> dict[str, Any]:
    """Give an edited document the digest that belongs to its content, as anybody can."""
    plan = {name: value for name, value in document.items() if name != "seal"}
    plan["digest"] = digest_of(msgspec.structs.replace(from_json(json.dumps(plan), Plan), digest=""))
    return {**plan, "seal": document["seal"]}


def test_a_saved_plan_is_what_is_printed_and_a_seal() -> None:
    printed, saved = json.loads(render_json(PLAN)), json.loads(SAVED)
    assert saved.pop("seal") == mac(PLAN, KEY)
    assert saved == printed
    assert printed["formatVersion"] == "1.0"
    assert printed["summary"]["create"] == 1
    assert read_plan(SAVED, KEY) == PLAN


def test_layout_is_no_edit() -> None:
    assert read_plan(json.dumps(json.loads(SAVED)).encode(), KEY) == PLAN


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: plan["desired"]["deployments"][0]["revision"].update(artifact="sha256:" + "0" * 64),
        lambda plan: plan["desired"]["deployments"][0]["revision"]["grants"][0].update(patterns=["**"]),
        lambda plan: plan["desired"]["permissions"].update(allowMassPrune=True),
        lambda plan: plan["actions"].pop(),
        lambda plan: plan["actions"].reverse(),
        lambda plan: plan.update(serial=8),
        lambda plan: plan.update(lineage="another"),
        lambda plan: plan.update(formatVersion="1.7"),
        lambda plan: plan["summary"].update(remove=0),
    ],
)
def test_an_edit_is_refused_even_with_the_digest_made_right(change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(SAVED)
    change(document)
    assert "edited" in refusal(json.dumps(document).encode()).summary
    assert "edited" in refusal(json.dumps(redigested(document)).encode()).summary


def test_a_seal_of_another_state_directory_is_refused() -> None:
    assert "--state-dir" in refusal(SAVED, OTHER_KEY).suggestion
    assert refusal(seal(PLAN, OTHER_KEY))


@pytest.mark.parametrize("given", ["0" * 64, "é", "\x00", "a"])
def test_an_invented_seal_is_refused(given: str) -> None:
    assert "edited" in refusal(edited(lambda plan: plan.update(seal=given))).summary


def test_a_printed_plan_is_not_a_saved_one() -> None:
    assert "no seal" in refusal(render_json(PLAN)).summary
    assert "no seal" in refusal(edited(lambda plan: plan.update(seal=""))).summary


@pytest.mark.parametrize("version", ["2.0", "0.9", "", "10.0", "one", "1" * 5000])
def test_another_major_format_is_refused_whatever_else_it_holds(version: str) -> None:
    said = refusal(json.dumps({"formatVersion": version, "unheardOf": [1, {"x": 2}]}).encode())
    assert "format" in said.summary
    assert "1.0" in said.detail
    assert len(said.detail) < 100


def test_a_sealed_plan_of_a_later_minor_format_with_known_fields_is_read() -> None:
    later = msgspec.structs.replace(PLAN, format_version="1.1", digest="")
    later = msgspec.structs.replace(later, digest=digest_of(later))
    assert read_plan(seal(later, KEY), KEY) == later


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"\x00" * 100,
        b"PK\x03\x04",
        b'{"formatVersion": 1}',
        b'{"formatVersion": "\xff"}',
        b'{"formatVersion": "1.0"}',
        b"[" * 1_000_000,
        b'{"formatVersion":"1.0","x":' + b"[" * 1_000_000,
        b'{"formatVersion":"1.0","x":' * 200_000,
        b'{"formatVersion":"1.0","desired":' + b'{"desired":' * 200_000,
        b'{"formatVersion":"1.0","serial":' + b"9" * 100_000 + b"}",
        edited(lambda plan: plan.update(unheardOf=1)),
        edited(lambda plan: plan.update(serial="7")),
        edited(lambda plan: plan.pop("desired")),
        edited(lambda plan: plan["actions"][0].update(kind="format-disk")),
    ],
    ids=range(19),
)
def test_what_is_no_plan_is_refused(data: bytes) -> None:
    assert "not a saved plan" in refusal(data).summary


def test_a_truncated_plan_is_refused_wherever_it_was_cut() -> None:
    for length in range(0, len(SAVED) - 2, 97):
        refusal(SAVED[:length])


@given(st.integers(0, len(SAVED) - 1), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_means_the_same(place: int, byte: int) -> None:
    data = SAVED[:place] + bytes([byte]) + SAVED[place + 1 :]
    with suppress(PlanRefused):
        assert read_plan(data, KEY) == PLAN


@given(st.binary(max_size=200))
def test_garbage_is_refused(data: bytes) -> None:
    assert refusal(data).summary


def test_an_oversized_document_is_refused_unread() -> None:
    class Oversized(bytes):
        def __len__(self) -> int:
            return PLAN_MAX_BYTES + 1

    assert "too large" in refusal(Oversized(SAVED)).summary


def test_a_plan_for_an_agent_is_the_same_without_indentation() -> None:
    sealed = seal(PLAN, KEY, is_shown=False)
    assert b"\n" not in sealed
    assert read_plan(sealed, KEY) == PLAN


def test_a_field_given_twice_counts_once_and_is_covered_by_the_seal() -> None:
    doubled = SAVED.rstrip().removesuffix(b"}") + b',"serial":99}'
    assert "edited" in refusal(doubled).summary


def test_the_seal_covers_every_field_of_the_plan() -> None:
    assert set(SealedPlan.__struct_fields__) - set(Plan.__struct_fields__) == {"seal"}
    against = Against(kind=AgainstKind.EMPTY)  # left out of a plan that was made here
    whole = msgspec.structs.replace(PLAN, against=against)
    assert all(name in json.loads(canonical_json(whole)) for name in Plan.__struct_encode_fields__)
    assert len({mac(PLAN, KEY), mac(whole, KEY)}) == 2


def test_a_plan_of_the_same_observation_is_fresh() -> None:
    check_fresh(PLAN, observed(serial=7))


@pytest.mark.parametrize(
    ("serial", "lineage", "summary", "detail"),
    [
        (8, "a-state", "stale", "1 decision was"),
        (12, "a-state", "stale", "5 decisions were"),
        (3, "a-state", "newer", "serial 7"),
        (7, "b-state", "another state", "b-state"),
        (12, "b-state", "another state", "a-state"),
    ],
)
def test_a_plan_of_another_observation_is_refused(serial: int, lineage: str, summary: str, detail: str) -> None:
    state = msgspec.structs.replace(observed(serial=serial), lineage=lineage)
    with pytest.raises(PlanRefused) as caught:
        check_fresh(PLAN, state)
    assert summary in caught.value.summary
    assert detail in caught.value.detail
    assert caught.value.suggestion
