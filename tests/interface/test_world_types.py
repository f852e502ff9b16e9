"""What is read of a component before it is compiled is what compiling it tells."""

import os
from pathlib import Path

import pytest
import wasmtime
from hypothesis import HealthCheck, given, reject, settings
from wasmtime import component as wc

from orchestrator.interface.sections import Unread
from orchestrator.interface.world_types import world_types
from orchestrator.model.world import WorldTypes
from orchestrator.runtime.types import TypesTooLarge
from orchestrator.runtime.walk import walk
from tests.interface.generated import worlds
from tests.interface.test_text import COMPONENTS, UNSHRUNK
from tests.interface.wats import EXACT, TOLD
from tests.interface.wit_tools import ENGINE, Refused, component_of, implemented

EXAMPLES = int(os.environ.get("AIRS_WORLDS", "40"))


def compiled(component: bytes) -> WorldTypes:
    with wc.Component(ENGINE, component).type as kind:
        return walk(kind, ENGINE)


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
def test_a_component_is_read_as_it_is_compiled_or_not_at_all(wat: str):
    component = component_of(wat)
    try:
        expected = compiled(component)
    except (wasmtime.WasmtimeError, TypesTooLarge) as e:
        pytest.skip(f"wasmtime does not take it {e}")
    assert world_types(component) == expected


@given(wit=worlds())
@settings(max_examples=EXAMPLES, deadline=None, phases=UNSHRUNK, suppress_health_check=list(HealthCheck))
def test_a_generated_world_is_read_as_it_is_compiled_or_not_at_all(wit: str):
    try:
        component = implemented(wit)
        expected = compiled(component)
    except (Refused, wasmtime.WasmtimeError):
        reject()  # by rules that the generator does not know, or as what is not enabled here
    assert read(component) in (expected, None)
