"""The goal of what was begun by request, so that a command that waits can say whether it was reached."""

from enum import Enum


class Goal(Enum):
    """What somebody who waits waits for."""

    NOTHING = "nothing"  # it is done already
    ARRIVES = "arrives"  # the rollout's target serves
    GOES_BACK = "goes-back"  # the rollout is given up, and what served before serves
    IS_READY = "is-ready"
    IS_GONE = "is-gone"
