"""What a check prints and how it exits, from figures that are given here; `test_smoke.py` has the measuring."""

import pytest

from benchmarks import check, plugin, raw, run, stock
from benchmarks.goals import TARGETS, is_missed, judged
from benchmarks.measure import Table
from benchmarks.stage import GUEST

REACHED = {
    name: target.limit * (2 if target.at_least else 0.5) for name, target in TARGETS.items()
}  # well within every bound


def checked(monkeypatch: pytest.MonkeyPatch, figures: dict[str, float], *arguments: str, **skipped: str) -> object:
    table = Table("A subject", (), figures=figures, skipped=skipped)
    monkeypatch.setattr(run, "measured", lambda _subjects, _effort: iter([table]))
    with pytest.raises(SystemExit) as ended:
        check.main(arguments)
    return ended.value.code or 0


def test_prints_a_line_for_each_goal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    figures = {"request-16B": 5.8214, "request-16B/stock": 12.5, "messages-16B": 1.25e6, "cores-2": 1.7}
    checked(monkeypatch, figures)

    assert capsys.readouterr().out.splitlines() == [
        "goal request-16B 5.821us <=6us ok",
        "goal request-16B/stock 12.5x >=40x missed",
        "goal messages-16B 1.25e+06/s >=1e+06/s ok",
        "goal cores-2 1.7x >=1.7x ok",
    ]


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.decides])
def test_a_ratio_that_is_missed_fails_the_check(name: str, monkeypatch: pytest.MonkeyPatch):
    target = TARGETS[name]
    missed = {**REACHED, name: target.limit * (0.99 if target.at_least else 1.01)}

    assert checked(monkeypatch, missed, "--check") == 1
    assert checked(monkeypatch, missed) == 0


def test_a_check_looks_at_ratios_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    assert checked(monkeypatch, {"request-16B": 5.8, "request-16B/stock": 41}, "--check") == 0
    assert capsys.readouterr().out == "goal request-16B/stock 41x >=40x ok\n"


def test_seconds_that_are_missed_fail_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    plain = {name: value for name, value in REACHED.items() if not TARGETS[name].decides}
    missed = {name: TARGETS[name].limit * (0.5 if TARGETS[name].at_least else 2) for name in plain}

    assert checked(monkeypatch, {**REACHED, **missed}, "--check") == 0
    assert " missed" not in capsys.readouterr().out
    assert checked(monkeypatch, {**REACHED, **missed}) == 0
    assert capsys.readouterr().out.count(" missed\n") == len(missed) > 0


def test_says_what_was_not_measured_and_fails_nothing_for_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert checked(monkeypatch, {}, "--check", **{"cores-8": "this machine has 2"}) == 0
    assert "skipped cores-8: this machine has 2" in capsys.readouterr().out.splitlines()


def test_a_subject_without_goals_is_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        check.main(["plan"])

    assert "no goals for plan; there are calls" in capsys.readouterr().err


def test_a_figure_without_a_target_is_a_mistake():
    with pytest.raises(KeyError):
        judged({"request-16B": 1.0, "speed": 1.0})


def test_nothing_is_missed_when_everything_is_reached():
    assert not is_missed(judged(REACHED))


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 1024])
def test_every_side_does_the_same_work(size: int):
    engine = stock.StockEngine()
    component = engine.compile((GUEST / "guest.wasm").read_bytes())
    bare, call = raw.RawGuest(engine.start(component)), plugin.echoing()
    payload = bytes(range(200, 256)) * 20
    for sent in (payload[:size], payload[: size + 3], payload[:size]):
        assert engine.start(component).call("handle-message", stock.message_record(sent)) == sent
        assert bare.handle(sent) == sent
        assert call is None or call(sent) == sent
