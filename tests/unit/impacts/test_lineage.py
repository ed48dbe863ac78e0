"""Parents lend their size and their place, never their training; and what the tables say of them is checked."""

import re
from typing import Any

import pytest

from pytest_aifootprint.catalogue import CatalogueError, TrainingRow, default_catalogue
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts import CallImpact, ModelOverride, Pricer, resolve_grid
from pytest_aifootprint.impacts.lineage import check_declared, line_of
from pytest_aifootprint.impacts.training import with_ancestors
from pytest_aifootprint.quantities import Notice

CATALOGUE = default_catalogue()
ROWS = {row.model_id: row for row in CATALOGUE.training}
CHILDREN = [row for row in CATALOGUE.training if row.parent]


def check(*tables: ModelOverride) -> None:
    check_declared({table.name: table for table in tables}, CATALOGUE)


def price(*tables: ModelOverride, model: str) -> CallImpact:
    known: dict[str, Any] = {"client": "httpx", "locality": "remote", "realness": "live", "provider": "unknown"}
    call = AICall("chat", model=model, started_ns=0, duration_ns=1, input_tokens=10, output_tokens=10, **known)
    return Pricer(resolve_grid("FRA", {}), {table.name: table for table in tables}).call(call)


def said_of(*tables: ModelOverride) -> list[Notice]:
    """What a run with one call to "ours" says of the tables."""
    pricer = Pricer(resolve_grid("FRA", {}), {table.name: table for table in tables})
    call = AICall("chat", "x", "remote", "live", 0, 1, provider="openai", model="ours", input_tokens=1, output_tokens=1)
    pricer.identify([call])
    return list(pricer.declared_notices([pricer.call(call)]))


def kg(row: TrainingRow) -> float:
    assert row.kgco2e[1] is not None
    return row.kgco2e[1]


# --- no double count --------------------------------------------------------------------------------------------------


def test_a_child_and_its_parent_together_are_what_the_first_card_printed_for_both() -> None:
    line = line_of(ROWS["llama-3.3-70b"], CATALOGUE)

    assert [row.model_id for row in line] == ["llama-3.3-70b", "llama-3.1-70b"]
    assert with_ancestors(*map(kg, line)) == pytest.approx(12_900 + 2_040_000)


def test_a_grandchild_has_each_ancestor_once() -> None:
    line = line_of(ROWS["llama-3.2-1b-qlora"], CATALOGUE)

    assert [row.model_id for row in line] == ["llama-3.2-1b-qlora", "llama-3.2-1b", "llama-3.1-8b"]
    assert with_ancestors(*map(kg, line)) == pytest.approx(381 + 107_000 + 420_000)


@pytest.mark.parametrize("row", CHILDREN, ids=lambda row: row.model_id)
def test_a_childs_row_is_what_came_on_top_of_its_parent(row: TrainingRow) -> None:
    said = f"{row.scope} {row.co2_basis}"
    _, *ancestors = line_of(row, CATALOGUE)

    assert any(word in said for word in ("INCREMENTAL", "finetuning", "fine-tuning", "distillation")), said
    assert "pretraining +" not in said
    for parent in ancestors:
        if None not in (row.kgco2e[1], parent.kgco2e[1]) and "vision" not in row.model_id:
            assert kg(row) < kg(parent)


def test_a_call_bears_the_childs_increment_and_is_told_what_is_left_out() -> None:
    name = "meta-llama/Llama-3.3-70B-Instruct"
    impact = price(ModelOverride(name, expected_uses=(1e6, 1e7, 1e8)), model=name)

    assert impact.training_carbon_g is not None
    assert impact.training_carbon_g.central == pytest.approx(12_900_000 / 1e7)
    assert impact.training.parent == "llama-3.1-70b"
    assert impact.training.source.endswith("the training of its parent llama-3.1-70b is not in it")


def test_child_and_parent_called_in_one_run_add_up_to_the_lineage() -> None:
    names = ("meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.1-70B-Instruct")
    tables = [ModelOverride(name, expected_uses=(1.0, 1.0, 1.0)) for name in names]
    shares = [price(*tables, model=name).training_carbon_g for name in names]
    together = sum(share.central for share in shares if share is not None)

    assert together == pytest.approx(1000 * with_ancestors(*map(kg, line_of(ROWS["llama-3.3-70b"], CATALOGUE))))


def test_a_share_names_the_parent_too() -> None:
    assert price(model="meta-llama/Llama-3.3-70B-Instruct").training.parent == "llama-3.1-70b"
    assert price(model="meta-llama/Llama-3.1-70B-Instruct").training.parent is None


# --- what a parent lends ----------------------------------------------------------------------------------------------


def test_a_size_comes_down_the_line_of_tables() -> None:
    line = (
        ModelOverride("tune", parent="base"),
        ModelOverride("base", parent="first"),
        ModelOverride("first", params=3e9),
    )
    same = ModelOverride("tune", params=3e9)

    assert price(*line, model="tune").energy_j == price(same, model="tune").energy_j


def test_a_size_in_a_parents_name_is_lent() -> None:
    tuned = price(ModelOverride("ours", parent="acme/base-7b"), model="ours")

    assert tuned.energy_j == price(ModelOverride("ours", params=7e9), model="ours").energy_j


def test_a_place_of_training_comes_down_the_line() -> None:
    line = (ModelOverride("tune", parent="base"), ModelOverride("base", params=1e9, parent="bigscience/bloom"))
    carbon = price(*line, model="tune").training_carbon_g

    assert carbon is not None
    assert "train:bloom-176b" in carbon.factors


# --- what is refused before the run -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parent",
    [
        "gemma-3-270m", "GOOGLE/Gemma-3-270m-it", "gpt-4o", "acme/base-7b", "other",
        "nreimers/MiniLM-L6-H384-uncased", "llama-3.3-70b",
    ],
)  # fmt: skip
def test_a_known_parent_is_taken(parent: str) -> None:
    tables = ModelOverride("ours", parent=parent), ModelOverride("other")

    check(*tables)
    assert said_of(*tables) == []


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (
            (ModelOverride("ours", parent="gemini-2.5-flsh"),),
            r"nothing is known of gemini-2.5-flsh, the parent of ours in \[tool.*; did you mean gemini-2.5-flash",
        ),
        (
            (ModelOverride("ours", parent="zzzzqqqq"),),
            "nothing is known of zzzzqqqq, .*: it lends neither size nor place$",
        ),
        (
            (ModelOverride("ours", parent="b"), ModelOverride("b", parent="zzzzqqqq")),
            "nothing is known of zzzzqqqq, the parent of ours",
        ),
    ],
)
def test_an_unknown_parent_is_told(tables: tuple[ModelOverride, ...], message: str) -> None:
    check(*tables)
    [notice] = said_of(*tables)

    assert notice.code == "declared-parent-unknown"
    assert re.match(message, notice.message)


def test_a_cycle_that_nobody_checked_ends_no_run() -> None:
    assert said_of(ModelOverride("ours", parent="b"), ModelOverride("b", parent="ours")) == []


def test_of_a_table_without_calls_nothing_is_told() -> None:
    assert said_of(ModelOverride("other", parent="zzzzqqqq")) == []


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ((ModelOverride("a", parent="A"),), r'"a"\]: parent: a cycle, a -> a$'),
        (
            (ModelOverride("a", parent="b"), ModelOverride("b", parent="a")),
            r'"a"\]: parent: a cycle, a -> b -> a$',
        ),
        (
            (ModelOverride("x", parent="a"), ModelOverride("a", parent="b"), ModelOverride("b", parent="a")),
            r'"x"\]: parent: a cycle, x -> a -> b -> a$',
        ),
        (
            (ModelOverride("llama-3.1-70b", parent="llama-3.3-70b"),),
            r'"llama-3.1-70b"\]: parent: a cycle, llama-3.1-70b -> llama-3.3-70b -> llama-3.1-70b$',
        ),
        (
            (ModelOverride("a", training_method="count"),),
            r"'count' needs expected_uses and training_kwh, training_gco2e",
        ),
        (
            (ModelOverride("a", training_method="count", expected_uses=5),),
            r"training_method = 'count' needs training_kwh, training_gco2e or codecarbon_csv$",
        ),
        (
            (ModelOverride("mistral-large-2407", training_method="count", expected_uses=5),),
            r"needs training_kwh, training_gco2e or codecarbon_csv$",
        ),
        (
            (ModelOverride("a", training_method="compute", training_tokens=1e9),),
            r"training_method = 'compute' needs expected_uses$",
        ),
        (
            (ModelOverride("a", training_method="compute", expected_uses=5),),
            r"training_method = 'compute' needs training_tokens$",
        ),
    ],
)
def test_what_cannot_be_is_one_line_that_names_table_key_and_what_is_valid(
    tables: tuple[ModelOverride, ...], message: str
) -> None:
    with pytest.raises(CatalogueError, match=message) as error:
        check(*tables)

    assert str(error.value).startswith('[tool.aifootprint.models."')
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "table",
    [
        ModelOverride("a", training_method="share"),
        ModelOverride("bigscience/bloom", training_method="count", expected_uses=5),
        ModelOverride("google/gemma-3-1b-it", training_method="compute", expected_uses=5),
        ModelOverride("a", training_method="compute", expected_uses=5, training_tokens=1e9),
    ],
)
def test_a_method_with_its_inputs_is_taken(table: ModelOverride) -> None:
    check(table)
