"""One thing that was looked at, how it is, and what to do about it when it is not well."""

from enum import Enum

from orchestrator.model.base import Value


class Degree(Enum):
    """How something is: well, worth knowing, or in the way."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(Value, frozen=True):
    """A finding about one thing; `suggestion` is empty where nothing needs to be done."""

    about: str
    verdict: Degree
    summary: str
    detail: str = ""
    suggestion: str = ""


def ok(about: str, summary: str, detail: str = "") -> Finding:
    """Return a finding that needs nothing."""
    return Finding(about=about, verdict=Degree.OK, summary=summary, detail=detail)


def warning(about: str, summary: str, suggestion: str, detail: str = "") -> Finding:
    """Return a finding that is worth knowing."""
    return Finding(about=about, verdict=Degree.WARNING, summary=summary, detail=detail, suggestion=suggestion)


def problem(about: str, summary: str, suggestion: str, detail: str = "") -> Finding:
    """Return a finding that is in the way of working."""
    return Finding(about=about, verdict=Degree.PROBLEM, summary=summary, detail=detail, suggestion=suggestion)
