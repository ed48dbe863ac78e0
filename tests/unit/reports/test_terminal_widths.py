"""The section "AI footprint" on terminals of any width, with any signs, and with names that nobody expects."""

# ruff: noqa: RUF001 - the signs that are printed
from __future__ import annotations

import io
import re
import subprocess
import sys
from typing import Any

import pytest
import samples  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not
from _pytest._io import TerminalWriter
from rich.cells import cell_len

from pytest_aifootprint.quantities import Notice, Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.model import RunFootprint, Verdict
from pytest_aifootprint.reports.remarks import Line
from pytest_aifootprint.reports.summary import WITH_SHARES, summarise
from pytest_aifootprint.reports.terminal import knows_width, write_summary
from pytest_aifootprint.reports.text import folded, render

RIGHT_TO_LEFT = "\N{RIGHT-TO-LEFT OVERRIDE}"
NAMES = [
    "t.py::test_x[" + "n" * 5000 + "]",
    "t.py::test_x[" + "word " * 1000 + "]",
    "t.py::test_x[日本語のテスト" * 30 + "]",
    "t.py::test_x[🦜🦜🦜👩\N{ZERO WIDTH JOINER}💻]" * 10,
    f"t.py::test_x[{RIGHT_TO_LEFT}gpj.exe שלום]",
    "t.py::test_x[" + "a\N{COMBINING ACUTE ACCENT}" * 200 + "]",
    "t.py::test_x[a\nb\r\n\x1b[31mred\x07\x00\x9b31m]",
    "t.py::test_x[\ud800]",
    "[",
]


class Reporter:
    """The terminal reporter of a terminal, writing into a buffer as pytest does."""

    def __init__(self, width: int, verbosity: int = 0) -> None:
        self.isatty = True
        self.buffer = io.StringIO()
        self.config = self
        self.verbosity = verbosity
        self.writer = TerminalWriter(self.buffer)
        self.writer.fullwidth = width

    def get_terminal_writer(self) -> TerminalWriter:
        return self.writer

    def get_verbosity(self) -> int:
        return self.verbosity

    def write_sep(self, sep: str, title: str | None = None, fullwidth: int | None = None, **markup: bool) -> None:
        self.writer.sep(sep, title, fullwidth, **markup)

    def write_line(self, line: str | bytes, **markup: bool) -> None:
        assert isinstance(line, str)
        self.writer.line(line, **markup)


def printed(run: RunFootprint, width: int, top: int = 10, **how: Any) -> list[str]:
    reporter = Reporter(width, **how)
    write_summary(reporter, run, top)
    return reporter.buffer.getvalue().splitlines()


def named(name: str) -> RunFootprint:
    """A run in which everything that has a name has this one."""
    test = samples.footprint_of(
        name, samples.remote_call(1.0, model=name), cpu_j=10, notices=(Notice("odd-name", f"{name} is odd"),)
    )
    verdict = Verdict(name, "1 call", "calls", 1.0, Range(2.0), "central", "fail", "", f"worst test: {name}")
    run: RunFootprint = samples.run_of(replace(test, verdicts=(verdict,)))
    return replace(run, verdicts=(replace(verdict, scope="run"),))


def test_long_lines_are_wrapped_under_their_text_and_keep_their_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PY_COLORS", "1")
    run = samples.failed_budget()
    long = replace(run.verdicts[0], reason="because of a reason that is longer than the terminal is wide, 12 g of it")
    lines = printed(replace(run, verdicts=(long,), notices=(Notice("odd", "words " * 12 + "end"),)), 60)
    assert lines[-9:] == [
        "notice  words words words words words words words words",
        "        words words words words end (odd)",
        "\x1b[33mbudget  use: 2.8 g of 2 g (142 %, high end): undecided\x1b[0m",
        "\x1b[33m        (because of a reason that is longer than the\x1b[0m",
        "\x1b[33m        terminal is wide, 12 g of it)\x1b[0m",
        "\x1b[31mbudget  tests/test_judge.py::test_faithful: 1.1 g of 0.05 g\x1b[0m",
        "\x1b[31m        (2200 %): fail\x1b[0m",
        "\x1b[31mbudget  tests/test_judge.py::test_faithful: 3 of 2 calls\x1b[0m",
        "\x1b[31m        (150 %): fail\x1b[0m",
    ]


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({"PY_COLORS": "1"}, 3),
        ({"PY_COLORS": "0", "FORCE_COLOR": "1"}, 0),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, 3),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, 0),
        ({"TERM": "xterm"}, 0),
    ],
)
def test_colour_is_pytests_decision_and_only_verdicts_have_it(
    environment: dict[str, str], coloured: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PY_COLORS", "FORCE_COLOR", "NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    lines = printed(samples.failed_budget(), 200)
    escaped = [line for line in lines if "\x1b" in line]
    assert len(escaped) == coloured
    assert all(re.fullmatch(r"\x1b\[3[123]mbudget .*\x1b\[0m", line) for line in escaped)


@pytest.mark.parametrize("width", [1, 40, 80, 200])
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_no_name_breaks_a_line_or_the_table(
    name: str, width: int, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    lines = printed(named(name), width)
    stream.write("\n".join(lines))
    assert all(line.isprintable() for line in lines)
    if width >= 40:
        assert max(map(cell_len, lines)) <= width
    table = lines[next(n for n, line in enumerate(lines) if line.startswith("most carbon")) :][:2]
    if width >= 40:
        # The figures stand under their titles, whatever the name looks like.
        for title, figure in (("energy", "1 Wh "), (" carbon", " 570 mg")):
            at = cell_len(table[0][: table[0].rindex(title)]) if title in table[0] else 0
            assert at or (title, width) == ("energy", 40)
            assert not at or _from_cell(table[1], at).startswith(figure)


def _from_cell(text: str, cell: int) -> str:
    while cell_len(text) and cell > 0:
        cell -= cell_len(text[0])
        text = text[1:]
    return text


def test_nothing_is_cut_off_however_narrow() -> None:
    run = replace(samples.lost_worker(), notices=(Notice("a-code", "x" * 70 + " and " + "y" * 300),))
    for width in (1, 10, 39):
        text = re.sub(r"\s", "", "".join(printed(run, width)))
        assert "x" * 70 + "and" + "y" * 300 + "(a-code)" in text
        assert "1.1g" in text
        assert "undecided(workergw1waslost)" in text


@pytest.mark.parametrize("width", [1, *range(36, 84, 3)])
def test_every_figure_is_whole_at_every_width_and_from_forty_no_line_is_longer(width: int) -> None:
    run = samples.mixed()
    summary = summarise(run)
    lines = [line.text for line in render(summary, width)]
    if width >= 40:
        assert max(map(cell_len, lines)) <= width
    text = re.sub(r"\s", "", "\n".join(lines))
    for figure in summary.figures:
        assert re.sub(r"\s", "", figure.label + figure.central + figure.range) in text
        assert re.sub(r"\s", "", figure.detail) in text
    for _, value in summary.parts:
        assert re.sub(r"\s", "", value) in text
    for label, central, remark in summary.asides:
        # In a line of its own on a narrow terminal, with a colon.
        assert re.search(re.escape(re.sub(r"\s", "", f"{label}{central}@{remark}")).replace("@", ":?"), text)


def test_a_narrow_terminal_has_what_stands_beside_the_figures_in_lines_of_its_own() -> None:
    lines = [line.text for line in render(summarise(samples.mixed()), 50)]
    assert lines[:9] == [
        "3 of 52 tests called an AI model: 7 live calls,",
        "1 replayed, 3 models, 7.6 k tokens",
        "               central   range",
        "carbon         1.1 g     0.45 – 4.2 g",
        "energy         5.5 Wh    4.3 – 11 Wh",
        "water          5.2 mL    1.1 – 24 mL",
        "carbon by      use 0.81 g · training 0.25 g ·",
        "               hardware 0.066 g",
        "energy by      gpu 3 · cpu 1 · remote 1.5",
    ]


def test_short_words_are_whole_beside_a_label_that_takes_most_of_the_width() -> None:
    text = "it is not so, and so it is not"
    for width in range(1, 40):
        lines = [str(part).removeprefix("budget") for part in folded(Line("budget", text), width)]
        assert " ".join(" ".join(lines).split()) == text


def test_a_number_keeps_its_unit_when_a_line_is_wrapped() -> None:
    for width in range(24, 60):
        text = "\n".join(
            part.text for part in folded(Line("notice", "it took 12 g of 3.4 – 5.6 kg (×/÷ 4.5), 7 %"), width)
        )
        for kept in ("12 g", "3.4 – 5.6 kg", "×/÷ 4.5", "7 %"):
            assert kept in text, width


def test_the_width_is_known_of_a_terminal_and_where_columns_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, pipe = Reporter(80), Reporter(80)
    pipe.isatty = False
    monkeypatch.delenv("COLUMNS", raising=False)
    assert [knows_width(terminal), knows_width(pipe)] == [True, False]
    known = {}
    for columns in ("100", "0", "wide", "-5", "", "9" * 5000):
        monkeypatch.setenv("COLUMNS", columns)
        known[columns[:4]] = knows_width(pipe)
    assert known == {"100": True, "0": False, "wide": False, "-5": False, "": False, "9999": True}


def test_what_has_no_word_on_its_terminal_writes_to_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    command = Reporter(80)
    del command.isatty
    monkeypatch.delenv("COLUMNS", raising=False)
    known = []
    for stream in (_Stream(terminal=True), _Stream(terminal=False), None):
        monkeypatch.setattr(sys, "stdout", stream)
        known.append(knows_width(command))
    assert known == [True, False, False]


class _Stream(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.isatty = lambda: terminal  # type: ignore[method-assign]


def test_a_saved_report_is_shown_without_pytest() -> None:
    code = (
        "import sys, pytest_aifootprint.reports.terminal as t; sys.exit('pytest' in sys.modules or not t.write_summary)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_in_a_pipe_a_verdict_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    run = named("t.py::test_x[" + "n" * 100 + "]")
    for verbosity in (0, -1):
        reporter = Reporter(80, verbosity)
        reporter.isatty = False
        write_summary(reporter, run)
        budgets = [line for line in reporter.buffer.getvalue().splitlines() if line.startswith("budget")]
        assert [line.count("fail (worst test: t.py::test_x[n") for line in budgets] == [1, 1]
        assert "fail (worst" not in "".join(
            line for line in printed(run, 80, verbosity=verbosity) if "budget" not in line
        )


def test_quiet_lines_are_wrapped_too() -> None:
    lines = printed(named("t.py::test_x[" + "n" * 100 + "]"), 60, verbosity=-1)
    assert lines[:2] == ["AI footprint: 570 mgCO2e (120 – 2700 mg), 1 of 1 test, 1", "live call"]
    assert max(map(len, lines)) <= 60


def test_stand_ins_do_not_move_the_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    run = named("tests/a/long/path/to/test_it.py::test_of_a_name_that_is_shortened[with µ]")
    titles = {}
    for encoding in ("utf-8", "ascii"):
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
        lines = printed(run, 80)
        first = next(n for n, line in enumerate(lines) if line.startswith("most carbon"))
        titles[encoding] = [line.index(word) for line, word in zip(lines[first:], ("energy", "1 Wh"), strict=False)]
    assert len(set(titles["ascii"])) == len(set(titles["utf-8"])) == 1


def test_ten_thousand_rows_are_ten_thousand_lines() -> None:
    summary = summarise(samples.mixed())
    lines = render(replace(summary, ranking=summary.ranking[:1] * 10_000), 80)
    assert sum("::test_faithful" in line.text for line in lines) == 10_000


def test_no_tests_at_all() -> None:
    assert printed(samples.run_of(), 80)[1:] == ["0 AI calls in 0 tests; no test ran"]


def test_shares_of_fixtures_in_the_table_are_said_where_they_matter() -> None:
    run = samples.with_fixture()
    assert f"({WITH_SHARES})" in printed(run, 80)
    assert summarise(run, 0).ranking_remark == ""
    small = [
        replace(
            test, fixtures=tuple(replace(s, carbon=samples.Carbon(samples.Grams(Range(1e-6)))) for s in test.fixtures)
        )
        for test in run.tests
    ]
    assert summarise(replace(run, tests=tuple(small))).ranking_remark == ""
