"""The badge: valid for shields.io, in the colour of the worst verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import samples  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not
from jsonschema import Draft202012Validator

from pytest_aifootprint.quantities import Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.amounts import Carbon
from pytest_aifootprint.records.model import RunFootprint, Verdict
from pytest_aifootprint.reports import badge_report, report_writer

# https://shields.io/badges/endpoint-badge: schemaVersion is always 1; label and message are texts, message not empty.
ENDPOINT = Draft202012Validator(
    {
        "type": "object",
        "required": ["schemaVersion", "label", "message"],
        "properties": {
            "schemaVersion": {"const": 1},
            "label": {"type": "string"},
            "message": {"type": "string", "minLength": 1},
            "color": {"enum": ["red", "yellow", "brightgreen", "blue", "lightgrey"]},
        },
        "additionalProperties": False,
    }
)


@pytest.mark.parametrize("make", samples.EVERY.values(), ids=samples.EVERY)
def test_every_run_has_a_badge(make: Callable[[], RunFootprint], tmp_path: Path) -> None:
    badge_report.write(make(), tmp_path / "b.json")
    ENDPOINT.validate(json.loads((tmp_path / "b.json").read_text(encoding="ascii")))


def judged(*verdicts: str) -> RunFootprint:
    found = tuple(Verdict("run", "1 g", "carbon_g", 1.0, Range(2.0), "central", v, "") for v in verdicts)
    run: RunFootprint = samples.mixed()
    return replace(run, verdicts=found, tests=tuple(replace(test, verdicts=()) for test in run.tests))


@pytest.mark.parametrize(
    ("run", "message", "colour"),
    [
        (judged(), "1.1 gCO2e", "blue"),
        (judged("pass"), "1.1 gCO2e", "brightgreen"),
        (judged("pass", "undecided"), "1.1 gCO2e", "yellow"),
        (judged("undecided", "fail", "pass"), "1.1 gCO2e", "red"),
    ],
)
def test_the_colour_is_that_of_the_worst_verdict(run: RunFootprint, message: str, colour: str) -> None:
    badge = badge_report.badge(run)
    assert (badge["message"], badge["color"]) == (message, colour)


def test_a_limit_of_one_test_colours_it_too() -> None:
    run = judged("pass")
    over = Verdict("t", "1 g", "carbon_g", 1.0, Range(2.0), "central", "fail", "")
    assert badge_report.badge(replace(run, tests=(replace(run.tests[0], verdicts=(over,)),)))["color"] == "red"


def test_no_call_and_unknown_are_no_zero() -> None:
    assert badge_report.badge(samples.no_ai())["message"] == "0 AI calls"
    run = judged()
    unknown = replace(run, totals=replace(run.totals, carbon=Carbon(None, None, None)))
    assert badge_report.badge(unknown) == {
        "schemaVersion": 1, "label": "AI footprint", "message": "unknown", "color": "lightgrey",
    }  # fmt: skip


def test_the_kind_is_known_by_its_name() -> None:
    assert report_writer("badge") is badge_report
