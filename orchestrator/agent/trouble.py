"""The exception of an operation of the agent that cannot be done: a problem, with the HTTP status that says so."""

from collections.abc import Iterable

from orchestrator.contract.problem import Problem


class Trouble(Exception):
    """Raised by an operation that cannot be done, with the HTTP status that says so."""

    def __init__(self, status: int, problem: Problem) -> None:
        super().__init__(problem.summary)
        self.status, self.problem = status, problem


def refused(summary: str, suggestion: str = "", detail: str = "") -> Trouble:
    """Return the trouble of something that is not done as things are."""
    return Trouble(409, Problem(summary=summary, detail=detail, suggestion=suggestion))


def unknown_source(sources: Iterable[str], name: str) -> Trouble:
    """Return the trouble of a source that nobody knows, with those that there are."""
    known = ", ".join([*sources][:10])
    hint = f"There are: {known}." if known else "There are none; `airs source add PATH` adds one."
    return Trouble(404, Problem(summary=f"no source {name}", suggestion=hint))
