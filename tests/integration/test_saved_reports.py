"""A saved JSON report says what its run said, in the terminal and in files, however the run was metered and priced."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from test_explain_everywhere import (  # type: ignore[import-not-found]  # pytest puts this folder on the path
    CARD_ALONE,
    CLOUD,
    COUNTER,
    GAP,
    HOOKS,
    IDLE,
    LOST,
    MANY,
    ODD_CALLS,
    SERVER,
    SUITE,
    TRAINED_HERE,
    UNPLUGGED,
)
from typer.testing import CliRunner, Result

from pytest_aifootprint.cli import app
from pytest_aifootprint.reports import REPORTS

WIDTH = "100"
FILES = [kind for kind, report in REPORTS.items() if not hasattr(report, "endpoint")]
# The suite may be over after 150 ms.
EARLY_GAP = {**GAP, "domains": {"cpu": [[0, 0.0], [20_000_000, 2.0], [30_000_000, UNPLUGGED]]}}
TRAINED_AGAIN = (
    TRAINED_HERE
    + """
@pytest.mark.parametrize("n", [1, 2])
def test_trains_the_same_again(n):
    SGDClassifier().fit(X, Y).predict(X)
"""
)
LIMITS = (
    "--aifootprint-budget=1 mgCO2e",
    "--aifootprint-budget=use: 5 kgCO2e",
    "--aifootprint-budget=3 calls",
    "--aifootprint-test-budget=200 mgCO2e",
)


@pytest.mark.parametrize(
    ("suite", "args", "recording", "toml", "conftest", "said"),
    [
        pytest.param(
            SUITE,
            ["--aifootprint-tests=all", *LIMITS],
            None,
            "",
            HOOKS,
            ("avoided", "of 3 calls", "figures-changed"),
            id="load model, all tests, limits",
        ),
        pytest.param(
            SUITE, ["-n2", *LIMITS], COUNTER, CLOUD, "", ("marginal", "fail"), id="counter, marginal factors, workers"
        ),
        pytest.param(SUITE, [*IDLE], CARD_ALONE, CLOUD, "", ("idle power", "gpu"), id="idle shared, a card's counter"),
        pytest.param(
            SUITE,
            ["--aifootprint-tests=marked"],
            MANY,
            "",
            "",
            ("ram", "test_marked"),
            id="marked tests alone, counters",
        ),
        pytest.param(
            ODD_CALLS,
            [*LIMITS],
            None,
            CLOUD,
            "",
            ("retries", "unpriced", "tokens of 1 call unknown", "gpt-9.9-mini"),
            id="odd calls, retries",
        ),
        pytest.param(SERVER, [], None, "", "", ("5 mocked",), id="local server"),
        pytest.param(
            TRAINED_AGAIN, [], EARLY_GAP, "", "", ("hint", "amortised", "unplugged"), id="trained here, hints"
        ),
        pytest.param(LOST, ["-n2"], None, "", "", ("did not report its end",), id="a lost worker"),
        pytest.param(
            "def test_nothing(): pass",
            ["--aifootprint-budget=1 g"],
            None,
            "",
            "",
            ("0 AI calls", "pass"),
            id="no model",
        ),
    ],
)
def test_a_saved_report_says_what_its_run_said(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    suite: str,
    args: Sequence[str],
    recording: Mapping[str, Any] | None,
    toml: str,
    conftest: str,
    said: Sequence[str],
) -> None:
    printed = run(pytester, monkeypatch, suite, args, recording, toml, conftest)
    assert [words for words in said if words not in "\n".join(printed)] == []
    shown = show()
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout.splitlines() == printed
    again = show(*(f"--report={kind}:again/{kind}" for kind in FILES))
    assert (again.exit_code, again.output) == (0, "")
    for kind in FILES:
        assert Path("again", kind).read_bytes() == Path("out", kind).read_bytes(), kind


def run(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    suite: str,
    args: Sequence[str] = (),
    recording: Mapping[str, Any] | None = None,
    toml: str = "",
    conftest: str = "",
) -> list[str]:
    """A report of every kind in ``out``; the lines of the section in the terminal."""
    monkeypatch.setenv("COLUMNS", WIDTH)
    pytester.makepyfile(test_it=suite)
    pytester.makeconftest(conftest)
    pytester.makepyprojecttoml(toml)
    if recording is not None:
        pytester.path.joinpath("recording.json").write_text(json.dumps(recording))
        monkeypatch.setenv("PYTEST_AIFOOTPRINT_RECORDED_METER", str(pytester.path / "recording.json"))
    reports = (f"--aifootprint-report={kind}:out/{kind}" for kind in FILES)
    done = pytester.runpytest("-p", "no:asyncio", "--aifootprint", *reports, *args)
    first = next(number for number, line in enumerate(done.outlines) if re.fullmatch("=+ AI footprint =+", line))
    rest = done.outlines[first + 1 :]
    end = next(number for number, line in enumerate(rest) if re.match("=====|-+ generated ", line))
    return [done.outlines[first], *rest[:end]]


def show(*args: str) -> Result:
    return CliRunner().invoke(app, ["show", "out/json", *args], env={"COLUMNS": WIDTH})
