"""What a guest says, as log lines: whatever the bytes and however they are cut, bounded and printable."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.event import LogLine
from orchestrator.model.ids import ComponentId
from orchestrator.observe.events import CONTEXT_MAX, LOG_LINE_MAX
from orchestrator.observe.journal import Bounds, Journal
from orchestrator.observe.output import LINE_MAX_BYTES, LineLog, WatchedOutput
from orchestrator.observe.rate import BURST_S, GAP_MS
from tests.simulation.time import FakeClock

WHO = ComponentId("default", "one", "a1b2c3-0")
PER_S = 20
BURST = PER_S * BURST_S


class Stage:
    """A log of one instance and a clock that is set by hand."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.journal: Journal[LogLine] = Journal(Bounds(1_000_000, 1_000_000, 1), lambda _: 1, str)
        self.log = LineLog(WHO, PER_S, self.journal, self.clock)

    def pass_time(self, milliseconds: int) -> None:
        for due in self.clock.pass_time(milliseconds):
            due.fire()

    @property
    def lines(self) -> list[str]:
        return [line.text for _, line in self.journal.since(0)]


def test_lines_are_put_together_from_what_was_written_in_parts():
    stage = Stage()
    for part in (b"he", b"llo\nwor", b"ld\n\nend"):
        assert stage.log.write("stdout", part)
    assert stage.lines == ["hello", "world", ""]
    stage.log.ended("stdout")
    assert stage.lines == ["hello", "world", "", "end"]


def test_the_streams_are_kept_apart_and_told_by_their_level():
    stage = Stage()
    stage.log.write("stdout", b"a")
    stage.log.write("stderr", b"b\n")
    stage.log.write("stdout", b"c\n")
    assert [(line.level, line.text) for _, line in stage.journal.since(0)] == [("warn", "b"), ("info", "ac")]


def test_what_is_over_the_rate_is_counted_and_the_count_told_where_the_gap_is():
    stage = Stage()
    stage.log.write("stdout", b"x\n" * (BURST + 50))
    assert stage.lines == ["x"] * BURST
    stage.pass_time(GAP_MS - 1)
    stage.log.write("stdout", b"y\n")  # there would be room again, but this is still in the gap
    assert len(stage.lines) == BURST
    stage.pass_time(1)
    assert stage.lines[BURST:] == [f"51 lines dropped: more than {PER_S} a second"]
    stage.log.write("stdout", b"z\n" * (PER_S + 1))
    assert stage.lines[BURST + 1 :] == ["z"] * PER_S


def test_what_a_guest_logs_and_what_it_prints_have_one_rate():
    stage = Stage()
    for _ in range(BURST - 1):
        stage.log.log("info", "x", None)
    stage.log.write("stdout", b"y\n")
    stage.log.write("stderr", b"z\n")
    stage.log.log("info", "z", None)
    stage.pass_time(GAP_MS)
    assert stage.lines[BURST - 1 :] == ["y", f"2 lines dropped: more than {PER_S} a second"]


def test_a_count_stands_before_the_next_line_though_its_timer_is_late():
    stage = Stage()
    stage.log.write("stdout", b"x\n" * (BURST + 1))
    late = stage.clock.pass_time(GAP_MS)
    stage.log.log("info", "y", None)
    for due in late:
        due.fire()
    assert stage.lines[BURST:] == [f"1 line dropped: more than {PER_S} a second", "y"]


def test_what_was_dropped_is_told_at_the_end_too():
    stage = Stage()
    stage.log.write("stdout", b"x\n" * (BURST + 3))
    stage.log.ended("stdout")
    assert stage.lines[-1].startswith("3 lines dropped")


@given(st.lists(st.tuples(st.integers(0, 3_000), st.integers(1, 400)), max_size=30))
def test_promise_every_line_is_kept_or_counted_and_the_rate_is_held(steps: list[tuple[int, int]]):
    stage = Stage()
    for milliseconds, lines in steps:
        stage.pass_time(milliseconds)
        for _ in range(lines):
            stage.log.log("info", "x", None)
    stage.pass_time(GAP_MS)
    kept = stage.lines.count("x")
    counted = [int(line.split()[0]) for line in stage.lines if line != "x"]
    assert kept + sum(counted) == sum(lines for _, lines in steps)
    assert kept <= BURST + stage.clock.now_ms * PER_S / 1000
    assert len(counted) <= 1 + stage.clock.now_ms / GAP_MS


def test_a_logged_line_is_cut_and_printable_with_its_context():
    stage = Stage()
    stage.log.log("info", "\x1b[2J\n\u202e" + "a" * (1 << 20), [("k\x07", "v")])
    stage.log.log("warn", "b", [("k\x07", "v" * 100_000), ("more", "w")])
    stage.log.log("error", "c", [(str(number), "v") for number in range(1_000)])
    first, second, third = (line for _, line in stage.journal.since(0))
    assert (len(first.text), first.text.isprintable(), first.context) == (LOG_LINE_MAX, True, ())
    assert second.context == (("k ", "v" * (LOG_LINE_MAX - 3)),)
    assert (third.level, third.text, len(third.context)) == ("error", "c", CONTEXT_MAX)


@given(st.lists(st.binary(max_size=200) | st.binary(min_size=1, max_size=1).map(lambda b: b * 9_000), max_size=20))
def test_promise_every_line_is_bounded_and_printable_and_nothing_piles_up(parts: list[bytes]):
    stage = Stage()
    for part in parts:
        stage.log.write("stderr", part)
        assert len(stage.log._begun["stderr"]) <= LINE_MAX_BYTES
    stage.log.ended("stderr")
    assert all(len(line) <= LINE_MAX_BYTES and (line.isprintable() or not line) for line in stage.lines)
    whole = b"".join(parts)
    assert len(stage.lines) <= whole.count(b"\n") + 1 + len(whole) // LINE_MAX_BYTES


def test_a_watched_output_is_taken_when_every_stream_has_ended():
    class Full:
        def write(self, stream: str, data: bytes) -> bool:
            return len(data) < 3

    stage = Stage()
    output = WatchedOutput(stage.log, Full())
    output.begun("stdout")
    output.begun("stderr")
    assert output.write("stdout", b"a\n")
    assert not output.write("stderr", b"abc\n")
    output.ended("stdout")
    assert not output.wait(0)
    output.ended("stderr")
    assert output.wait(0)
    assert stage.lines == ["a", "abc"]
