"""``[tool.aifootprint.models."x"]``."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.impacts import ModelOverride
from pytest_aifootprint.impacts.model_files import PathPattern

HERE = Path("/project")
NO_SHARES: tuple[object, ...] = (
    0, 1, -0.5, 1.5, float("nan"), 10**400, True, "0.7", {}, [], [0.7], [0.6, 0.7], [0.8, 0.7, 0.6], [0, 0.5, 0.9],
    [0.5, 0.9, 1], [0.5, "0.7", 0.9],
)  # fmt: skip
DIGEST = "0123456789abcdef" * 4


def read(table: dict[str, object]) -> ModelOverride:
    return ModelOverride.from_table("x", table, HERE)


def test_a_whole_table_is_read() -> None:
    table = {
        "training_kwh": 1000,
        "training_gco2e": 5e5,
        "expected_uses": [1, 2, 3],
        "parent": "p",
        "params": "7B",
        "path": ["models/x*.onnx", "checkpoints/x"],
        "sha256": DIGEST.upper(),
        "training_tokens": "2.5T",
        "training_grid": "56 g/kWh",
        "inference_share": [0.6, 0.7, 0.8],
        "training_method": "count",
    }

    assert read(table) == ModelOverride(
        "x",
        params=7e9,
        training_kwh=1000.0,
        training_gco2e=5e5,
        expected_uses=(1.0, 2.0, 3.0),
        parent="p",
        paths=(PathPattern("models/x*.onnx", HERE), PathPattern("checkpoints/x", HERE)),
        sha256=(DIGEST,),
        training_tokens=2.5e12,
        training_grid="56 g/kWh",
        inference_share=(0.6, 0.7, 0.8),
        training_method="count",
    )
    assert read({"inference_share": 0.9}).inference_share == (0.9, 0.9, 0.9)
    assert read({"expected_uses": 5000}).expected_uses == 5000
    assert read({}) == ModelOverride("x")


@pytest.mark.parametrize(
    ("said", "params"),
    [
        (66_000_000, 66e6),
        (6.6e7, 66e6),
        ("66M", 66e6),
        ("7B", 7e9),
        ("1.5B", 1.5e9),
        ("270m", 270e6),
        ("500K", 500e3),
        ("1T", 1e12),
        (1000, 1e3),
        ("20T", 2e13),
    ],
)
def test_params_are_a_count_or_a_text(said: object, params: float) -> None:
    assert read({"params": said}).params == params


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"training_kw": 1},
            (
                r"unknown key 'training_kw'; valid: params, training_kwh, training_gco2e, codecarbon_csv, "
                r"codecarbon_project, codecarbon_run, expected_uses, parent, path, sha256, training_tokens, "
                r"training_grid, inference_share, training_method$"
            ),
        ),
        ({"params_b": 7}, r"unknown key 'params_b'; say params: the number of parameters, as 66_000_000 or \"66M\""),
        ({"params": "7"}, r'params must be the number of parameters, as 66_000_000 or "66M", "7B", "1.5B"; got \'7\''),
        ({"params": "7 billion"}, r"params must be .*; got '7 billion'"),
        ({"params": "7B\n"}, r"params must be .*; got '7B\\n'"),
        ({"params": "-7B"}, r"params must be .*; got '-7B'"),
        ({"params": True}, r"params must be .*; got True"),
        ({"params": [7e9]}, r"params must be .*; got \[7000000000.0\]"),
        ({"params": 7}, r"params must be from 1000 to 20T, .*; got 7$"),
        ({"params": 0}, r"params must be from 1000 to 20T, .*; got 0$"),
        ({"params": -7_000_000}, r"params must be from 1000 to 20T, .*; got -7000000$"),
        ({"params": float("nan")}, r"params must be from 1000 to 20T, .*; got nan$"),
        ({"params": float("inf")}, r"params must be from 1000 to 20T, .*; got inf$"),
        ({"params": 10**400}, r"params must be from 1000 to 20T, .*; got 1000"),
        ({"params": "21T"}, r"params must be from 1000 to 20T, .*; got '21T'$"),
        ({"training_kwh": float("nan")}, r"training_kwh must be finite"),
        ({"training_kwh": 1000}, r"training_kwh needs expected_uses, the number of calls that bear the training$"),
        ({"training_gco2e": 1000}, r"training_gco2e needs expected_uses"),
        ({"expected_uses": [3, 2, 1]}, r"expected_uses must be \[low, central, high\] in rising order"),
        ({"expected_uses": [1, 2]}, r"expected_uses must be a list of 3 numbers"),
        ({"expected_uses": [0, 1, 2]}, r"expected_uses must be numbers above 0, got \[0, 1, 2\]"),
        ({"expected_uses": 0}, r"expected_uses must be a number above 0, got 0"),
        ({"expected_uses": -1}, r"expected_uses must be a number above 0, got -1"),
        ({"training_kwh": -1, "expected_uses": 1}, r"training_kwh must be a number above 0, got -1"),
        ({"parent": 3}, r"parent must be a text, got 3"),
        ({"path": 3}, r"path must be a text or a list of texts, got 3"),
        ({"path": []}, r"path must be a text or a list of texts, got \[\]"),
        ({"path": ["a", ""]}, r"path must be a text or a list of texts, got \['a', ''\]"),
        ({"path": "a\0b"}, r"path must be a text or a list of texts, got 'a\\x00b'"),
        ({"sha256": "abc"}, r"sha256 must be 64 hex digits, got 'abc'"),
        ({"sha256": [DIGEST, "g" * 64]}, r"sha256 must be 64 hex digits, got 'ggg"),
        ({"sha256": f"{DIGEST}\n"}, r"sha256 must be 64 hex digits, got '.*\\n'"),
        ({"sha256": 12}, r"sha256 must be a text or a list of texts, got 12"),
        ({"codecarbon_csv": 3}, r"codecarbon_csv must be a text, got 3"),
        ({"codecarbon_csv": "a\0b"}, r"codecarbon_csv must be a path, got 'a\\x00b'"),
        (
            {"codecarbon_csv": "e.csv", "training_kwh": 3},
            r"codecarbon_csv and training_kwh say the same thing; give one of them",
        ),
        ({"codecarbon_csv": "e.csv", "training_gco2e": 3}, r"codecarbon_csv and training_gco2e say the same thing"),
        ({"codecarbon_project": "p"}, r"codecarbon_project needs codecarbon_csv, the file that it selects from"),
        ({"codecarbon_run": ["r"]}, r"codecarbon_run needs codecarbon_csv"),
        ({"training_tokens": 15}, r'training_tokens must be from 1M to 1000T, .* "300B", "15T"; got 15$'),
        ({"training_tokens": "2000T"}, r"training_tokens must be from 1M to 1000T, .*; got '2000T'$"),
        (
            {"training_tokens": "many"},
            r"training_tokens must be the number of tokens, as 300_000_000_000 .*; got 'many'$",
        ),
        ({"training_grid": "Atlantis"}, r"training_grid: 'Atlantis' is not a place .*; valid: an ISO country code"),
        ({"training_grid": 56}, r"training_grid must be a text, got 56$"),
        *(
            (
                {"inference_share": value},
                r"inference_share \(phi, .* between 0 and 1, both excluded, or \[low, central, ",
            )
            for value in NO_SHARES
        ),
        ({"training_method": "guess"}, r"training_method must be one of share, count, compute; got 'guess'$"),
    ],
)
def test_a_wrong_table_is_one_line_that_names_the_place(table: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=rf'^\[tool\.aifootprint\.models\."x"\]: {message}') as error:
        read(table)

    assert "\n" not in str(error.value)


def test_a_place_of_training_is_none_that_only_today_knows() -> None:
    said = outcome({"training_grid": "electricitymaps/FR"})

    assert "training_grid: 'electricitymaps/FR' is not a place" in said
    assert said.endswith('a number ("56 g/kWh", "0.056 kg/kWh")')


def test_a_table_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'^\[tool\.aifootprint\.models\." "\]: the name is empty; valid: '):
        ModelOverride.from_table(" ", {"params": "7B"}, tmp_path)


KEYS = (
    "params", "params_b", "training_kwh", "training_gco2e", "codecarbon_csv", "codecarbon_project", "codecarbon_run",
    "expected_uses", "parent", "path", "sha256", "training_tokens", "training_grid", "inference_share",
    "training_method", "other\nkey",
)  # fmt: skip
scalars = st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.just("7B"), st.just(DIGEST))
values = st.one_of(scalars, st.lists(scalars, max_size=3), st.dictionaries(st.text(), scalars, max_size=1))


@given(st.dictionaries(st.sampled_from(KEYS), values, max_size=4))
def test_whatever_is_declared_is_taken_or_one_line(table: dict[str, object]) -> None:
    said = outcome(table)

    assert said == "taken" or said.startswith('[tool.aifootprint.models."x"]: ')
    assert len(said.splitlines()) == 1


def outcome(table: dict[str, object]) -> str:
    try:
        read(table)
    except ValueError as error:
        return str(error)
    return "taken"
