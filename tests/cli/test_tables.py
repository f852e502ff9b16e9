import io

import pytest
from rich.console import Console

from orchestrator.cli.show import table

COLUMNS = ("NUMBER", "STATE", "REASON")
LONG = "because " * 40


def lines(width: int, *, is_terminal: bool = False) -> list[str]:
    console = Console(
        file=io.StringIO(), width=width, force_terminal=is_terminal, color_system=None, highlight=False, soft_wrap=True
    )
    table(console, COLUMNS, [("1", "running", "short"), ("2", "é\x1b[31m", LONG)])
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [20, 80, 160])
def test_however_narrow_no_cell_is_shortened(width: int):
    assert lines(width) == [
        "NUMBER  STATE    REASON",
        "1       running  short",
        f"2       é [31m   {LONG}",
    ]
