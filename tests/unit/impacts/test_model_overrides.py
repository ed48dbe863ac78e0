"""``[tool.aifootprint.models."x"]``."""

import pytest

from pytest_aifootprint.impacts import ModelOverride


def test_a_whole_table_is_read() -> None:
    table = {"training_kwh": 1000, "training_gco2e": 5e5, "expected_uses": [1, 2, 3], "parent": "p", "params_b": 7}

    assert ModelOverride.from_table("x", table) == ModelOverride("x", 7.0, 1000.0, 5e5, (1.0, 2.0, 3.0), "p")
    assert ModelOverride.from_table("x", {"expected_uses": 5000}).expected_uses == 5000
    assert ModelOverride.from_table("x", {}) == ModelOverride("x")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"training_kw": 1},
            r"unknown key 'training_kw'; valid: params_b, training_kwh, training_gco2e, expected_uses",
        ),
        ({"params_b": "7"}, r"params_b must be a number, got '7'"),
        ({"params_b": True}, r"params_b must be a number, got True"),
        ({"params_b": -7}, r"params_b must be finite and 0 or more, got -7"),
        ({"params_b": 0}, r"params_b must be above 0"),
        ({"training_kwh": float("nan")}, r"training_kwh must be finite"),
        ({"expected_uses": [3, 2, 1]}, r"expected_uses must be \[low, central, high\] in rising order"),
        ({"expected_uses": [1, 2]}, r"expected_uses must be a list of 3 numbers"),
        ({"expected_uses": [0, 1, 2]}, r"expected_uses must be above 0"),
        ({"expected_uses": 0}, r"expected_uses must be above 0"),
        ({"parent": 3}, r"parent must be a text, got 3"),
    ],
)
def test_a_wrong_table_is_one_line_that_names_the_place(table: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=rf'^\[tool\.aifootprint\.models\."x"\]: {message}') as error:
        ModelOverride.from_table("x", table)

    assert "\n" not in str(error.value)
