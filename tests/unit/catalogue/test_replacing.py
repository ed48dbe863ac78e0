"""A row that somebody replaces or amends: what is taken, and what is refused in one line."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_aifootprint.catalogue import CatalogueError, default_catalogue
from pytest_aifootprint.catalogue.replacing import READERS, amended, replaceable, replaced

ROWS = dict(replaceable(default_catalogue()))
STANDBY, VM, OPENAI, CHAT = ("factor", "standby"), ("machine", "vm"), ("provider", "openai"), ("class", "chat")
SAID = {"source": "me", "year": 2026}


def test_every_row_of_the_four_tables_may_be_replaced() -> None:
    catalogue = default_catalogue()

    assert {table for table, _ in ROWS} == set(READERS)
    assert {key for table, key in ROWS if table == "factor"} == set(catalogue.factors)
    assert {key for table, key in ROWS if table == "machine"} == set(catalogue.machines)
    assert {key for table, key in ROWS if table == "provider"} == {p.key for p in catalogue.providers.values()}
    assert len([key for table, key in ROWS if table == "class"]) == len(set(map(id, catalogue.classes.values())))


@pytest.mark.parametrize("where", ROWS, ids=" ".join)
def test_every_row_with_its_own_figures_is_a_valid_answer(where: tuple[str, str]) -> None:
    shipped = ROWS[where]
    figures = {name: value for name, value in shipped.items() if name not in {"source", "year", "evidence"}}
    row = replaced(where, shipped, {**figures, **SAID}, "somebody")

    assert row == {**shipped, "source": "replaced by somebody: me", "year": 2026, "evidence": "declared"}


def test_what_is_no_figure_may_be_left_out() -> None:
    answer = {"pue": (1.1, 1.2, 1.3), "wue_l_per_kwh": (0.1, 0.2, 0.3), **SAID}
    row = replaced(OPENAI, ROWS[OPENAI], answer, "somebody")

    assert row["pue"] == [1.1, 1.2, 1.3]
    assert (row["zone"], row["names"]) == (ROWS[OPENAI]["zone"], ROWS[OPENAI]["names"])


def test_a_catalogue_with_other_rows_has_them_and_all_others() -> None:
    row = replaced(STANDBY, ROWS[STANDBY], {"value": [0.1, 0.2, 0.3], **SAID}, "somebody")
    catalogue = default_catalogue().with_rows({STANDBY: row})

    assert catalogue.value("standby") == (0.1, 0.2, 0.3)
    assert catalogue.factors["standby"].origin.source == "replaced by somebody: me"
    assert default_catalogue().value("standby") == (0.0, 0.10, 0.75)
    assert catalogue.factors.keys() == default_catalogue().factors.keys()
    assert catalogue.machines == default_catalogue().machines
    assert catalogue.factors_version.startswith(f"{default_catalogue().factors_version}.changed.")


def test_the_version_tells_which_figures_and_not_in_which_order_they_were_set() -> None:
    one = replaced(STANDBY, ROWS[STANDBY], {"value": [0.1, 0.2, 0.3], **SAID}, "a")
    other = replaced(
        VM, ROWS[VM], {**{n: ROWS[VM][n] for n in ("embodied_kg", "life_years", "utilisation")}, **SAID}, "a"
    )
    catalogue = default_catalogue()

    both = catalogue.with_rows({STANDBY: one, VM: other}).factors_version
    assert catalogue.with_rows({VM: other}).with_rows({STANDBY: one}).factors_version == both
    assert len({both, catalogue.with_rows({VM: other}).factors_version, catalogue.factors_version}) == 3


BAD: list[tuple[tuple[str, str], Any, str]] = [
    (STANDBY, {"value": [0, 0.1, 0.2], "year": 2026}, "factor: standby: source is missing"),
    (STANDBY, {"value": [0, 0.1, 0.2], "source": " ", "year": 2026}, "factor: standby: source must be a text"),
    (STANDBY, {"value": [0, 0.1, 0.2], "source": "me"}, "factor: standby: year is missing"),
    (STANDBY, {"value": [0, 0.1, 0.2], "source": "me", "year": "2026"}, "year must be a number"),
    (STANDBY, SAID, "factor: standby: value is missing, it is [0.0, 0.1, 0.75] in the row as it was"),
    (STANDBY, {"value": None, "times_over": 2, **SAID}, "factor: standby: value is missing"),
    (STANDBY, {"value": [0, 0.1, 0.2], "times_over": 2, **SAID}, "a factor needs either value or times_over"),
    (STANDBY, {"value": 0.1, **SAID}, "value must be a list of 3 numbers, got 0.1"),
    (STANDBY, {"value": [0.3, 0.2, 0.1], **SAID}, "value must be [low, central, high] in rising order"),
    (STANDBY, {"value": [0, 0.1, float("nan")], **SAID}, "value must be finite"),
    (STANDBY, {"value": [0, 0.1, 1.2], **SAID}, "value is a share and must be 1 or less, got 1.2"),
    (STANDBY, {"value": [0, 10, 75], "unit": "percent", **SAID}, "unit cannot be changed, it is 'share'"),
    (STANDBY, {"value": [0, 0.1, 0.2], "key": "other", **SAID}, "key cannot be changed, it is 'standby'"),
    (STANDBY, {"value": [0, 0.1, 0.2], "note": "x", **SAID}, "unknown key 'note'; valid: "),
    (STANDBY, [0, 0.1, 0.2], "the answer must be a table (a dict) or None, got [0, 0.1, 0.2]"),
    (VM, {"embodied_kg": [1, 2, 3], "utilisation": [0.1, 0.2, 0.3], **SAID}, "machine: vm: life_years is missing"),
    (
        VM,
        {"embodied_kg": [1, 2, 3], "life_years": [0, 1, 2], "utilisation": [0.1, 0.2, 0.3], **SAID},
        "machine: vm: life_years must be [low, central, high] above 0",
    ),
    (OPENAI, {"pue": [1, 1, 1], "wue_l_per_kwh": [1, 1, 1], "zone": "ATLANTIS", **SAID}, "zone: 'ATLANTIS' is not a"),
    (OPENAI, {"pue": [0.5, 1, 1], "wue_l_per_kwh": [1, 1, 1], **SAID}, "provider: openai: pue must be 1 or more"),
    (CHAT, {"input_tokens": [1, 2], "output_tokens": [1, 2], **SAID}, "class: chat: active_b is missing"),
]


@pytest.mark.parametrize(("where", "answer", "said"), BAD, ids=[said for *_, said in BAD])
def test_a_bad_replacement_is_one_line_with_table_row_and_field(where: tuple[str, str], answer: Any, said: str) -> None:
    with pytest.raises(CatalogueError) as error:
        replaced(where, ROWS[where], answer, "somebody")

    message = str(error.value)
    assert message.startswith(": ".join(where))
    assert said in message
    assert "\n" not in message


def test_an_amended_row_says_where_its_figure_is_from() -> None:
    row = {**ROWS[STANDBY], "value": (0.0, 0.2, 0.75), "source": "me"}

    assert amended(STANDBY, ROWS[STANDBY], row, "somebody") == {
        **row,
        "value": [0.0, 0.2, 0.75],
        "source": "amended by somebody: me",
    }
    assert amended(STANDBY, ROWS[STANDBY], dict(ROWS[STANDBY]), "somebody") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"value": [0, 0.2, 0.3]}, "factor: standby: source must say where the amended figures are from"),
        ({"source": None}, "factor: standby: source is missing"),
        ({"source": "me", "year": None}, "factor: standby: year is missing"),
        ({"source": "me", "value": None}, "factor: standby: value is missing"),
        ({"source": "me", "key": "x"}, "factor: standby: key cannot be changed"),
        ({"source": "me", "value": [0, 2, 3]}, "factor: standby: value is a share"),
    ],
)
def test_a_bad_amendment_is_one_line(change: dict[str, Any], said: str) -> None:
    row = {name: value for name, value in {**ROWS[STANDBY], **change}.items() if value is not None}
    with pytest.raises(CatalogueError) as error:
        amended(STANDBY, ROWS[STANDBY], row, "somebody")

    assert said in str(error.value)


def test_what_is_handed_out_is_a_copy() -> None:
    for _, row in replaceable(default_catalogue()):
        row.clear()

    assert dict(replaceable(default_catalogue())) == ROWS
