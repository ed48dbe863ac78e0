"""A JUnit file of our own, for a run without ``--junitxml`` or from a saved report: valid by the schema junit-10."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from pytest_aifootprint.records.model import RunFootprint, TestFootprint, live_calls
from pytest_aifootprint.reports import files, formatting
from pytest_aifootprint.reports.files import probe
from pytest_aifootprint.reports.junit_values import Properties, address, of_run, on_suite, xml_text

__all__ = ["NAME", "as_element", "probe", "write"]

NAME = "aifootprint-junit.xml"
SUITE = "aifootprint"
_HEADER = '<?xml version="1.0" encoding="utf-8"?>\n'
_SKIPPED = frozenset({"skipped", "xfailed"})
_FAILED = frozenset({"failed", "error"})


def write(run: RunFootprint, path: Path) -> None:
    """Write the report: a new file takes the place of an old one when it is complete. Raises OSError, see ``files``."""
    tree = as_element(run)
    files.write(path, "the JUnit report", (_HEADER, ET.tostring(tree, encoding="unicode"), "\n"))


def as_element(run: RunFootprint) -> ET.Element:
    """The report: a suite with the run's properties, a case for each test that has a row."""
    failures = sum(test.outcome in _FAILED for test in run.tests)
    suites = ET.Element("testsuites", name=SUITE)
    suite = ET.SubElement(
        suites,
        "testsuite",
        name=SUITE,
        tests=str(len(run.tests)),
        failures=str(failures),
        errors="0",
        skipped=str(sum(test.outcome in _SKIPPED for test in run.tests)),
        time=f"{run.duration_s:.3f}",
        timestamp=xml_text(run.started_at),
    )
    suite.append(_properties([*of_run(run), *on_suite(run.tests)]))
    suite.extend(_case(test) for test in run.tests)
    return suites


def _properties(values: Properties) -> ET.Element:
    made = ET.Element("properties")
    made.extend(ET.Element("property", name=name, value=value) for name, value in values)
    return made


def _case(test: TestFootprint) -> ET.Element:
    classname, name = address(test.nodeid)
    seconds = sum(attempt.duration_s for attempt in test.attempts)
    case = ET.Element("testcase", classname=classname, name=name, time=f"{seconds:.3f}")
    over = [v.message for v in test.verdicts if v.verdict != "pass"]
    if test.outcome in _FAILED:
        failure = ET.SubElement(case, "failure", message=xml_text(over[0] if over else "failed"))
        failure.text = xml_text("\n".join(over))
    elif test.outcome in _SKIPPED:
        ET.SubElement(case, "skipped", message=xml_text(test.outcome))
    ET.SubElement(case, "system-out").text = xml_text(_said(test))
    return case


def _said(test: TestFootprint) -> str:
    """What a viewer of JUnit files shows behind a test: viewers of properties are rare."""
    carbon = test.carbon.known_total
    parts = (
        f"{formatting.suffix(carbon)} ({formatting.carbon_range(carbon)})",
        formatting.energy(test.energy.total),
        formatting.counted(live_calls(test.calls), "live call"),
        formatting.tokens(test.tokens.all),
    )
    return f"AI footprint: {', '.join(parts)}"
