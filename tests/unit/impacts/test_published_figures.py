"""The tables of the documentation are what the code prints."""

import math
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from pytest_aifootprint.catalogue import default_catalogue
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

    assert len(POINTS) >= 35
    assert {p.operation for p in POINTS} == {"chat", "completion", "classification", "inference", "image", "video"}
    assert len(outside) <= 4
    assert {name.split(",")[0] for name in outside} <= {"Mistral Large 2", "Llama-3.1-405B FP8", "Llama-3.1-70B"}


def test_nothing_is_printed_with_an_exponent() -> None:
    assert not any(re.search(r"\de[-+]\d", row) for row in measurements())


@pytest.mark.parametrize("operation", ["image", "video"])
def test_the_class_range_of_pieces_spans_what_was_measured_and_not_much_more(operation: str) -> None:
    row = default_catalogue().classes[operation]
    measured = [p.value[0] for p in POINTS if p.operation == operation]
    assert row.energy_wh is not None
    low, _, high = row.energy_wh

    assert low < min(measured) < 1.2 * low
    assert high / 1.2 < max(measured) < high


def test_the_class_range_of_a_second_of_film_spans_what_was_measured_and_not_much_more() -> None:
    row = default_catalogue().classes["video"]
    measured = [p.value[0] / p.media_s for p in POINTS if p.media_s]
    assert row.energy_wh_per_s is not None
    low, _, high = row.energy_wh_per_s

    assert len(measured) == 6
    assert low < min(measured) < 1.2 * low
    assert high / 1.2 < max(measured) < high


def test_central_values_lean_to_neither_side_by_more_than_a_factor_of_two() -> None:
    pricer = Pricer(resolve_grid("WOR", {}))
    energy = [p for p in POINTS if p.unit == "Wh"]
    leaning = [math.log(compare(p, pricer).central / math.sqrt(p.value[0] * p.value[1])) for p in energy]

    assert abs(sum(leaning) / len(leaning)) < math.log(2)
