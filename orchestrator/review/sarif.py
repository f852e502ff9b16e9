"""Remarks → SARIF 2.1.0, which code scanning of forges and editors read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from orchestrator.model.base import digest_of
from orchestrator.review.annotation import RULES, Annotation

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT = "SRCROOT"  # stands for the top of the repository
_FOUND = "Something that the plan found out about a deployment."


def sarif_log(annotations: Sequence[Annotation], version: str) -> bytes:
    """Write a log with one run of this version of airs."""
    rules = sorted({one.rule for one in annotations})
    run = {
        "tool": {
            "driver": {
                "name": "airs", "version": version, "informationUri": "https://airs.dev", "rules": [*map(_rule, rules)],
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {ROOT: {"description": {"text": "The top of the repository."}}},
        "results": [_result(one, rules.index(one.rule)) for one in annotations],
    }  # fmt: skip
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(log), indent=2) + b"\n"


def _rule(name: str) -> dict[str, Any]:
    return {"id": f"airs/{name}", "shortDescription": {"text": RULES.get(name, _FOUND)}}


def _result(one: Annotation, rule: int) -> dict[str, Any]:
    return {
        "ruleId": f"airs/{one.rule}",
        "ruleIndex": rule,
        "level": one.level,
        "message": {"text": one.text},
        "locations": [_location(one)] if one.file else [],
        "partialFingerprints": {"airs/v1": digest_of((one.file, one.rule, one.text))},
    }


def _location(one: Annotation) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(one.file), "uriBaseId": ROOT}}
    if one.line:
        place["region"] = {"startLine": one.line} | ({"startColumn": one.column} if one.column else {})
    return {"physicalLocation": place}
