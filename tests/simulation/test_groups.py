"""Random histories of groups whose members crash; `SEEDS=17` runs the one that failed."""

import pytest

from tests.simulation.history import GroupHistory
from tests.simulation.test_histories import live, seeds


@pytest.mark.parametrize("seed", seeds())
def test_every_promise_holds_where_members_of_a_group_crash(seed):
    live(GroupHistory(seed), seed)
