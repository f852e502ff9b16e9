"""Work in steps: a coroutine that gives way whenever somebody else should have the thread, and how to go on with it.

Guests' calls are such work. It awaits a `Pause`, which tells its driver where or when to go on: `supervise.scheduler`
for everything that runs in an agent, `runtime.finish` for one piece of work on this thread.
"""

from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Work = Coroutine[Any, None, T]


class Pause:
    """Something that work awaits before it goes on."""

    __slots__ = ()

    def __await__(self) -> "Generator[Pause, None, None]":
        yield self


class _Named(Pause):
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


GIVE_WAY = _Named("GIVE_WAY")  # has computed for long and would go on at once
LOAD = _Named("LOAD")  # reads or compiles next
START = _Named("START")  # starts next what is at hand


class Until(Pause):
    """Not before monotonic nanoseconds, unless it is woken; goes on once, whoever wakes it."""

    __slots__ = ("_go_on", "_woken", "at_ns")

    def __init__(self, at_ns: int) -> None:
        self.at_ns = at_ns
        self._go_on: list[Callable[[], None]] = []
        self._woken = False

    @property
    def is_woken(self) -> bool:
        """Whether it is over before its time."""
        return self._woken

    def arrange(self, go_on: Callable[[], None]) -> None:
        """Call `go_on` once it is woken; at once if it was."""
        self._go_on.append(go_on)
        if self._woken:  # looked at after `go_on` is there, so that a waking is never missed
            self.wake()

    def wake(self) -> None:
        """Let it go on, from any thread; a second time does nothing."""
        self._woken = True
        try:
            go_on = self._go_on.pop()  # one step: of two who wake it, one gets it
        except IndexError:
            return
        go_on()


class GivenUp(Exception):
    """Work goes on without a call that did not return in time; the call still holds its thread."""


class Held(Pause, Generic[T]):
    """A call that holds a thread until it returns, which may be never: work goes on without it once it is over.

    Awaiting it makes the call on a thread for such calls and returns its result, or raises what it raised. From the
    moment `over_ns` of the monotonic clock on it is given up, which the call sets; None while nobody may give it up.
    """

    __slots__ = ("_call", "_claims", "_is_back", "_problem", "_result", "_then", "given_up", "over_ns")

    def __init__(self, call: Callable[["Held[T]"], T]) -> None:
        self._call = call
        self._claims = [True]  # taken once: by the call as it returns, or by the caller that gives it up
        self._then: list[Callable[[], None]] = []
        self._is_back = False
        self._problem: BaseException | None = None
        self._result: T | None = None
        self.given_up: Callable[[], None] = _nothing  # for its runner: lets the work go on elsewhere
        self.over_ns: int | None = None

    def __await__(self) -> Generator[Pause, None, T]:  # type: ignore[override]  # a pause with a result
        yield self
        return self._taken()

    def run(self) -> bool:
        """Make the call on this thread; False when it was given up, and its work goes on elsewhere or has done so."""
        if self._claims:
            try:
                self._result = self._call(self)
            except BaseException as problem:  # noqa: BLE001 — raised where the work goes on
                self._problem = problem
        if self._claim():
            return True
        self._is_back = True
        self._tell()
        return False

    def over_within(self, at_ns: int) -> None:
        """Set the moment at which it is given up, unless an earlier one is set."""
        self.over_ns = at_ns if self.over_ns is None else min(self.over_ns, at_ns)

    def give_up(self) -> None:
        """Let the work go on without the call, unless that has returned; from any thread."""
        if self._claim():
            self._problem = GivenUp()
            self.given_up()

    def when_back(self, then: Callable[[], None]) -> None:
        """Call `then` once a call that was given up has returned; at once if it has."""
        self._then.append(then)
        if self._is_back:  # looked at after `then` is there, so that its return is never missed
            self._tell()

    def _taken(self) -> T:
        if self._problem is not None:
            raise self._problem
        result: T = self._result  # type: ignore[assignment]  # what the call returned, which may be None
        return result

    def _claim(self) -> bool:
        try:
            return self._claims.pop()
        except IndexError:
            return False

    def _tell(self) -> None:
        try:
            then = self._then.pop()
        except IndexError:
            return
        then()


def _nothing() -> None:
    return
