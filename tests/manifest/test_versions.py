"""Which versions lie in which range."""

import pytest

from orchestrator.manifest.versions import parse_range, parse_version

RANGES = {
    "*": ("0.0.1 9.9.9", "1.0.0-a"),
    "1.4.0": ("1.4.0 1.4.0+build", "1.4.1 1.3.9 1.4.0-a"),
    "=1.4.0": ("1.4.0", "1.4.1"),
    "1.4": ("1.4.0 1.4.7", "1.5.0 1.3.9 1.5.0-a"),
    "1": ("1.0.0 1.9.9", "2.0.0 0.9.9"),
    "^1.4": ("1.4.0 1.9.9", "1.3.9 2.0.0 2.0.0-rc.1 1.5.0-a"),
    "^0.2.3": ("0.2.3 0.2.9", "0.3.0 0.2.2"),
    "^0.0.3": ("0.0.3", "0.0.4 0.1.0"),
    "^0.0": ("0.0.5", "0.1.0"),
    "^0": ("0.5.0", "1.0.0"),
    "~1.2.3": ("1.2.3 1.2.9", "1.3.0 1.2.2"),
    "~1": ("1.9.0", "2.0.0"),
    ">=1, <2": ("1.0.0 1.9.9", "2.0.0 0.9.9 2.0.0-a"),
    ">1.4": ("1.5.0", "1.4.9"),
    ">1.4.0": ("1.4.1", "1.4.0"),
    "<=1.4": ("1.4.9", "1.5.0"),
    "<=1.4.0": ("1.4.0 0.1.0", "1.4.1"),
    "<1.4.0": ("1.3.9", "1.4.0 1.4.0-a"),
    "^1.0.0-rc.1": ("1.0.0-rc.1 1.0.0-rc.2 1.0.0-rc.10 1.0.0 1.2.0", "1.0.0-beta 1.0.0-rc.0 1.1.0-a"),
    ">1.0.0-rc.1": ("1.0.0-rc.1.0 1.0.0-rc.2 1.0.0", "1.0.0-rc.1 1.0.0-rc"),
    "<1.0.0-rc.1": ("1.0.0-rc.0 1.0.0-1 0.9.0", "1.0.0-rc.1 1.0.0"),
}


@pytest.mark.parametrize("text", RANGES)
def test_a_range_holds_exactly_these(text):
    inside, outside = RANGES[text]
    wanted = parse_range(text)
    assert [v for v in inside.split() if parse_version(v) not in wanted] == []
    assert [v for v in outside.split() if parse_version(v) in wanted] == []


@pytest.mark.parametrize(
    "text", ["latest", "1.x", ">= 1 <2", "^", "01.2.3", "1.2.3.4", ",", "1,,2", "1" * 20, "1," * 9]
)
def test_anything_else_is_no_range(text):
    with pytest.raises(ValueError, match="not a version range"):
        parse_range(text)


def test_versions_sort_as_semver_says():
    ordered = "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 1.0.1"
    versions = [parse_version(v) for v in ordered.split()]
    assert versions == sorted(versions)
    assert len(set(versions)) == len(versions)
