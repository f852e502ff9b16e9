"""A sample of what `python -m benchmarks.parsers` gives the parsers of foreign bytes."""

import pytest

from benchmarks.parsers import PARSERS, tried

INPUTS = {"overlay": 100}  # each of which is rendered


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_answers_or_refuses_whatever_it_is_given(name: str):
    tried(name, inputs=INPUTS.get(name, 500), seed=2)
