"""The CSV report: one row a test, a header that stays, unknown as an empty cell."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import samples  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not

from pytest_aifootprint.quantities import Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.amounts import Carbon
from pytest_aifootprint.records.model import RunFootprint, Verdict
from pytest_aifootprint.reports import csv_report, json_report, report_writer


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))


def written(run: RunFootprint, tmp_path: Path) -> list[dict[str, str]]:
    csv_report.write(run, tmp_path / "r.csv")
    return read(tmp_path / "r.csv")


def test_the_header_is_stable() -> None:
    assert ",".join(csv_report.HEADER) == (
        "nodeid,worker,outcome,attempts,duration_s,ai,calls_live,calls_replayed,calls_mocked,input_tokens,output_tokens,"
        "calls_without_tokens,energy_j,energy_j_low,energy_j_high,energy_cpu_j,energy_ram_j,energy_gpu_j,energy_remote_j,"
        "energy_local_server_j,carbon_g,carbon_g_low,carbon_g_high,carbon_use_g,carbon_training_g,carbon_hardware_g,"
        "water_l,water_l_low,water_l_high,avoidable_carbon_g,avoided_carbon_g,direct_cpu_s,direct_carbon_g,verdict"
    )


@pytest.mark.parametrize("make", samples.EVERY.values(), ids=samples.EVERY)
def test_every_row_says_what_the_json_says(make: Callable[[], RunFootprint], tmp_path: Path) -> None:
    run = make()
    report = json_report.as_dict(run)
    rows = written(run, tmp_path)
    assert [row["nodeid"] for row in rows] == [test["nodeid"] for test in report["tests"]]
    for row, test in zip(rows, report["tests"], strict=True):
        assert set(row) == set(csv_report.HEADER)
        for column, value in (
            ("carbon_g", test["carbon_g"]["total"]),
            ("energy_j", test["energy_j"]["total"]),
            ("water_l", test["water_l"]),
        ):
            for end, suffix in (("central", ""), ("low", "_low"), ("high", "_high")):
                assert row[column + suffix] == ("" if value is None else repr(value[end])), column
        for part in ("use", "training", "hardware"):
            value = test["carbon_g"][part]
            assert row[f"carbon_{part}_g"] == ("" if value is None else repr(value["central"]))
        assert row["outcome"] == test["outcome"]
        assert int(row["attempts"]) == len(test["attempts"])
        assert int(row["input_tokens"]) == test["tokens"]["input"]
        calls = sum(int(row[f"calls_{kind}"]) for kind in ("live", "replayed", "mocked"))
        assert calls == sum(call["count"] for call in test["calls"])


def test_unknown_is_an_empty_cell_and_zero_is_a_zero(tmp_path: Path) -> None:
    run = samples.mixed()
    test = replace(run.tests[0], carbon=Carbon(None, None, None), avoided_carbon_g=Range(0.0))
    row = written(replace(run, tests=(test,)), tmp_path)[0]
    assert (row["carbon_g"], row["carbon_g_low"], row["carbon_training_g"]) == ("", "", "")
    assert row["avoided_carbon_g"] == "0.0"
    assert row["energy_gpu_j"] == "" or float(row["energy_gpu_j"]) > 0


@pytest.mark.parametrize(
    ("found", "worst"),
    [((), ""), (("pass",), "pass"), (("pass", "undecided"), "undecided"), (("undecided", "fail", "pass"), "fail")],
)
def test_the_worst_verdict_of_a_test_stands_in_its_row(found: tuple[str, ...], worst: str, tmp_path: Path) -> None:
    run = samples.mixed()
    verdicts = tuple(Verdict("t", "1 g", "carbon_g", 1.0, Range(2.0), "central", v, "") for v in found)
    assert written(replace(run, tests=(replace(run.tests[0], verdicts=verdicts),)), tmp_path)[0]["verdict"] == worst


@pytest.mark.parametrize(
    "nodeid",
    [
        't.py::test["a,b"]',
        "t.py::test[\n\r]",
        "t.py::test[<script>]",
        "t.py::test[\N{GRINNING FACE}]",
        "t.py::" + "x" * 5000,
    ],
)
def test_any_test_id_comes_back_as_it_was(nodeid: str, tmp_path: Path) -> None:
    run = samples.mixed()
    rows = written(replace(run, tests=(replace(run.tests[0], nodeid=nodeid), run.tests[1])), tmp_path)
    assert [row["nodeid"] for row in rows] == [nodeid, run.tests[1].nodeid]


@pytest.mark.parametrize("first", ["=1+1", "+1", "-1", "@x", "\t1"])
def test_no_test_id_is_a_formula_for_a_spreadsheet(first: str, tmp_path: Path) -> None:
    run = samples.mixed()
    row = written(replace(run, tests=(replace(run.tests[0], nodeid=f"{first}.py::test"),)), tmp_path)[0]
    assert row["nodeid"] == f"./{first}.py::test"


def test_an_old_file_stays_if_the_new_one_cannot_be_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r.csv").write_text("old")

    def full(run: RunFootprint) -> Iterator[tuple[str, ...]]:
        yield csv_report.HEADER
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(csv_report, "rows", full)
    with pytest.raises(OSError, match="the CSV report cannot be written: No space left on device"):
        csv_report.write(samples.mixed(), tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["r.csv"]


def test_the_kind_is_known_by_its_name() -> None:
    assert report_writer("csv") is csv_report
    with pytest.raises(ValueError, match=r"'xml' is no kind of report; valid: badge, csv, html, json, junit, markdown"):
        report_writer("xml")
