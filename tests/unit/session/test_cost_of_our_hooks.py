"""What our hooks cost is measured in some tests and taken to be the same in the others."""

from __future__ import annotations

import pytest

from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.session.clock import EdgeClock
from pytest_aifootprint.session.own_cost import OUTLIER, OwnCost


class Hook:
    """Work that takes as many CPU ns as it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cpu_ns = 0
        self.clock = EdgeClock(lambda: self.cpu_ns)
        self.cost = OwnCost(self.clock)
        monkeypatch.setattr(REAL, "thread_time_ns", lambda: self.cpu_ns)

    def work(self, ns: int) -> str:
        self.cpu_ns += ns
        return "done"

    def weigh(self, *costs_ns: int) -> None:
        for ns in costs_ns:
            assert self.cost.weigh(self.work, ns) == "done"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Hook:
    return Hook(monkeypatch)


def test_what_was_measured_is_booked_as_it_was(hook: Hook) -> None:
    hook.weigh(90_000, 100, 300)
    assert hook.clock.plugin_ns == 90_400


def test_the_first_time_is_not_in_the_mean(hook: Hook) -> None:
    hook.weigh(90_000, 100, 300)
    assert hook.cost.mean_ns == 200


def test_a_garbage_collection_inside_does_not_spoil_the_mean(hook: Hook) -> None:
    hook.weigh(0, 100, 100, 50_000_000)
    assert hook.cost.mean_ns == (100 + 100 + OUTLIER * 100) // 3
    assert hook.clock.plugin_ns == 50_000_200


def test_what_the_work_books_itself_is_booked_once_and_not_in_the_mean(hook: Hook) -> None:
    def tell_others() -> None:
        hook.clock.book(hook.work, 7_000)
        hook.work(40)

    hook.weigh(0)
    hook.cost.weigh(tell_others)
    assert hook.clock.plugin_ns == 7_040
    assert hook.cost.mean_ns == 40


def test_an_error_is_passed_on_and_its_time_booked(hook: Hook) -> None:
    def fail() -> None:
        hook.work(500)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        hook.cost.weigh(fail)
    with pytest.raises(ZeroDivisionError):
        hook.clock.book(fail)
    assert hook.clock.plugin_ns == 1_000
