"""The arithmetic of `make bench`: what is added, what is reached, where it is written."""

import json
import shutil
import sys
from pathlib import Path

import pytest

import gpu_sampler
from overhead.figures import Told, a_test, cell, cpu, last, peak_mib
from overhead.goals import Goal, Goals
from overhead.layouts import Suite
from overhead.page import NoPlaceError, write
from overhead.plan import PARTS, quick
from overhead.running import Cost, RunFailedError, Sample, run
from overhead.turns import Series, Turn


def sample(cpu_s: float, kib: int = 1024, moments: list[tuple[float, float, int]] | None = None) -> Sample:
    cost = Cost(cpu_s, 2 * cpu_s)
    return Sample(cost, cost, cost, cost, kib, moments or [])


def test_what_is_added_is_the_median_over_rounds_above_both_bare_neighbours() -> None:
    rounds = [(0.010, 0.015, 0.012), (0.020, 0.027, 0.024), (0.010, 0.110, 0.010)]
    series = Series([Turn(sample(a), sample(b), sample(c)) for a, b, c in rounds])
    value = series.added(cpu("tests"))
    assert value is not None
    assert (value.value, value.spread, value.bare, value.rounds) == pytest.approx((5.0, 2.0, 11.0, 3))
    assert cell(value) == "+5.0 ± 2.0"


def test_a_tool_that_did_not_run_adds_nothing_known() -> None:
    assert Series().added(cpu("tests")) is None
    assert cell(None) == "\N{EN DASH}"


def test_microseconds_of_a_test_are_of_the_tests_between_the_moments() -> None:
    assert a_test(201)(sample(0.02)) == pytest.approx(100)
    assert peak_mib(sample(0, kib=2048)) == 2


def test_the_last_thousand_tests_are_the_last_five_files() -> None:
    moments = [(0.0, second, 0) for second in (0.0, 9.0, *(9.0 + n / 10 for n in range(10)))]
    assert last(1000)(sample(0, moments=moments)) == pytest.approx(0.9e6 / 999)


@pytest.mark.parametrize(("value", "reached"), [(99.0, True), (100.0, True), (100.1, False), (None, False)])
def test_a_goal_without_a_figure_is_missed(value: float | None, reached: bool) -> None:  # noqa: FBT001
    goal = Goal("a test", value, 100, "µs")
    assert goal.reached is reached
    assert goal.row[-1] == ("reached" if reached else "**missed**")


def test_joules_of_the_plugin_become_the_seconds_they_were_made_of(tmp_path: Path) -> None:
    given = [{"symbol": "w", "central": 1.6}, {"symbol": "PUE_cpu", "central": 1.25}]
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"sheets": {"this machine": {"given": given}}, "balance": {"cpu": {"plugin_j": 3.0}}}))
    told = Told({})
    told.keep("part", report)
    told.keep("other", tmp_path / "none.json")
    assert told.of("part") == pytest.approx(1.5)
    assert told.of("other") is None


def test_a_part_of_the_page_is_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A\n<!-- written by x: begin -->\nold\n<!-- written by x: end -->\nprose\n")
    write("x", "new", page)
    write("x", "newer", page)
    expected = "# A\n<!-- written by x: begin -->\n\nnewer\n\n<!-- written by x: end -->\nprose\n"
    assert page.read_text() == expected
    with pytest.raises(NoPlaceError, match="written by y"):
        write("y", "new", page)


def test_first_and_last_test_of_each_file_note_the_moment(tmp_path: Path) -> None:
    home = Suite("s", 201, "work()").lay_out(tmp_path)
    first, second = ((home / f"test_{n:03}.py").read_text() for n in (0, 1))
    assert first.count("work()") == 200
    assert "def test_000():\n    note()\n    work()\n" in first
    assert "def test_199():\n    work()\n    note()\n" in first
    assert first.count("note()") == 2
    assert "def test_000():\n    note()\n    work()\n    note()\n" in second


def test_a_quick_run_has_the_same_parts_and_no_long_suite() -> None:
    short = quick(PARTS)
    assert [part.name for part in short] == [part.name for part in PARTS]
    assert max(part.suite.n for part in short if part.suite) == 5000
    assert {part.rounds for part in short} == {1}


def test_a_run_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(RunFailedError, match="ended with 1: ValueError: no meter"):
        run(
            [sys.executable, "-c", "raise ValueError('no meter')"],
            env={"PATH": "/usr/bin:/bin"},
            scratch=tmp_path / "run",
        )


def test_a_run_has_the_kernels_account_of_it(tmp_path: Path) -> None:
    code = "import time\nwhile time.process_time() < 0.2: pass"
    found = run([sys.executable, "-c", code], env={"PATH": "/usr/bin:/bin"}, scratch=tmp_path / "run")
    assert found.whole.cpu_s >= 0.2
    assert found.peak_kib > 1000


def test_what_a_card_takes_is_a_goal_and_without_a_figure_missed() -> None:
    def row(percent: float | None) -> list[str]:
        (found,) = (goal.row for goal in Goals({}, Told({}), {}, {}, {}, percent)._sampler()[1:])
        return found

    assert row(0.0512)[1:] == ["at most 0.1 %", "0.051 %", "\N{EN DASH}", "reached"]
    assert row(0.2)[-1] == row(None)[-1] == "**missed**"


def test_a_card_takes_what_eight_take_more_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = [(1, {"mean_us": 50.0}), (8, {"mean_us": 400.0})]
    monkeypatch.setattr(gpu_sampler, "medians", lambda *_: iter(taken))
    monkeypatch.setattr(shutil, "which", lambda _: "gcc")
    assert gpu_sampler.share_of_a_card() == pytest.approx(0.05)  # 50 us ten times a second
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert gpu_sampler.share_of_a_card() is None
