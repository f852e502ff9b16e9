import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from orchestrator.interface.text import world_text
from tests.interface.generated import worlds
from tests.interface.wats import EXACT, TOLD
from tests.interface.wit_tools import Refused, component_of, implemented, packages, structure, written_again, written_of

UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)  # each example runs six processes
ROOT = Path(__file__).parents[2]
EXAMPLES = int(os.environ.get("AIRS_WORLDS", "40"))
COMPONENTS = sorted(
    ROOT / path
    for path in subprocess.run(
        ["git", "ls-files", "*.wasm"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    if "adapters" not in path
)


def check(component: bytes) -> str:
    """See that what is printed is WIT, says what wasm-tools says, and makes a component of the same structure."""
    text = world_text(component)
    again = written_again(text)
    theirs = written_of(component)
    if theirs is not None:
        assert packages(again) == packages(written_again(theirs))
    seen = structure(component)
    if seen is not None and "// WIT has " not in text:
        assert structure(implemented(text)) == seen
    return text


@pytest.mark.parametrize("path", COMPONENTS, ids=lambda path: path.stem)
def test_the_world_of_every_component_here_is_the_one_that_wasm_tools_reads(path: Path):
    assert "//" not in check(path.read_bytes())


@pytest.mark.parametrize(("wat", "lines"), [row[1:] for row in EXACT], ids=[row[0] for row in EXACT])
def test_a_component_is_written_exactly(wat: str, lines: list[str]):
    text = check(component_of(wat))
    assert "//" not in text
    assert [line for line in lines if line not in text] == []


@pytest.mark.parametrize(("wat", "lines"), [row[1:] for row in TOLD], ids=[row[0] for row in TOLD])
def test_where_wit_has_no_word_a_comment_says_so(wat: str, lines: list[str]):
    text = world_text(component_of(wat))
    assert [line for line in lines if line not in text] == []
    written_again(text)


def test_an_empty_component_has_an_empty_world():
    assert world_text(component_of("(component)")) == "package root:component;\n\nworld root {\n}\n"


@given(wit=worlds())
@settings(max_examples=EXAMPLES, deadline=None, phases=UNSHRUNK, suppress_health_check=list(HealthCheck))
def test_a_generated_world_comes_out_as_it_went_in(wit: str):
    try:
        component = implemented(wit)
    except Refused:
        reject()  # by rules that the generator does not know
    check(component)


SAMPLE = component_of(EXACT[9][1])


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_bytes_of_any_kind_come_out_as_text(data: st.DataObject):
    damaged = bytearray(SAMPLE)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(8, len(SAMPLE) - 1))] = data.draw(st.integers(0, 255))
    assert world_text(bytes(damaged)[: data.draw(st.integers(8, len(SAMPLE)))]).startswith("package root:component;")


def test_types_that_multiply_are_not_spelled_out():
    doubled = "".join(f"(type $t{n + 1} (tuple $t{n} $t{n}))" for n in range(60))
    wat = f'(component (import "i" (instance (type $t0 (tuple u8)) {doubled} (export "f" (func (param "x" $t60))))))'
    assert "cannot be written as WIT: its types spell out to more" in world_text(component_of(wat))


def test_components_that_multiply_are_not_followed():
    inner = "(component $c0)"
    for n in range(30):
        inner = f"(component $c{n + 1} {inner} (instance (instantiate $c{n})) (instance (instantiate $c{n})))"
    wat = f"(component {inner} (instance (instantiate $c30)))"
    assert "cannot be written as WIT: it " in world_text(component_of(wat))
