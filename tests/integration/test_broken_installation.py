"""A data file of the package is missing or cut off: the tests run, one line says so, and no budget passes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import pytest_aifootprint
from pytest_aifootprint.session.parts import RAISE

PACKAGE = Path(pytest_aifootprint.__file__).parent
SUITE = """
import pytest_aifootprint

def test_it(aifootprint):
    assert {here!r} in pytest_aifootprint.__file__
    aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1000, output_tokens=100)
"""


@pytest.fixture
def data(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of a copy of the package, which the inner runs import."""
    copied = pytester.path / "installed" / "pytest_aifootprint"
    shutil.copytree(PACKAGE, copied, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", str(copied.parent))
    monkeypatch.delenv(RAISE)
    pytester.makepyfile(SUITE.format(here=str(copied)))
    return copied / "catalogue" / "data"


def cut(path: Path) -> None:
    """Break off in the middle of a field."""
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"source = ") + 15])


@pytest.mark.parametrize(
    ("file", "damage", "grid"),
    [
        ("defaults.toml", Path.unlink, ()),
        ("defaults.toml", cut, ("--aifootprint-grid=FRA",)),
        ("providers.toml", cut, ()),
        ("machines.toml", Path.unlink, ()),
        ("training.toml", cut, ()),
    ],
)
def test_the_tests_run_one_line_says_so_and_no_budget_passes(
    pytester: pytest.Pytester, data: Path, file: str, damage: Callable[[Path], None], grid: tuple[str, ...]
) -> None:
    damage(data / file)
    result = pytester.runpytest_subprocess("--aifootprint", *grid, "--aifootprint-budget=1 kg")

    result.assert_outcomes(passed=1)
    output = result.stdout.str() + result.stderr.str()
    assert result.ret == 1
    assert "Traceback" not in output
    said = [line for line in output.splitlines() if file in line]
    assert len(said) == 1
    assert said[0].startswith("not available, an error of this plugin: CatalogueError: " + file)


MARKED = "import pytest\npytestmark = [pytest.mark.slow, pytest.mark.aifootprint(calls=9)]\n"


@pytest.mark.parametrize(
    ("marks", "limit"),
    [
        (MARKED, ()),
        ("", ("--aifootprint-test-budget=9 calls",)),
        ("import pytest\npytestmark = pytest.mark.slow\n", ("--aifootprint-budgets=slow: 9 calls each",)),
        ("", ("--aifootprint-budgets=model gpt*: 9 calls",)),
        (MARKED, ("-n2",)),
    ],
)
def test_nor_does_any_other_limit(pytester: pytest.Pytester, data: Path, marks: str, limit: tuple[str, ...]) -> None:
    pytester.makeini("[pytest]\nmarkers = slow")
    pytester.makepyfile(marks + SUITE.format(here=str(data.parents[1])))
    (data / "defaults.toml").unlink()
    result = pytester.runpytest_subprocess("--aifootprint", *limit)

    result.assert_outcomes(passed=1)
    assert result.ret == 1


def test_without_a_budget_the_exit_status_is_pytests_own(pytester: pytest.Pytester, data: Path) -> None:
    (data / "defaults.toml").unlink()
    result = pytester.runpytest_subprocess("--aifootprint", "-v")

    result.assert_outcomes(passed=1)
    assert result.ret == 0
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_a_whole_copy_prices(pytester: pytest.Pytester, data: Path) -> None:
    assert data.is_dir()
    result = pytester.runpytest_subprocess("--aifootprint", "--aifootprint-budget=1 kg")

    result.assert_outcomes(passed=1)
    assert result.ret == 0


def test_a_hook_that_could_not_be_asked_leaves_no_pass_though_everything_else_is_priced(
    pytester: pytest.Pytester, data: Path
) -> None:
    cut(data / "providers.toml")  # which a run without calls does not need
    pytester.makepyfile("def test_it(): pass")
    arguments = ("--aifootprint", "--aifootprint-tests=all", "--aifootprint-budget=1 kg")
    unhooked = pytester.runpytest_subprocess(*arguments)
    pytester.makeconftest("def pytest_aifootprint_factor(): raise AssertionError('asked')")
    result = pytester.runpytest_subprocess(*arguments)

    unhooked.assert_outcomes(passed=1)
    result.assert_outcomes(passed=1)
    assert (unhooked.ret, result.ret) == (0, 1)
    result.stdout.fnmatch_lines(["*plugins could not be asked for their figures: providers.toml: *"])
