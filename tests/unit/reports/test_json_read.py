"""A run from a saved JSON report: its numbers are the file's, older and newer files read, broken ones say where."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import samples  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.quantities import UNNAMED, Grams, Range, ToldRange, total
from pytest_aifootprint.records.model import RunFootprint
from pytest_aifootprint.records.model_use import Hint
from pytest_aifootprint.reports import json_report
from pytest_aifootprint.reports.saved.file import SavedError
from pytest_aifootprint.reports.saved.read import read, run_of
from pytest_aifootprint.reports.saved.told import Told
from pytest_aifootprint.reports.saved.values import factors_of, ranged
from pytest_aifootprint.reports.summary import summarise


def saved(run: RunFootprint) -> dict[str, Any]:
    return json_report.as_dict(run)


@pytest.mark.parametrize("make", samples.EVERY.values(), ids=samples.EVERY)
def test_every_report_is_the_same_from_its_file(make: Callable[[], RunFootprint], tmp_path: Path) -> None:
    run = make()
    json_report.write(run, tmp_path / "r.json")
    back = read(tmp_path / "r.json")
    assert summarise(back) == summarise(run)
    for kind, report in samples.FILES.items():
        report.write(run, tmp_path / "one")
        report.write(back, tmp_path / "other")
        one, other = (tmp_path / "one").read_text(), (tmp_path / "other").read_text()
        if kind == "json":
            assert json.loads(other) == _close(json.loads(one))
        else:
            assert other == one


def _close(value: Any) -> Any:
    """Numbers within 1e-9 of themselves; all else as it is."""
    if isinstance(value, dict):
        return {key: _close(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_close(inner) for inner in value]
    return pytest.approx(value, rel=1e-9, abs=0) if isinstance(value, float) else value


LOGS = st.floats(min_value=0, max_value=700)


@given(central=st.floats(min_value=1e-200, max_value=1e200), down=LOGS, up=LOGS)
def test_a_range_comes_back_to_the_last_digit(central: float, down: float, up: float) -> None:
    row = {"low": central * math.exp(-down), "central": central, "high": central * math.exp(up)}
    if not math.isfinite(row["high"]):
        return
    found = Told({"r": row}, "").range("r")
    assert found is not None
    assert ranged(found) == row
    assert (found.low, found.central, found.high) == tuple(row.values())
    # What is made of it has the ends that its factors say.
    assert found.scale(2.0).low == pytest.approx(2 * row["low"], rel=1e-9)
    if row["low"] < row["high"]:
        (name,) = found.factors
        assert name.startswith(UNNAMED)
        assert factors_of(found) == []
        assert found.widest_factor is None


def test_ranges_whose_factors_are_not_told_are_independent_also_of_those_of_other_files() -> None:
    row = {"low": 1.0, "central": 2.0, "high": 4.0}
    one, other = (Told({"r": row}, "").range("r") for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.factors.keys().isdisjoint(other.factors)
    both = total((Grams(one), Grams(other)))
    assert both.low > 2
    assert both.high < 8
    assert both.widest_factor is None


def test_factors_that_are_told_are_kept_in_their_order() -> None:
    factors = [{"name": "b", "low": 0.5, "high": 2.0}, {"name": "a", "low": 0.5, "high": 2.0}]
    row = Told({"r": {"low": 1.0, "central": 2.0, "high": 9.0}, "f": factors}, "")
    found = row.range("r", row.factors("f"))
    assert isinstance(found, ToldRange)
    assert found.widest_factor == "b"
    assert [factor["name"] for factor in factors_of(found)] == ["b", "a"]
    assert factors_of(found) == _close(factors)
    assert found.high == 9.0
    assert (found + ToldRange(1.0)).widest_factor == "a"


def test_a_factor_that_no_float_holds_comes_back_as_it_was() -> None:
    whole = Range(1.0, {"m": (-800.0, 800.0)})
    row = Told({"f": factors_of(whole)}, "")
    assert factors_of(ToldRange(1.0, row.factors("f") or {}, (0.0, 1.0))) == factors_of(whole)


def test_sums_are_those_of_the_file() -> None:
    report = saved(samples.with_fixture())
    odd = {"low": 1.0, "central": 77.0, "high": 99.0}
    for place in (report["totals"], report["tests"][0], report["tests"][0]["direct"], report["fixtures"][0]):
        place["energy_j"]["total"] = place["carbon_g"]["total"] = odd
    report["totals"]["water_l"]["total"] = report["tests"][0]["water_l"] = odd
    share, call = report["tests"][0]["fixtures"][0], report["tests"][0]["calls"][0]
    share["energy_j"] = share["carbon_g"] = call["carbon_g"]["total"] = call["water_l"] = odd
    report["totals"]["retries"]["energy_j"] = odd
    report["tests"][0]["tokens"]["input"] = 77
    run = run_of(report)
    test, fixture = run.tests[0], run.fixtures[0]
    sums = [
        run.totals.energy.total, run.totals.carbon.total, run.totals.water.total, run.totals.retries.energy.total,
        test.energy.total, test.carbon.total, test.water.total, test.direct_energy.total, test.direct_carbon.total,
        test.fixtures[0].energy.total, test.fixtures[0].carbon.total, test.calls[0].carbon.total, test.calls[0].water_l,
        fixture.energy.total, fixture.carbon.total,
    ]  # fmt: skip
    assert [ranged(value) for value in sums] == [odd] * len(sums)
    assert test.tokens.input == 77
    assert saved(run)["tests"] == _close(report["tests"])


def test_unknown_stays_unknown() -> None:
    report = saved(samples.unknown_training())
    report["tests"][0]["calls"][0]["water_l"] = None
    report["tests"][0]["carbon_g"] = dict.fromkeys(("use", "training", "hardware", "total"))
    run = run_of(report)
    assert run.totals.carbon.training is None
    assert run.tests[0].carbon.unknown == ("use", "training", "hardware")
    assert run.tests[0].calls[0].water_l is None
    assert "gpu" not in run.totals.energy.by_domain
    assert "remote" not in run.totals.energy.by_domain


ADDED = {
    "run": ("rows", "idle_shared", "hardware"),
    "totals": ("unpriced_calls", "retries", "factors", "hardware_unattributed_g", "widest_input_times_over"),
    "grid": ("publisher", "water_own", "water_source", "water_year", "hour", "guessed", "water_l_per_kwh"),
}


def test_an_older_report_of_this_version_reads_with_what_it_has() -> None:
    report = saved(samples.failed_budget())
    for key in ("seams", "sheets", "fixtures"):
        del report[key]
    for key in ADDED["run"]:
        del report["run"][key]
    del report["run"]["grids"]["marginal"]
    for key in ADDED["totals"]:
        del report["totals"][key]
    for key in ADDED["grid"]:
        del report["run"]["grids"]["local"][key]
    test = report["tests"][0]
    for key in ("machine_s", "cards_s", "active_energy_j", "metered_j"):
        del test["direct"][key]
    for key in ("sheet", "local_energy_j", "media_s", "epochs", "steps", "revision", "factors"):
        del test["calls"][0][key]
    for row in report["models"]:
        for key in ("loads", "trained_here", "revision", "parameters", "precisions", "devices"):
            del row[key]
    for verdict in (*report["verdicts"], *test["verdicts"]):
        del verdict["reason"]
    run = run_of(report)
    assert run.rows == "ai"
    assert run.local_grid.water_l_per_kwh is None
    assert run.tests[0].calls[0].local_energy_j is None
    assert run.totals.carbon.total.central == report["totals"]["carbon_g"]["total"]["central"]
    text = "\n".join(str(line) for line in summarise(run).lines)
    assert "2.8 g of 2 g (142 %, high end): undecided" in text
    assert UNNAMED not in str(summarise(run))
    # It is written again without what it never told.
    assert saved(run)["totals"]["widest_input"] is None
    assert saved(run)["totals"]["factors"]["carbon_g"] == []


def test_a_newer_report_of_this_version_reads_with_what_is_known_here() -> None:
    report = saved(samples.mixed())
    added = {"low": "no range", "more": [1]}
    hint = {"code": "cheaper-model", "tests": ["t.py::a"], "saving_g": None, "message": "ask a smaller model", "x": 1}
    report["hints"] = [hint]
    for place in (
        report, report["run"], report["run"]["host"], report["totals"], report["tests"][0], report["models"][0],
        report["tests"][0]["calls"][0], report["tests"][0]["attempts"][0], report["run"]["grids"]["local"],
        report["verdicts"][0], report["totals"]["factors"],
    ):  # fmt: skip
        place["added_later"] = added
    report["totals"]["energy_j"]["npu"] = {"low": 1.0, "central": 2.0, "high": 3.0}
    run = run_of(report)
    assert run.totals.energy.by_domain["npu"].central == 2
    assert "ask a smaller model" in [line.text for line in summarise(run).lines]
    assert isinstance(run.hints[0], Hint)


@pytest.mark.parametrize(
    ("where", "wrong", "said"),
    [
        (("tests",), {}, "tests is no list, but {}"),
        (("tests", 0), "x", "tests[0] is no object, but 'x'"),
        (("tests", 1, "nodeid"), 5, "tests[1].nodeid is no text, but 5"),
        (("tests", 1, "nodeid"), None, "tests[1].nodeid is no text, but None"),
        (("tests", 0, "ai"), "yes", "tests[0].ai is no true or false, but 'yes'"),
        (("tests", 0, "calls", 0, "count"), -1, "tests[0].calls[0].count is no whole number of 0 or more, but -1"),
        (("tests", 0, "calls", 0, "count"), True, "count is no whole number of 0 or more, but True"),
        (("tests", 0, "calls", 0, "operation"), "dream", "operation is no operation (chat, completion, "),
        (("tests", 0, "calls", 0, "status"), [1], "status is no HTTP status"),
        (("tests", 0, "calls", 0, "basis"), "guess", "basis is no basis (measured, modelled, estimated, assumed)"),
        (("tests", 0, "calls", 0, "basis"), [], "basis is no basis"),
        (("tests", 0, "attempts", 0, "phases"), [1], "phases is no object of objects, but [1]"),
        (("tests", 0, "carbon_g", "use"), 1.5, "tests[0].carbon_g.use is no range"),
        (("tests", 0, "carbon_g", "use", "low"), -1, "tests[0].carbon_g.use is no range"),
        (("tests", 0, "carbon_g", "use", "low"), 1e9, "tests[0].carbon_g.use is no range"),
        (("tests", 0, "carbon_g", "use", "high"), math.inf, "tests[0].carbon_g.use is no range"),
        (("tests", 0, "carbon_g", "use", "central"), math.nan, "tests[0].carbon_g.use is no range"),
        (("tests", 0, "carbon_g", "use", "high"), 10**400, "tests[0].carbon_g.use is no range"),
        (("tests", 0, "carbon_g", "use", "central"), "1", "tests[0].carbon_g.use is no range"),
        (("tests", 0, "carbon_g", "use", "high"), True, "tests[0].carbon_g.use is no range"),
        (("run", "duration_s"), 10**400, "run.duration_s is no finite number"),
        (("run", "duration_s"), math.nan, "run.duration_s is no finite number, but nan"),
        (("run", "duration_s"), "1", "run.duration_s is no number, but '1'"),
        (("run", "grids"), {}, "run.grids.local.carbon_g_per_kwh is missing: range is wanted"),
        (("run", "ci"), {"a": 1}, "run.ci.a is no text, but 1"),
        (("totals", "factors", "carbon_g", 0, "low"), -1, "totals.factors.carbon_g[0].low is no number of 0 or more"),
        (("verdicts", 0, "verdict"), "maybe", "verdicts[0].verdict is no verdict (pass, fail, undecided)"),
        (("balance",), {"cpu": 5}, "balance.cpu is no object, but 5"),
        (("models", 0, "precisions"), ["a", 1], "models[0].precisions is no list of texts"),
        (("sheets",), {"x": {"given": [{"symbol": "a"}]}}, "sheets.x.given[0]"),
    ],
)
def test_a_broken_report_says_in_one_line_where(
    where: tuple[Any, ...], wrong: object, said: str, tmp_path: Path
) -> None:
    report = saved(samples.mixed())
    *path, last = where
    place = report
    for key in path:
        place = place[key]
    place[last] = wrong
    file = tmp_path / "r.json"
    file.write_text(json.dumps(report))
    with pytest.raises(SavedError) as caught:
        read(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: not a report of this plugin: ")
    assert said in message
    assert "\n" not in message


def test_the_collector_is_left_as_it_was(tmp_path: Path) -> None:
    import gc

    json_report.write(samples.no_ai(), tmp_path / "r.json")
    assert gc.isenabled()
    read(tmp_path / "r.json")
    assert gc.isenabled()
