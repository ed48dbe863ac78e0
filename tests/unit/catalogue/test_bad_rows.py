"""What bad input gets: refused when it is read, in one line with file, row and field; for every kind of row."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pytest_aifootprint.catalogue import Catalogue, CatalogueError
from pytest_aifootprint.catalogue.loader import DATA, OWN_FILES
from pytest_aifootprint.impacts import ModelOverride
from pytest_aifootprint.meters.hardware import HARDWARE_KEYS, validate_hardware

ORIGIN = {"source": '"s"', "year": "2024", "evidence": '"seen"'}
# A whole row of each kind: the file, its array, the property that reads it, the row's name in errors, its fields.
ROWS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "training": ("training.toml", "training", "m", {
        "model_id": '"m"', "training_kwh": "1", "confidence": '"high"', **ORIGIN}),
    "providers": ("providers.toml", "provider", "unknown", {
        "key": '"unknown"', "names": '["unknown"]', "zone": '"WOR"', "training_zone": '"WOR"', "pue": "[1, 1.1, 1.2]",
        "wue_l_per_kwh": "[0.1, 0.2, 0.3]", **ORIGIN}),
    "machines": ("machines.toml", "machine", "vm", {
        "key": '"vm"', "embodied_kg": "[1, 2, 3]", "life_years": "[3, 4, 5]", "utilisation": "[0.1, 0.2, 0.3]",
        **ORIGIN}),
    "factors": ("defaults.toml", "factor", "phi.multiplier", {
        "key": '"phi.multiplier"', "value": "[0.1, 0.4, 1.0]", "unit": '"training per inference"', **ORIGIN}),
    "classes": ("defaults.toml", "class", "chat", {
        "operations": '["chat"]', "active_b": "[1, 2]", "input_tokens": "[1, 2]", **ORIGIN}),
    "cloud_regions": ("cloud_regions.toml", "region", "aws/x", {
        "key": '"aws/x"', "place": '"Paris"', "zone": '"FRA"', **ORIGIN}),
    "countries": ("countries.toml", "countries", "", {"codes": '["FR FRA"]', **ORIGIN}),
}  # fmt: skip
NOT_A_NUMBER = {
    "nan": "finite",
    "inf": "finite",
    "-inf": "finite",
    "-1": "0 or more",
    "true": "a number",
    '"1"': "a number",
}
FIGURES = {
    "training": ("training_kwh", "training_kgco2e", "water_l", "params_b", "gpu_hours", "pue"),
    "providers": ("grid_times_over",),
    "machines": ("host_kg",),
    "factors": ("times_over",),
}
RANGES = {
    "providers": ("pue", "wue_l_per_kwh"),
    "machines": ("embodied_kg", "life_years", "utilisation"),
    "factors": ("value",),
}


def refused(folder: Path, part: str, **changes: str | None) -> str:
    """What reading a row with other fields says; a field that is None is left out."""
    _, table, name, fields = ROWS[part]
    row = {**fields, **changes}
    text = "\n".join(f"{field} = {value}" for field, value in row.items() if value is not None)
    message = refused_file(folder, part, f"[[{table}]]\n{text}\n")
    assert name in message
    return message


def refused_file(folder: Path, part: str, text: str | bytes | None) -> str:
    """What reading a file says; None: it is not there."""
    file = ROWS[part][0]
    shutil.copytree(DATA, folder / "data")
    if text is None:
        (folder / "data" / file).unlink()
    else:
        (folder / "data" / file).write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(CatalogueError) as error:
        getattr(Catalogue(folder / "data"), part)
    message = str(error.value)
    assert message.startswith(file)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("part", ROWS)
@pytest.mark.parametrize("field", ORIGIN)
def test_a_row_without_source_year_or_evidence_is_refused(tmp_path: Path, part: str, field: str) -> None:
    assert refused(tmp_path, part, **{field: None}).endswith(f"{field} is missing")


@pytest.mark.parametrize("part", ROWS)
@pytest.mark.parametrize(
    ("year", "said"),
    [
        ("24", "must be a year, got 24"), ("2024.5", "must be a year, got 2024.5"), ("2101", "must be a year"),
        ("1989", "must be a year"), ("0", "must be a year"), ('"2024"', "must be a number"), ("true", "must be a num"),
        ("nan", "must be finite"), ("-2024", "0 or more"), ("2024-05-01", "must be a number"),
    ],
)  # fmt: skip
def test_a_year_that_is_none_is_refused(tmp_path: Path, part: str, year: str, said: str) -> None:
    message = refused(tmp_path, part, year=year)

    assert "year" in message
    assert said in message


@pytest.mark.parametrize("part", ROWS)
@pytest.mark.parametrize("text", ['""', '"  "', "7", "true", '["s"]'])
def test_a_source_that_says_nothing_is_refused(tmp_path: Path, part: str, text: str) -> None:
    assert "source must be a text" in refused(tmp_path, part, source=text)


@pytest.mark.parametrize("part", ROWS)
def test_a_field_that_nobody_knows_is_refused(tmp_path: Path, part: str) -> None:
    assert "unknown key 'wieght'; valid: " in refused(tmp_path, part, wieght="3")


@pytest.mark.parametrize("part", ROWS)
def test_two_rows_of_one_name_are_refused(tmp_path: Path, part: str) -> None:
    file, table, name, fields = ROWS[part]
    row = f"[[{table}]]\n" + "\n".join(f"{field} = {value}" for field, value in fields.items())

    assert refused_file(tmp_path, part, f"{row}\n{row}\n") == f"{file}: {name or 'FR'} stands there twice"


@pytest.mark.parametrize("part", ROWS)
def test_a_field_that_stands_twice_in_a_row_is_refused(tmp_path: Path, part: str) -> None:
    _, table, _, _ = ROWS[part]

    assert refused_file(tmp_path, part, f"[[{table}]]\nyear = 2024\nyear = 2025\n")


@pytest.mark.parametrize("number", NOT_A_NUMBER)
@pytest.mark.parametrize(("part", "field"), [(part, field) for part, fields in FIGURES.items() for field in fields])
def test_what_is_no_number_of_0_or_more_is_refused(tmp_path: Path, part: str, field: str, number: str) -> None:
    message = refused(tmp_path, part, **{field: number})

    assert f": {field} must be " in message
    assert NOT_A_NUMBER[number] in message


@pytest.mark.parametrize("number", NOT_A_NUMBER)
@pytest.mark.parametrize(("part", "field"), [(part, field) for part, fields in RANGES.items() for field in fields])
def test_what_is_no_number_in_a_range_is_refused(tmp_path: Path, part: str, field: str, number: str) -> None:
    message = refused(tmp_path, part, **{field: f"[0.5, 1, {number}]"})

    assert f": {field} must be " in message
    assert NOT_A_NUMBER[number] in message


@pytest.mark.parametrize("value", ["[0.3, 0.2, 0.4]", "[0.1, 0.5, 0.4]", "[0.5, 0.2, 0.1]", "[0.1, 0.2]", "0.2", '"x"'])
@pytest.mark.parametrize(("part", "field"), [(part, field) for part, fields in RANGES.items() for field in fields])
def test_a_range_out_of_order_or_of_another_length_is_refused(
    tmp_path: Path, part: str, field: str, value: str
) -> None:
    message = refused(tmp_path, part, **{field: value})

    assert f": {field} must be " in message
    assert "rising order" in message or "list of 3 numbers" in message


@pytest.mark.parametrize("life", ["[0, 4, 5]", "[-1, 4, 5]", "[0, 0, 0]"])
@pytest.mark.parametrize("field", ["life_years", "embodied_kg", "utilisation"])
def test_a_negative_or_zero_lifetime_is_refused(tmp_path: Path, field: str, life: str) -> None:
    assert f"vm: {field} must be " in refused(tmp_path, "machines", **{field: life})


def test_more_use_than_there_is_life_is_refused(tmp_path: Path) -> None:
    assert "vm: utilisation must be 1 or less" in refused(tmp_path, "machines", utilisation="[0.5, 0.7, 1.01]")


def test_a_pue_below_1_is_refused(tmp_path: Path) -> None:
    assert "unknown: pue must be 1 or more" in refused(tmp_path, "providers", pue="[0.9, 1.1, 1.2]")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        # (1 - phi) / phi of a phi of 1 and more is 0 and less; of a phi of 0 it is no number.
        ({"value": "[0, 0.4, 1]"}, "value must be above 0, got 0"),
        ({"value": "[-0.5, 0.4, 1]"}, "value must be finite and 0 or more"),
        ({"value": "[0.1, 0.4, inf]"}, "value must be finite"),
        ({"unit": None}, "unit is missing"),
        ({"unit": '" "'}, "unit must be a text"),
        ({"unit": '"share"', "value": "[0, 0.5, 1.5]"}, "value is a share and must be 1 or less, got 1.5"),
        ({"value": None}, "a factor needs either value or times_over"),
        ({"times_over": "2"}, "a factor needs either value or times_over"),
        ({"value": None, "times_over": "0.9"}, "times_over must be 1 or more"),
    ],
)
def test_a_factor_that_makes_no_sense_is_refused(tmp_path: Path, changes: dict[str, str | None], said: str) -> None:
    assert said in refused(tmp_path, "factors", **changes)


@pytest.mark.parametrize("field", ["active_b", "input_tokens", "output_tokens"])
@pytest.mark.parametrize("value", ["[0, 2]", "[3, 2]", "[1]", "[1, nan]", "[1, true]", '["1", 2]', "2"])
def test_a_class_that_makes_no_sense_is_refused(tmp_path: Path, field: str, value: str) -> None:
    assert f": {field} must be " in refused(tmp_path, "classes", **{field: value})


@pytest.mark.parametrize(
    ("field", "low", "central", "high"),
    [("training_kwh", 3, 2, 4), ("training_kgco2e", 1, 5, 4), ("water_l", 9, None, 4)],
)
def test_a_published_range_out_of_order_is_refused(
    tmp_path: Path, field: str, low: int, central: int | None, high: int
) -> None:
    changes = {f"{field}_low": str(low), field: None if central is None else str(central), f"{field}_high": str(high)}

    assert f"m: {field}: low, central and high must rise" in refused(tmp_path, "training", **changes)


@pytest.mark.parametrize(
    ("parents", "said"),
    [
        ({"a": "b"}, "a: parent 'b' is no row, and not in unpublished"),
        ({"a": "a"}, "a: parent: a cycle, a -> a"),
        ({"a": "b", "b": "c", "c": "a"}, "a: parent: a cycle, a -> b -> c -> a"),
        ({"x": "a", "a": "b", "b": "A"}, "parent: a cycle, "),
    ],
)
def test_a_parent_that_is_none_and_a_cycle_of_parents_are_refused(
    tmp_path: Path, parents: dict[str, str], said: str
) -> None:
    fields = "\n".join(f"{field} = {value}" for field, value in ROWS["training"][3].items() if field != "model_id")
    text = "\n".join(f'[[training]]\nmodel_id = "{n}"\nparent = "{p}"\n{fields}' for n, p in parents.items())

    assert said in refused_file(tmp_path, "training", text)


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ROWS)
def test_a_file_that_is_not_there_is_one_line(tmp_path: Path, part: str) -> None:
    assert refused_file(tmp_path, part, None).endswith("cannot be read: No such file or directory")


@pytest.mark.parametrize("part", ROWS)
def test_a_file_that_is_no_toml_or_no_text_is_one_line(tmp_path: Path, part: str) -> None:
    assert refused_file(tmp_path / "a", part, "<html>")
    assert "utf-8" in refused_file(tmp_path / "b", part, b'x = "\xff\xfe"')


@pytest.mark.parametrize("part", ROWS)
def test_a_table_that_is_no_array_is_refused(tmp_path: Path, part: str) -> None:
    table = ROWS[part][1]

    assert "rows must be tables in double brackets" in refused_file(tmp_path / "a", part, f"[{table}]\nyear = 2024\n")
    assert "rows must be tables in double brackets" in refused_file(tmp_path / "b", part, f"{table} = [1, 2]\n")


@pytest.mark.parametrize("part", ["providers", "machines", "classes"])
def test_a_file_that_was_cut_off_between_two_rows_lacks_one_that_is_needed(tmp_path: Path, part: str) -> None:
    file, table, _, _ = ROWS[part]
    whole = (DATA / file).read_text(encoding="utf-8")
    first = whole.index(f"[[{table}]]")
    cut = whole.index(f"[[{table}]]", first + 1)

    assert "is missing; install the package again" in refused_file(tmp_path, part, whole[:cut])


@pytest.mark.parametrize("file", OWN_FILES)
def test_the_version_of_a_file_that_is_not_there_is_refused(tmp_path: Path, file: str) -> None:
    shutil.copytree(DATA, tmp_path / "data")
    (tmp_path / "data" / file).unlink()

    with pytest.raises(CatalogueError, match=rf"^{file}: cannot be read"):
        _ = Catalogue(tmp_path / "data").factors_version


@pytest.mark.parametrize("file", OWN_FILES)
def test_a_file_cut_off_anywhere_is_whole_rows_or_one_line(tmp_path: Path, file: str) -> None:
    shutil.copytree(DATA, tmp_path / "data")
    whole = (DATA / file).read_bytes()
    parts = [part for part, (name, *_) in ROWS.items() if name == file]
    said = []
    for cut in range(0, len(whole), max(len(whole) // 40, 1)):
        (tmp_path / "data" / file).write_bytes(whole[:cut])
        catalogue = Catalogue(tmp_path / "data")
        for part in parts:
            try:
                getattr(catalogue, part)
            except CatalogueError as error:
                said.append(str(error))

    assert len(said) > 10
    assert all(line.startswith(file) and "\n" not in line for line in said)


# --- the user's tables ------------------------------------------------------------------------------------------------

BAD_NUMBERS: tuple[Any, ...] = (float("nan"), float("inf"), -1, True, "1", [1], {})


@pytest.mark.parametrize("number", BAD_NUMBERS, ids=repr)
@pytest.mark.parametrize("field", ["training_kwh", "training_gco2e", "expected_uses", "params"])
def test_a_declared_model_with_a_number_that_is_none_is_refused(tmp_path: Path, field: str, number: object) -> None:
    table = {"expected_uses": 10, field: number}
    with pytest.raises(ValueError, match=rf'^\[tool\.aifootprint\.models\."m"\]: {field} must be ') as error:
        ModelOverride.from_table("m", table, tmp_path)

    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "value", [[3, 2, 4], [1, 5, 4], [0, 1, 2], [1, 2], [1, 2, float("nan")], [1, 2, True]], ids=repr
)
def test_declared_uses_out_of_order_are_refused(tmp_path: Path, value: list[Any]) -> None:
    with pytest.raises(ValueError, match=r'models\."m"\]: expected_uses must be '):
        ModelOverride.from_table("m", {"expected_uses": value}, tmp_path)


@pytest.mark.parametrize("number", [*BAD_NUMBERS, 0, [3, 2, 4], [1, 2]], ids=repr)
@pytest.mark.parametrize("field", sorted(HARDWARE_KEYS.keys() - {"machine"}))
def test_declared_hardware_with_a_number_that_is_none_is_refused(field: str, number: object) -> None:
    with pytest.raises(ValueError, match=rf"^hardware: {field} = .* is not valid; {field} is ") as error:
        validate_hardware({field: number})

    assert "\n" not in str(error.value)
