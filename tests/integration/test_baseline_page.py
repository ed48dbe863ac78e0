"""The page about baselines: every command of it, one after the other, prints what it shows."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pytest_aifootprint.cli import app

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "compare-with-a-baseline.md"
PROGRAMS = {"pytest": "-m pytest", "aifootprint": '-c "from pytest_aifootprint.cli import app; app()"'}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def shape(line: str) -> str:
    """A line without its figures, which change with the catalogue, and without the room that these take."""
    return re.sub(r"[-+±]?\d[\d.:T+-]*(?: ?(?:[kmµ]?(?:g|Wh|s)|k|%)(?!\w))?|\s+", " ", line).replace(" ", "")


@pytest.fixture
def shell(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    bin_dir = pytester.mkdir("bin")
    for name, arguments in PROGRAMS.items():
        program = bin_dir / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(bin_dir), prepend=":")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:asyncio")
    pytester.makepyprojecttoml('[project]\nname = "reviews"\n[tool.pytest.ini_options]\naifootprint_grid = "FRA"\n')
    (code,) = blocks("python")
    (pytester.path / "test_reviews.py").write_text(code)
    subprocess.run(["git", "init", "-q"], check=True)
    return pytester


def run(shell: pytest.Pytester, command: str) -> tuple[int, list[str]]:
    program, *arguments = shlex.split(command)
    if program == "pytest":
        result = shell.runpytest(*map(os.path.expandvars, arguments))
        return int(result.ret), result.outlines
    if program == "aifootprint":
        told = CliRunner().invoke(app, arguments)
        assert told.stderr == ""
        return told.exit_code, told.stdout.splitlines()
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="the page's commands are for a POSIX shell")
def test_the_page_does_what_it_says(shell: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            # Once is enough to see that it does.
            status, printed = run(shell, command.replace("for i in 1 2 3;", "for i in 1;"))
            is_gate = "fail-on-increase" in command
            commands.append(command)
            assert status == is_gate, command
            if shown and shown != ["..."]:
                wanted = [shape(line) for line in shown if line != "..."]
                assert [line for line in map(shape, printed) if line in wanted] == wanted
                if "..." not in shown:
                    assert len(printed) == len(shown)
    assert sum("fail-on-increase" in command for command in commands) == 1

    (ini,) = blocks("toml")
    (shell.path / "pyproject.toml").write_text('[project]\nname = "reviews"\n' + ini)
    assert run(shell, "pytest")[0] == 0

    # In CI: on the main branch, and on a pull request.
    (yaml,) = blocks("yaml")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(shell.path / "summary.md"))
    main, pull_request = re.findall(r"run: [|>]\n((?: {4}.*\n)+)", yaml)
    assert [line.strip() for line in main.splitlines()] == commands[:2]
    assert run(shell, pull_request.replace("\n", " "))[0] == 0
    assert "| against the baseline |" in (shell.path / "summary.md").read_text()
