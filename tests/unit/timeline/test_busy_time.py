"""Busy CPU seconds of the machine."""

from __future__ import annotations

import os
from array import array
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.timeline.busy import BusyTimes, busy_reader, busy_times, steal_notice
from pytest_aifootprint.timeline.readings import BusyReadings

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
    assert times.steal_s is None


@pytest.mark.parametrize("text", ["", "cpu  1 2 3\n", "btime 5\n"])
def test_a_file_that_says_nothing_is_none_and_not_zero(tmp_path: Path, text: str) -> None:
    assert busy_times(root_with(tmp_path, text)) is None


def test_no_file_is_none_under_another_root(tmp_path: Path) -> None:
    assert busy_times(tmp_path) is None
    assert busy_reader(root=tmp_path)() is None


def test_a_recording_wins(tmp_path: Path) -> None:
    assert busy_reader(lambda: 4.0, root_with(tmp_path, STAT))() == BusyTimes(4.0, None)
    assert busy_reader(lambda: None, tmp_path)() is None


def test_elsewhere_psutil_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object) -> int:
        raise FileNotFoundError

    class Times:
        user, system, idle, interrupt, dpc = 5.0, 3.0, 100.0, 0.5, 0.25

    monkeypatch.setattr(psutil, "cpu_times", Times)
    monkeypatch.setattr(REAL, "open", absent)
    times = busy_times()
    assert times == BusyTimes(8.75, None)


def test_a_fake_os_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = root_with(tmp_path, STAT)
    expected = busy_times(root)
    # As pyfakefs does with the attribute ``os`` of every module.
    monkeypatch.setattr("pytest_aifootprint.timeline.busy.os", SimpleNamespace(O_RDONLY=0, O_CLOEXEC=0))
    assert expected is not None
    assert busy_times(root) == expected


def readings(busy_s: list[float], steal_s: list[float]) -> BusyReadings:
    return BusyReadings(array("q", range(len(busy_s))), array("d", busy_s), array("d", steal_s))


@pytest.mark.parametrize(
    ("busy_s", "steal_s", "says"),
    [
        ([100, 109], [50, 51], "10% of the CPU time"),
        ([100, 150, 194], [50, 50, 56], "6% of the CPU time"),
        ([0, 0], [0, 3], "100% of the CPU time"),
    ],
)
def test_steal_above_five_percent_of_the_run_is_told(busy_s: list[float], steal_s: list[float], says: str) -> None:
    notice = steal_notice(readings(busy_s, steal_s))
    assert notice is not None
    assert notice.code == "steal-time"
    assert notice.message.startswith(says)


@pytest.mark.parametrize(
    ("busy_s", "steal_s"),
    [
        ([100, 195], [50, 55]),  # 5 % is not above 5 %, and what was stolen before the run does not count
        ([100, 200], [50, 50]),
        ([100, 100], [50, 50]),
        ([100, 100.1], [50, 40]),  # a counter that fell
        ([100, 90], [50, 80]),
        ([100, 200], []),  # not told by the platform
        ([100], [50]),
        ([], []),
    ],
)
def test_little_steal_and_unknown_steal_are_no_notice(busy_s: list[float], steal_s: list[float]) -> None:
    assert steal_notice(readings(busy_s, steal_s)) is None
