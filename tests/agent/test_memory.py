"""When memory is given back: once after decisions, when there were none for a while, and the real way to do it."""

import asyncio

import pytest

from orchestrator.agent.memory import give_back


@pytest.mark.parametrize(
    ("decisions", "times"),
    [([0, 0, 0], 1), ([1, 2, 3, 4], 0), ([1, 2, 2, 2, 2], 1), ([1, 1, 2, 3, 3, 3], 2)],
    ids=["at the beginning", "while there are ever more", "once after them", "again after others"],
)
def test_memory_is_given_back_once_after_decisions_and_not_amid_them(decisions, times):
    made, given = iter(decisions), []
    left = iter(decisions)

    async def rest() -> None:
        if next(left, None) is None:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(give_back(lambda: next(made), rest, lambda: given.append(True)))
    assert len(given) == times


def test_giving_back_works_on_this_system():
    async def rest() -> None:
        if next(left, None) is None:
            raise asyncio.CancelledError

    left = iter((1, 2, 3))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(give_back(lambda: 7, rest))
