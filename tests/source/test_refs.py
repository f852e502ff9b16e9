import pytest

from orchestrator.source.refs import RefRefused, candidates, full_name

COMMIT = "9cbacd82cb7e4f0aff32e30d2dcc4558bbd3768a"
ADVERTISED = dict.fromkeys(
    ("HEAD", "refs/heads/main", "refs/heads/both", "refs/tags/both", "refs/tags/v1", "refs/remotes/origin/x",
     "refs/tags/v1^{}", "refs/heads/deadbee"),
    COMMIT,
)  # fmt: skip


@pytest.mark.parametrize(
    ("ref", "full"),
    [
        ("HEAD", "HEAD"),
        ("main", "refs/heads/main"),
        ("heads/main", "refs/heads/main"),
        ("refs/heads/main", "refs/heads/main"),
        ("v1", "refs/tags/v1"),
        ("origin/x", "refs/remotes/origin/x"),
        ("refs/heads/both", "refs/heads/both"),
        ("refs/tags/both", "refs/tags/both"),
        ("deadbee", "refs/heads/deadbee"),
    ],
)
def test_a_ref_stands_for_the_one_name_it_can_mean(ref, full):
    assert full_name(ref, ADVERTISED, "repo") == full


def test_a_short_name_that_means_two_things_is_refused_with_both_in_full():
    with pytest.raises(RefRefused) as refused:
        full_name("both", ADVERTISED, "repo")
    said = refused.value
    assert said.summary == "both means 2 things in repo"
    assert said.detail == "it may be refs/tags/both or refs/heads/both"
    assert "repo#refs/heads/both" in said.suggestion


@pytest.mark.parametrize(
    ("ref", "detail"),
    [
        ("nowhere", "it has no refs/heads/nowhere or refs/tags/nowhere"),
        ("refs/heads/no", "it has no refs/heads/no"),
        ("HEADS", "it has no refs/heads/HEADS or refs/tags/HEADS"),
        ("9cbac", "it has no refs/heads/9cbac or refs/tags/9cbac"),
        (COMMIT[:7], "a commit is named by its full id"),
        (COMMIT[:39], "a commit is named by its full id"),
    ],
)
def test_a_ref_that_names_nothing_says_what_is_missing(ref, detail):
    with pytest.raises(RefRefused) as refused:
        full_name(ref, ADVERTISED, "repo")
    assert refused.value.summary == f"there is no {ref} in repo"
    assert detail in refused.value.detail


@pytest.mark.parametrize("commit", [COMMIT, COMMIT + "0" * 24])
def test_a_full_commit_is_not_looked_up(commit):
    assert candidates(commit) == ()
