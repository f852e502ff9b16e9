"""What a guest prints, as log lines: whatever the bytes and however they are cut, bounded and printable."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.ids import ComponentId
from orchestrator.observe.events import LogLine
from orchestrator.observe.journal import Journal
from orchestrator.observe.output import BURST_LINES, LINE_MAX_BYTES, LINES_PER_S, LineLog, WatchedOutput

WHO = ComponentId("default", "one", "a1b2c3-0")


class Stage:
    """A log of one instance and a clock that is set by hand."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.journal: Journal[LogLine] = Journal(100_000)
        self.log = LineLog(WHO, self.journal, lambda: self.now_ms)

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


def test_what_is_over_the_rate_is_counted_and_the_count_told_when_it_may_be():
    stage = Stage()
    stage.log.write("stdout", b"x\n" * (BURST_LINES + 50))
    assert len(stage.lines) == BURST_LINES
    assert stage.log.look()
    stage.now_ms += 1_000
    assert not stage.log.look()
    assert stage.lines[BURST_LINES:] == [f"50 lines dropped: more than {LINES_PER_S} a second"]
    stage.log.write("stdout", b"x\n" * LINES_PER_S)
    assert len(stage.lines) == BURST_LINES + LINES_PER_S


def test_what_was_dropped_is_told_at_the_end_too():
    stage = Stage()
    stage.log.write("stdout", b"x\n" * (BURST_LINES + 3))
    stage.log.ended("stdout")
    assert stage.lines[-1].startswith("3 lines dropped")


def test_a_clock_that_goes_back_neither_earns_nor_loses():
    stage = Stage()
    stage.now_ms = 10_000
    stage.log.write("stdout", b"x\n" * BURST_LINES)
    stage.now_ms = 0
    stage.log.write("stdout", b"y\n")
    stage.now_ms = 1_000
    stage.log.write("stdout", b"z\n")
    assert stage.lines[BURST_LINES:] == [f"1 lines dropped: more than {LINES_PER_S} a second", "z"]


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
