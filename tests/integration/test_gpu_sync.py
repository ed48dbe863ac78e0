"""``aifootprint_gpu_sync``: the driver is a library of our own making that has work to wait for, all else is real."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_aifootprint.session.own_cost import FIRST

SOURCE = Path(__file__).with_name("fake_cuda.c")
KERNEL_S = 0.4

SUITE = f"""
import ctypes, pytest

@pytest.fixture(scope="module")
def card():
    lib = ctypes.CDLL("./libcuda.so.1")
    lib.fake_launch.argtypes = [ctypes.c_double]
    return lib

@pytest.fixture(scope="module")
def warmed(card):
    card.fake_launch({KERNEL_S})

def test_before_anybody_uses_the_card():
    pass

def test_does_not_wait(card):
    card.fake_launch({KERNEL_S})

def test_next(card):
    card.fake_launch(0.0)

def test_after_a_fixture(card, warmed, record_property):
    record_property("idle", card.fake_idle())
    record_property("retained", card.fake_retained())
"""


@pytest.fixture(autouse=True)
def driver(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler on Linux to build a fake libcuda.so.1")
    library = pytester.path / "libcuda.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", library, SOURCE], check=True)
    monkeypatch.setenv("FAKE_CUDA_LOG", str(pytester.path / "log"))
    pytester.makepyfile(SUITE)


def run(pytester: pytest.Pytester, *arguments: str) -> dict[str, Any]:
    # In a process of its own: the driver stays loaded.
    result = pytester.runpytest_subprocess(
        "--aifootprint", "--aifootprint-tests=all", "--aifootprint-report=json:r.json", "--junitxml=j.xml", *arguments
    )
    result.assert_outcomes(passed=4)
    report: dict[str, Any] = json.loads((pytester.path / "r.json").read_text())
    return report


def call_s(report: dict[str, Any], name: str) -> float:
    (test,) = (test for test in report["tests"] if test["nodeid"].endswith(f"::{name}"))
    seconds: float = test["attempts"][0]["phases"]["call"]["duration_s"]
    return seconds


def test_a_window_ends_when_its_work_on_the_card_does(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    report = run(pytester, "--aifootprint-gpu-sync=true", *workers, *(("--dist=loadfile",) if workers else ()))
    assert call_s(report, "test_does_not_wait") >= KERNEL_S
    waits = (pytester.path / "log").read_text().splitlines()
    assert set(waits) == {"wait 1"}  # never on a card without a context of this process
    xml = (pytester.path / "j.xml").read_text()
    assert '<property name="idle" value="1"' in xml  # the fixture's own window contained its work
    assert '<property name="retained" value="0"' in xml


def test_what_the_driver_takes_to_wait_is_the_tests(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """In tests in which our own hooks are weighed as in the others: what is ours would be taken out of a window."""
    weighed, not_weighed = 1, FIRST + 1
    pytester.makepyfile(
        f"""
        import ctypes, pytest

        @pytest.fixture(scope="module")
        def launch():
            lib = ctypes.CDLL("./libcuda.so.1")
            lib.fake_launch.argtypes = [ctypes.c_double]
            return lib.fake_launch

        @pytest.mark.parametrize("n", range({FIRST + 4}))
        def test_it(launch, n):
            launch({KERNEL_S} if n in ({weighed}, {not_weighed}) else 0.0)
        """
    )
    result = pytester.runpytest_subprocess(
        "--aifootprint", "--aifootprint-tests=all", "--aifootprint-report=json:r.json", "--aifootprint-gpu-sync=true",
        *workers, *(("--dist=loadfile",) if workers else ()), "-k", "test_it",
    )  # fmt: skip
    result.assert_outcomes(passed=FIRST + 4)
    report = json.loads((pytester.path / "r.json").read_text())
    phases = [test["attempts"][0]["phases"] for test in sorted(report["tests"], key=number)]
    for n, phase in enumerate(phases):
        waited = n in (weighed, not_weighed)
        # A spinning process has no whole CPU where others want it, too.
        assert (phase["call"]["cpu_s"] > KERNEL_S / 4) is waited, n
        assert 0 <= phase["setup"]["cpu_s"] < KERNEL_S / 4
        assert 0 <= phase["teardown"]["cpu_s"] < KERNEL_S / 4
    given = {row["symbol"]: row["central"] for row in report["sheets"]["this machine"]["given"]}
    terms = report["balance"]["cpu"]
    others_s = terms["other_tests_j"] / (given["w"] * given.get("PUE_cpu", 1.0))
    assert others_s == pytest.approx(sum(p["cpu_s"] for phase in phases for p in phase.values()), rel=0.05)
    assert terms["clamped_j"] < 0.01 * terms["metered_j"]


def number(test: dict[str, Any]) -> int:
    return int(test["nodeid"].partition("[")[2].rstrip("]"))


def test_a_context_that_is_nobodys_primary_one_is_waited_for_where_it_is_current(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own=f"""
        import ctypes

        def test_own_context():
            lib = ctypes.CDLL("./libcuda.so.1")
            lib.fake_own_context.argtypes = [ctypes.c_double]
            lib.fake_own_context({KERNEL_S})
        """
    )
    result = pytester.runpytest_subprocess(
        "--aifootprint", "--aifootprint-tests=all", "--aifootprint-report=json:r.json",
        "--aifootprint-gpu-sync=true", "test_own.py",
    )  # fmt: skip
    result.assert_outcomes(passed=1)
    assert call_s(json.loads((pytester.path / "r.json").read_text()), "test_own_context") >= KERNEL_S
    assert "wait 0" in (pytester.path / "log").read_text()


def test_without_it_nobody_waits(pytester: pytest.Pytester) -> None:
    run(pytester)
    assert not (pytester.path / "log").exists()
    assert '<property name="idle" value="0"' in (pytester.path / "j.xml").read_text()


def test_the_driver_is_not_loaded_for_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_no_card="""
        from pathlib import Path

        def test_maps():
            assert "libcuda" not in Path("/proc/self/maps").read_text()
        """
    )
    result = pytester.runpytest_subprocess("--aifootprint", "--aifootprint-gpu-sync=true", "test_no_card.py")
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("fault", ["count", "retain"])
def test_a_driver_that_fails_changes_no_test(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv("FAKE_CUDA_FAIL", fault)
    run(pytester, "--aifootprint-gpu-sync=true")
    assert not (pytester.path / "log").exists()


def test_a_value_that_is_no_switch_is_one_line(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--aifootprint", "--aifootprint-gpu-sync=maybe")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --aifootprint-gpu-sync (command line): 'maybe' is not a switch; valid: *"])
