"""Which tag a range of versions stands for, and what it does not go back to."""

import pytest

from orchestrator.source.ranges import version_range
from orchestrator.source.refs import NamedCommit, RefRefused, named_commit, patterns

ONE, TWO, THREE, TAG = (digit * 40 for digit in "1234")
ADVERTISED = {
    "refs/heads/main": THREE,
    "refs/heads/3.x": THREE,
    "refs/tags/v1.1.0": ONE,
    "refs/tags/v1.2.0": TAG,
    "refs/tags/v1.2.0^{}": TWO,
    "refs/tags/1.10.0-rc.1": THREE,
    "refs/tags/v2.0.0": THREE,
    "refs/tags/2.0.0": THREE,
    "refs/tags/2.1.0+a": ONE,
    "refs/tags/2.1.0+b": TWO,
    "refs/tags/v1.9": ONE,
    "refs/tags/nightly": ONE,
}
REFS = [
    "v1",
    "1.2",
    "v1.2.3",
    "main",
    "x",
    "1.x.2",
    "release-1.x",
    "feature/1.x",
    "^",
    "~",
    ">=",
    "^main",
    "1.2.3.x",
    "a,b",
]


def followed(ref: str, before: NamedCommit | None = None, **others: str | None) -> NamedCommit:
    advertised = {**ADVERTISED, **{f"refs/tags/{name}": tip for name, tip in others.items()}}
    return named_commit(ref, {name: tip for name, tip in advertised.items() if tip}, "repo", before)


@pytest.mark.parametrize("ref", REFS)
def test_a_name_that_a_branch_or_tag_may_have_is_no_range(ref):
    assert version_range(ref) is None


@pytest.mark.parametrize(
    ("ref", "name", "tip"),
    [
        ("v1.x", "refs/tags/v1.2.0", TWO),
        ("1.x", "refs/tags/v1.2.0", TWO),
        ("1.x.x", "refs/tags/v1.2.0", TWO),
        ("1.1.x", "refs/tags/v1.1.0", ONE),
        ("^1.0", "refs/tags/v1.2.0", TWO),
        ("^v1.0", "refs/tags/v1.2.0", TWO),
        ("~1.1.0", "refs/tags/v1.1.0", ONE),
        (">=1 <1.2", "refs/tags/v1.1.0", ONE),
        (">=1, <2", "refs/tags/v1.2.0", TWO),
        ("=1.2.0", "refs/tags/v1.2.0", TWO),
        ("^1.10.0-rc.0", "refs/tags/1.10.0-rc.1", THREE),
        ("2.0.x", "refs/tags/2.0.0", THREE),
        ("3.x", "refs/heads/3.x", THREE),
    ],
)
def test_the_newest_tag_in_a_range_is_followed(ref, name, tip):
    assert followed(ref) == NamedCommit(name, tip)
    assert "refs/tags/*" in patterns(ref)


@pytest.mark.parametrize(
    ("ref", "summary", "detail"),
    [
        ("4.x", "there is no version 4.x in repo", "pre-release"),
        ("1.10.x", "there is no version 1.10.x in repo", "pre-release"),
        ("2.x", "two tags of repo are the same version", "refs/tags/2.1.0+a and refs/tags/2.1.0+b"),
    ],
)
def test_a_range_that_stands_for_no_one_tag_is_refused(ref, summary, detail):
    with pytest.raises(RefRefused) as refused:
        followed(ref)
    assert refused.value.summary == summary
    assert detail in refused.value.detail


def test_a_range_that_is_a_branchs_name_as_well_is_refused_with_both():
    with pytest.raises(RefRefused) as refused:
        followed("3.x", **{"v3.0.0": ONE})
    assert refused.value.summary == "3.x means 2 things in repo"
    assert "refs/heads/3.x" in refused.value.detail
    assert "refs/tags/v3.0.0" in refused.value.detail


BEFORE = NamedCommit("refs/tags/v1.2.0", TWO)
GONE = {"v1.2.0": None, "v1.2.0^{}": None}
MOVED = {"v1.2.0^{}": ONE}


@pytest.mark.parametrize(
    ("changes", "summary", "detail"),
    [
        (GONE, "the tag v1.2.0 is gone from repo", "the newest that is left is v1.1.0"),
        ({**GONE, "v1.1.0": None}, "the tag v1.2.0 is gone from repo", "no other is left"),
        (MOVED, "the tag v1.2.0 of repo moved", "it named 2222222222 and names 1111111111 now"),
        ({**GONE, "1.2.0": ONE}, "the tag 1.2.0 of repo moved", "it named 2222222222 and names 1111111111 now"),
    ],
)
def test_a_tag_that_is_gone_or_moved_takes_nothing_back(changes, summary, detail):
    with pytest.raises(RefRefused) as refused:
        followed("v1.x", BEFORE, **changes)
    assert refused.value.summary == summary
    assert detail in refused.value.detail


@pytest.mark.parametrize(
    ("ref", "changes", "tag"),
    [
        ("v1.x", {}, "v1.2.0"),
        ("v1.x", {**GONE, "v1.3.0": ONE}, "v1.3.0"),
        ("v1.x", {**MOVED, "v1.3.0": ONE}, "v1.3.0"),
        ("v1.x", {**GONE, "1.2.0": TWO}, "1.2.0"),
        ("1.1.x", {}, "v1.1.0"),  # another range than before
        ("v1.1.0", {}, "v1.1.0"),  # no range
    ],
)
def test_a_newer_tag_is_followed_whatever_became_of_the_one_before(ref, changes, tag):
    assert followed(ref, BEFORE, **changes).tag == tag
