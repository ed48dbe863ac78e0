"""Tests that run at the same time in one process share its CPU clock: the parts are right, and they add up."""

from __future__ import annotations

import threading
import time

from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.attribution.concurrent import Concurrent, OpenWindow, thread_cpu_ns

MS = 1_000_000


class Threads:
    """Scripted CPU clocks of threads."""

    def __init__(self) -> None:
        self.ns: dict[int, int | None] = {}

    def __call__(self, thread: int) -> int | None:
        return self.ns.get(thread, 0)


def cpu(window: OpenWindow) -> int:
    return sum(piece.cpu_ns for piece in window.pieces)


def test_a_window_alone_gets_all_that_the_process_used() -> None:
    threads = Threads()
    both = Concurrent(0, 100, threads)
    one = OpenWindow(1, 1, 11)
    both.open(one, 0, 100)
    threads.ns[11] = 30
    both.close(one, 50, 190)
    assert [tuple(piece) for piece in one.pieces] == [(1, 1, 0, 50, 90, 50)]


def test_each_window_gets_its_thread_and_an_equal_part_of_the_rest() -> None:
    threads = Threads()
    both = Concurrent(0, 0, threads)
    burner, sleeper = OpenWindow(1, 1, 11), OpenWindow(2, 1, 12)
    both.open(burner, 0, 0)
    both.open(sleeper, 0, 0)
    threads.ns.update({11: 80, 12: 2})
    both.close(burner, 100, 92)  # 10 ns by threads that nobody knows
    both.close(sleeper, 120, 95)
    assert cpu(burner) == 85
    assert cpu(sleeper) == 2 + 5 + 3
    assert sum(p.time_ns for p in burner.pieces) == 50
    assert sum(p.time_ns for p in sleeper.pieces) == 70


def test_windows_on_one_event_loop_share_its_thread_equally() -> None:
    threads = Threads()
    loop = Concurrent(0, 0, threads)
    windows = [OpenWindow(n, 1, 11) for n in range(3)]
    for window in windows:
        loop.open(window, 0, 0)
    threads.ns[11] = 90
    loop.edge(100, 90)
    assert [cpu(window) for window in windows] == [30, 30, 30]


def test_a_window_that_closes_pays_nothing_later() -> None:
    threads = Threads()
    both = Concurrent(0, 0, threads)
    early, late = OpenWindow(1, 1, 11), OpenWindow(2, 1, 12)
    both.open(early, 0, 0)
    both.open(late, 0, 0)
    both.close(early, 10, 0)
    threads.ns[12] = 70
    both.close(late, 20, 70)
    assert (cpu(early), cpu(late)) == (0, 70)


def test_while_no_window_is_open_nobody_pays() -> None:
    both = Concurrent(0, 0, Threads())
    one = OpenWindow(1, 1, 11)
    both.open(one, 10, 500)
    both.close(one, 20, 510)
    both.edge(30, 900)
    assert cpu(one) == 10


def test_an_owner_that_changes_in_a_window_gets_what_comes_after() -> None:
    both = Concurrent(0, 0, Threads())
    window = OpenWindow(1, 0, 11)
    both.open(window, 0, 0)
    both.edge(10, 10)
    window.owner = 7
    both.close(window, 20, 40)
    assert [(piece.owner, piece.cpu_ns) for piece in window.pieces] == [(1, 10), (7, 30)]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 3)),
        min_size=1,
        max_size=30,
    )
)
def test_the_parts_add_up_to_what_the_process_used_whatever_happens(
    steps: list[tuple[int, int, int, int]],
) -> None:
    threads = Threads()
    both = Concurrent(0, 0, threads)
    windows = [OpenWindow(n, 1, n // 2) for n in range(4)]
    t = c = billed = 0
    for which, dt, dc, thread_dc in steps:
        was_open = bool(both.windows)
        t, c = t + dt, c + dc
        threads.ns[which // 2] = (threads.ns.get(which // 2) or 0) + thread_dc
        window = windows[which]
        (both.close if window in both.windows else both.open)(window, t, c)
        billed += dc if was_open else 0
    assert sum(map(cpu, windows)) == billed


def test_a_thread_of_this_process_has_a_cpu_clock_that_others_can_read() -> None:
    ready, stop = threading.Event(), threading.Event()
    told: list[int] = []

    def burn() -> None:
        while time.thread_time_ns() < 30 * MS:
            pass
        told.append(time.thread_time_ns())
        ready.set()
        stop.wait(30)

    thread = threading.Thread(target=burn)
    thread.start()
    assert ready.wait(30)
    seen = thread_cpu_ns(thread.native_id or 0)
    stop.set()
    thread.join()
    assert thread_cpu_ns(1 << 23) is None, "no thread has a number above the kernel's largest"
    assert seen is not None
    assert told[0] <= seen < told[0] + 20 * MS
