"""A JUnit file of our own, for a run without ``--junitxml`` or from a saved report: valid by the schema junit-10."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from pytest_aifootprint.records.model import RunFootprint, TestFootprint, live_calls
from pytest_aifootprint.reports import files, formatting
from pytest_aifootprint.reports.files import probe
from pytest_aifootprint.reports.junit_values import Properties, address, of_run, on_suite, xml_text

__all__ = ["NAME", "chunks", "probe", "write"]

NAME = "aifootprint-junit.xml"
SUITE = "aifootprint"
_HEADER = '<?xml version="1.0" encoding="utf-8"?>\n'
_SKIPPED = frozenset({"skipped", "xfailed"})
_FAILED = frozenset({"failed", "error"})


def write(run: RunFootprint, path: Path) -> None:
    """Write the report: a new file takes the place of an old one when it is complete. Raises OSError, see ``files``."""
    files.write(path, "the JUnit report", chunks(run))


def chunks(run: RunFootprint) -> Iterator[str]:
    """A suite with the run's properties, a case for each test that has a row; of many, never all at once."""
    failures = sum(test.outcome in _FAILED for test in run.tests)
    suite = ET.Element(
        "testsuite",
        name=SUITE,
        tests=str(len(run.tests)),
        failures=str(failures),
        errors="0",
        skipped=str(sum(test.outcome in _SKIPPED for test in run.tests)),
        time=f"{run.duration_s:.3f}",
        timestamp=xml_text(run.started_at),
    )
    yield f"{_HEADER}{_opened(ET.Element('testsuites', name=SUITE))}{_opened(suite)}<properties>"
    yield _properties(of_run(run))
    yield from (_properties(on_suite([test])) for test in run.tests)
    yield "</properties>"
    yield from (_text(_case(test)) for test in run.tests)
    yield "</testsuite></testsuites>\n"


def _opened(element: ET.Element) -> str:
    """The tag that begins it."""
    return _text(element).removesuffix(" />") + ">"


def _properties(values: Properties) -> str:
    return "".join(_text(ET.Element("property", name=name, value=value)) for name, value in values)


def _text(element: ET.Element) -> str:
    return ET.tostring(element, encoding="unicode")


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
