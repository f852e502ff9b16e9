"""Puts the diagrams that are made from tables into ARCHITECTURE.md, between their markers. `tests/docs` compares.

.venv/bin/python docs/draw.py
"""

import re
from pathlib import Path

from orchestrator.rollout import phases
from orchestrator.supervise import lifecycle

ARCHITECTURE = Path(__file__).resolve().parent.parent / "ARCHITECTURE.md"
DIAGRAMS = {"lifecycle": lifecycle.diagram, "rollout": phases.diagram}


def drawn(text: str) -> str:
    """Return the document with every diagram as its table has it now."""
    for name, diagram in DIAGRAMS.items():
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text = between.sub(rf"\g<1>```mermaid\n{diagram().strip()}\n```\n\g<2>", text)
    return text


if __name__ == "__main__":
    ARCHITECTURE.write_text(drawn(ARCHITECTURE.read_text(encoding="utf-8")), encoding="utf-8")
