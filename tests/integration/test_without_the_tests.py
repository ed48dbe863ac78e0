"""What had not been emitted without a test, and without all AI tests; by the average, and by the user's own factor."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from pytest_aifootprint.records.schema import report_schema

SUITE = """
import time
import pytest

def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

@pytest.fixture(scope="session")
def everyones():
    burn(0.1)
    yield
    burn(0.02)

@pytest.fixture(scope="session")
def of_ai_tests(everyones):
    burn(0.2)

@pytest.fixture(scope="module")
def of_one():
    burn(0.05)

@pytest.fixture(scope="module")
def of_plain():
    burn(0.05)

def ask(aifootprint, **more):
    aifootprint.record_call(model="gpt-4o-mini", provider="openai", input_tokens=100, output_tokens=100, **more)

def test_one(of_ai_tests, of_one, aifootprint):
    burn(0.03)
    ask(aifootprint)

def test_two(of_ai_tests, aifootprint):
    ask(aifootprint)
    ask(aifootprint, realness="replayed")

def test_three(aifootprint):
    ask(aifootprint)

def test_plain(everyones, of_plain):
    burn(0.03)
"""
STANDBY = 0.1


def run(pytester: pytest.Pytester, *arguments: str) -> tuple[dict[str, Any], pytest.RunResult]:
    result = pytester.runpytest_subprocess(
        "--aifootprint", "--aifootprint-grid=FRA", "--aifootprint-tests=all", "--aifootprint-report=json:out.json",
        "-p", "no:asyncio", *arguments,
    )  # fmt: skip
    assert result.ret == 0, result.stdout.str()
    report: dict[str, Any] = json.loads((pytester.path / "out.json").read_text())
    jsonschema.validate(report, report_schema())
    return report, result


def central(row: dict[str, Any], *keys: str) -> float:
    for key in keys:
        row = row[key]
    return float(row["central"])


def own_g(test: dict[str, Any], *, local: float = 1.0, openai: float = 1.0) -> float:
    """A test's own avoidable part from what it used; ``local`` and ``openai`` are marginal factors over averages."""
    remote = sum(central(call, "carbon_g", "use") for call in test["calls"])
    return (central(test, "direct", "carbon_g", "use") - remote) * local + remote * openai * (1 - STANDBY)


def test_a_shared_fixture_goes_with_its_only_user_or_with_all_of_them_and_never_with_some(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(SUITE)
    report, result = run(pytester, *workers)
    tests = {t["nodeid"].rpartition("::")[2]: t for t in report["tests"]}
    fixtures = {f["name"]: f for f in report["fixtures"]}
    use = {name: central(fixture, "carbon_g", "use") for name, fixture in fixtures.items()}
    assert use.keys() == {"everyones", "of_ai_tests", "of_one", "of_plain"}
    assert all(grams > 0 for grams in use.values())
    assert {name for name, fixture in fixtures.items() if fixture["only_ai_users"]} == {"of_ai_tests", "of_one"}
    assert {name: central(f, "avoidable_carbon_g") for name, f in fixtures.items()} == pytest.approx(use)

    rows = {name: central(test, "avoidable_carbon_g") for name, test in tests.items()}
    own = {name: own_g(test) for name, test in tests.items()}
    own["test_one"] += use["of_one"]
    own["test_plain"] += use["of_plain"]
    assert rows == pytest.approx(own)

    whole = central(report["totals"], "avoidable_carbon_g")
    of_rows = sum(rows[name] for name in ("test_one", "test_two", "test_three"))
    assert whole == pytest.approx(of_rows + use["of_ai_tests"])
    # What a test bears is another matter: there, it has its share of each fixture that it used.
    borne = central(tests["test_one"], "carbon_g", "use")
    assert borne == pytest.approx(
        central(tests["test_one"], "direct", "carbon_g", "use")
        + use["everyones"] / 3 + use["of_ai_tests"] / 2 + use["of_one"]
    )  # fmt: skip
    result.stdout.fnmatch_lines(["avoidable * had these tests not run, at the average grid factor"])


def test_training_in_this_run_is_avoidable_its_share_and_hardware_are_not(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_trains():
            from sklearn.dummy import DummyClassifier
            X = [[float(i)] for i in range(2000)]
            for _ in range(20):
                model = DummyClassifier().fit(X, [i % 2 for i in range(2000)])
            assert len(model.predict(X)) == 2000

        def test_asks(aifootprint):
            aifootprint.record_call(model="gpt-4o-mini", provider="openai", input_tokens=100, output_tokens=100)
        """
    )
    report, _ = run(pytester)
    trains, asks = report["tests"]
    assert {call["operation"] for call in trains["calls"]} == {"training", "inference"}
    assert central(trains, "avoidable_carbon_g") == pytest.approx(central(trains, "carbon_g", "use"))
    assert central(trains, "avoidable_carbon_g") < central(trains, "carbon_g", "total")
    assert central(asks, "carbon_g", "training") > 0
    assert central(asks, "avoidable_carbon_g") == pytest.approx(own_g(asks))


@pytest.mark.parametrize(
    ("table", "factors", "said"),
    [
        ('local = "560 g/kWh"', {"local": 10.0}, "factor that you gave: local 560 g/kWh; else the average"),
        ('openai = "739 g/kWh"', {"openai": 2.0}, "factor that you gave: openai 739 g/kWh; else the average"),
        (
            'local = "560 g/kWh"\nazure = "739 g/kWh"',
            {"local": 10.0, "openai": 2.0},
            "factors that you gave: local 560 g/kWh, openai 739 g/kWh",
        ),
    ],
)
def test_a_marginal_factor_prices_what_is_avoidable_and_avoided_and_nothing_else(
    pytester: pytest.Pytester, table: str, factors: dict[str, float], said: str
) -> None:
    pytester.makepyfile(SUITE)
    pytester.makepyprojecttoml(f"[tool.aifootprint.marginal]\n{table}\n")
    report, result = run(pytester)
    totals, grids = report["totals"], report["run"]["grids"]
    given = {"local": 560.0, "openai": 739.0}
    assert {name: central(grid, "carbon_g_per_kwh") for name, grid in grids["marginal"].items()} == {
        name: given[name] for name in factors
    }
    assert all(grid["source"].startswith("declared, marginal: ") for grid in grids["marginal"].values())
    over = {
        "local": given["local"] / central(grids["local"], "carbon_g_per_kwh") if "local" in factors else 1.0,
        "openai": given["openai"] / central(grids["remote"]["openai"], "carbon_g_per_kwh")
        if "openai" in factors
        else 1.0,
    }
    assert {name: over[name] for name in factors} == pytest.approx(factors, rel=1e-3)

    tests = {t["nodeid"].rpartition("::")[2]: t for t in report["tests"]}
    assert central(tests["test_three"], "avoidable_carbon_g") == pytest.approx(own_g(tests["test_three"], **over))
    live, replayed = tests["test_two"]["calls"]
    assert central(replayed, "avoided_carbon_g") == pytest.approx(central(live, "carbon_g", "use") * over["openai"])

    # What is attributed keeps the average, and neither of the two is in any sum.
    assert all(t["carbon_g"]["use"] for t in tests.values())
    kwh = {name: central(totals, "energy_j", name) / 3.6e6 for name in ("cpu", "remote")}
    averages = {
        "cpu": central(grids["local"], "carbon_g_per_kwh"),
        "remote": central(grids["remote"]["openai"], "carbon_g_per_kwh"),
    }
    assert central(totals, "carbon_g", "use") == pytest.approx(sum(kwh[name] * averages[name] for name in kwh))
    parts = sum(central(totals, "carbon_g", name) for name in ("use", "training", "hardware"))
    assert central(totals, "carbon_g", "total") == pytest.approx(parts)
    assert not any(
        factor["name"].startswith(("marginal", "standby")) for figure in totals["factors"].values() for factor in figure
    )
    printed = " ".join(" ".join(result.outlines).split())
    assert f"had these tests not run, at the marginal {said}" in printed
    avoided = "at the marginal factor that you gave: openai 739 g/kWh" if "openai" in factors else ""
    assert f"1 call replayed from cassettes{', ' + avoided if avoided else ''} " in printed


def test_a_place_is_no_marginal_factor_and_ends_the_run_before_any_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    pytester.makepyprojecttoml('[tool.aifootprint.marginal]\nlocal = "FRA"\n')
    result = pytester.runpytest("--aifootprint")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: *aifootprint.marginal* (pyproject.toml): marginal.local = 'FRA' is no number: *no marginal factor; *"]
    )
    assert len([line for line in result.errlines if line.strip()]) == 1
