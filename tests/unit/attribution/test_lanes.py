from __future__ import annotations

from pytest_aifootprint.attribution.lanes import Lane, Span


def lane() -> Lane:
    lane = Lane("gw1", "boot", 5, 900, 7)
    lane.add(Span(1, 0, 1, 0, 10, 100, 160))
    lane.add(Span(2, 0, 1, 2, 8, 110, 150))  # a fixture inside the first test's set-up
    lane.add((1, 0, -1, 2, 8, 110, 150))
    lane.add((1, 1, 1, 10, 20, 160, 165))
    lane.flat_ticks.extend((10, 160, 1))
    return lane


def test_a_fixture_inside_a_test_is_counted_once() -> None:
    assert lane().cpu_ns_by_owner() == {1: 25, 2: 40}


def test_cpu_by_phase_adds_up_to_cpu_by_owner() -> None:
    assert lane().cpu_ns_by_phase() == {(1, 0): 20, (1, 1): 5, (2, 0): 40}


def test_the_wire_keeps_everything() -> None:
    sent = lane().to_wire()
    assert Lane.from_wire(sent) == lane()
    assert all(type(value) in {str, int, list} for value in sent.values())
    assert [span.owner for span in Lane.from_wire(sent).spans()] == [1, 2, 1, 1]
    assert [tick.cpu_ns for tick in Lane.from_wire(sent).ticks()] == [160]
