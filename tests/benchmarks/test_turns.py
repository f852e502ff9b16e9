"""Two sides in turns: real processes, with slices so short that their figures mean nothing."""

import sys
from pathlib import Path

import pytest

from benchmarks.turns import ROOT, Found, Side, compared

US = Side(ROOT, Path(sys.executable), {})


@pytest.mark.parametrize(
    ("quartiles", "verdict"),
    [
        ((1.01, 1.2, 1.3), "faster"),
        ((0.7, 0.8, 0.99), "slower"),
        ((0.9, 1.1, 1.2), "no difference beyond noise"),
        ((0.9, 0.95, 1.0), "no difference beyond noise"),
    ],
)
def test_a_difference_is_one_where_both_quartiles_are_on_its_side(quartiles, verdict):
    assert Found("request-16B", *quartiles).line().endswith(f")  {verdict}")


def test_a_tree_beside_itself_under_another_setting():
    (found,) = compared(US, Side(ROOT, US.python, {"AIRS_CALLS": "stock"}), ["guest-16B"], rounds=2, slice_ms=1)
    assert found.case == "guest-16B"
    assert 0 < found.low <= found.median <= found.high


def test_a_case_that_a_side_lacks_is_named_with_those_there_are():
    with pytest.raises(KeyError, match=r"not on both sides: nothing; there are answers-64, calls-out-16, fan-out-10"):
        [*compared(US, US, ["nothing"], rounds=1, slice_ms=1)]
