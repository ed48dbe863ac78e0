"""One clock read by several users at the same time."""

from collections import Counter
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.attribution.overlaps import Split, Use, split_uses

UNTIL = 12


def totals(split: Split) -> dict[int, int]:
    sums: Counter[int] = Counter()
    for part in split.parts:
        sums[part.use] += part.ns
    return dict(sums)


@st.composite
def scripted(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, int]]]:
    """What the clock runs in each of 12 slots, and who is open from which slot to which."""
    rises = draw(st.lists(st.integers(0, 1000), min_size=UNTIL, max_size=UNTIL))
    windows = draw(
        st.lists(st.tuples(st.integers(0, UNTIL), st.integers(0, UNTIL)).map(lambda ends: (min(ends), max(ends))))
    )
    return rises, windows


def uses_of(rises: list[int], windows: list[tuple[int, int]]) -> list[Use]:
    clock = [sum(rises[:slot]) for slot in range(UNTIL + 1)]
    return [Use(a * 100, b * 100, clock[a], clock[b]) for a, b in windows]


@given(scripted())
def test_what_the_clock_ran_while_anybody_was_open_is_billed_exactly_once(
    script: tuple[list[int], list[tuple[int, int]]],
) -> None:
    rises, windows = script
    split = split_uses(uses_of(rises, windows))
    covered = sum(rise for slot, rise in enumerate(rises) if any(a <= slot < b for a, b in windows))
    assert sum(part.ns for part in split.parts) == covered
    assert split.ignored == []


@given(scripted())
def test_each_bears_an_equal_part_of_every_slot_to_the_nanosecond(
    script: tuple[list[int], list[tuple[int, int]]],
) -> None:
    rises, windows = script
    found = totals(split_uses(uses_of(rises, windows)))
    for n, (a, b) in enumerate(windows):
        slots = range(a, b)
        due = sum((Fraction(rises[i], sum(c <= i < d for c, d in windows)) for i in slots), Fraction())
        # An odd nanosecond per reading in between, at most.
        assert abs(Fraction(found.get(n, 0)) - due) < UNTIL


@given(scripted(), st.randoms())
def test_the_order_of_the_list_changes_nobodys_bill(
    script: tuple[list[int], list[tuple[int, int]]], random: Random
) -> None:
    uses = uses_of(*script)
    shuffled = list(range(len(uses)))
    random.shuffle(shuffled)

    def bills(order: list[int]) -> Counter[tuple[Use, int, int, int]]:
        parts = split_uses([uses[i] for i in order]).parts
        return Counter((uses[order[part.use]], part.t0_ns, part.t1_ns, part.ns) for part in parts)

    assert bills(shuffled) == bills(list(range(len(uses))))


@given(st.lists(st.tuples(*[st.integers(0, 50)] * 4).map(lambda four: Use(*four))))
def test_any_readings_at_all_give_positive_parts_inside_the_uses(uses: list[Use]) -> None:
    split = split_uses(uses)
    assert split.ignored == [i for i, u in enumerate(uses) if u.t1_ns < u.t0_ns or u.c1_ns < u.c0_ns]
    for i, t0, t1, ns in split.parts:
        assert i not in split.ignored
        assert ns > 0
        assert uses[i].t0_ns <= t0 <= t1 <= uses[i].t1_ns


def test_one_alone_has_its_own_difference() -> None:
    assert split_uses([Use(10, 20, 1000, 1700)]).parts == [(0, 10, 20, 700)]


def test_two_at_once_share_only_the_time_they_had_together() -> None:
    split = split_uses([Use(0, 100, 0, 1000), Use(40, 60, 300, 501)])
    assert split.parts == [(0, 0, 40, 300), (0, 40, 60, 101), (1, 40, 60, 100), (0, 60, 100, 499)]


def test_what_ran_while_nobody_was_open_is_nobodys() -> None:
    assert totals(split_uses([Use(0, 10, 0, 5), Use(20, 30, 900, 907)])) == {0: 5, 1: 7}


def test_odd_nanoseconds_go_round() -> None:
    # The third makes two stretches of 1 ns each for the first two, and bears nothing itself.
    assert totals(split_uses([Use(0, 40, 0, 2), Use(0, 40, 0, 2), Use(10, 20, 1, 1)])) == {0: 1, 1: 1}


def test_a_use_of_no_length_bears_what_the_clock_ran_in_it() -> None:
    # Where the time has a coarse clock, a short call begins and ends at the same moment.
    assert split_uses([Use(5, 5, 10, 30)]).parts == [(0, 5, 5, 20)]


def test_a_use_that_saw_nothing_run_bears_nothing() -> None:
    assert split_uses([Use(5, 9, 10, 10), Use(7, 7, 10, 10)]) == Split([], [])


def test_equal_moments_with_different_readings_lose_nothing() -> None:
    split = split_uses([Use(0, 10, 0, 100), Use(10, 20, 90, 200)])
    assert sum(part.ns for part in split.parts) == 200
    assert totals(split) == {0: 95, 1: 105}


@pytest.mark.parametrize("broken", [Use(0, 10, 500, 20), Use(30, 10, 0, 20)])
def test_a_use_whose_readings_go_backwards_is_ignored_and_named(broken: Use) -> None:
    split = split_uses([Use(0, 10, 0, 100), broken, Use(20, 30, 7, 9)])
    assert split.ignored == [1]
    assert totals(split) == {0: 100, 2: 2}


def test_a_clock_that_started_again_between_two_uses_harms_neither() -> None:
    assert totals(split_uses([Use(0, 10, 5000, 5100), Use(20, 30, 3, 13)])) == {0: 100, 1: 10}


def test_readings_of_two_observers_a_little_out_of_order_are_no_loss() -> None:
    # The second looked later but read the clock earlier: 2 ns below what the first had read.
    split = split_uses([Use(0, 50, 100, 200), Use(10, 60, 98, 210)])
    assert split.ignored == []
    assert sum(part.ns for part in split.parts) == 110


def test_a_thousand_at_once_are_divided() -> None:
    split = split_uses([Use(i, 2000 + i, i, 2000 + i) for i in range(1000)])
    assert sum(part.ns for part in split.parts) == 2999
