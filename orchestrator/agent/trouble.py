"""The exception of an operation of the agent that cannot be done: a problem, with the HTTP status that says so."""

from orchestrator.contract.problem import Problem


class Trouble(Exception):
    """Raised by an operation that cannot be done, with the HTTP status that says so."""

    def __init__(self, status: int, problem: Problem) -> None:
        super().__init__(problem.summary)
        self.status, self.problem = status, problem
