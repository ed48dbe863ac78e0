"""What plugins replace or amend counts and says where it is from; what they get wrong does not, and is told."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_aifootprint import hookspecs
from pytest_aifootprint.catalogue import default_catalogue
from pytest_aifootprint.records.schema import report_schema
from pytest_aifootprint.session.parts import RAISE

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "hooks.md"
EXAMPLES = dict(
    re.findall(r"^### (pytest_aifootprint_\w+)$.*?^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
)
SHIPPED = default_catalogue().factors_version

SUITE = """
def test_it(aifootprint):
    for model in ("gpt-4o-mini", "acme-one", "our-alias"):
        aifootprint.record_call(model=model, provider="openai", input_tokens=1000, output_tokens=100)
"""


def run(pytester: pytest.Pytester, conftest: str, *arguments: str, outcomes: str = "passed") -> dict[str, Any]:
    """The JSON report of a run with this conftest.py."""
    pytester.makeconftest(conftest)
    pytester.makepyfile(test_one=SUITE)
    path = pytester.path / "report.json"
    path.unlink(missing_ok=True)
    result = pytester.runpytest("--aifootprint", f"--aifootprint-report=json:{path}", *arguments)
    result.assert_outcomes(**{outcomes: 1})
    report: dict[str, Any] = json.loads(path.read_text())
    jsonschema.validate(report, report_schema())
    report["exit"] = result.ret
    report["out"] = result.outlines
    return report


def notices(report: dict[str, Any], code: str) -> list[str]:
    return [n["message"] for n in report["notices"] if n["code"] == code]


def call(report: dict[str, Any], model: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c for c in report["tests"][0]["calls"] if c["model"] == model)
    return found


def test_every_hook_has_an_example_and_every_example_is_of_a_hook() -> None:
    assert set(EXAMPLES) == {name for name in vars(hookspecs) if name.startswith("pytest_aifootprint_")}


def test_without_a_hook_the_shipped_figures_stand(pytester: pytest.Pytester) -> None:
    report = run(pytester, "")

    assert report["tool"]["factors_version"] == SHIPPED
    assert notices(report, "figures-changed") == []


def test_a_factor_is_replaced(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    report = run(pytester, EXAMPLES["pytest_aifootprint_factor"], *workers, "--aifootprint-budget=1 kg")
    plain = run(pytester, "")

    assert notices(report, "figures-changed") == ["not the figures that ship: factor standby (replaced by conftest.py)"]
    assert notices(report, "hook-failed") == []
    assert [v["verdict"] for v in report["verdicts"]] == ["pass"]
    assert re.fullmatch(re.escape(SHIPPED) + r"\.changed\.[0-9a-f]{8}", report["tool"]["factors_version"])
    # What would not have been emitted is use x (1 - standby).
    assert call(report, "gpt-4o-mini")["energy_j"] == call(plain, "gpt-4o-mini")["energy_j"]
    assert remote_avoidable(report) == pytest.approx(remote_avoidable(plain) * 0.92 / 0.90)


def remote_avoidable(report: dict[str, Any]) -> float:
    """Of the calls: what the test's own CPU adds is as good as nothing beside them, but not the same in two runs."""
    test = report["tests"][0]
    local: float = test["carbon_g"]["use"]["central"] - sum(c["carbon_g"]["use"]["central"] for c in test["calls"])
    avoidable: float = test["avoidable_carbon_g"]["central"]
    return avoidable - local


def test_a_row_is_amended_and_its_version_tells_which_figure(pytester: pytest.Pytester) -> None:
    example = EXAMPLES["pytest_aifootprint_update_factor"]
    report, plain = run(pytester, example), run(pytester, "")
    again, other = run(pytester, example), run(pytester, example.replace("1.12", "1.13"))

    ratio = call(report, "gpt-4o-mini")["energy_j"]["central"] / call(plain, "gpt-4o-mini")["energy_j"]["central"]
    assert ratio == pytest.approx(1.12 / 1.20)
    assert notices(report, "figures-changed") == ["not the figures that ship: provider openai (amended by conftest.py)"]
    versions = [r["tool"]["factors_version"] for r in (report, again, other)]
    assert versions[0] == versions[1] != versions[2]


def test_the_source_of_a_replaced_share_says_so(pytester: pytest.Pytester) -> None:
    conftest = """
    def pytest_aifootprint_factor(key):
        if key == "phi.multiplier":
            return {"value": (0.2, 0.5, 0.9), "source": "our own books", "year": 2026}
    """
    report, plain = run(pytester, conftest), run(pytester, "")

    def share(found: dict[str, Any]) -> float:
        grams: float = call(found, "gpt-4o-mini")["carbon_g"]["training"]["central"]
        return grams

    assert share(report) == pytest.approx(share(plain) * 0.5 / 0.43)
    training = next(m["training"] for m in report["models"] if m["id"].startswith("gpt-4o-mini"))
    assert training["source"].startswith("replaced by conftest.py: our own books")


def test_the_grid_of_this_machine_is_replaced(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    grid = run(pytester, EXAMPLES["pytest_aifootprint_grid"], *workers)["run"]["grids"]["local"]

    assert (grid["zone"], grid["guessed"]) == ("FRA", False)
    assert grid["carbon_g_per_kwh"]["central"] == pytest.approx(56.0, rel=1e-3)
    assert grid["source"].startswith("replaced by conftest.py: ")


def test_an_option_goes_before_a_hook_for_this_machine(pytester: pytest.Pytester) -> None:
    report = run(pytester, EXAMPLES["pytest_aifootprint_grid"], "--aifootprint-grid=SWE")

    assert report["run"]["grids"]["local"]["zone"] == "SWE"
    assert notices(report, "figures-changed") == []


def test_the_grid_of_this_machine_may_be_a_table(pytester: pytest.Pytester) -> None:
    conftest = """
    def pytest_aifootprint_grid():
        return {"g_per_kwh": (20, 25.0, 40), "l_per_kwh": 3, "source": "our meter", "year": 2026, "zone": "our roof"}
    """
    grid = run(pytester, conftest)["run"]["grids"]["local"]

    assert grid["carbon_g_per_kwh"] == pytest.approx({"low": 20, "central": 25, "high": 40})
    assert (grid["zone"], grid["source"], grid["year"]) == ("our roof", "replaced by conftest.py: our meter", 2026)


def test_the_grid_of_a_provider_is_replaced(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    report = run(pytester, EXAMPLES["pytest_aifootprint_provider_grid"], *workers)
    plain = run(pytester, "")

    grid = report["run"]["grids"]["remote"]["openai"]
    assert grid["zone"] == "USA/arizona"
    assert grid["carbon_g_per_kwh"] == pytest.approx({"low": 280, "central": 312, "high": 350})
    assert grid["source"] == "replaced by conftest.py: the region in our contract, with eGRID2023"
    before = plain["run"]["grids"]["remote"]["openai"]["carbon_g_per_kwh"]["central"]
    grams = [call(r, "gpt-4o-mini")["carbon_g"]["use"]["central"] for r in (report, plain)]
    assert grams[0] / grams[1] == pytest.approx(312 / before)


def test_a_grid_is_amended(pytester: pytest.Pytester) -> None:
    report = run(pytester, EXAMPLES["pytest_aifootprint_update_grid"], "--aifootprint-grid=FRA")

    grid = report["run"]["grids"]["local"]
    assert grid["carbon_g_per_kwh"]["central"] == pytest.approx(56 * 1.05, rel=1e-3)
    assert grid["carbon_g_per_kwh"]["high"] == pytest.approx(56 * 1.05 * 1.17, rel=1e-3)
    assert grid["source"].startswith("amended by conftest.py: ")
    assert grid["source"].endswith("measured by us")
    assert notices(report, "figures-changed") == [
        "not the figures that ship: grid of this machine (amended by conftest.py)"
    ]


def test_a_model_is_declared(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    report = run(pytester, EXAMPLES["pytest_aifootprint_model"], *workers)

    assert call(report, "acme-one")["basis"] == "estimated"
    assert "acme-one" not in " ".join(notices(report, "unknown-model"))
    assert notices(report, "figures-changed") == ["not the figures that ship: model acme-one (replaced by conftest.py)"]
    assert report["tool"]["factors_version"] == SHIPPED  # its rows are the shipped ones
    assert "acme-one" in " ".join(notices(run(pytester, ""), "unknown-model"))


def test_the_users_own_table_goes_before_a_hook_and_can_be_amended(pytester: pytest.Pytester) -> None:
    (pytester.path / "pyproject.toml").write_text('[tool.aifootprint.models.acme-one]\nparams = "70B"\n')
    declared = run(pytester, EXAMPLES["pytest_aifootprint_model"])
    amended = run(
        pytester,
        """
        def pytest_aifootprint_update_model(name, model):
            if name == "acme-one":
                assert model == {"params": "70B"}
                model["params"] = "13B"
        """,
    )
    (pytester.path / "pyproject.toml").unlink()
    hooked = run(pytester, EXAMPLES["pytest_aifootprint_model"])

    energies = [call(r, "acme-one")["energy_j"]["central"] for r in (declared, amended, hooked)]
    assert energies[0] > 2 * energies[1]
    assert energies[1] == energies[2]


def test_a_known_model_is_amended(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    report, plain = run(pytester, EXAMPLES["pytest_aifootprint_update_model"], *workers), run(pytester, "")

    widths = [c["high"] / c["central"] for c in (call(r, "gpt-4o-mini")["energy_j"] for r in (report, plain))]
    assert widths[0] < widths[1]  # a declared size is surer than a closed model's
    assert notices(report, "figures-changed") == [
        "not the figures that ship: model gpt-4o-mini (amended by conftest.py)"
    ]


def test_a_call_is_amended(pytester: pytest.Pytester) -> None:
    calls = run(pytester, EXAMPLES["pytest_aifootprint_call"])["tests"][0]["calls"]

    assert [c["model"] for c in calls] == ["gpt-4o-mini", "acme-one", "gpt-4o-mini"]


def test_the_footprint_is_used(pytester: pytest.Pytester) -> None:
    report = run(pytester, EXAMPLES["pytest_aifootprint_footprint"])

    grams = float((pytester.path / "grams.txt").read_text())
    assert grams == pytest.approx(report["totals"]["carbon_g"]["total"]["central"], abs=1e-6)


def test_who_replaces_returns_what_is_changed_in_passing_is_nobodys(pytester: pytest.Pytester) -> None:
    conftest = """
    def pytest_aifootprint_factor(row):
        row["source"] = "mine"
        row.pop("year")

    def pytest_aifootprint_update_factor(row):
        assert row["source"] != "mine"

    def pytest_aifootprint_model(name, found):
        found.clear()

    def pytest_aifootprint_update_model(name, found):
        assert found["id"]
    """
    report = run(pytester, conftest)

    assert notices(report, "hook-failed") == notices(report, "figures-changed") == []


def test_the_first_answer_counts_and_every_amendment(pytester: pytest.Pytester) -> None:
    pytester.syspathinsert()
    pytester.makepyfile(
        late="""
        import pytest

        @pytest.hookimpl(trylast=True)
        def pytest_aifootprint_provider_grid(provider):
            return "SWE" if provider in {"openai", "mistral"} else None

        @pytest.hookimpl(trylast=True)
        def pytest_aifootprint_update_grid(place, grid):
            if place == "openai":
                grid["source"] += ", late"
        """
    )
    conftest = """
    def pytest_aifootprint_provider_grid(provider):
        return "POL" if provider == "openai" else None

    def pytest_aifootprint_update_grid(place, grid):
        if place == "openai":
            grid["source"] += ", early"
    """
    grid = run(pytester, conftest, "-plate")["run"]["grids"]["remote"]["openai"]

    assert grid["zone"] == "POL"
    assert grid["source"].startswith("amended by late: amended by conftest.py: replaced by conftest.py: ")
    assert grid["source"].endswith(", early, late")


def test_hooks_are_asked_once_for_each_before_any_test_runs(pytester: pytest.Pytester) -> None:
    conftest = """
    import collections, os
    asked, started = collections.Counter(), []

    def pytest_aifootprint_factor(table, key):
        asked[table, key] += 1
        assert not started

    def pytest_aifootprint_provider_grid(provider):
        asked["grid", provider] += 1
        assert not started

    def pytest_aifootprint_model(name):
        asked["model", name] += 1

    def pytest_runtest_logstart():
        started.append(1)

    def pytest_aifootprint_footprint(config):
        with open(config.rootpath / "asked.txt", "w") as file:
            file.write(f"{set(asked.values())} {len(asked)} {sorted(k for t, k in asked if t == 'model')}")
    """
    report = run(pytester, conftest, "-v")

    assert notices(report, "hook-failed") == []
    once, number, models = (pytester.path / "asked.txt").read_text().split(" ", 2)
    assert (once, models) == ("{1}", "['acme-one', 'gpt-4o-mini', 'our-alias']")
    assert int(number) > 40


def test_a_conftest_in_the_folder_of_tests_is_heard(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    folder = pytester.mkdir("tests")
    (folder / "conftest.py").write_text(EXAMPLES["pytest_aifootprint_factor"])
    (folder / "test_two.py").write_text(SUITE)
    pytester.runpytest("--aifootprint", "--aifootprint-report=json:out.json", *workers).assert_outcomes(passed=1)
    report = json.loads((pytester.path / "out.json").read_text())

    said = "not the figures that ship: factor standby (replaced by tests/conftest.py)"
    assert notices(report, "figures-changed") == [said]


def test_the_same_slip_in_every_row_is_one_line(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_aifootprint_factor(key):\n    return 7")
    pytester.makepyfile(SUITE)
    pytester.runpytest("--aifootprint", "--aifootprint-report=json:out.json", "--aifootprint-budget=5 g")
    report = json.loads((pytester.path / "out.json").read_text())

    (said,) = notices(report, "hook-failed")
    assert re.fullmatch(
        r"pytest_aifootprint_factor of conftest\.py, factor [\w.]+ and \d\d more: the answer must be a table "
        r"\(a dict\) or None, got 7; valid: every figure of the row, with source and year; the shipped figure stands",
        said,
    )
    assert report["verdicts"][0]["message"].endswith(said)


HOOK = "pytest_aifootprint_"
BAD = {
    "no source": (
        "factor(key):\n    if key == 'standby': return {'value': [0, .1, .2], 'year': 2026}",
        "factor of conftest.py, factor standby: source is missing; valid: every figure",
    ),
    "no year": (
        "factor(key):\n    if key == 'standby': return {'value': [0, .1, .2], 'source': 'me'}",
        "factor of conftest.py, factor standby: year is missing",
    ),
    "out of order": (
        "factor(key):\n    if key == 'vm': return {'embodied_kg': [9, 5, 16], 'source': 'me', 'year': 2026}",
        "factor of conftest.py, machine vm: life_years is missing",
    ),
    "not a table": (
        "factor(key):\n    if key == 'standby': return 0.1",
        "factor of conftest.py, factor standby: the answer must be a table (a dict) or None, got 0.1",
    ),
    "another key": (
        "factor(key, row):\n    if key == 'vm': return {**row, 'key': 'server'}",
        "factor of conftest.py, machine vm: key cannot be changed, it is 'vm'",
    ),
    "a zone that is none": (
        "update_factor(key, row):\n    if key == 'openai': row.update(zone='ATLANTIS', source='me')",
        "update_factor of conftest.py, provider openai: zone: 'ATLANTIS' is not a place",
    ),
    "amended without a source": (
        "update_factor(key, row):\n    if key == 'standby': row['value'] = [0, 0, 0]",
        "update_factor of conftest.py, factor standby: source must say where the amended figures",
    ),
    "raises": (
        "update_factor(key, row):\n    if key == 'standby': raise RuntimeError('two\\nlines')",
        "update_factor of conftest.py, factor standby: RuntimeError: two lines; valid: the row with other",
    ),
    "a place that is none": (
        "grid():\n    return 'ATLANTIS'",
        "grid of conftest.py, grid of this machine: 'ATLANTIS' is not a place whose electricity is known",
    ),
    "a grid without a year": (
        "grid():\n    return {'g_per_kwh': 20, 'source': 'me'}",
        "grid of conftest.py, grid of this machine: year is missing",
    ),
    "a grid of nothing": (
        "grid():\n    return {'g_per_kwh': 0, 'source': 'me', 'year': 2026}",
        "grid of conftest.py, grid of this machine: g_per_kwh must be above 0, got 0",
    ),
    "a bare number": (
        "provider_grid(provider):\n    if provider == 'openai': return '20 g/kWh'",
        "provider_grid of conftest.py, grid of openai: '20 g/kWh' has no source",
    ),
    "an impossible grid": (
        "update_grid(place, grid):\n    if place == 'openai': grid.update(g_per_kwh=9000, source='me', year=2026)",
        "update_grid of conftest.py, grid of openai: g_per_kwh must be 5000 at most, got 9000",
    ),
    "a size that is none": (
        "model(name):\n    if name == 'acme-one': return {'params': 7}",
        'model of conftest.py, model acme-one: [tool.aifootprint.models."acme-one"]: params must be',
    ),
    "an amended key that is none": (
        "update_model(name, model):\n    if name == 'acme-one': model['size'] = 7",
        "update_model of conftest.py, model acme-one: [tool.aifootprint.models.\"acme-one\"]: unknown key 'size'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_answer_is_one_line_the_shipped_figure_stands_and_no_budget_passes(
    pytester: pytest.Pytester, case: str
) -> None:
    body, message = BAD[case]
    conftest = f"def {HOOK}{body}\n"
    report = run(pytester, conftest, "--aifootprint-budget=1 kg")
    plain = run(pytester, "", "--aifootprint-budget=1 kg")

    (said,) = notices(report, "hook-failed")
    assert said.startswith(HOOK + message)
    assert said.endswith("; the shipped figure stands")
    assert "valid: " in said
    assert "\n" not in said
    assert notices(report, "figures-changed") == []
    assert report["tool"]["factors_version"] == SHIPPED
    assert [c["energy_j"] for c in report["tests"][0]["calls"]] == [c["energy_j"] for c in plain["tests"][0]["calls"]]
    assert report["run"]["grids"] == plain["run"]["grids"]
    assert ([v["verdict"] for v in report["verdicts"]], report["exit"]) == (["undecided"], 1)
    assert ([v["verdict"] for v in plain["verdicts"]], plain["exit"]) == (["pass"], 0)


def test_a_failed_hook_leaves_no_tests_own_limit_a_pass(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    conftest = f"def {HOOK}{BAD['no source'][0]}\n"
    report = run(pytester, conftest, "--aifootprint-test-budget=1 kg", *workers, outcomes="failed")

    (verdict,) = report["tests"][0]["verdicts"]
    assert verdict["verdict"] == "undecided"
    assert "source is missing" in verdict["message"]


def test_one_plugin_that_fails_does_not_silence_the_next_to_amend(pytester: pytest.Pytester) -> None:
    pytester.syspathinsert()
    pytester.makepyfile(
        late="""
        import pytest

        @pytest.hookimpl(trylast=True)
        def pytest_aifootprint_update_grid(place, grid):
            if place == "openai":
                grid.update(g_per_kwh=100, source="late", year=2026)
        """
    )
    conftest = f"""
    def {HOOK}update_grid(place, grid):
        grid.clear()
        raise ValueError("mine")
    """
    report = run(pytester, conftest, "-plate")

    assert report["run"]["grids"]["remote"]["openai"]["carbon_g_per_kwh"]["central"] == 100
    (said,) = notices(report, "hook-failed")
    assert said.startswith(f"{HOOK}update_grid of conftest.py, grid of this machine and 7 more: ValueError: mine; ")


def test_a_hook_that_always_raises_is_one_notice(pytester: pytest.Pytester) -> None:
    (said,) = notices(run(pytester, f"def {HOOK}update_factor(): raise ValueError('mine')"), "hook-failed")

    where = r"update_factor of conftest\.py, factor inference\.closed and \d\d more: ValueError: mine; valid: "
    assert re.match(HOOK + where, said)


@pytest.mark.parametrize("hook", ["footprint", "factor"])
def test_an_exception_that_cannot_be_told_loses_no_report(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, hook: str
) -> None:
    monkeypatch.delenv(RAISE)
    pytester.makeconftest(f"""
    class Untold(Exception):
        def __str__(self): raise ZeroDivisionError

    def {HOOK}{hook}(): raise Untold
    """)
    pytester.makepyfile(test_one=SUITE)
    pytester.runpytest("--aifootprint", "--aifootprint-report=json:out.json").assert_outcomes(passed=1)

    (said,) = notices(json.loads((pytester.path / "out.json").read_text()), "hook-failed")
    assert "Untold" in said


def test_a_plugin_that_wants_out_gets_out(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(f"import pytest\ndef {HOOK}factor(): pytest.exit('enough')")
    pytester.makepyfile(test_one=SUITE)
    result = pytester.runpytest("--aifootprint")

    assert "enough" in result.stdout.str() + result.stderr.str()
    assert result.ret != 0


def test_hooks_are_not_called_when_metering_is_off(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("\n".join(f"def {name}(): raise RuntimeError" for name in EXAMPLES))
    pytester.makepyfile("def test_it(aifootprint): pass")

    pytester.runpytest().assert_outcomes(passed=1)
