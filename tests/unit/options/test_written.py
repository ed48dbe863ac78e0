"""Names like ours that are no option, and values that are no text."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import pytest_aifootprint
from pytest_aifootprint import options
from pytest_aifootprint.options.written import refuse_unknown

KNOWN = {"aifootprint_of_a_plugin"}


def config_of(path: Path | None = None) -> Any:
    """A config that takes text alone, as pytest 9 does of such options."""

    def getini(name: str) -> str:
        if name in KNOWN:
            return "its value"
        if name.startswith("aifootprint_bud") and name != "aifootprint_budget":
            raise ValueError(f"unknown configuration value: {name!r}")
        raise pytest.UsageError(f"config option {name!r} expects a string")

    return SimpleNamespace(inipath=path, getini=getini, getoption=lambda _: None)


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", "[pytest]\naifootprint_budgt = 5 g\n"),
        ("pytest.ini", "[pytest]  # ours\naifootprint_budgt: 5 g\n"),
        ("setup.cfg", "[metadata]\nname = x\n[tool:pytest]\naifootprint_budgt =\n  5 g\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\naifootprint_budgt = ['5 g']\n"),
        ("pyproject.toml", "[tool.pytest]\naifootprint_budgt = ['5 g']\n"),
        ("pytest.toml", "[pytest]\naifootprint_budgt = ['5 g']\n"),
    ],
)
def test_a_key_that_is_no_option_is_refused_with_the_one_that_is_meant(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(pytest.UsageError) as caught:
        refuse_unknown(config_of(file(tmp_path, name, text)), {})
    said = str(caught.value)
    assert said.startswith(f"aifootprint_budgt ({name}): there is no such option, did you mean aifootprint_budget?; ")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", "[pytest]\naifootprint = true\naifootprint_budget = 5 g\naifootprint_of_a_plugin = 1\n"),
        ("tox.ini", "[pytest]\naddopts = -q\n[testenv]\naifootprint_ci = pytest --aifootprint\n"),
        ("pytest.ini", "[pytest]\nmarkers =\n  aifootprint_ci: in CI\n"),
        ("pyproject.toml", "[tool.hatch.envs.ci.scripts]\naifootprint_ci = 'pytest --aifootprint'\n"),
    ],
)
def test_what_is_meant_for_others_is_theirs(tmp_path: Path, name: str, text: str) -> None:
    refuse_unknown(config_of(file(tmp_path, name, text)), {"PYTEST_AIFOOTPRINT": "1", "AIFOOTPRINT_X": "1"})
    refuse_unknown(config_of(), {})


def test_no_variable_that_the_plugin_reads_is_refused() -> None:
    source = Path(pytest_aifootprint.__file__).parent
    texts = [path.read_text(encoding="utf-8") for path in source.rglob("*.py")]
    variables = {name for text in texts for name in re.findall(r"PYTEST_AIFOOTPRINT_[A-Z_]*[A-Z]", text)}
    assert len(variables) > 4
    refuse_unknown(config_of(), dict.fromkeys([*variables, *(option.env for option in options.OPTIONS)], "1"))


@pytest.mark.parametrize(
    ("name", "content", "read"),
    [
        ("aifootprint", "true", "true"),
        ("aifootprint", "false", "false"),
        ("aifootprint_top", "3", "3"),
        ("aifootprint_budget", "'5 g'", ["5 g"]),
        ("aifootprint_budget", "['5 g', 7]", ["5 g", "7"]),
    ],
)
@pytest.mark.parametrize(("file_name", "table"), [("pyproject.toml", "tool.pytest"), ("pytest.toml", "pytest")])
def test_a_native_value_is_what_it_says(
    tmp_path: Path, file_name: str, table: str, name: str, content: str, read: object
) -> None:
    path = file(tmp_path, file_name, f"[{table}]\n{name} = {content}\n")
    assert options._ini(config_of(path), name) == read


@pytest.mark.parametrize("content", ["[true]", "{ on = true }"])
def test_a_native_value_of_no_use_is_one_line(tmp_path: Path, content: str) -> None:
    path = file(tmp_path, "pyproject.toml", f"[tool.pytest]\naifootprint = {content}\n")
    with pytest.raises(pytest.UsageError, match=r"^aifootprint \(pyproject.toml: aifootprint\): .*expects a string$"):
        options._ini(config_of(path), "aifootprint")
