"""The section "AI footprint", letter by letter."""

# ruff: noqa: RUF001 - the signs that are printed
from __future__ import annotations

import io
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import samples  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from pytest_aifootprint.quantities import EXACT_ZERO, Basis, Grams, Notice, Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.amounts import Carbon
from pytest_aifootprint.records.model import RunFootprint, Verdict, WorkerRecord
from pytest_aifootprint.reports import facts, remarks
from pytest_aifootprint.reports.summary import header, summarise
from pytest_aifootprint.reports.terminal import one_line_verdict, write_summary
from pytest_aifootprint.reports.text import render, shortened


class Writer:
    """A terminal reporter that keeps what it is given."""

    def __init__(self, width: int = 100, verbosity: int = 0) -> None:
        self.lines: list[tuple[str, dict[str, bool]]] = []
        self.config = self
        self.fullwidth = width
        self.verbosity = verbosity

    def get_terminal_writer(self) -> Writer:
        return self

    def get_verbosity(self) -> int:
        return self.verbosity

    def write_sep(self, sep: str, title: str | None = None, fullwidth: int | None = None, **_: bool) -> None:
        self.lines.append((f" {title} ".center(self.fullwidth, sep), {}))

    def write_line(self, line: str | bytes, **markup: bool) -> None:
        assert isinstance(line, str)
        self.lines.append((line, markup))

    @property
    def text(self) -> str:
        return "\n".join(line for line, _ in self.lines) + "\n"


@pytest.fixture(autouse=True)
def _no_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)  # which pytest-xdist gives its workers


def printed(run: RunFootprint, top: int = 10, **how: Any) -> str:
    writer = Writer(**how)
    write_summary(writer, run, top)
    return writer.text


def dedented(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def test_full_summary() -> None:
    assert printed(samples.mixed()) == dedented("""
        =========================================== AI footprint ===========================================
        3 of 52 tests called an AI model: 7 live calls, 1 replayed, 3 models, 7.6 k tokens
                       central   range          use      training   hardware
        carbon         1.1 g     0.45 – 4.2 g   0.81 g   0.25 g     0.066 g
        energy         5.5 Wh    4.3 – 11 Wh    gpu 3 · cpu 1 · remote 1.5
        water          5.2 mL    1.1 – 24 mL
        avoidable      0.75 g    had these tests not run, at the average grid factor
        avoided        0.19 g    1 call replayed from cassettes
        basis          54 % measured (nvml) · 18 % modelled (cpu load) · 27 % estimated (ecologits 0.11)
        grid           local FRA 56 g/kWh (2023) · openai USA 384 g/kWh (2023)
        unattributed   41 % of 24 kJ metered here: idle 30 %, other tests 9 %, other processes 1.6 %, this
                       plugin 0.2 %
        training       share of use for 2 models (phi 0.70) · unknown for iris.onnx
        widest input   energy of gpt-5-mini (×/÷ 4.5): declare its size, or gate on tokens

        most carbon                          calls   tokens   energy     carbon    range
        tests/test_judge.py::test_faithful       4    7.5 k   5.2 Wh     1.1 g     0.42 – 4.2 g
        tests/test_local.py::test_iris           3        0   0.25 Wh    0.023 g   0.016 – 0.038 g
        tests/test_judge.py::test_short          1    0.1 k   0.031 Wh   0.012 g   0.0035 – 0.054 g

        budget  1.1 g of 5 g (22 %): pass (the range crosses the limit)
    """)


def test_wide_terminal_has_bars() -> None:
    assert printed(samples.mixed(), width=120).splitlines()[-6:-2] == [
        "most carbon                          calls   tokens   energy     carbon    range",
        "tests/test_judge.py::test_faithful       4    7.5 k   5.2 Wh     1.1 g     0.42 – 4.2 g       ██████████",
        "tests/test_local.py::test_iris           3        0   0.25 Wh    0.023 g   0.016 – 0.038 g",
        "tests/test_judge.py::test_short          1    0.1 k   0.031 Wh   0.012 g   0.0035 – 0.054 g",
    ]


def test_narrow_terminal_loses_columns_and_the_start_of_names_but_no_figure() -> None:
    text = printed(samples.mixed(), width=50)
    assert "0.45 – 4.2 g" in text
    assert "use 0.81 g · training 0.25 g ·" in text
    assert text.splitlines()[-6:-2] == [
        "most carbon             calls   energy     carbon",
        "…ge.py::test_faithful       4   5.2 Wh     1.1 g",
        "…_local.py::test_iris       3   0.25 Wh    0.023 g",
        "…judge.py::test_short       1   0.031 Wh   0.012 g",
    ]


def test_the_first_line_is_wrapped_like_the_others() -> None:
    run = samples.mixed()
    tokens = replace(run.totals.tokens, unknown_calls=3)
    run = samples.mixed(totals=replace(run.totals, tokens=tokens))
    assert printed(run, width=80).splitlines()[1:3] == [
        "3 of 52 tests called an AI model: 7 live calls, 1 replayed, 3 models,",
        "7.6 k tokens, tokens of 3 calls unknown",
    ]
    assert printed(run, width=36).splitlines()[1:5] == [
        "3 of 52 tests called an AI model:",
        "7 live calls, 1 replayed, 3 models,",
        "7.6 k tokens,",
        "tokens of 3 calls unknown",
    ]
    first = "3 of 52 tests called an AI model: 7 live calls, 1 replayed, 3 models,"
    assert printed(run, width=len(first)).splitlines()[1] == first
    assert printed(run, width=len(first) - 1).splitlines()[1:3] == [
        first.removesuffix(" 3 models,"),
        "3 models, 7.6 k tokens, tokens of 3 calls unknown",
    ]


def test_no_ai_call_is_said_and_nothing_else() -> None:
    assert printed(samples.no_ai(), width=40) == dedented("""
        ============= AI footprint =============
        0 AI calls in 52 tests; every seam armed
    """)


def test_no_ai_call_with_a_blind_seam() -> None:
    run = samples.no_ai(seams={"httpx": "armed", "torch": "failed: AttributeError: x"})
    assert printed(run, width=40) == dedented("""
        ============= AI footprint =============
        0 AI calls in 52 tests; not every seam
        armed: torch (failed: AttributeError: x)
        notice  torch: failed: AttributeError: x; its calls are not seen (seam-not-armed)
    """)


def test_no_ai_call_where_workers_were_lost_is_no_word_on_their_seams() -> None:
    lost = (WorkerRecord("gw0", reported=False), WorkerRecord("gw1", reported=False))
    run = samples.run_of(workers=lost, seams={})
    assert header(run) == "0 AI calls in 0 tests; workers gw0, gw1 lost"
    failed = {"torch": "failed: AttributeError: x"}
    run = samples.no_ai(workers=(WorkerRecord("main", reported=True), lost[0]), seams=failed)
    assert header(run) == (
        "0 AI calls in 52 tests; worker gw0 lost; not every seam armed: torch (failed: AttributeError: x)"
    )


def test_marked_test_without_a_call_has_figures() -> None:
    run = samples.run_of(samples.footprint_of("t.py::test_marked", cpu_j=10, ai=True))
    assert header(run) == "0 AI calls in 1 test, 1 marked AI test; every seam armed"
    assert summarise(run).figures


def test_marked_tests_without_a_call_are_not_said_to_have_called_a_model() -> None:
    asks = samples.footprint_of("t.py::test_asks", samples.remote_call(1.0))
    silent = [samples.footprint_of(f"t.py::test_{n}", cpu_j=10, ai=True) for n in "ab"]
    assert header(samples.run_of(asks, silent[0])).startswith(
        "1 of 2 tests called an AI model (1 more is marked): 1 live"
    )
    assert header(samples.run_of(asks, *silent)).startswith(
        "1 of 3 tests called an AI model (2 more are marked): 1 live"
    )


def test_a_test_whose_fixture_called_a_model_called_one() -> None:
    run = samples.with_fixture()
    asks, uses = run.tests
    share = replace(uses.fixtures[0], id=run.fixtures[0].id)
    uses = replace(uses, calls=(), fixtures=(share,))
    assert header(replace(run, tests=(asks, uses))).startswith("2 of 2 tests called an AI model: ")
    nobody_called = replace(run.fixtures[0], calls=())
    silent = replace(run, tests=(asks, uses), fixtures=(nobody_called,))
    assert header(silent).startswith("1 of 2 tests called an AI model (1 more is marked): ")


def test_replayed_calls_alone() -> None:
    assert printed(samples.replayed_only(), top=0) == dedented("""
        =========================================== AI footprint ===========================================
        1 of 1 test called an AI model: 0 live calls, 2 replayed, 1 model
                       central   range          use      training   hardware
        carbon         310 µg    210 – 510 µg   190 µg   0          120 µg
        energy         3.3 mWh   1.8 – 6 mWh    cpu 3.3
        water          0
        avoidable      190 µg    had these tests not run, at the average grid factor
        avoided        1.2 g     2 calls replayed from cassettes
        basis          100 % modelled (cpu load)
        grid           local FRA 56 g/kWh (2023) · openai USA 384 g/kWh (2023)
        unattributed   41 % of 20 J metered here: idle 30 %, other tests 9 %, other processes 1.6 %, this
                       plugin 0.2 %
        widest input   watts of this CPU by the load model (×/÷ 1.8): a power sensor or
                       [tool.aifootprint.hardware] narrows it
    """)


def test_unknown_training_is_a_dash_and_named() -> None:
    lines = printed(samples.unknown_training()).splitlines()
    assert lines[3] == "carbon         25 mg     17 – 42 mg      15 mg   –          9.9 mg"
    assert lines[-1].startswith("notice  nobody published what training iris.onnx took: its share is not in the total")
    assert lines[-1].endswith(" (training-unknown, 2 tests)")
    assert "avoided" not in "\n".join(lines)


def test_failed_budgets_name_their_test_and_are_red() -> None:
    writer = Writer()
    write_summary(writer, samples.failed_budget())
    assert writer.lines[-3:] == [
        ("budget  use: 2.8 g of 2 g (142 %, high end): undecided (the range crosses the limit)", {"yellow": True}),
        ("budget  tests/test_judge.py::test_faithful: 1.1 g of 0.05 g (2200 %): fail", {"red": True}),
        ("budget  tests/test_judge.py::test_faithful: 3 of 2 calls (150 %): fail", {"red": True}),
    ]


def test_lost_worker_and_unpriced_calls_are_said() -> None:
    assert printed(samples.lost_worker()).splitlines()[-4:] == [
        "notice  no totals from gw1: the tests run there are not in the sums (worker-lost)",
        "notice  torch: failed: AttributeError: no Module; its calls are not seen (seam-not-armed)",
        "notice  1 call could not be priced: not in the totals (unpriced-calls)",
        "budget  5 gCO2e: undecided (worker gw1 was lost)",
    ]


def test_what_others_have_said_is_not_said_twice() -> None:
    run = replace(samples.lost_worker(), notices=(Notice("worker-lost", "gw1 is gone"),) * 2)
    text = printed(run)
    assert text.count("worker-lost") == 1
    assert "gw1 is gone (worker-lost)" in text


def test_quiet_is_the_headline_and_the_budget() -> None:
    assert printed(samples.mixed(), verbosity=-1) == dedented("""
        AI footprint: 1.1 gCO2e (0.45 – 4.2 g), 3 of 52 tests, 7 live calls
        budget  1.1 g of 5 g (22 %): pass (the range crosses the limit)
    """)
    assert printed(samples.no_ai(), verbosity=-1) == "AI footprint: 0 AI calls in 52 tests; every seam armed\n"


def test_one_line_verdict_names_the_first_that_is_no_pass() -> None:
    assert one_line_verdict(samples.failed_budget()) == (
        "budget use: 2.8 g of 2 g (142 %, high end): undecided (the range crosses the limit) (and 2 more)"
    )
    assert one_line_verdict(samples.mixed()) == "1.1 gCO2e (0.45 – 4.2 g), 3 of 52 tests, 7 live calls"


ODD_NAMES = [
    "t.py::test_x[[red]bold[/red]]",
    "t.py::test_x[:smiley:]",
    "t.py::test_x[\"quoted\" '%s' 100%d {0}]",
    "t.py::test_x[\\]",
    "t.py::test_x[日本語ü🦜]",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_names_are_printed_as_they_are(name: str) -> None:
    run = samples.run_of(
        samples.footprint_of(name, samples.remote_call(1.0, model="[red]m%s"), notices=(Notice("c", f"{name} is odd"),))
    )
    text = printed(run, width=200)
    assert f"\n{name}   " in text
    assert f"notice  {name} is odd (c)\n" in text
    assert "energy of [red]m%s" in text


def test_line_breaks_in_names_are_made_visible() -> None:
    test = samples.footprint_of("t.py::test_x[a\nb\x1b[31m\u2028]", samples.remote_call(1.0))
    verdict = Verdict(test.nodeid, "1 call", "calls", 1.0, Range(2.0), "central", "fail", "")
    text = printed(samples.run_of(replace(test, verdicts=(verdict,))), width=200)
    assert text.count(r"t.py::test_x[a\nb\x1b[31m\u2028]") == 2
    assert "\x1b" not in text


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
@pytest.mark.parametrize("make", samples.EVERY.values(), ids=samples.EVERY)
def test_any_stream_can_print_it(
    make: Callable[[], RunFootprint], encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    stream.write(printed(make(), width=120))
    stream.flush()


def test_ascii_stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    text = printed(samples.mixed(), width=120)
    assert "0.45 - 4.2 g" in text
    assert "(x/ 4.5)" in text
    assert "##########" in text


@pytest.mark.parametrize("colour", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_no_escape_sequences_whatever_the_environment(colour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(colour, "1")
    monkeypatch.setenv("COLUMNS", "20")
    assert printed(samples.mixed()).isascii() is False
    assert "\x1b" not in printed(samples.mixed())
    assert max(map(len, printed(samples.mixed()).splitlines())) == 100


def test_ranking_is_by_carbon_then_name_and_stops_at_top() -> None:
    tests = [
        samples.footprint_of(f"t.py::test_{name}", samples.remote_call(size), cpu_j=1)
        for name, size in (("small", 0.1), ("b", 1.0), ("large", 3.0), ("a", 1.0))
    ]
    rows = summarise(samples.run_of(*tests), top=3).ranking
    assert [row.nodeid for row in rows] == ["t.py::test_large", "t.py::test_a", "t.py::test_b"]
    assert [row.carbon.split()[1] for row in rows] == ["g", "g", "g"]
    assert [round(row.share, 2) for row in rows] == [1.0, 0.33, 0.33]


def test_tokens_that_nobody_told_are_unknown() -> None:
    silent = samples.remote_call(1.0, input_tokens=None, output_tokens=None)
    run = samples.run_of(samples.footprint_of("t.py::test_x", silent))
    assert summarise(run).ranking[0].tokens == "–"
    assert "tokens of 1 call unknown" in header(run)


def test_models_that_nobody_knows_are_one_notice_that_names_them() -> None:
    def unknown(name: str, operation: str = "chat") -> Notice:
        return Notice("unknown-model", f"no data knows the model {name!r} ({operation}): a class stands in")

    each = [unknown(f"acme/m{n}") for n in range(6)]
    tests = [samples.footprint_of(f"t.py::test_{n}", notices=(each[n], each[(n + 1) % 6])) for n in range(6)]
    alone = (unknown("e", "embeddings"), Notice("unknown-model", "image with x: a class range"))
    lines = [line.text for line in remarks.notices(samples.run_of(*tests, notices=(*each, *alone)))]
    listed = "'acme/m0', 'acme/m1', 'acme/m2', 'acme/m3' and 2 more"
    assert lines == [
        f"no data knows the models {listed} (chat): a class stands in (unknown-model, 6 tests)",
        "no data knows the model 'e' (embeddings): a class stands in (unknown-model)",
        "image with x: a class range (unknown-model)",
    ]


def test_notices_are_counted_and_capped() -> None:
    notice = Notice("estimated-tokens", "tokens were counted from chunks")
    many = tuple(Notice(f"n{i}", "m") for i in range(9))
    tests = [samples.footprint_of(f"t.py::test_{i}", samples.remote_call(1.0), notices=(notice,)) for i in range(3)]
    lines = [line.text for line in remarks.notices(samples.run_of(*tests, notices=many))]
    assert lines[:8] == [f"m (n{i})" for i in range(8)]
    assert lines[8:] == ["… and 2 more (see the JSON report)"]
    assert remarks.notices(samples.run_of(*tests))[0].text == (
        "tokens were counted from chunks (estimated-tokens, 3 tests)"
    )


def test_failed_tests_are_capped() -> None:
    run = samples.failed_budget()
    run = replace(run, tests=(replace(run.tests[0], verdicts=run.tests[0].verdicts * 8),))
    lines = remarks.budgets(run)
    assert len(lines) == 12
    assert lines[-1].text == "… and 6 more (see the JSON report)"


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (Verdict("run", "2k tokens", "tokens", 2000, Range(48_321.0), "central", "fail", ""),
         "48321 of 2000 tokens (2400 %): fail"),
        (Verdict("run", "20 J", "energy_j", 20, Range(3.0), "central", "pass", ""),
         "0.83 mWh of 5.55556 mWh (15 %): pass"),
        (Verdict("run", "1 L", "water_l", 1, Range(0.002), "low", "pass", ""),
         "0.002 L of 1 L (0.2 %, low end): pass"),
        (Verdict("run", "0 calls", "calls", 0, Range(3.0), "central", "fail", ""), "3 of 0 calls: fail"),
        (Verdict("run", "0 g", "carbon_g", 0, EXACT_ZERO, "central", "pass", ""), "0 of 0: pass"),
        (Verdict("t", "live=False", "calls", 0, None, "central", "fail", "2 live calls"),
         "t: live=False: fail (2 live calls)"),
        (Verdict("run", "5 g", "carbon_g", 5, Range(6.0), "central", "fail", "a whole sentence", "worst test: t"),
         "6 g of 5 g (120 %): fail (worst test: t)"),
        (Verdict("run", "10 %", "increase", 0.1, Range(0.2), "central", "fail", "20 % more"),
         "10 %: fail (20 % more)"),
    ],
)  # fmt: skip
def test_verdict_in_one_line(verdict: Verdict, text: str) -> None:
    assert remarks.said(verdict) == text


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        (
            "grid:FRA",
            'carbon intensity of the grid FRA (×/÷ 9): a figure of its own narrows it: --aifootprint-grid "56 g/kWh"',
        ),
        ("grid:USA", "carbon intensity of the grid USA (×/÷ 9): a newer figure narrows it"),
        ("phi", 'share of training in a model\'s life (×/÷ 9): gate on "use: …" to leave training out'),
        ("hw:vm", "manufacturing of vm (×/÷ 9): [tool.aifootprint.hardware] narrows it"),
        ("pue:openai", "overhead of openai's data centres (×/÷ 9): the provider would have to publish it"),
        ("new", "new (×/÷ 9): see aifootprint explain"),
    ],
)
def test_widest_input_says_what_narrows_it(factor: str, text: str) -> None:
    run = samples.mixed()
    totals = replace(run.totals, carbon=Carbon(Grams(Range.times_over(1.0, 9, factor))))
    assert facts.widest_input(replace(run, totals=totals)) == text


def test_guessed_grid_asks_for_the_grid() -> None:
    run = samples.unknown_training()
    totals = replace(run.totals, carbon=Carbon(Grams(Range.times_over(1.0, 1.54, "grid:WOR"))))
    run = replace(run, totals=totals)
    assert facts.widest_input(run) == "grid of this machine unknown (×/÷ 1.5): set --aifootprint-grid"
    assert facts.grids(run) == "local WOR 475 g/kWh (a guess)"


def test_widest_input_of_an_image_model_is_narrowed_by_nothing_that_one_knows() -> None:
    run = samples.mixed()
    image = samples.remote_call(1.0, "dall-e-3", operation="image")
    test = replace(run.tests[0], calls=(image,))
    totals = replace(run.totals, carbon=Carbon(image.impact.use_carbon_g))
    assert facts.widest_input(replace(run, tests=(test,), totals=totals)) == (
        "energy of dall-e-3 (×/÷ 4.5): limit the number of calls"
    )


def test_widest_input_is_the_spread_of_the_input_not_of_the_diluted_total() -> None:
    run = samples.mixed()
    total = run.totals.carbon.total
    down, up = total.factors["model:gpt-5-mini"]
    assert up - down < 2.9
    assert "(×/÷ 4.5)" in facts.widest_input(run)


def test_many_grids_are_cut() -> None:
    run = samples.mixed(remote_grids={f"p{i}": samples.USA for i in range(9)})
    assert facts.grids(run).count("USA") == 4
    assert facts.grids(run).endswith(" · 5 more in the JSON report")


def test_lines_without_something_to_say_are_left_out() -> None:
    run = samples.mixed(balance={})
    exact = replace(run.totals, carbon=Carbon(Grams(Range(1.0))), avoidable_carbon_g=EXACT_ZERO, basis_share={})
    summary = summarise(replace(run, totals=exact))
    assert [label for label, _ in summary.facts] == ["grid", "training"]
    assert [label for label, *_ in summary.asides] == ["avoided"]
    assert summary.figures[0].range == ""


def test_shared_fixtures_of_other_tests_are_unattributed() -> None:
    run = samples.with_fixture()
    assert "fixtures of other tests" not in facts.unattributed(run)
    cpu = replace(run.balance["cpu"], shared_fixtures_j=600.0, metered_j=1000.0)
    # Of six who bear 100 J each, one has no AI call; whether AI tests have a row makes no difference.
    (fixture,) = run.fixtures
    shared = replace(fixture, energy=samples.cpu_energy(600), payers=6, ai_payers=5)
    text = facts.unattributed(replace(run, balance={"cpu": cpu}, fixtures=(shared,), tests=()))
    assert "fixtures of other tests 10 %" in text
    unused = replace(shared, payers=0, ai_payers=0)
    assert "fixtures of other tests 60 %" in facts.unattributed(replace(run, balance={"cpu": cpu}, fixtures=(unused,)))


def test_basis_names_its_sources() -> None:
    run = samples.mixed()
    totals = replace(run.totals, basis_share={"measured": 0.0004, "assumed": 0.9996})
    meter = samples.CPU.__class__("cpu", "laptop row", Basis.ASSUMED, "")
    assert facts.basis(replace(run, totals=totals, meters=(meter,))) == "<0.1 % measured · 100 % assumed (laptop row)"


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (60, "tests/folder/test_a.py::TestB::test_long[parameter-1-of-many]"[-59:]),
        (40, "test_long[parameter-1-of-many]"),
        (24, "test_long[pa…-1-of-many]"),
    ],
)
def test_long_names_keep_their_end_and_if_need_be_their_own_name(width: int, text: str) -> None:
    short = shortened("tests/folder/test_a.py::TestB::test_long[parameter-1-of-many]", width)
    assert text in short
    assert len(short) <= width + 1


@settings(deadline=None)  # a loaded machine is slow
@given(st.text(st.characters(exclude_categories=["C", "Z", "M"]), min_size=1), st.integers(min_value=2, max_value=80))
def test_shortened_names_fit(name: str, width: int) -> None:
    assert cell_len(shortened(name, width)) <= width


@pytest.mark.parametrize("make", samples.EVERY.values(), ids=samples.EVERY)
@pytest.mark.parametrize("width", [1, 40, 80, 200])
def test_every_run_can_be_drawn_at_any_width(make: Callable[[], RunFootprint], width: int) -> None:
    for line in render(summarise(make()), width):
        assert line.text == line.text.rstrip()
        assert "\n" not in line.text


def test_same_figure_for_the_same_test_everywhere() -> None:
    run = samples.mixed()
    text = printed(run)
    assert run.tests[0].carbon.total.central == run.tests[0].direct_carbon.total.central
    assert "1.1 gCO2e" in printed(run, verbosity=-1)
    assert text.count("1.1 g ") >= 3


def test_real_pytest_session_on_an_ascii_terminal(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setenv("PYTHONPATH", str(Path(samples.__file__).parent))
    pytester.makeconftest("""
        import samples
        from pytest_aifootprint.reports.terminal import write_summary

        def pytest_terminal_summary(terminalreporter):
            write_summary(terminalreporter, samples.mixed(), 10)
    """)
    pytester.makepyfile("def test_a(): pass")
    result = pytester.runpytest_subprocess("--color=yes", "-W", "error", "-p", "no:asyncio")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "*= AI footprint =*",
            "3 of 52 tests called an AI model*",
            "carbon         1.1 g     0.45 - 4.2 g*",
            "tests/test_judge.py::test_faithful*##########",
            "*\x1b[[]32mbudget  1.1 g of 5 g (22 %): pass*",
        ]
    )
    title = next(i for i, line in enumerate(result.outlines) if "= AI footprint =" in line)
    assert result.outlines[title + 1].startswith("3 of 52 tests")
    assert max(len(line) for line in result.outlines[title:] if "\x1b" not in line) <= 110
