import io

import pytest

from orchestrator.cli.show import table
from orchestrator.cli.terminal import Console

COLUMNS = ("NUMBER", "STATE", "REASON")
LONG = "because " * 40


ROWS = [("1", "running", "short"), ("2", "é\x1b[31m", LONG)]


def lines(width: int | None, rows=ROWS, spare: tuple[str, ...] = ()) -> list[str]:
    console = Console(io.StringIO(), is_terminal=width is not None, width=width, color=False)
    table(console, COLUMNS, rows, spare)
    return console.file.getvalue().splitlines()


def test_a_pipe_gets_every_row_in_one_line():
    assert lines(None) == [
        "NUMBER  STATE    REASON",
        "1       running  short",
        f"2       é [31m   {LONG}".rstrip(),
    ]


@pytest.mark.parametrize("width", [40, 80, 160])
def test_on_a_terminal_the_last_column_goes_on_below_itself(width: int):
    head, short, *long = lines(width)
    assert (head, short) == ("NUMBER  STATE    REASON", "1       running  short")
    assert max(map(len, long)) <= width
    assert {line[:17] for line in long[1:]} == {" " * 17}
    assert " ".join(line[17:] for line in long).split() == LONG.split()


def test_however_narrow_nothing_is_lost():
    assert "".join(lines(20)).count("because") == 40


def test_spare_columns_are_left_out_first_and_only_where_there_is_no_room():
    rows = [("1", "running", "a reason of some length")]
    assert lines(80, rows, ("STATE",))[0] == "NUMBER  STATE    REASON"
    assert lines(32, rows, ("STATE",)) == ["NUMBER  REASON", "1       a reason of some length"]
    assert lines(None, rows, ("STATE",))[0] == "NUMBER  STATE    REASON"


def test_a_column_that_says_nothing_is_left_out_before_any_other():
    assert lines(20, [("1", "", "a reason")])[0] == "NUMBER  REASON"
