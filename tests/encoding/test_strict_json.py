import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.encoding.strict_json import MAX_SHOWN, NotJson, read_json, shown

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_what_is_json_is_read_without_loss(value):
    assert read_json(json.dumps(value)) == value
    assert read_json(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")) == value


REFUSED = [
    ("", "Expecting value at column 1"),
    ("three", "Expecting value at column 1"),
    ("[1,\n2,,]", "Expecting value at line 2 column 3"),
    ("1 2", "Extra data at column 3"),
    ('{"a": 1, "b": {"c": 1, "c": 2}}', '"c" stands twice in one object'),
    ("NaN", 'NaN is no JSON; write it in quotes, "NaN"'),
    ("[-Infinity]", '-Infinity is no JSON; write it in quotes, "-Infinity"'),
    ("1e400", '1e400 is out of range; infinity is written "Infinity"'),
    ("-1e999", '-1e999 is out of range; infinity is written "Infinity"'),
    ("[" * 100_000, "it is nested too deeply"),
    ("1" * 5_000, "it has a number that is too long"),
    (b"\xff", "it is not UTF-8: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
]


@pytest.mark.parametrize(("text", "problem"), REFUSED, ids=[str(row[0])[:20] for row in REFUSED])
def test_what_is_no_json_or_says_two_things_is_refused(text, problem):
    with pytest.raises(NotJson) as refused:
        read_json(text)
    assert str(refused.value) == problem


@given(JSON)
def test_what_is_quoted_back_is_short_and_prints(value):
    assert len(shown(value)) <= MAX_SHOWN
    assert shown(value).isprintable()
    shown(value).encode()
