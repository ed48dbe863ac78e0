"""The reference has every option, report, command and word of the fixture, and nothing that is not there."""

import inspect
import re
from pathlib import Path
from typing import Any

import typer

from pytest_aifootprint.cli import app
from pytest_aifootprint.detection.calls import LOCALITIES, OPERATIONS, REALNESSES
from pytest_aifootprint.fixtures import Footprint, SoFar, Window
from pytest_aifootprint.options import OPTIONS
from pytest_aifootprint.options.project import KEYS
from pytest_aifootprint.reports import REPORTS

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
KINDS = {name for name in REPORTS if name != "otel"} | {"otel:URL"}


def rows(page: str, heading: str) -> list[list[str]]:
    section = (REFERENCE / page).read_text().partition(f"# {heading}\n")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return [row for row in cells if not set(row[0]) <= {"-", " "}]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_options_are_those_of_the_plugin() -> None:
    found = rows("options.md", "All options")[1:]
    assert [(named(flag), named(ini)) for flag, ini, *_ in found] == [([o.flag], [o.ini]) for o in OPTIONS]
    for option, (_, _, valid, default, _) in zip(OPTIONS, found, strict=True):
        assert named(default) == ([option.default] if option.default else []), option.name
        assert ("repeatable" in valid) == option.many, option.name
        if option.choices:
            assert tuple(named(valid)) == option.choices


def test_the_reports_are_those_that_can_be_written() -> None:
    found = {named(kind)[0]: named(file) for kind, file, _ in rows("options.md", "Reports")[1:]}
    assert found == {kind: [] if kind == "otel" else [report.NAME] for kind, report in REPORTS.items()}


def test_the_help_names_every_kind_of_report() -> None:
    option = next(option for option in OPTIONS if option.name == "report")
    command = commands(typer.main.get_command(app))["show"]
    (asked,) = (parameter for parameter in command.params if parameter.name == "report")
    for kind in KINDS:
        assert kind in option.help
        assert kind in asked.help


def test_the_tables_of_pyproject_are_those_that_are_read() -> None:
    found = [
        re.findall(r"\[tool\.aifootprint\.(\w+)", cell)[0]
        for cell, _ in rows("options.md", "Tables in pyproject.toml")[1:]
    ]
    assert sorted(found) == sorted(KEYS)


def commands(group: Any, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found |= commands(command, f"{prefix}{name} ")
        else:
            found[f"{prefix}{name}"] = command
    return found


def test_the_commands_and_their_options_are_those_of_the_program() -> None:
    real = {}
    for name, command in commands(typer.main.get_command(app)).items():
        options = {opt for param in command.params if param.param_type_name == "option" for opt in param.opts}
        arguments = sum(param.param_type_name == "argument" for param in command.params)
        real[name] = (options - {"--help"}, arguments)
    said = {}
    for called, given, _ in rows("command.md", "Commands")[1:]:
        words = named(called)[0].split()
        name = " ".join(word for word in words if word.islower())
        said[name] = ({option.split()[0] for option in named(given)}, len(words) - name.count(" ") - 1)
    assert said == real


def public(kind: type) -> set[str]:
    fields = set(getattr(kind, "__struct_fields__", ()))
    return fields or {name for name in vars(kind) if not name.startswith("_")}


def test_the_fixture_is_described_whole() -> None:
    found = {re.match(r"\w+", named(name)[0])[0]: text for name, text in rows("fixture.md", "The aifootprint fixture")}  # type: ignore[index]
    assert set(found) == public(Footprint)
    assert set(named(found["so_far"])) == public(SoFar)
    assert set(named(found["window"])) == public(Window)


def test_the_arguments_of_record_call_are_described() -> None:
    found = {
        name: (named(valid), named(default))
        for names, valid, default in rows("fixture.md", "record_call")[1:]
        for name in named(names)
    }
    parameters = inspect.signature(Footprint.record_call).parameters
    assert set(found) == set(parameters) - {"self"}
    for name, valid in (("operation", OPERATIONS), ("locality", LOCALITIES), ("realness", REALNESSES)):
        assert set(found[name][0]) == set(valid)
    for name, (_, default) in found.items():
        value = parameters[name].default
        assert default == ([] if value is inspect.Parameter.empty else [str(value)]), name


def test_the_command_says_its_version() -> None:
    from typer.testing import CliRunner

    done = CliRunner().invoke(app, ["--version"])
    assert done.exit_code == 0
    assert re.fullmatch(r"pytest-aifootprint \d+\.\d+\.\d+\n", done.output)
