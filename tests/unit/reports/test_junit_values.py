"""Names and values of JUnit properties: stable, valid XML, unknown left out."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
import samples  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.amounts import Carbon, Tokens
from pytest_aifootprint.reports import json_report, junit_report, junit_values
from pytest_aifootprint.reports.junit_values import address, of_run, of_test, on_suite, xml_text

UNITS = ("_g", "_j", "_l", "_per_kwh")
COUNTS = (
    "tokens",
    "calls",
    "calls_replayed",
    "calls_mocked",
    "calls_without_tokens",
    "calls_without_price",
    "ai_tests",
)
WORDS = ("grid", "version", "factors_version", "verdict", "unknown")


def test_the_names_of_a_test_are_stable() -> None:
    run = samples.failed_budget()
    assert [name for name, _ in of_test(run.tests[0])] == [
        "aifootprint.carbon_g",
        "aifootprint.low.carbon_g",
        "aifootprint.high.carbon_g",
        "aifootprint.energy_j",
        "aifootprint.direct.carbon_g",
        "aifootprint.direct.energy_j",
        "aifootprint.tokens",
        "aifootprint.calls",
        "aifootprint.verdict",
    ]


@pytest.mark.parametrize("make", samples.EVERY.values(), ids=samples.EVERY)
def test_every_name_ends_in_its_unit_or_counts(make: object) -> None:
    run = make()  # type: ignore[operator]
    names = [name for test in run.tests for name, _ in of_test(test)] + [name for name, _ in of_run(run)]
    for name in names:
        last = name.removeprefix("aifootprint.")
        assert last.endswith(UNITS) or last in COUNTS + WORDS or re.fullmatch(r"verdict\.\d+", last), name


@pytest.mark.parametrize("make", samples.EVERY.values(), ids=samples.EVERY)
def test_the_values_are_those_of_the_json_report(make: object) -> None:
    run = make()  # type: ignore[operator]
    report = json_report.as_dict(run)
    for test, row in zip(run.tests, report["tests"], strict=True):
        said = dict(of_test(test))
        for name, value in (("carbon_g", row["carbon_g"]["total"]), ("energy_j", row["energy_j"]["total"])):
            assert said[f"aifootprint.{name}"] == repr(value["central"])
        assert said["aifootprint.low.carbon_g"] == repr(row["carbon_g"]["total"]["low"])
        assert said["aifootprint.high.carbon_g"] == repr(row["carbon_g"]["total"]["high"])
        assert said["aifootprint.direct.carbon_g"] == repr(row["direct"]["carbon_g"]["total"]["central"])
        assert said["aifootprint.tokens"] == str(row["tokens"]["input"] + row["tokens"]["output"])
    said, totals = dict(of_run(run)), report["totals"]
    assert said["aifootprint.carbon_g"] == repr(totals["carbon_g"]["total"]["central"])
    assert said["aifootprint.high.energy_j"] == repr(totals["energy_j"]["total"]["high"])
    assert said["aifootprint.low.water_l"] == repr(totals["water_l"]["total"]["low"])
    assert said["aifootprint.calls"] == str(totals["calls"]["live"])
    assert said["aifootprint.grid"] == report["run"]["grids"]["local"]["zone"]
    assert said["aifootprint.factors_version"] == report["tool"]["factors_version"]
    assert [said[f"aifootprint.verdict.{n}"] for n, _ in enumerate(run.verdicts, 1)] == [
        f"{verdict['verdict']}: {verdict['message']}" for verdict in report["verdicts"]
    ]


def test_what_is_unknown_is_left_out_and_named() -> None:
    test = samples.footprint_of("t.py::test", samples.remote_call(1.0))
    half = dict(of_test(replace(test, carbon=replace(test.carbon, training=None))))
    assert half["aifootprint.unknown"] == "training"
    assert "aifootprint.carbon_g" in half
    none = dict(of_test(replace(test, carbon=Carbon(None, None, None), direct_carbon=Carbon(None, None, None))))
    assert none["aifootprint.unknown"] == "use,training,hardware"
    assert not [name for name in none if name.endswith("carbon_g")]


def test_calls_that_did_not_tell_their_tokens_are_counted() -> None:
    silent = samples.remote_call(1.0, input_tokens=None, output_tokens=None)
    said = dict(of_test(samples.footprint_of("t.py::test", silent)))
    assert said["aifootprint.calls_without_tokens"] == "1"
    run = samples.mixed()
    tokens = Tokens(input=1, unknown_calls=2)
    said = dict(of_run(replace(run, totals=replace(run.totals, tokens=tokens, unpriced_calls=3))))
    assert said["aifootprint.calls_without_tokens"] == "2"
    assert said["aifootprint.calls_without_price"] == "3"


def test_the_verdict_is_the_worst() -> None:
    assert dict(of_run(samples.failed_budget()))["aifootprint.verdict"] == "fail"
    assert dict(of_run(samples.mixed()))["aifootprint.verdict"] == "pass"
    assert "aifootprint.verdict" not in dict(of_run(samples.no_ai()))


def test_behind_a_name_on_the_suite_stands_the_test() -> None:
    test = samples.footprint_of("t.py::test[a b]", samples.remote_call(1.0))
    names = [name for name, _ in on_suite([test])]
    assert names[0] == "aifootprint.carbon_g t.py::test[a b]"
    assert [name.partition(" ")[0] for name in names] == [name for name, _ in of_test(test)]


@pytest.mark.parametrize(
    ("nodeid", "expected"),
    [
        ("tests/test_a.py::test_b", ("tests.test_a", "test_b")),
        ("tests/test_a.py::TestC::test_b[x/y.py::z]", ("tests.test_a.TestC", "test_b[x/y.py::z]")),
        ("docs/a.txt::a.txt", ("docs.a.txt", "a.txt")),
        ("test_a.py::test[\x07]", ("test_a", "test[#x07]")),
    ],
)
def test_the_address_of_a_test_case(nodeid: str, expected: tuple[str, str]) -> None:
    assert address(nodeid) == expected


@given(st.text(st.characters(exclude_categories=()), max_size=50))
def test_any_text_becomes_valid_xml(text: str) -> None:
    element = ET.Element("property", name=xml_text(text))
    made = ET.fromstring(ET.tostring(element, encoding="utf-8"))
    assert made.get("name") == xml_text(text)


def test_at_once_is_a_part_of_what_is_said_at_the_end() -> None:
    test = samples.footprint_of("t.py::test", samples.remote_call(1.0), cpu_j=5)
    first = junit_values.at_once(test.direct_carbon, test.direct_energy, test.tokens, test.calls)
    assert set(first) <= set(of_test(test))
    assert len(first) == 4
    assert all(junit_values.is_ours(name) for name, _ in first)


def test_a_large_report_is_written_a_test_at_a_time() -> None:
    parts = list(junit_report.chunks(samples.large(300)))
    assert max(map(len, parts)) < 10_000
    assert len(ET.fromstring("".join(parts)).findall("testsuite/testcase")) == 300
