"""Every number of the summary can be reproduced by hand from what ``aifootprint explain`` prints.

By hand: this file reads the printed text as a person would, calculates each printed equation with the printed inputs
(with Python's own arithmetic, not with the product's), and holds the summary's digits against the results.
"""

# ruff: noqa: RUF001 - the signs that are printed
from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pytest_aifootprint.cli import app

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
PRINTED = 2e-5
"""Six digits are printed."""


@dataclass
class Page:
    """A printed section: numbers by symbol, columns of its tables, equations with their printed results."""

    title: str
    numbers: dict[str, float] = field(default_factory=dict)
    columns: dict[str, list[float]] = field(default_factory=dict)
    results: list[tuple[str, str, float]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    header: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Demo:
    """A run of the examples, and how to ask for its explanation."""

    folder: Path
    output: str
    report: dict[str, Any]

    def explain(self, *what: str) -> dict[str, Page]:
        report = str(self.folder / "aifootprint.json")
        done = CliRunner().invoke(app, ["explain", "--report", report, *what], env={"COLUMNS": "2000"})
        assert done.exit_code == 0, done.output
        return {page.title: page for page in pages(done.output)}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo") / "examples"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache", "llm"))
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {"COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--aifootprint", "--aifootprint-report", "json"],
        cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((folder / "aifootprint.json").read_text())
    return Demo(folder, done.stdout, report)


NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def pages(text: str) -> Iterator[Page]:
    """Read the printed text: headings stand at the margin, everything else is indented."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    starts = [number for number, line in enumerate(lines) if not line.startswith(" ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        page = Page(lines[start])
        for before, line in zip(lines[start:end], lines[start + 1 : end], strict=False):
            if not (table_row(page, line) or result_line(page, before, line)):
                fact(page, line)
        yield page


def table_row(page: Page, line: str) -> bool:
    """The name of a row, the symbols above its columns, or the row itself."""
    words = line.split()
    if re.match(r"  #\d+ ", line):
        page.names.append(line.strip().partition(" ")[2])
    elif all(re.fullmatch(r"\w+_(?:tests|calls|shares|fixtures|end)|#", word) for word in words):
        page.header = [word for word in words if word != "#"]
    elif page.header and words[0].isdigit() and len(words) == len(page.header) + 1:
        for symbol, cell in zip(page.header, words[1:], strict=True):
            if cell != "unknown":
                page.columns.setdefault(symbol, []).append(float(cell))
    else:
        return False
    return True


def result_line(page: Page, before: str, line: str) -> bool:
    """``symbol = equation``, and on the next line ``= value``."""
    if re.match(r"  \w+ +=", line):
        return True
    made = re.match(r"  (\w+) +=(.+)", before)
    if made is None or not line.strip().startswith("= "):
        return False
    word = line.split()[1]
    if word != "unknown":
        page.results.append((made[1], made[2].strip(), float(word)))
        page.numbers[made[1]] = float(word)
    return True


def fact(page: Page, line: str) -> None:
    """An input, or a list of them; other text is for people."""
    listed = re.fullmatch(r"  (\w+): ([\d., e+-]+)(?: J)?", line)
    if listed is not None:
        page.columns[listed[1]] = [float(n) for n in listed[2].split(", ")]
        return
    one = re.match(rf"  ([A-Za-z]\w*) +({NUMBER.pattern}) ?", line)
    if one is not None:
        page.columns.setdefault(one[1], []).append(float(one[2]))
        page.numbers[one[1]] = float(one[2])


def by_hand(equation: str, page: Page, numbers: dict[str, float]) -> float:
    """The equation with the numbers that were printed above it."""
    summed = re.sub(r"sum\((\w+)\)", lambda found: repr(math.fsum(page.columns[found[1]])), equation)
    names = {name: value for name, value in numbers.items() if re.search(rf"\b{name}\b", summed)}
    return float(eval(summed, {"__builtins__": {"min": min}}, names))


def check(printed: dict[str, Page]) -> int:
    """Every printed equation comes to its printed result, from what is printed before it. How many there are."""
    summary: dict[str, float] = {}
    count = 0
    for page in printed.values():
        made_here = {symbol for symbol, _, _ in page.results}
        known = summary | {name: value for name, value in page.numbers.items() if name not in made_here}
        for symbol, equation, value in page.results:
            found = by_hand(equation, page, known)
            # A share that is a difference of two sums has fewer digits left; it is printed with two.
            lost = 1e-6 if page.title == "unattributed" else 0.0
            assert found == pytest.approx(value, rel=PRINTED, abs=lost), (page.title, symbol, equation)
            known[symbol] = value
        if page.title == "the summary":
            summary = known
        count += len(page.results)
    return count


UNITS = {
    "ng": 1e-9, "µg": 1e-6, "mg": 1e-3, "g": 1.0,
    "nWh": 3.6e-6, "µWh": 3.6e-3, "mWh": 3.6, "Wh": 3600.0,
    "mJ": 1e-3, "J": 1.0, "kJ": 1e3,
    "nL": 1e-9, "µL": 1e-6, "mL": 1e-3, "L": 1.0,
    "%": 0.01, "": 1.0,
}  # fmt: skip
AMOUNT = r"([\d.]+) ([µmn]?(?:g|Wh|L)|k?J)"


def says(number: str, unit: str, value: float) -> None:
    """A printed number of two significant digits is this value; a share below 1 % has one decimal."""
    figure = float(number)
    step = 10 ** (math.floor(math.log10(figure)) - 1) if figure else 1.0
    step = max(step, 0.1) if unit == "%" else step
    assert abs(value / UNITS[unit] - figure) <= step * 0.5001, (number, unit, value)


def span(page: Page, kind: str, central: float) -> tuple[float, float]:
    """The ends of a range from the printed effects of its inputs, as the page says how."""
    lows, highs = (page.columns[f"{kind}_{end}_end"] for end in ("low", "high"))
    pairs = list(zip(lows, highs, strict=True))
    up = math.sqrt(sum(max(math.log(a), math.log(b), 0) ** 2 for a, b in pairs))
    down = math.sqrt(sum(max(-math.log(a), -math.log(b), 0) ** 2 for a, b in pairs))
    return central * math.exp(-down), central * math.exp(up)


def test_every_printed_equation_comes_to_its_printed_result(demo: Demo) -> None:
    ids = [row["nodeid"] for row in demo.report["tests"]]
    ids += [row["id"] for key in ("fixtures", "models") for row in demo.report[key]]
    counts = [check(demo.explain()), *(check(demo.explain(name)) for name in ids)]
    assert sum(counts) > 300


def test_a_tests_own_page_comes_to_what_the_runs_page_sums_up(demo: Demo) -> None:
    summary = demo.explain()["the summary"]
    names = summary.names
    assert len(names) == demo.report["totals"]["ai_tests"]
    for number, nodeid in enumerate(names):
        own = demo.explain(nodeid)["in all"]
        for symbol, column in summary.columns.items():
            figure = symbol.removesuffix("_tests")
            if figure in {"calls", "tokens"} or len(column) != len(names):
                continue
            assert column[number] == pytest.approx(own.numbers.get(figure, 0.0), rel=PRINTED), (nodeid, figure)


def test_a_tests_part_of_a_fixture_is_the_fixtures_own_page_over_those_who_bear_it(demo: Demo) -> None:
    parts = 0
    for row in demo.report["tests"]:
        page = demo.explain(row["nodeid"]).get("in all")
        for share in row["fixtures"]:
            assert page is not None
            number = next(i for i, name in enumerate(page.names) if name.startswith(f"{share['id']} over "))
            number -= len(row["calls"]) if row["calls"] else 0
            bearers = int(page.names[number + (len(row["calls"]) if row["calls"] else 0)].rpartition(" over ")[2])
            whole = demo.explain(share["id"])["in all"]
            for figure in ("E_cpu", "use", "hardware"):
                expected = whole.numbers[figure] / bearers
                assert page.columns[f"{figure}_shares"][number] == pytest.approx(expected, rel=PRINTED)
                parts += 1
        if parts > 20:
            return
    pytest.fail("no test of the examples uses a shared fixture")


def test_every_number_of_the_summary_is_reproduced(demo: Demo) -> None:
    pages_of_run = demo.explain()
    lines = summary_lines(demo.output)
    unread = [line for line in lines if not any(re.match(pattern, line) for pattern, _ in READERS)]
    assert unread == [], "a line whose numbers nobody reproduces"
    read = set()
    for line in lines:
        for pattern, reader in READERS:
            if (found := re.match(pattern, line)) is not None:
                reader(found, pages_of_run)
                read.add(pattern)
                break
    missing = [pattern for pattern, _ in READERS if pattern not in read]
    assert missing == [], "a kind of line that the examples no longer print"


def summary_lines(output: str) -> list[str]:
    """The lines of our section of the terminal."""
    section = output.split(" AI footprint ")[1].split("\n", 1)[1]
    return [line.strip() for line in re.split("\n(?:=====|-+ generated )", section)[0].splitlines() if line.strip()]


def header(found: re.Match[str], page_of: dict[str, Page]) -> None:
    seen = page_of["what was seen"].numbers
    names = ("ai_tests", "tests", "live_calls", "replayed_calls", "models", "tokens")
    assert [float(n) for n in found.groups()] == [seen[name] for name in names]


def figure(kind: str) -> Any:
    def read(found: re.Match[str], page_of: dict[str, Page]) -> None:
        numbers = page_of["the summary"].numbers
        central, unit, low, high, end_unit, *parts = found.groups()
        says(central, unit, numbers[kind])
        ends = span(page_of["ranges"], kind, numbers[kind])
        says(low, end_unit, ends[0])
        says(high, end_unit, ends[1])
        if kind == "carbon":
            for name, (number, of) in zip(
                ("use", "training", "hardware"), zip(parts[::2], parts[1::2], strict=True), strict=True
            ):
                says(number, of, numbers[name])
        if kind == "energy":
            says(parts[0], unit, numbers["E_cpu"])

    return read


def result(title: str, symbol: str) -> Any:
    def read(found: re.Match[str], page_of: dict[str, Page]) -> None:
        page = next(page for name, page in page_of.items() if name.startswith(title))
        says(found[1], found[2], page.numbers[symbol])

    return read


def avoided(found: re.Match[str], page_of: dict[str, Page]) -> None:
    says(found[1], found[2], page_of["the summary"].numbers["avoided"])
    assert float(found[3]) == page_of["what was seen"].numbers["replayed_calls"]


def trained(found: re.Match[str], page_of: dict[str, Page]) -> None:
    page = next(page for name, page in page_of.items() if name.startswith("trained here"))
    says(found[1], found[2], page.numbers["trained"])
    assert float(found[3]) == page.numbers["inferences"]
    says(found[4], found[5], page.numbers["per_inference"])


def basis(found: re.Match[str], page_of: dict[str, Page]) -> None:
    says(found[1], "%", page_of["basis"].numbers["modelled"])


def grid(found: re.Match[str], page_of: dict[str, Page]) -> None:
    printed = [float(n) for n in found.groups()]
    assert printed == pytest.approx(page_of["grids"].columns["I"], abs=0.5)


def unattributed(found: re.Match[str], page_of: dict[str, Page]) -> None:
    page = page_of["unattributed"]
    says(found[1], "%", page.numbers["unattributed"])
    says(found[2], found[3], math.fsum(page.columns["metered_j"]))
    said = dict(re.findall(r"([a-z ]+?) ([\d.]+) %", found[4]))
    assert said
    for name, share in said.items():
        says(share, "%", page.numbers[name.strip().replace(" ", "_")])


def training(found: re.Match[str], page_of: dict[str, Page]) -> None:
    numbers = page_of["training"].numbers
    assert float(found[1]) == numbers["share_models"]
    says(found[2], "", numbers["phi"])
    assert float(found[3]) == numbers["measured_models"]


def widest(found: re.Match[str], page_of: dict[str, Page]) -> None:
    says(found[1], "", page_of["widest input"].numbers["widest"])


def row(found: re.Match[str], page_of: dict[str, Page]) -> None:
    summary = page_of["the summary"]
    number = summary.names.index(found[1])
    for name, cell in (("calls", found[2]), ("tokens", found[3])):
        assert float(cell) == summary.columns[f"{name}_tests"][number]
    says(found[4], found[5], summary.columns["energy_tests"][number])
    says(found[6], found[7], summary.columns["carbon_tests"][number])


def nothing(found: re.Match[str], page_of: dict[str, Page]) -> None:
    """A line without a number."""


def guessed(found: re.Match[str], page_of: dict[str, Page]) -> None:
    assert float(found[1]) == page_of["grids"].columns["I"][0]


def heading(found: re.Match[str], page_of: dict[str, Page]) -> None:
    assert not re.search(r"\d", found[0])


READERS: Sequence[tuple[str, Any]] = (
    (r"(\d+) of (\d+) tests called an AI model: (\d+) live calls, (\d+) replayed, (\d+) models, (\d+) tokens$", header),
    (r"central +range +use +training +hardware$", heading),
    (rf"carbon +{AMOUNT} +([\d.]+) – ([\d.]+) (\S+) +{AMOUNT} +{AMOUNT} +{AMOUNT}$", figure("carbon")),
    (rf"energy +{AMOUNT} +([\d.]+) – ([\d.]+) (\S+) +cpu ([\d.]+)$", figure("energy")),
    (rf"water +{AMOUNT} +([\d.]+) – ([\d.]+) (\S+)$", figure("water")),
    (rf"avoidable +{AMOUNT} +had these tests not run", result("avoidable", "avoidable")),
    (rf"avoided +{AMOUNT} +(\d+) call replayed from cassettes$", avoided),
    (rf"amortised +{AMOUNT} +over 3 tests", result("amortised", "amortised")),
    (rf"trained +{AMOUNT} +1 training of .*; over its (\d+) inferences here {AMOUNT} each$", trained),
    (rf"loads +{AMOUNT} +1 load of 1 model$", result("loads here", "loads")),
    (r"basis +(\d+) % modelled \(load model: [^)]*\)$", basis),
    (r"grid +local WOR (\d+) g/kWh \(IEA 2019, a guess\) · openai USA (\d+) g/kWh \(Ember 2023\)$", grid),
    (r"unattributed +([\d.]+) % of ([\d.]+) (k?J) metered here: (.*)$", unattributed),
    (
        r"training +share of use for (\d+) model \(phi ([\d.]+)\) · measured here for (\d+) · unknown for magika",
        training,
    ),
    (r"widest input +[^(]*\(×/÷ ([\d.]+)\): ", widest),
    (r"most carbon +calls +tokens +energy +carbon +range$", heading),
    (rf"(\S+::\S+) +(\d+) +(\d+) +{AMOUNT} +{AMOUNT}", row),
    (r"\(shares of fixtures included; -v and limits on tests take a test's own cost\)$", nothing),
    (r"notice +nobody said where this machine is: WOR, (\d+) g/kWh of 2019;", guessed),
    (r"notice +nothing is published about the training of", nothing),
)
