"""What our hooks cost is measured in some tests and taken to be the same in the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.session import dispatch
from pytest_aifootprint.session.clock import EdgeClock
from pytest_aifootprint.session.dispatch import HookCall
from pytest_aifootprint.session.own_cost import EVERY, OUTLIER, OwnCost
from pytest_aifootprint.session.runner import TestRunner


class Hook:
    """Work that takes as many CPU ns as it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cpu_ns = 0
        self.clock = EdgeClock(lambda: self.cpu_ns)
        monkeypatch.setattr(REAL, "thread_time_ns", lambda: self.cpu_ns)
        self.cost = OwnCost(self.clock)

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


def test_reading_the_clock_is_in_no_mean(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow_clock() -> int:
        hook.cpu_ns += 30
        return hook.cpu_ns

    monkeypatch.setattr(REAL, "thread_time_ns", slow_clock)
    hook.cost = OwnCost(hook.clock)
    hook.weigh(0, 100, 300)
    assert hook.cost.mean_ns == 200


def test_what_a_call_takes_besides_the_work_is_booked_with_it_and_no_part_of_the_mean_of_the_work(hook: Hook) -> None:
    hook.weigh(0, 100)
    hook.cost.called_by(7)
    hook.weigh(300)
    assert hook.clock.plugin_ns == 100 + 300 + 7
    assert hook.cost.mean_ns == 200 + 7
    hook.cost.called_by(9)
    assert hook.cost.mean_ns == 200 + 9


class Calls:
    """A hook without us takes 40 ns, and with us as much more as it is told."""

    def __init__(self, hook: Hook) -> None:
        self.more_ns: list[int] = []
        self.hook = hook
        self.call = HookCall(self.with_us, lambda **_: hook.work(40), {"item": None})

    def with_us(self, item: None) -> None:
        assert item is None
        self.hook.work(40 + self.more_ns[-1])

    def weigh(self, *more_ns: int) -> int:
        for ns in more_ns:
            self.more_ns.append(ns)
            self.call.weigh()
        return self.call.mean_ns


def test_what_pluggy_does_for_us_is_the_difference_between_a_call_with_us_and_one_without(hook: Hook) -> None:
    assert Calls(hook).weigh(90_000, 10, 20) == 15
    assert Calls(hook).weigh(0, 10, 10, 50_000_000) == (10 + 10 + OUTLIER * 10) // 3
    assert Calls(hook).weigh(0, 10, 10, 10, -50_000_000) == 0


def noted(entered: list[str], name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    def note(*arguments: Any) -> Any:
        entered.append(name)
        return work(*arguments)

    return note


def test_the_hooks_of_a_test_are_weighed_as_they_are_with_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[str] = []
    for name in ("_enter", "_end_phase", "_note", "_leave"):
        monkeypatch.setattr(TestRunner, name, lambda *_, name=name: entered.append(f"the real {name}"))
        monkeypatch.setattr(dispatch._NothingToDo, name, noted(entered, name, getattr(dispatch._NothingToDo, name)))
    for call in dispatch.runners_calls():
        for _ in range(3 * EVERY):
            call.weigh()
    each = 2 * 3 * EVERY  # once unseen
    stand_ins = ("_enter", "_leave", "_end_phase", "_note")
    assert {name: entered.count(name) for name in entered} == dict.fromkeys(stand_ins, each)
