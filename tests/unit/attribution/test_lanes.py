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


def test_a_piece_counts_for_its_owner() -> None:
    busy = lane()
    busy.flat_pieces.extend((2, 0, 500, 600, 9, 0))
    busy.flat_pieces.extend((5, 1, 500, 600, 4, 100))
    assert busy.cpu_ns_by_owner() == {1: 25, 2: 49, 5: 4}
    assert [piece.time_ns for piece in busy.pieces()] == [0, 100]


def test_spans_and_ticks_come_back_in_order() -> None:
    assert [span.owner for span in lane().spans()] == [1, 2, 1, 1]
    assert [tick.cpu_ns for tick in lane().ticks()] == [160]
