"""docs/reference/limits.md has what the plugin takes and says."""

import re
from pathlib import Path

import pytest

from pytest_aifootprint.budgets import parse_limit, parse_scoped, verdicts
from pytest_aifootprint.options import OPTIONS
from pytest_aifootprint.options.marks import KEYWORDS
from pytest_aifootprint.quantities import units
from pytest_aifootprint.session.direct import MOST_LISTED

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "limits.md").read_text()
KINDS = {"carbon": "carbon_g", "energy": "energy_j", "water": "water_l", "tokens": "tokens", "calls": "calls"}


def rows(heading: str) -> list[list[str]]:
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


UNITS = [(kind, unit) for kind, cell in rows("How a limit is written")[2:] for unit in named(cell) if unit != "CO2e"]


@pytest.mark.parametrize(("kind", "unit"), UNITS)
def test_every_unit_of_the_page_is_read(kind: str, unit: str) -> None:
    assert parse_limit(f"5 {unit}").kind == KINDS[kind]


def test_no_unit_is_missing() -> None:
    said = {unit for _, unit in UNITS}
    exact = {"MJ", "mJ", "MWh", "mWh"}
    assert {unit for unit in units._CARBON_G if unit.lower() == unit and unit.isascii()} <= said
    assert {unit.lower() for unit in said} >= {unit for unit in (*units._ENERGY_J, *units._WATER_L) if unit.isascii()}
    assert exact <= said


def test_every_example_of_the_grammar_is_read() -> None:
    block = PAGE.partition("```\n")[2].partition("```")[0]
    examples = [line[49:] for line in block.splitlines()]
    assert len(examples) == 4
    parse_limit(examples[0])
    for text in (f"{examples[1]}: 5 g", *examples[2:]):
        parse_scoped(text)


def test_the_options_are_those_of_the_plugin() -> None:
    for flag, ini, env, _ in rows("Options")[2:]:
        (option,) = [option for option in OPTIONS if option.flag == named(flag)[0].split()[0]]
        assert (named(ini), named(env)) == ([option.ini], [option.env])


def test_the_keywords_are_those_of_the_mark() -> None:
    assert tuple(key for row in rows("The mark")[2:] for key in named(row[0])) == KEYWORDS


def test_what_a_pass_says_is_explained() -> None:
    for words in (verdicts.NO_CALL, verdicts.NO_TEST):
        assert f"`{words}`" in PAGE
    for words in (verdicts.NO_CALL_THERE, verdicts.NO_CALL_TO_IT):
        assert f"`{words.partition(',')[0]}" in PAGE
    assert f"{MOST_LISTED} at most" in PAGE
