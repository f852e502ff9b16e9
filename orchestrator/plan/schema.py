"""The plan document's type → its JSON Schema, committed as `schemas/plan.schema.json`.

`python -m orchestrator.plan.schema` prints it; a test keeps the committed file current.
"""

import sys

import msgspec

from orchestrator.plan.saved import SealedPlan

SCHEMA_ID = "https://airs.dev/schemas/plan.schema.json"


def plan_schema() -> bytes:
    """Return the JSON Schema (2020-12) of what `-o json` prints and `--out` saves."""
    described = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "airs plan",
        **msgspec.json.schema(SealedPlan),
    }
    return msgspec.json.format(msgspec.json.encode(described), indent=2) + b"\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(plan_schema())
