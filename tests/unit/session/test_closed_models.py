"""When a run says that a closed model's unknown size decides about its limits."""

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_aifootprint.budgets import Limit
from pytest_aifootprint.budgets.verdicts import judge
from pytest_aifootprint.catalogue import default_catalogue
from pytest_aifootprint.impacts.models import undisclosed_times_over
from pytest_aifootprint.quantities import Joules, Range
from pytest_aifootprint.session.closed import closed_notices

UNDISCLOSED = undisclosed_times_over(default_catalogue())


def told(actual: Range, kind: str = "carbon_g", spread: float = UNDISCLOSED, name: str = "closed") -> list[str]:
    model = SimpleNamespace(id=name, energy_j=Joules(Range.times_over(1.0, spread, "model:closed")))
    run: Any = SimpleNamespace(models=[model])
    verdict = judge(Limit(kind, 5, "5"), actual, "central", "run")
    return [notice.message for notice in closed_notices([verdict], run, default_catalogue())]


@pytest.mark.parametrize("kind", ["carbon_g", "energy_j", "water_l"])
def test_a_limit_that_the_size_moves_says_so(kind: str) -> None:
    (message,) = told(Range.times_over(1.0, UNDISCLOSED, "model:closed"), kind)
    assert "the size of closed: a factor of" in message


def test_tokens_and_calls_do_not_depend_on_it() -> None:
    assert told(Range.times_over(1.0, UNDISCLOSED, "model:closed"), "tokens") == []


def test_a_size_that_hardly_moves_the_sum_decides_nothing() -> None:
    assert told(Range.times_over(1.0, 1.05, "model:closed")) == []
    assert told(Range.times_over(1.0, 1.2, "model:closed")) != []


def test_a_model_that_is_surer_than_a_closed_one_is_not_named() -> None:
    assert told(Range.times_over(1.0, 1.5, "model:closed"), spread=1.5) == []


def test_another_models_size_is_not_its_own() -> None:
    assert told(Range.times_over(1.0, UNDISCLOSED, "model:other")) == []


def test_a_name_with_a_line_break_stays_one_line() -> None:
    (message,) = told(Range.times_over(1.0, UNDISCLOSED, "model:closed"), name="a\nb")
    assert "\n" not in message
