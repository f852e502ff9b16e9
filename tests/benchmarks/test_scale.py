"""The benchmark of many deployments, with a few."""

import pytest

from benchmarks import scale


def test_measures_each_size_beside_the_smallest(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scale, "IDLE_S", 0.05)
    monkeypatch.setattr(scale, "QUIET_S", 0.05)
    scale.main(["--sizes", "2", "3", "--asked"])
    head, first, second = capsys.readouterr().out.splitlines()
    assert "to Ready" in head
    assert first.split()[0] == "2"
    assert "1.00x" in first
    assert second.split()[0] == "3"
