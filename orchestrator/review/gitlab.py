"""Remarks → a Code Quality report, which GitLab shows at the lines of a merge request.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from orchestrator.model.base import digest_of
from orchestrator.review.annotation import Annotation

_SEVERITIES = {"error": "blocker", "warning": "minor"}
NOWHERE = "airs"  # a report has a path for everything


def gitlab_report(annotations: Iterable[Annotation]) -> bytes:
    """Write the report: JSON, one entry a remark; one that stays the same has the same fingerprint in the next."""
    seen: Counter[str] = Counter()
    entries = [_entry(one, seen) for one in annotations]
    return msgspec.json.format(msgspec.json.encode(entries), indent=2) + b"\n"


def _entry(one: Annotation, seen: "Counter[str]") -> dict[str, Any]:
    said = digest_of((one.file, one.rule, one.text))  # not the line: a line put in before it makes no other remark
    seen[said] += 1
    return {
        "description": one.text,
        "check_name": f"airs/{one.rule}",
        "fingerprint": said if seen[said] == 1 else digest_of((said, seen[said])),
        "severity": _SEVERITIES[one.level],
        "location": {"path": one.file or NOWHERE, "lines": {"begin": one.line or 1}},
    }
