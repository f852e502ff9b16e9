"""Draws `docs/calls.svg` from `benchmarks/results.json`: what a message and its answer take, airs and who is beside it.

    .venv/bin/python docs/draw_calls.py

The picture follows the reader's preference for light or dark, on paper of its own, so that it can be read on any
page. `make check` fails when it is not what this would draw.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
PICTURE = "docs/calls.svg"
RESULTS = "benchmarks/results.json"
TITLE = "A message into a component"
SUBTITLE = (
    "Median time, on a logarithmic scale; shorter is better. airs checks, routes and queues; the others only call."
)
GROUPS = {
    "request 16B": "16 bytes, and its answer",
    "request 1KiB": "1 KiB of JSON, and its answer",
    "request 16KiB": "16 KiB of JSON, and its answer",
    "message 16B, many at a time": "16 bytes without an answer, many at a time: each",
}
OURS = "airs"
OTHERS = {"Extism, Python SDK", "raw C API", "stock wasmtime-py"}
WIDTH, LEFT, RIGHT, TOP, ROW, GAP = 760, 180, 90, 64, 22, 34
STYLE = """
.paper { fill: #ffffff }
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.over { stroke: #ffffff; stroke-width: 4; stroke-linejoin: round; paint-order: stroke }
.title { font-size: 16px; font-weight: 600 } .what { font-weight: 600 } .quiet { fill: #59636e; font-size: 12px }
.grid { stroke: #d1d9e0 } .line { stroke: #818b98; stroke-width: 2 } .dot { fill: #818b98 }
.ours .line { stroke: #0969da; stroke-width: 4 } .ours .dot { fill: #0969da } .ours text { font-weight: 600 }
@media (prefers-color-scheme: dark) {
  .paper { fill: #0d1117 } .over { stroke: #0d1117 }
  text { fill: #f0f6fc } .quiet { fill: #9198a1 } .grid { stroke: #3d444d }
  .line { stroke: #9198a1 } .dot { fill: #9198a1 } .ours .line { stroke: #4493f8 } .ours .dot { fill: #4493f8 }
}"""


class Scale(NamedTuple):
    """A logarithmic axis from `least_s` over whole powers of ten."""

    least_s: float
    decades: int

    def x(self, seconds: float) -> float:
        """Return how far right a time lies."""
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log10(seconds / self.least_s) / self.decades


def took(results: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return seconds by what was done and contender."""
    (rows,) = (table["rows"] for table in results["tables"] if table["name"] == "calls")
    found: dict[str, dict[str, float]] = {what: {} for what in GROUPS}
    for row in rows:
        if row["what"] in found and row["beside"] in OTHERS:
            found[row["what"]] |= {OURS: row["airs"], row["beside"]: row["other"]}
    return found


def drawn(root: Path = ROOT) -> str:
    """Return the picture."""
    results = json.loads((root / RESULTS).read_text(encoding="utf-8"))
    groups = took(results)
    times = [seconds for one in groups.values() for seconds in one.values()]
    least = math.floor(math.log10(min(times)))
    scale = Scale(10.0**least, math.ceil(math.log10(max(times))) - least)
    height = TOP + sum(GAP + ROW * len(one) for one in groups.values()) + 66
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(TITLE)}">',
        f"<style>{STYLE}\n</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}" rx="8"/>',
        text(16, 26, TITLE, "title"),
        text(16, 46, SUBTITLE, "quiet"),
        *axis(scale, height - 54),
        *rows_of(groups, scale),
        text(
            16, height - 12, f"{results['machine'][0]}; {results['date']}; benchmarks/RESULTS.md has all of it", "quiet"
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def axis(scale: Scale, bottom: int) -> Iterator[str]:
    """Draw a line for each power of ten, and say which."""
    for decade in range(scale.decades + 1):
        seconds = scale.least_s * 10**decade
        x = scale.x(seconds)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>'
        yield text(x, bottom + 14, duration(seconds), "quiet", "middle")


def rows_of(groups: dict[str, dict[str, float]], scale: Scale) -> Iterator[str]:
    """Draw a group of contenders for each thing that was done, the fastest first."""
    y = TOP
    for what, contenders in groups.items():
        y += GAP - ROW // 2
        yield text(16, y, GROUPS[what], "what over")
        for name, seconds in sorted(contenders.items(), key=lambda one: one[1]):
            y += ROW
            yield from row(name, seconds, y, scale)
        y += ROW // 2


def row(name: str, seconds: float, y: int, scale: Scale) -> Iterator[str]:
    """Draw one contender."""
    x = scale.x(seconds)
    yield f'<g class="{"ours" if name == OURS else "other"}">'
    yield text(28, y, name, "")
    yield f'<line class="line" x1="{LEFT}" x2="{x:.1f}" y1="{y - 4}" y2="{y - 4}"/>'
    yield f'<circle class="dot" cx="{x:.1f}" cy="{y - 4}" r="5"/>'
    yield text(x + 11, y, duration(seconds), "over")
    yield "</g>"


def text(x: float, y: float, said: str, kind: str, anchor: str = "start") -> str:
    """Write a line of text."""
    marks = f' class="{kind}"' * bool(kind) + f' text-anchor="{anchor}"' * (anchor != "start")
    return f'<text x="{x:.1f}" y="{y}"{marks}>{escape(said)}</text>' if said else ""


def duration(seconds: float) -> str:
    """Write a time with at most three digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size * 0.9995:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


if __name__ == "__main__":
    (ROOT / PICTURE).write_text(drawn(), encoding="utf-8")
