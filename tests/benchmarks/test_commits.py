"""The benchmark of repositories, with a few deployments, of which some crash."""

import pytest

from benchmarks import commits


def test_measures_a_repository_beside_git_and_a_parser(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(commits, "SETTLE_S", 0.05)
    monkeypatch.setattr(commits, "LOOKS", 1)
    commits.main(["--sizes", "4", "--components", "2", "--sources", "2", "--failing", "3"])
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "4 deployments in 2 sources"
    assert len(lines) == 5
    assert "x git ls-remote" in lines[2]
