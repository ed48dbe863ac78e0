"""The edge clock takes our own part out of the windows."""

from pytest_aifootprint.detection.recorder import Recorder
from pytest_aifootprint.session.clock import EdgeClock


def test_what_we_use_between_two_edges_is_in_no_window() -> None:
    tree = [1_000]
    clock = EdgeClock(lambda: tree[0])
    _, before = clock.edge()
    tree[0] += 500  # 500 ns of CPU went by, 200 of them ours
    clock.plugin_ns += 200
    _, after = clock.edge()
    assert after - before == 300
    assert clock.own_ns() == 200


def test_our_threads_are_taken_out_too() -> None:
    tree, thread = [1_000], [0]
    clock = EdgeClock(lambda: tree[0])
    clock.watch_threads(lambda: thread[0])
    _, before = clock.edge()
    tree[0] += 500
    thread[0] += 100
    _, after = clock.edge()
    assert after - before == 400
    assert clock.own_ns() == 100


def test_the_wall_clock_is_monotonic() -> None:
    clock = EdgeClock(lambda: 0)
    assert clock.edge()[0] <= clock.edge()[0]


def test_what_detection_used_inside_a_call_is_taken_out_too() -> None:
    tree, detection = [1_000], Recorder()
    clock = EdgeClock(lambda: tree[0], detection=detection)
    _, before = clock.edge()
    tree[0] += 500
    detection.own_ns += 60
    _, after = clock.edge()
    assert after - before == 440
    assert clock.own_ns() == 60
