"""Draws `docs/scale.svg` from `benchmarks/scale.json`: the cost of many deployments as multiples of the fewest.

    .venv/bin/python docs/draw_scale.py

`make check` fails when it is not what this would draw.
"""

import json
import math
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
PICTURE = "docs/scale.svg"
RESULTS = "benchmarks/scale.json"
CALLS = runpy.run_path(str(ROOT / "docs/draw_calls.py"))  # the other picture, whose style this has
STYLE, text, duration = CALLS["STYLE"], CALLS["text"], CALLS["duration"]
TITLE = "Many deployments beside the fewest"
SUBTITLE = "Multiples of the cost of the fewest, on a logarithmic scale; at 1×, cost follows what changed."
WIDTH, LEFT, RIGHT, TOP, ROW, GAP = 760, 110, 150, 64, 22, 34
MEASURES = {
    "ready_s": ("From apply to Ready, each", True),
    "memory_kib": ("The agent's memory, each, with its instance", True),
    "saved_s": ("From a number saved in a watched folder to its being in force", False),
    "plan_s": ("A plan by the command line after one changed number", False),
}


def drawn(root: Path = ROOT) -> str:
    """Return the picture."""
    results = json.loads((root / RESULTS).read_text(encoding="utf-8"))
    taken: list[dict[str, Any]] = results["taken"]
    height = TOP + len(MEASURES) * (GAP + ROW * len(taken)) + 84
    decades = max(1, math.ceil(math.log10(max(times for _, times, _ in rows_of(taken)))))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(TITLE)}">',
        f"<style>{STYLE}\n</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}" rx="8"/>',
        text(16, 26, TITLE, "title"),
        text(16, 46, SUBTITLE, "quiet"),
        *axis(decades, height - 72),
        *bars(taken, decades),
        text(16, height - 30, f"{results['machine'][0]}; {results['date']}", "quiet"),
        text(16, height - 12, f"Others used {results['others']}.", "quiet"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def rows_of(taken: list[dict[str, Any]]) -> Iterator[tuple[str, float, str]]:
    """Yield each size of each measure: its name, how many times the fewest it is, and how much that is."""
    for name, (_, is_each) in MEASURES.items():
        values = [one[name] / (one["size"] if is_each else 1) for one in taken]
        for one, value in zip(taken, values, strict=True):
            much = f"{value:.0f} KiB" if name == "memory_kib" else duration(value)
            yield f"{one['size']:,}".replace(",", " "), value / values[0], much


def x_of(times: float, decades: int) -> float:
    """Return how far right a multiple lies; what is below a tenth lies there."""
    return LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(max(times, 0.1)) + 1) / (decades + 1)


def axis(decades: int, bottom: int) -> Iterator[str]:
    """Draw a line for each power of ten, and say which."""
    for decade in range(-1, decades + 1):
        x = x_of(10.0**decade, decades)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>'
        yield text(x, bottom + 14, f"{10.0**decade:g}×", "quiet", "middle")


def bars(taken: list[dict[str, Any]], decades: int) -> Iterator[str]:
    """Draw a group of sizes for each measure."""
    y, rows = TOP, rows_of(taken)
    for title, _ in MEASURES.values():
        y += GAP - ROW // 2
        yield text(16, y, title, "what over")
        for _ in taken:
            y += ROW
            yield from row(*next(rows), y, decades)
        y += ROW // 2


def row(size: str, times: float, much: str, y: int, decades: int) -> Iterator[str]:
    """Draw one size, from what the fewest cost to what it costs."""
    x, one = x_of(times, decades), x_of(1.0, decades)
    yield '<g class="ours">'
    yield text(28, y, size, "")
    yield f'<line class="line" x1="{one:.1f}" x2="{x:.1f}" y1="{y - 4}" y2="{y - 4}"/>'
    yield f'<circle class="dot" cx="{x:.1f}" cy="{y - 4}" r="5"/>'
    yield text(max(x, one) + 11, y, f"{times:.2g}×, {much}", "over")
    yield "</g>"


if __name__ == "__main__":
    (ROOT / PICTURE).write_text(drawn(), encoding="utf-8")
