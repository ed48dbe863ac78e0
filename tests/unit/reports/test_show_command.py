"""``aifootprint show``: the command's options, and one line for what it cannot read or write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import samples  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not
from typer.testing import CliRunner, Result

from pytest_aifootprint.cli import app
from pytest_aifootprint.reports import REPORTS
from pytest_aifootprint.reports.json_report import as_dict, write


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a report under its own name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "90")
    write(samples.failed_budget(), tmp_path / "aifootprint.json")
    return tmp_path


def show(*args: str) -> Result:
    return CliRunner().invoke(app, ["show", *args])


def refused(*args: str) -> str:
    """The one line on stderr."""
    done = show(*args)
    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("aifootprint show: ")
    return line.removeprefix("aifootprint show: ")


def test_the_file_is_the_report_in_this_folder_if_none_is_named() -> None:
    assert show().stdout == show("aifootprint.json").stdout
    assert "most carbon" in show().stdout


def test_top_is_the_number_of_rows() -> None:
    assert "test_judge.py::test_faithful  " in show().stdout
    assert "most carbon" not in show("--top", "0").stdout
    assert (
        sum("::test_" in line for line in show("--top", "2").stdout.partition("most carbon")[2].splitlines()[:4]) == 2
    )
    assert show("--top", "-1").exit_code == 2


def test_quiet_is_the_headline_and_the_limits() -> None:
    lines = show("-q").stdout.splitlines()
    assert lines[0].startswith("AI footprint: ")
    assert {line.split()[0] for line in lines[1:]} == {"budget"}


def test_a_verdict_has_its_colour_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in show().stdout
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    (red, *_) = [line for line in show().stdout.splitlines() if "3 of 2 calls" in line]
    assert red.startswith("\x1b[31m")
    assert red.endswith("\x1b[0m")
    assert "\x1b[33m" in show().stdout


def test_a_file_of_another_folder_is_shown_and_its_reports_written_here(folder: Path) -> None:
    (folder / "other").mkdir()
    Path("aifootprint.json").rename("other/r.json")
    done = show("other/r.json", *(arg for kind in samples.FILES for arg in ("--report", kind)))
    assert (done.exit_code, done.output) == (0, "")
    assert {path.name for path in folder.iterdir()} == {report.NAME for report in samples.FILES.values()} | {"other"}


def test_folders_of_a_report_are_made(folder: Path) -> None:
    assert show("--report", "csv:new/folder/r.csv").exit_code == 0
    assert (folder / "new/folder/r.csv").read_text().startswith("nodeid,")


def test_what_cannot_be_shown_is_told_in_one_line(folder: Path) -> None:
    assert refused("none.json").startswith("none.json: no such file; write one with pytest --aifootprint")
    assert refused(str(folder)).startswith(f"{folder}: cannot be read: ")
    for text, said in (
        ("", "not JSON, or cut off"),
        ('{"schema_version": 1, "tests": [', "not JSON, or cut off"),
        ("[" * 100_000, "not JSON, or cut off"),
        ("[]", "not a report of this plugin"),
        ("null", "not a report of this plugin"),
        ("{}", "schema_version None; this version of the plugin reads 1"),
        ('{"schema_version": 2}', "schema_version 2; this version"),
        ('{"schema_version": 1}', "not a report of this plugin: tool.version is missing: text is wanted"),
    ):
        Path("bad.json").write_text(text)
        assert refused("bad.json").startswith(f"bad.json: {said}")
    Path("bad.json").write_bytes(b"\xff\xfe\x00")
    assert refused("bad.json").startswith("bad.json: cannot be read: ")


def test_a_report_cut_off_anywhere_is_told(folder: Path) -> None:
    whole = (folder / "aifootprint.json").read_bytes()
    for part in range(0, len(whole) - 3, 997):
        Path("cut.json").write_bytes(whole[:part])
        assert refused("cut.json").startswith("cut.json: not JSON, or cut off")


def test_a_report_that_cannot_be_written_is_told_in_one_line(folder: Path) -> None:
    said = "'pdf' is no kind of report; valid: " + ", ".join(sorted(REPORTS))
    assert refused("--report", "pdf") == f"--report pdf: {said}"
    assert "is a folder; a report needs the path of a file" in refused("--report", f"csv:{folder}")
    assert "is the file to show: it would be overwritten" in refused("--report", "json:aifootprint.json")
    Path("link.json").symlink_to("aifootprint.json")
    assert "is the file to show: it would be overwritten" in refused("--report", "csv:link.json")
    assert "aifootprint.json is not a folder" in refused("--report", "csv:aifootprint.json/x.csv")
    assert "r.csv is to be two reports" in refused("--report", "csv:r.csv", "--report", "json:r.csv")
    # The others are seen to first: nothing is written by halves.
    refused("--report", "csv:r.csv", "--report", "pdf")
    assert not Path("r.csv").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
def test_one_report_that_fails_keeps_no_other_from_being_written() -> None:
    assert "json:/dev/full: " in refused("--report", "json:/dev/full", "--report", "csv:r.csv")
    assert Path("r.csv").read_text().startswith("nodeid,")


def test_nothing_in_a_file_is_obeyed_by_the_terminal() -> None:
    report = as_dict(samples.failed_budget())
    evil = "\x1b[31m\x07\u202eevil\nline\udc80"
    hostile = _everywhere(report, evil)
    Path("bad.json").write_text(json.dumps(hostile))
    done = show("bad.json")
    assert done.stderr == ""
    assert not {"\x1b", "\x07", "\u202e", "\udc80"} & set(done.stdout)
    assert not [line for line in done.stdout.splitlines() if line.startswith("line")]
    for kind in samples.FILES:
        assert show("bad.json", "--report", f"{kind}:out").exit_code == 0, kind


FREE = {
    "nodeid",
    "id",
    "name",
    "zone",
    "source",
    "publisher",
    "message",
    "reason",
    "limit",
    "model",
    "code",
    "started_at",
}


def _everywhere(value: Any, evil: str, key: str = "") -> Any:
    """Every text that may be anything is evil; so is the name of a domain, of a provider and of a seam."""
    if isinstance(value, dict):
        names = {inner: f"{inner}{evil}" if key in {"remote", "seams", "energy_j"} else inner for inner in value}
        names |= {"total": "total", "low": "low", "central": "central", "high": "high"}
        return {names[inner]: _everywhere(one, evil, inner) for inner, one in value.items()}
    if isinstance(value, list):
        return [_everywhere(one, evil) for one in value]
    return f"{value}{evil}" if isinstance(value, str) and key in FREE else value


def test_the_command_ends_quietly_where_nobody_reads_on(folder: Path) -> None:
    code = "from pytest_aifootprint.cli import app; app()"
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", code, "show"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=folder
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_what_show_needs_is_imported_when_it_runs() -> None:
    code = (
        "import sys; from pytest_aifootprint.cli import app; app(['show'], standalone_mode=False);"
        "print(*sorted({'codecarbon', 'ecologits', 'pytest', 'pandas', 'psutil', 'jinja2'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""
