"""Busy CPU seconds of the machine."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from pytest_aifootprint.timeline.busy import busy_reader, busy_times

STAT = "cpu  1000 200 300 99999 5000 10 20 700 400 30\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 5\n"


def root_with(tmp_path: Path, text: str) -> Path:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text(text)
    return tmp_path


def test_busy_is_user_nice_system_irq_softirq_and_steal_is_apart(tmp_path: Path) -> None:
    times = busy_times(root_with(tmp_path, STAT))
    hertz = os.sysconf("SC_CLK_TCK")
    assert times is not None
    assert times.busy_s == pytest.approx((1000 + 200 + 300 + 10 + 20) / hertz)
    assert times.steal_s == pytest.approx(700 / hertz)


def test_an_old_kernel_without_steal(tmp_path: Path) -> None:
    times = busy_times(root_with(tmp_path, "cpu  1 1 1 1 1 1 1\n"))
    assert times is not None
    assert times.steal_s == 0


@pytest.mark.parametrize("text", ["", "cpu  1 2 3\n", "btime 5\n"])
def test_a_file_that_says_nothing_is_none_and_not_zero(tmp_path: Path, text: str) -> None:
    assert busy_times(root_with(tmp_path, text)) is None


def test_no_file_is_none_under_another_root(tmp_path: Path) -> None:
    assert busy_times(tmp_path) is None
    assert busy_reader(root=tmp_path)() is None


def test_a_recording_wins(tmp_path: Path) -> None:
    assert busy_reader(lambda: 4.0, root_with(tmp_path, STAT))() == 4.0


def test_elsewhere_psutil_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object) -> int:
        raise FileNotFoundError

    class Times:
        user, system, idle, interrupt, dpc = 5.0, 3.0, 100.0, 0.5, 0.25

    monkeypatch.setattr(psutil, "cpu_times", Times)
    monkeypatch.setattr("pytest_aifootprint.timeline.busy.os.open", absent)
    times = busy_times()
    assert times is not None
    assert times.busy_s == 8.75
