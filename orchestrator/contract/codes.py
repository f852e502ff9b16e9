"""Exit codes and HTTP statuses: one table, used by the agent's answers, the client and the command line."""

from collections.abc import Mapping
from types import MappingProxyType

OK, FAILED, CHANGES, USAGE, INVALID, NO_AGENT, REFUSED, TIMED_OUT, INTERRUPTED = 0, 1, 2, 64, 65, 69, 77, 124, 130

EXIT_CODES: Mapping[int, str] = MappingProxyType({
    OK: "done",
    FAILED: "not done, or done without success",
    CHANGES: "a plan found changes (`airs plan --detailed-exitcode`)",
    USAGE: "asked in a way that cannot be understood",
    INVALID: "manifests, a plan or a component that are wrong",
    NO_AGENT: "no agent is running, or it does not answer",
    REFUSED: "refused by a policy, a capability or a signature",
    TIMED_OUT: "the time was over first",
    INTERRUPTED: "ended by Ctrl-C",
})  # fmt: skip

STATUSES: Mapping[int, str] = MappingProxyType({
    200: "done",
    400: "a request that cannot be understood, or a plan that is wrong",
    404: "there is no such thing, or no such route",
    405: "the route has no such method",
    409: "not now: the state of things does not allow it",
    413: "a body over its limit",
    422: "the guest refused: it returned err",
    502: "the guest failed",
    503: "not delivered, the agent is stopping, or the machine refused what this needs",
    504: "the time was over first",
})  # fmt: skip
