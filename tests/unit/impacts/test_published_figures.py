"""The tables of the documentation are what the code prints."""

import math
from importlib.metadata import version
from pathlib import Path

import pytest

from pytest_aifootprint.impacts import left_out
from pytest_aifootprint.impacts.grids import resolve_grid
from pytest_aifootprint.impacts.pricer import Pricer
from pytest_aifootprint.impacts.validation import POINTS, bloom_years, compare, inside, measurements

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "numbers.md"


@pytest.mark.skipif(version("ecologits") != "0.11.3", reason="the page was made with the sizes of ecologits 0.11.3")
def test_the_page_shows_what_the_code_prints_now() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert "\n".join(measurements()) in page
    assert "\n".join(bloom_years()) in page
    assert "\n".join(left_out.table()) in page


def test_most_published_figures_are_inside_and_none_is_off_by_more_than_the_page_admits() -> None:
    pricer = Pricer(resolve_grid("WOR", {}))
    outside = [p.what for p in POINTS if inside(p, compare(p, pricer)) != "yes"]

    assert len(POINTS) >= 15
    assert len(outside) <= 4
    assert {name.split(",")[0] for name in outside} <= {"Mistral Large 2", "Llama-3.1-405B FP8", "Llama-3.1-70B"}


def test_central_values_lean_to_neither_side_by_more_than_a_factor_of_two() -> None:
    pricer = Pricer(resolve_grid("WOR", {}))
    energy = [p for p in POINTS if p.unit == "Wh"]
    leaning = [math.log(compare(p, pricer).central / math.sqrt(p.value[0] * p.value[1])) for p in energy]

    assert abs(sum(leaning) / len(leaning)) < math.log(2)
