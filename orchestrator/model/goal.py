"""The goal of a request, so that a command that waits can say whether it was reached."""

from enum import Enum


class Goal(Enum):
    """The state that a waiting command waits for."""

    NOTHING = "nothing"  # it is done already
    ARRIVES = "arrives"  # the rollout's target serves
    GOES_BACK = "goes-back"  # the rollout is given up, and the revision that served before serves
    IS_READY = "is-ready"
    IS_GONE = "is-gone"
