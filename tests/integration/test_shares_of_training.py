"""How training shares are made, from the project's tables to the terminal and the report."""

import json
from typing import Any

import jsonschema
import pytest

from pytest_aifootprint.records.schema import report_schema

SUITE = """
import pytest

MODELS = ("gpt-4o", "gpt-4o-mini", "acme/counted", "google/gemma-3-270m-it", "llama-3.3-70b")

@pytest.mark.parametrize("model", MODELS)
def test_ask(aifootprint, model):
    aifootprint.record_call(model=model, provider="openai", input_tokens=1000, output_tokens=200)
"""
TABLES = """
[tool.aifootprint.models."gpt-4o"]
inference_share = 0.9

[tool.aifootprint.models."acme/counted"]
parent = "gpt-4o"
training_kwh = 1_000
training_grid = "100 g/kWh"
expected_uses = [1e4, 1e5, 1e6]

[tool.aifootprint.models."google/gemma-3-270m-it"]
expected_uses = 1e7
"""


@pytest.fixture(autouse=True)
def suite(pytester: pytest.Pytester) -> None:
    """Calls to five models, three of which have a table."""
    pytester.makepyfile(SUITE)
    pytester.makepyprojecttoml(TABLES)


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_the_methods_of_all_models_are_in_the_terminal_and_in_the_report(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = pytester.runpytest_subprocess("--aifootprint", "--aifootprint-report=json:ai.json", workers)
    result.assert_outcomes(passed=5)
    line = "training       share of use for 2 models (phi 0.70) · share of use for 1 (phi"
    result.stdout.fnmatch_lines([line, "               0.90) · count for 1 · compute for 1"])
    assert all(len(text) <= 80 for text in result.outlines if text.startswith(("training ", "     ")))

    report: dict[str, Any] = json.loads((pytester.path / "ai.json").read_text())
    jsonschema.validate(report, report_schema())
    told = {model["id"]: model["training"] for model in report["models"]}
    grams = {model["id"]: model["carbon_g"]["training"]["central"] for model in report["models"]}
    assert {name: training["method"] for name, training in told.items()} == {
        "gpt-4o": "share",
        "gpt-4o-mini": "share",
        "llama-3.3-70b": "share",
        "acme/counted": "count",
        "google/gemma-3-270m-it": "compute",
    }
    assert told["gpt-4o"]["phi"] == {
        "low": pytest.approx(0.9),
        "central": pytest.approx(0.9),
        "high": pytest.approx(0.9),
    }
    assert told["gpt-4o-mini"]["phi"]["central"] == pytest.approx(1 / 1.43)
    assert grams["acme/counted"] == pytest.approx(1000 * 100 / 1e5)
    assert told["acme/counted"] | {"source": None, "carbon_kg": None, "lifetime_uses": None} == {
        "method": "count", "source": None, "kwh": 1000, "carbon_kg": None, "lifetime_uses": None, "whole": "declared",
        "phi": None, "tokens": None, "parent": "gpt-4o",
    }  # fmt: skip
    assert told["google/gemma-3-270m-it"]["whole"] == "computed"
    assert told["google/gemma-3-270m-it"]["tokens"] == 6e12
    assert told["llama-3.3-70b"]["parent"] == "llama-3.1-70b"


def test_the_users_own_grid_changes_no_training_share(pytester: pytest.Pytester) -> None:
    def shares(grid: str) -> dict[str, float]:
        run = pytester.runpytest_subprocess(
            "--aifootprint", f"--aifootprint-grid={grid}", "--aifootprint-report=json:r"
        )
        run.assert_outcomes(passed=5)
        models = json.loads((pytester.path / "r").read_text())["models"]
        return {model["id"]: model["carbon_g"]["training"] for model in models}

    assert shares("FRA") == shares("POL")


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("inference_share = 0.9", "inference_share = 1", '"gpt-4o"]: inference_share (phi, inference\'s share of'),
        (
            'parent = "gpt-4o"',
            'parent = "acme/counted"',
            '"acme/counted"]: parent: a cycle, acme/counted -> acme/counted',
        ),
        ('"100 g/kWh"', '"Atlantis"', "training_grid: 'Atlantis' is not a place whose electricity is known"),
        ("expected_uses = 1e7", 'training_method = "compute"', "training_method = 'compute' needs expected_uses"),
    ],
)
def test_what_cannot_be_is_one_line_and_no_test_runs(
    pytester: pytest.Pytester, right: str, wrong: str, problem: str
) -> None:
    pytester.makepyprojecttoml(TABLES.replace(right, wrong))
    result = pytester.runpytest_subprocess("--aifootprint", "-n2")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line.strip()]
    assert line.startswith("ERROR: [tool.aifootprint.models] (pyproject.toml): [tool.aifootprint.models.")
    assert problem in line
