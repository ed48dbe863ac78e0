"""One table of options, from command line, environment and ini to frozen Settings.

Precedence: marker > command line > environment > ini > default; a list from a nearer origin replaces the farther one.
Every error is one line that names the option, where the value came from, the value and what is valid.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest

if TYPE_CHECKING:
    from pytest_aifootprint.budgets import Limit, ScopedLimit
    from pytest_aifootprint.options.settings import Settings
    from pytest_aifootprint.reports import Target

PREFIX = "aifootprint"
MARKER = "aifootprint"
MARKER_HELP = (
    'aifootprint(budget="50 mgCO2e", energy="20 J", tokens=2000, calls=3, live=False): limits of one test that calls '
    "an AI model; live=False fails it if a model is really called"
)


class Option(NamedTuple):
    """One row of the table.

    Attributes:
        name: ``grid`` is ``--aifootprint-grid``, ``aifootprint_grid`` and ``PYTEST_AIFOOTPRINT_GRID``.
        help: for ``--help`` and the ini listing.
        metavar: of the value. many: repeatable; a list in ini, ``;`` or newlines between values in the environment.
        choices: the valid values, if they can be listed. default: as text, as a user would write it.
    """

    name: str
    help: str
    metavar: str
    many: bool = False
    choices: tuple[str, ...] = ()
    default: str | None = None

    @property
    def flag(self) -> str:
        """As on the command line."""
        return f"--{PREFIX}-{self.name}"

    @property
    def ini(self) -> str:
        """As in the ini file."""
        return f"{PREFIX}_{self.name.replace('-', '_')}"

    @property
    def env(self) -> str:
        """As in the environment."""
        return f"PYTEST_{self.ini.upper()}"


MOST_DIGITS = 9  # of a number of rows

OPTIONS = (
    Option("tests", "which tests get a row", "WHICH", choices=("ai", "marked", "all"), default="ai"),
    Option(
        "grid",
        'electricity grid of this machine: "FRA", "USA/virginia", "aws/eu-west-3", "56 g/kWh", "wor" '
        "(default: what the cloud environment names, else the world average; never guessed from the network)",
        "ZONE",
    ),
    Option(
        "budget",
        'limit for the whole run, repeatable: "5 gCO2e", "3 Wh", "150 mL", "2000 tokens", "10 calls"; '
        '"use: 5 gCO2e" leaves the training and hardware shares out',
        "AMOUNT",
        many=True,
    ),
    Option(
        "budgets",
        'limit for the tests with some marks, or for a model, repeatable: "slow_llm and not nightly: 2 gCO2e", '
        '"model gpt-5*: 20k tokens"; with "each" ("slow_llm: 50 mg each") the default limit of each such test',
        "SCOPE: AMOUNT",
        many=True,
    ),
    Option(
        "test-budget",
        "default limit for every AI test, repeatable; a limit of the same kind on the test's own mark overrides it",
        "AMOUNT",
        many=True,
    ),
    Option("bound", "which end of a range is limited", "END", choices=("low", "central", "high"), default="central"),
    Option("undecided", "what an undecided verdict does", "HOW", choices=("fail", "warn"), default="fail"),
    Option(
        "baseline",
        "what the run and its tests are compared with: a file of `aifootprint baseline update`, or a saved JSON report",
        "FILE",
    ),
    Option(
        "fail-on-increase",
        "fail if the run or a test needs so much more than the baseline, its run-to-run spread allowed for: 10%",
        "PERCENT",
    ),
    Option(
        "report",
        "write a report, repeatable: html, json, csv, markdown, badge or junit (without PATH: aifootprint.html, ...); "
        "otel:URL sends metrics to an OTLP endpoint",
        "KIND[:PATH]",
        many=True,
    ),
    Option(
        "idle",
        "what becomes of the power that the machine takes anyway: none, it is nobody's; share, the machine is there "
        "for the tests alone, so idle power and manufacture go by the time that they have it",
        "WHOSE",
        choices=("none", "share"),
        default="none",
    ),
    Option(
        "subprocess",
        "watch Python processes that tests start, too: a folder with a sitecustomize goes first on their PYTHONPATH "
        "(true or false)",
        "SWITCH",
        default="false",
    ),
    Option(
        "thread-context",
        "carry the running test into threads that it starts, so that a call in a thread that outlives its test is "
        "still its own (true or false)",
        "SWITCH",
        default="false",
    ),
    Option(
        "gpu-sync",
        "wait for the GPU before a window ends, so that work which a test started and did not wait for is its own: a "
        "synchronisation that the test did not have (true or false)",
        "SWITCH",
        default="false",
    ),
    Option("top", "rows of the table in the terminal (0 hides it)", "N", default="10"),
)


def option_error(option: str, origin: str, problem: str) -> pytest.UsageError:
    """The error for a value that cannot be used: raised, it ends pytest with exit status 4 before any test runs."""
    return pytest.UsageError(f"{option} ({origin}): {' '.join(problem.split())}")


class Value(NamedTuple):
    """An option's text with its origin."""

    texts: tuple[str, ...]
    option: str
    origin: str

    @property
    def text(self) -> str | None:
        """The single value, None if there is none."""
        return self.texts[-1] if self.texts else None

    def error(self, problem: str) -> pytest.UsageError:
        """The error for this value."""
        return option_error(self.option, self.origin, problem)


def add_options(parser: pytest.Parser) -> None:
    """Declare the options to pytest; the command line's default is None, so that the other origins can win."""
    group = parser.getgroup(PREFIX, "footprint of AI-assisted tests")
    group.addoption(
        f"--{PREFIX}",
        action="store_true",
        default=None,
        dest=PREFIX,
        help="meter the energy, carbon and water of tests that call an AI model",
    )
    group.addoption(f"--no-{PREFIX}", action="store_false", dest=PREFIX, help="off, although the ini file says on")
    parser.addini(PREFIX, "meter AI tests in every run (true or false)", default=None)
    for option in OPTIONS:
        text = option.help + (f" ({', '.join(option.choices)})" if option.choices else "")
        text += f" (default: {option.default})" if option.default else ""
        group.addoption(
            option.flag,
            action="append" if option.many else "store",
            default=None,
            metavar=option.metavar,
            dest=f"{PREFIX}_{option.name.replace('-', '_')}",
            help=text.replace("%", "%%"),
        )
        kind: Literal["linelist", "string"] = "linelist" if option.many else "string"
        parser.addini(option.ini, text, type=kind, default=None)


def is_on(config: pytest.Config, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether to meter: command line, else environment, else ini.

    Raises:
        pytest.UsageError: for a switch in environment or ini that is neither true nor false.
    """
    cli = config.known_args_namespace.aifootprint
    if cli is not None:
        return bool(cli)
    name = f"PYTEST_{PREFIX.upper()}"
    if environ.get(name, "").strip():
        return _switch(environ[name], PREFIX, f"environment {name}")
    text = _ini(config, PREFIX)
    return bool(text) and _switch(str(text), PREFIX, _ini_origin(config, PREFIX))


def read_settings(config: pytest.Config, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this run, from all origins.

    Raises:
        pytest.UsageError: for the first value that is not valid.
    """
    values = {option.name: _read(option, config, environ) for option in OPTIONS}
    from pytest_aifootprint.options.project import read_tables
    from pytest_aifootprint.options.settings import Settings

    tables = read_tables(config)
    recorded_meter = environ.get("PYTEST_AIFOOTPRINT_RECORDED_METER")
    return Settings(
        tests=_choice("tests", values["tests"]),
        grid=values["grid"],
        budgets=tuple(dict.fromkeys(_limit(text, values["budget"]) for text in values["budget"].texts)),
        scoped=tuple(dict.fromkeys(_scoped(text, values["budgets"]) for text in values["budgets"].texts)),
        scoped_origin=values["budgets"],
        test_budgets=tuple(dict.fromkeys(_limit(text, values["test-budget"]) for text in values["test-budget"].texts)),
        bound=_choice("bound", values["bound"]),
        undecided=_choice("undecided", values["undecided"]),
        idle=_choice("idle", values["idle"]),
        subprocess=_switched(values["subprocess"]),
        thread_context=_switched(values["thread-context"]),
        gpu_sync=_switched(values["gpu-sync"]),
        reports=tuple(_report(text, values["report"], config) for text in values["report"].texts),
        top=_top(values["top"]),
        hardware=tables.hardware,
        models=tables.models,
        marginal=tables.marginal,
        tables_origin=tables.origin,
        tables_folder=tables.folder,
        recorded_meter=Path(recorded_meter) if recorded_meter else None,
        baseline=_baseline(values["baseline"], config),
        fail_on_increase=_increase(values["fail-on-increase"], values["baseline"]),
    )


def _read(option: Option, config: pytest.Config, environ: Mapping[str, str]) -> Value:
    cli = getattr(config.known_args_namespace, f"{PREFIX}_{option.name.replace('-', '_')}")
    if cli is not None:
        return Value(tuple(cli) if option.many else (cli,), option.flag, "command line")
    text = environ.get(option.env)
    if text is not None and text.strip():
        texts = text.replace(";", "\n").splitlines() if option.many else [text]
        value = Value(tuple(t.strip() for t in texts if t.strip()), option.flag, f"environment {option.env}")
        if not value.texts:
            raise value.error(f"{text!r} holds no value; valid: unset, or values with ; between them")
        return value
    ini = _ini(config, option.ini)
    if ini:
        texts = ini if option.many else [ini]
        return Value(tuple(str(t).strip() for t in texts), option.flag, _ini_origin(config, option.ini))
    return Value((option.default,) if option.default else (), option.flag, "default")


def _ini(config: pytest.Config, name: str) -> Any:
    """The one place that reads ini values: whatever pytest objects to becomes one line."""
    try:
        return config.getini(name)
    except (ValueError, TypeError, AssertionError, pytest.UsageError) as error:
        from pytest_aifootprint.options.written import native

        if (found := native(config, name)) is not None:
            return found
        raise option_error(name, _ini_origin(config, name), str(error)) from None


def _ini_origin(config: pytest.Config, name: str) -> str:
    where = config.inipath.name if config.inipath else "ini"
    return f"{where}: {name}"


def _switch(text: str, option: str, origin: str) -> bool:
    lowered = text.strip().lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off"}:
        return False
    raise option_error(option, origin, f"{text!r} is not a switch; valid: true, false, 1, 0, yes, no, on, off")


def _switched(value: Value) -> bool:
    return _switch(value.text or "", value.option, value.origin)


def _choice(name: str, value: Value) -> str:
    option = next(o for o in OPTIONS if o.name == name)
    text = value.text or ""
    if text not in option.choices:
        raise value.error(f"{text!r} is not valid; valid: {', '.join(option.choices)}")
    return text


def _limit(text: str, value: Value) -> Limit:
    from pytest_aifootprint.budgets import parse_limit
    from pytest_aifootprint.quantities import UnitError

    try:
        return parse_limit(text)
    except UnitError as error:
        raise value.error(str(error)) from None


def _scoped(text: str, value: Value) -> ScopedLimit:
    from pytest_aifootprint.budgets import parse_scoped

    try:
        return parse_scoped(text)
    except ValueError as error:
        raise value.error(str(error)) from None


def _report(text: str, value: Value, config: pytest.Config) -> tuple[str, Target, Value]:
    from pytest_aifootprint.reports import where  # needed where a report is asked for alone

    # An unknown kind is refused with the valid ones when its path is probed.
    return *where(text, config.invocation_params.dir), value


def _baseline(value: Value, config: pytest.Config) -> tuple[Path, Value] | None:
    if value.text is None:
        return None
    if not value.text.strip():
        raise value.error("a baseline needs the path of a file")
    # What stands in the ini file holds wherever pytest is started.
    from_ini = value.origin != "command line" and not value.origin.startswith("environment")
    folder = config.inipath.parent if from_ini and config.inipath else config.invocation_params.dir
    return folder / Path(os.path.expandvars(value.text)).expanduser(), value


def _increase(value: Value, baseline: Value) -> float | None:
    text = value.text
    if text is None:
        return None
    number = text.strip().removeprefix("+").removesuffix("%").strip()
    if not text.strip().endswith("%") or not number.isascii() or not number.replace(".", "", 1).isdecimal():
        raise value.error(f"{text!r} is not an increase in percent; valid: 10%, 2.5%, 0%")
    if baseline.text is None:
        raise value.error("there is nothing to compare with; valid: together with --aifootprint-baseline FILE")
    return float(number) / 100


def _top(value: Value) -> int:
    text = value.text or ""
    if not (text.isdecimal() and text.isascii() and len(text) <= MOST_DIGITS):
        raise value.error(f"{text[:40]!r} is not a number of rows; valid: 0, 1, 2, ...")
    return int(text)
