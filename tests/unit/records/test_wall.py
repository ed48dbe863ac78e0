"""From joules at the component to those at the wall, and back: a PUE is applied once."""

import pytest

from pytest_aifootprint.attribution.shares import DomainShares
from pytest_aifootprint.quantities import Basis, Joules, Range
from pytest_aifootprint.records.wall import Wall

ONE = ("main", 1)
PUE = Range.of(1.1, 1.2, 1.4, "pue:local")
E = Joules(Range(60.0))


def shares(domain: str, *, modelled_j: float | None = 0.0) -> DomainShares:
    """60 J of one owner, of which a load model priced so many; None: all."""
    modelled = None if modelled_j is None else {ONE: modelled_j}
    return DomainShares(domain, "meter", Basis.MEASURED, 100.0, {ONE: 60.0}, 0.0, 40.0, 0.0, modelled=modelled)


def test_what_a_counter_metered_gets_the_declared_pue_with_its_range() -> None:
    wall = Wall(PUE, PUE, frozenset({"cpu", "gpu0"}))

    for domain in ("cpu", "gpu0", "ram"):
        assert wall.at_wall_j(shares(domain), [ONE], E) == E * PUE
        assert wall.of_machine_j(shares(domain), [ONE], E) == E


def test_the_load_models_joules_have_their_pue_inside() -> None:
    wall = Wall(PUE, PUE, frozenset({"gpu0"}))
    modelled = Joules(E * PUE)

    assert wall.at_wall_j(shares("cpu", modelled_j=None), [ONE], modelled) == modelled
    assert wall.of_machine_j(shares("cpu", modelled_j=None), [ONE], modelled).central == pytest.approx(60)
    assert wall.of_machine_j(shares("cpu", modelled_j=None), [ONE], modelled).high == pytest.approx(60)
    # A card in the same machine has a counter.
    assert wall.at_wall_j(shares("gpu0"), [ONE], E) == E * PUE


def test_the_gaps_of_a_counter_were_filled_by_the_load_model() -> None:
    wall = Wall(PUE, PUE, frozenset({"cpu"}))
    third = shares("cpu", modelled_j=20.0)

    assert wall.at_wall_j(third, [ONE], E).central == pytest.approx(20 + 40 * 1.2)
    assert wall.of_machine_j(third, [ONE], E).central == pytest.approx(20 / 1.2 + 40)
    assert wall.at_wall_j(shares("cpu", modelled_j=60.0), [ONE], E) == E
    assert wall.of_machine_j(shares("cpu", modelled_j=60.0), [ONE], E).central == pytest.approx(50)


def test_a_memory_model_is_at_the_component() -> None:
    wall = Wall(PUE, None, frozenset())

    assert wall.at_wall_j(shares("ram", modelled_j=None), [ONE], E) == E * PUE


def test_without_a_declared_pue_nothing_comes_on_top() -> None:
    wall = Wall(None, PUE, frozenset({"gpu0"}))

    for domain in ("cpu", "gpu0", "ram"):
        assert wall.at_wall_j(shares(domain), [ONE], E) is E


def test_watts_that_the_user_measured_have_no_pue_to_take_out() -> None:
    wall = Wall(None, None, frozenset())

    assert wall.of_machine_j(shares("cpu", modelled_j=None), [ONE], E) is E


@pytest.mark.parametrize(
    ("domain", "counted", "told"),
    [
        ("cpu", {"cpu"}, "; carbon and water x PUE 1.2, declared"),
        ("gpu0", {"gpu0"}, "; carbon and water x PUE 1.2, declared"),
        ("cpu", set(), ""),
    ],
)
def test_the_report_says_where_a_pue_comes_on_top(domain: str, counted: set[str], told: str) -> None:
    assert Wall(PUE, PUE, frozenset(counted)).told(domain) == told
    assert Wall(None, PUE, frozenset(counted)).told(domain) == ""
