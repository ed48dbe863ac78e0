"""A report that cannot be written: refused before the run, or told after it, and neither number nor report is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from pytest_aifootprint.cli import app
from pytest_aifootprint.records.schema import report_schema
from pytest_aifootprint.session.parts import RAISE

SUITE = """
    from pathlib import Path

    def test_asks(aifootprint):
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=100, output_tokens=10)
"""
SPOILS = (
    SUITE
    + """
    def test_spoils_the_folder():
        Path("out").rmdir()
        Path("out").write_text("in the way")
"""
)
FULL = Path("/dev/full")


@pytest.fixture
def elsewhere(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = pytester.mkdir("elsewhere")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    return pytester.runpytest("--aifootprint", "-p", "no:cacheprovider", *args)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the paths are Linux's")
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/proc/r.json", "no file can be made in /proc: *"),
        ("/proc/new/folder/r.json", "no file can be made in /proc: *"),
        ("/sys/r.json", "no file can be made in /sys: *"),
        ("test_it.py/r.json", "*test_it.py is not a folder"),
        ("/dev/null/r.json", "/dev/null is not a folder"),
        ("new/" + "x" * 300 + "/r.json", "*File name too long"),
        ("new/" + "x" * 300, "*File name too long"),
        ("loop", "*Too many levels of symbolic links"),
        ("new\0folder/r.json", "*"),
        (".", "* is a folder; a report needs the path of a file"),
    ],
)
def test_a_path_that_takes_no_file_is_refused_before_the_run(pytester: pytest.Pytester, path: str, why: str) -> None:
    pytester.makepyfile(test_it=SUITE)
    Path("loop").symlink_to("loop")
    before = names(pytester.path)
    done = run(pytester, f"--aifootprint-report=json:{path}")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert "passed" not in done.stdout.str()
    (line,) = [line for line in done.errlines if line.strip()]
    assert line.startswith("ERROR: --aifootprint-report (command line): ")
    done.stderr.fnmatch_lines(f"*{why}")
    assert set(names(pytester.path)) - set(before) <= {"__pycache__"}


def test_two_reports_in_one_file_are_refused(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=SUITE)
    done = run(pytester, "--aifootprint-report=json:out/r", "--aifootprint-report=csv:./out/r")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines("*out/r is to be two reports; a report needs a file of its own")
    run(pytester, "--aifootprint-report=json:/dev/null", "--aifootprint-report=csv:/dev/null").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["--aifootprint-report=csv:link", "--aifootprint-report=json:old"], "old is to be two reports; *"),
        (["--aifootprint-report=json:old", "--junitxml=./old"], "old is the file of --junitxml, which *"),
        (["--aifootprint-report=json:link", "--aifootprint-baseline=old"], "link is the baseline, which *"),
    ],
)
def test_a_report_takes_the_place_of_no_other_file_of_the_run(
    pytester: pytest.Pytester, args: list[str], why: str
) -> None:
    pytester.makepyfile(test_it=SUITE)
    run(pytester, "--aifootprint-report=json:old").assert_outcomes(passed=1)
    Path("link").symlink_to("old")
    before = Path("old").read_bytes()
    done = run(pytester, *args)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(f"ERROR: --aifootprint-report (command line): *{why}")
    assert Path("old").read_bytes() == before
    run(pytester, "--aifootprint-report=json:new", "--aifootprint-baseline=old").assert_outcomes(passed=1)


def test_a_path_in_a_missing_folder_has_its_folder_made_in_the_end_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=SUITE + "        assert not Path('new').exists()\n")
    run(pytester, "--aifootprint-report=json:new/folder/r.json").assert_outcomes(passed=1)
    assert names(pytester.path / "new/folder") == ["r.json"]


def test_what_cannot_be_written_in_the_end_is_saved_elsewhere(
    pytester: pytest.Pytester, elsewhere: Path, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_it=SPOILS)
    pytester.mkdir("out")
    done = run(pytester, "--aifootprint-report=json:out/r.json", "--aifootprint-report=csv:r.csv", *workers)
    done.assert_outcomes(passed=2)
    # As pytest ends where it cannot write its --junitxml.
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    (saved,) = elsewhere.glob("*/aifootprint.json")
    found, where = [line for line in done.errlines if line.startswith("aifootprint: ")]
    assert found.startswith("aifootprint: report not written: json:")
    hint = f"aifootprint show {saved} --report KIND:PATH writes any other from it"
    assert where == f"aifootprint: the JSON report is {saved}; {hint}"
    done.stdout.fnmatch_lines(["*1 of 2 tests called an AI model*", "notice*out/r.json*(report-not-written)"])
    done.stdout.fnmatch_lines(f"notice*the JSON report is {saved}*(report-not-written)")
    report = json.loads(saved.read_text())
    Draft202012Validator(report_schema()).validate(report)
    assert [n["code"] for n in report["notices"]].count("report-not-written") == 1
    assert (pytester.path / "r.csv").read_text().count("\n") == 2
    again = CliRunner().invoke(app, ["show", str(saved), "--report", "csv:again.csv"])
    assert again.exit_code == 0, again.output
    assert Path("again.csv").read_text() == Path("r.csv").read_text()


@pytest.mark.skipif(not FULL.exists(), reason="has no /dev/full")
@pytest.mark.parametrize("quiet", [(), ("-q",)], ids=["", "q"])
def test_it_is_said_on_lines_of_its_own(
    pytester: pytest.Pytester, elsewhere: Path, quiet: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    pytester.makepyfile(test_it=SUITE)
    command = (sys.executable, "-m", "pytest", "-p", "no:asyncio", "--aifootprint", f"--aifootprint-report=csv:{FULL}")
    done = subprocess.run((*command, *quiet), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    last = [line for line in done.stdout.splitlines() if line.strip()][-3:]
    assert "1 passed" in last[0]
    assert last[1].startswith("aifootprint: report not written: csv:")
    assert last[2].startswith("aifootprint: the JSON report is ")


@pytest.mark.skipif(not FULL.exists(), reason="has no /dev/full")
def test_the_json_report_that_was_written_stands_for_another_that_was_not(
    pytester: pytest.Pytester, elsewhere: Path
) -> None:
    pytester.makepyfile(test_it=SUITE)
    done = run(pytester, "--aifootprint-report=json:r.json", f"--aifootprint-report=csv:{FULL}", "-p", "no:terminal")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert names(elsewhere) == []
    saved = pytester.path / "r.json"
    hint = f"aifootprint show {saved} --report KIND:PATH writes any other from it"
    assert done.errlines == [
        "aifootprint: report not written: csv:/dev/full: the CSV report cannot be written: No space left on device",
        f"aifootprint: the JSON report is {saved}; {hint}",
    ]
    report = json.loads(Path("r.json").read_text())
    assert "report-not-written" in {notice["code"] for notice in report["notices"]}


@pytest.mark.skipif(not FULL.exists(), reason="has no /dev/full")
@pytest.mark.parametrize(
    ("suite", "status"),
    [
        ("def test_fails(): assert False", pytest.ExitCode.TESTS_FAILED),
        ("", pytest.ExitCode.NO_TESTS_COLLECTED),
        ("import pytest\ndef test_stops(): pytest.exit('enough', 77)", 77),
    ],
)
@pytest.mark.usefixtures("elsewhere")
def test_any_other_exit_status_is_kept(pytester: pytest.Pytester, suite: str, status: int) -> None:
    pytester.makepyfile(test_it=suite)
    assert run(pytester, f"--aifootprint-report=json:{FULL}").ret == status


@pytest.mark.skipif(not FULL.exists(), reason="has no /dev/full")
def test_without_any_place_the_run_still_tells_its_numbers(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", nowhere)
    pytester.makepyfile(test_it=SUITE)
    done = run(pytester, f"--aifootprint-report=json:{FULL}")
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["*1 of 1 test called an AI model*", "notice*could not be saved anywhere else*"])
    assert done.ret == pytest.ExitCode.TESTS_FAILED


def test_an_error_of_ours_in_one_report_takes_no_other_along(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Iterator[str]:
        yield "nodeid,"
        raise ZeroDivisionError("a\nmistake")

    monkeypatch.delenv(RAISE)
    monkeypatch.setattr("pytest_aifootprint.reports.csv_report.lines", broken)
    pytester.makepyfile(test_it=SUITE)
    kinds = ("csv:r.csv", "markdown:r.md", "json:r.json")
    done = run(pytester, *(f"--aifootprint-report={kind}" for kind in kinds))
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(
        [
            "*1 of 1 test called an AI model*",
            r"notice*r.csv: an error of this plugin: ZeroDivisionError: a\nmistake (report-not-written)",
        ]
    )
    assert not Path("r.csv").exists()
    assert Path("r.md").read_text().startswith("## AI footprint")
    assert json.loads(Path("r.json").read_text())["totals"]["ai_tests"] == 1
    assert not list(pytester.path.glob(".aifootprint*"))


@pytest.fixture
def tiny(pytester: pytest.Pytester) -> Iterator[Path]:
    """A disk of 64 KiB."""
    folder = pytester.mkdir("tiny")
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True, capture_output=True, timeout=30
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only who may mount can make a disk that is full")
    yield folder
    subprocess.run(["umount", folder], check=True, timeout=30)


FILLS = """
    from pathlib import Path
    import pytest

    @pytest.mark.parametrize("n", range(8))
    def test_asks(aifootprint, n):
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=100, output_tokens=10)
        Path("tiny", str(n)).write_bytes(bytes(7000))
"""


def test_a_disk_that_is_full_is_found_before_the_run(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.makepyfile(test_it=SUITE)
    (tiny / "all").write_bytes(bytes(1 << 16))
    done = run(pytester, "--aifootprint-report=csv:tiny/new/r.csv")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(
        "*tiny/new/r.csv cannot be written: no file can be made in *tiny: No space left on device"
    )
    assert names(tiny) == ["all"]


def test_a_disk_that_runs_full_loses_no_number(pytester: pytest.Pytester, tiny: Path, elsewhere: Path) -> None:
    pytester.makepyfile(test_it=FILLS)
    done = run(pytester, "--aifootprint-report=json:tiny/r.json")
    done.assert_outcomes(passed=8)
    done.stdout.fnmatch_lines(["*8 of 8 tests called an AI model*", "notice*No space left on device*"])
    assert names(tiny) == [str(n) for n in range(8)]
    (saved,) = elsewhere.glob("*/aifootprint.json")
    assert len(json.loads(saved.read_text())["tests"]) == 8
