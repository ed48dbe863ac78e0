"""From joules at the component to those at the wall, and back: a PUE is applied once."""

import pytest

from pytest_aifootprint.attribution.shares import Parts
from pytest_aifootprint.quantities import ZERO_J, Joules, Range
from pytest_aifootprint.records.wall import Wall

PUE = Range.of(1.1, 1.2, 1.4, "pue:local")
E = Joules(Range(60.0))


def parts(*, modelled: Joules | None = None) -> Parts:
    """60 J of one owner, of which a load model priced so many."""
    return Parts(E) if modelled is None else Parts(Joules(Range(E.central - modelled.central)), modelled)


def test_what_a_counter_metered_gets_the_declared_pue_with_its_range() -> None:
    wall = Wall(PUE, PUE, frozenset({"cpu", "gpu0"}))

    for domain in ("cpu", "gpu0", "ram"):
        assert wall.at_wall_j(domain, parts()) == E * PUE
        assert wall.of_machine_j(domain, parts()) == E


def test_the_load_models_joules_have_their_pue_inside() -> None:
    wall = Wall(PUE, PUE, frozenset({"gpu0"}))
    modelled = Parts(ZERO_J, Joules(E * PUE))

    assert wall.at_wall_j("cpu", modelled) == E * PUE
    assert wall.of_machine_j("cpu", modelled).central == pytest.approx(60)
    assert wall.of_machine_j("cpu", modelled).high == pytest.approx(60)
    # A card in the same machine has a counter.
    assert wall.at_wall_j("gpu0", parts()) == E * PUE


def test_the_gaps_of_a_counter_were_filled_by_the_load_model() -> None:
    wall = Wall(PUE, PUE, frozenset({"cpu"}))
    third = parts(modelled=Joules(Range(20.0)))

    assert wall.at_wall_j("cpu", third).central == pytest.approx(20 + 40 * 1.2)
    assert wall.of_machine_j("cpu", third).central == pytest.approx(20 / 1.2 + 40)
    assert wall.at_wall_j("cpu", parts(modelled=E)) == E
    assert wall.of_machine_j("cpu", parts(modelled=E)).central == pytest.approx(50)


def test_what_is_uncertain_of_a_gap_is_uncertain_of_the_gap_alone() -> None:
    wall = Wall(Range(1.5), None, frozenset({"cpu"}))
    gap = Joules(Range.of(10.0, 20.0, 40.0, "cpu_w"))

    high = wall.at_wall_j("cpu", parts(modelled=gap)).high
    assert high == pytest.approx(40 * 1.5 + 40)


def test_idle_power_by_the_model_has_its_pue_inside_too() -> None:
    wall = Wall(PUE, PUE, frozenset({"cpu"}))
    idle = Parts(*(Joules(Range(joules)) for joules in (30.0, 10.0, 20.0)))

    assert wall.at_wall_j("cpu", idle).central == pytest.approx(30 * 1.2 + 30)
    assert wall.of_machine_j("cpu", idle).central == pytest.approx(30 + 30 / 1.2)


def test_a_memory_model_is_at_the_component() -> None:
    wall = Wall(PUE, None, frozenset())

    assert wall.at_wall_j("ram", Parts(ZERO_J, E)) == E * PUE


def test_without_a_declared_pue_nothing_comes_on_top() -> None:
    wall = Wall(None, PUE, frozenset({"gpu0"}))

    for domain in ("cpu", "gpu0", "ram"):
        assert wall.at_wall_j(domain, parts()) == E


def test_watts_that_the_user_measured_have_no_pue_to_take_out() -> None:
    wall = Wall(None, None, frozenset())

    assert wall.of_machine_j("cpu", Parts(ZERO_J, E)) == E


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
