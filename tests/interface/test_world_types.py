"""What is read of a component before it is compiled is what compiling it tells."""

import os
from pathlib import Path

import pytest
import wasmtime
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from wasmtime import component as wc

from orchestrator.interface.sections import Unread
from orchestrator.interface.world_types import world_types
from orchestrator.model.world import WorldTypes
from orchestrator.runtime.component.walk import walk
from tests.interface.generated import worlds
from tests.interface.test_text import COMPONENTS, UNSHRUNK
from tests.interface.wats import EXACT, TOLD
from tests.interface.wit_tools import ENGINE, Refused, component_of, implemented

EXAMPLES = int(os.environ.get("AIRS_WORLDS", "40"))


def compiled(component: bytes) -> WorldTypes | None:
    """Return what compiling tells, None of what wasmtime does not take."""
    try:
        with wc.Component(ENGINE, component).type as kind:
            return walk(kind, ENGINE)
    except wasmtime.WasmtimeError:
        return None


def read(component: bytes) -> WorldTypes | None:
    try:
        return world_types(component)
    except Unread:
        return None


@pytest.mark.parametrize("path", COMPONENTS, ids=lambda path: path.stem)
def test_every_component_here_is_read_as_it_is_compiled(path: Path):
    component = path.read_bytes()
    assert world_types(component) == compiled(component)


@pytest.mark.parametrize("wat", [row[1] for row in (*EXACT, *TOLD)], ids=[row[0] for row in (*EXACT, *TOLD)])
def test_a_component_in_wat_is_read_as_it_is_compiled(wat: str):
    component = component_of(wat)
    expected = compiled(component)
    found = read(component)
    assert expected is None or found == expected


@given(wit=worlds())
@settings(max_examples=EXAMPLES, deadline=None, phases=UNSHRUNK, suppress_health_check=list(HealthCheck))
def test_a_generated_world_is_read_as_it_is_compiled(wit: str):
    try:
        component = implemented(wit)
    except Refused:
        reject()  # by rules that the generator does not know
    expected = compiled(component)
    found = read(component)
    assert expected is None or found == expected


SAMPLE = component_of(EXACT[9][1])


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_bytes_of_any_kind_are_read_or_refused(data: st.DataObject):
    damaged = bytearray(SAMPLE)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(8, len(SAMPLE) - 1))] = data.draw(st.integers(0, 255))
    read(bytes(damaged)[: data.draw(st.integers(8, len(SAMPLE)))])


def interface(types: str) -> bytes:
    return component_of(f'(component (import "i" (instance {types})))')


@pytest.mark.parametrize(
    ("types", "why"),
    [
        (
            "(type $t0 (tuple u8))"
            + "".join(f"(type $t{n + 1} (tuple $t{n} $t{n}))" for n in range(60))
            + '(export "f" (func (param "x" $t60)))',
            "more than 20000 parts",
        ),
        (
            "(type $t0 u8)"
            + "".join(f"(type $t{n + 1} (list $t{n}))" for n in range(5_000))
            + '(export "f" (func (param "x" $t5000)))',
            "more than 100 deep",
        ),
        ("".join(f'(export "r{n}" (type (sub resource)))' for n in range(257)), "more than 256 resources"),
    ],
    ids=["doubled", "deep", "resources"],
)
def test_types_without_end_are_not_followed(types: str, why: str):
    with pytest.raises(Unread, match=why):
        world_types(interface(types))
