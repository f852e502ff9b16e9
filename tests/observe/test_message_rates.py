"""Messages a second, by what had come at each look."""

from orchestrator.messaging.mailbox.route import Route
from orchestrator.observe.message_rates import LEAST_MS, WINDOW_MS, MessageRates
from tests.plan.build import deployment
from tests.simulation.time import FakeClock


class Looks:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.rates = MessageRates(self.clock.monotonic_ms)
        self.route = self.another()

    def another(self) -> Route:
        of = deployment("one")
        return Route(of.key, of.mailbox, self.clock)

    def after(self, milliseconds: int, received: int) -> float | None:
        self.clock.pass_time(milliseconds)
        return self.rates.of(self.route, received)


def test_nothing_is_known_before_anything_came_and_was_looked_at_for_a_while():
    looks = Looks()
    assert looks.after(0, 0) is None
    assert looks.after(10 * LEAST_MS, 0) is None
    looks = Looks()
    assert looks.after(0, 500) is None
    assert looks.after(LEAST_MS - 1, 600) is None
    assert looks.after(1, 600) == 100


def test_the_rate_is_that_of_the_last_window_or_two():
    looks = Looks()
    looks.after(0, 0)
    assert looks.after(WINDOW_MS, 600) == 10
    assert looks.after(WINDOW_MS // 2, 1_200) == 1_200 / 90
    assert looks.after(WINDOW_MS, 1_200) == 600 / 90  # the older look is now the one after the first window


def test_what_is_long_over_is_forgotten():
    looks = Looks()
    looks.after(0, 0)
    looks.after(WINDOW_MS, 6_000)
    looks.after(WINDOW_MS, 6_000)
    assert looks.after(WINDOW_MS, 6_000) == 0


def test_each_route_has_a_rate_of_its_own():
    looks = Looks()
    looks.after(0, 0)
    assert looks.after(LEAST_MS, 10) == 10
    looks.route = looks.another()
    assert looks.after(0, 10) is None
