"""Every figure of the package has a source, a year, an evidence and a unit: in data files, and none hides in code."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_aifootprint.catalogue.loader import DATA, OWN_FILES
from pytest_aifootprint.meters.watts import CPU_ROWS, FACTORS
from pytest_aifootprint.quantities.tables import Origin, factor, read_toml

SOURCES = Path(__file__).parents[2] / "src" / "pytest_aifootprint"
EVIDENCE = ("seen", "run", "derived", "assumed", "reported")

# How the name of a number ends, and what it then counts.
UNITS = (
    "_kwh", "_wh", "_w", "_j", "_kg", "_kgco2e", "_g", "_l", "_years", "_hours", "_watts", "_tokens", "_flop",
    "_gco2_kwh", "_l_per_kwh", "_wh_per_s", "_b",
)  # fmt: skip
DIMENSIONLESS = {"pue", "times_over", "grid_times_over", "utilisation"}
NO_QUANTITY = {"year"}


def rows() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for file in OWN_FILES:
        for table, entries in read_toml(DATA / file).items():
            if isinstance(entries, list) and entries and isinstance(entries[0], dict):
                for number, row in enumerate(entries):
                    yield file, f"{table} {row.get('key') or row.get('model_id') or number}", row


def numbers(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return bool(values) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)


def missing(row: Mapping[str, Any]) -> list[str]:
    """What a row of a data file lacks."""
    found = [name for name in ("source", "evidence") if not isinstance(row.get(name), str) or len(row[name]) < 3]
    if not (isinstance(row.get("year"), int) and 2010 <= row["year"] <= 2026):
        found.append("year")
    if isinstance(row.get("evidence"), str) and not row["evidence"].startswith(EVIDENCE):
        found.append("evidence")
    for name, value in row.items():
        if not numbers(value) or name in NO_QUANTITY | DIMENSIONLESS:
            continue
        stem = re.sub(r"_(?:low|high)\Z", "", name)
        if not stem.endswith(UNITS) and not (name == "value" and row.get("unit")):
            found.append(f"unit of {name}")
    return found


def test_every_row_of_a_data_file_has_a_source_a_year_an_evidence_and_units() -> None:
    found = {f"{file}: {row}": lacks for file, row, table in rows() if (lacks := missing(table))}

    assert not found
    assert sum(1 for _ in rows()) > 150


@pytest.mark.parametrize(
    ("change", "lacks"),
    [
        ({"source": ""}, ["source"]),
        ({"evidence": "remembered"}, ["evidence"]),
        ({"year": 24}, ["year"]),
        ({"year": None}, ["year"]),
        ({"unit": ""}, ["unit of value"]),
        ({"weight": 3}, ["unit of weight"]),
        ({"weight_low": [3]}, ["unit of weight_low"]),
    ],
)
def test_a_row_that_lacks_something_is_found(change: dict[str, Any], lacks: list[str]) -> None:
    whole = {"key": "k", "value": [1, 2, 3], "unit": "W", "source": "somebody", "year": 2024, "evidence": "seen"}

    assert missing(whole) == []
    assert missing({**whole, **change}) == lacks


def test_every_row_of_the_meters_has_them_too() -> None:
    origins: list[Origin] = [*(row.origin for row in CPU_ROWS.values()), *(row.origin for row in FACTORS)]
    for origin in origins:
        assert len(origin.source) > 3
        assert 2010 <= origin.year <= 2026
        assert origin.evidence.startswith(EVIDENCE)
    for row in FACTORS:
        table = {"key": row.key, "value": list(row.value or ()), "unit": row.unit}
        evidence = {"source": row.origin.source, "year": row.origin.year, "evidence": row.origin.evidence}
        assert factor("meters", {**table, **evidence}) == row
    for cpu in CPU_ROWS.values():
        assert 0 < cpu.active_w[0] <= cpu.active_w[1] <= cpu.active_w[2], cpu.name
        assert 0 < cpu.idle_w[0] <= cpu.idle_w[1] <= cpu.idle_w[2], cpu.name


# --- numbers in code --------------------------------------------------------------------------------------------------

ROOMS = ("meters", "catalogue", "impacts", "attribution")

# Modules that are tables themselves, with a source in each row.
TABLES = {
    "meters/watts.py",  # checked above
    "meters/nvml_codes.py",  # numbers of NVIDIA's error codes
    "meters/amd_codes.py",  # and of AMD's
    "impacts/validation.py",  # published measurements that ours are printed beside: no price depends on them
}
# Names of constants that are no figures about the world: what they are, and why they need no source.
NAMES = {
    "unit conversion": {"J_PER_UJ", "J_PER_MJ", "J_PER_PWH", "W_PER_MW", "G_PER_KG", "NS", "_NS",
                        "KG_PER_LB", "HOURS_PER_YEAR", "DAYS_PER_YEAR", "BYTES_PER_GB", "_NS_PER_US", "_UNITS"},
    "limit of what is believed or read": {
        "HIGHEST_G_PER_KWH", "SMALLEST_B", "LARGEST_B", "FEWEST_PARAMS", "MOST_PARAMS", "MAX_CARD_W", "_MOST_W",
        "MAX_CHIP_W", "MAX_SOCKET_W",
        "MAX_ZONE_W",
        "ABOVE_LIMIT", "_MOST_BYTES", "_TIMEOUT_S", "_MAX_DIGITS", "_READ_BYTES", "_CPUINFO_HEAD", "CHUNK_BYTES",
        "CHEAP_BYTES", "MOST_NAMED", "_CACHED_PRICES", "_MOST_ANCESTORS", "REGISTER_STEPS", "_LONGEST_VERSION",
        "MOST_MATCHES", "FEWEST_TOKENS", "MOST_TOKENS", "MOST_DECLARED",
    },
    "tolerance, or what is worth saying": {
        "TOLERANCE", "CLAMPED_SHARE", "WORTH_SAYING", "WORTH_SAYING_S", "_WORTH_SAYING_S", "_SLACK", "SLACK_S",
        "SLACK_NS", "_NO_TIME_S", "_ROUNDING_NS", "_BIRTH_NS", "_BELIEVED_NS", "OLD_YEARS", "VERY_OLD_YEARS",
    },
    "rule of method section 2: which ticks are idle": {
        "PERCENTILE", "QUIET", "QUIET_TICKS", "FIT_TICKS", "FIT_SPREAD", "FIT_EXPLAINED", "SHORT_S", "LEAST_S",
        "LOOK_BACK_NS", "LOOK_AHEAD_NS", "BLOCK_NS", "POOL_NS", "SPARSE", "PERIODS", "FAINT", "LONGEST_NS", "LEAST_NS",
    },
    "how often something is read or tried": {
        "_ATTEMPTS", "_PATIENCE", "PROBE_ROUNDS", "PROBE_PAUSE_S", "STILL_NS", "SELDOM_NS", "SELDOM_ALONE_NS",
        "LOOK_NS", "TURN_NS", "LOADS_ALONE_NS", "COUNTER_CPU_SHARE", "HOLDERS_CPU_SHARE",
        "SAMPLE_CPU_SHARE", "COUNTER_NS", "HOLDERS_NS", "HOLDERS_SELDOM_NS", "EVER_NS", "_PROBE_TOKENS",
    },
    "shape of a record, or a number of the kernel's or a driver's": {
        "COUNTED", "POWER", "UNKNOWN", "SPAN_FIELDS", "PIECE_FIELDS", "TICK_FIELDS", "_OWNER_BITS", "_THREAD_CLOCK",
        "HIGH_FD", "_SYSCALLS", "_ATTR_SIZE", "_FLAG_CLOEXEC", "_IOC_ID", "ERROR_STATUS",
        "_APU_FORMATS", "_NOT_AVAILABLE",
    },
    "part of a name": {"_MIXTRAL_EXPERTS", "_MIXTRAL_B"},
    "number of an answer of HTTP": {"_STATUS"},
    "year": {"_YEAR", "EWIF_YEAR", "EWIF_SOURCE"},
}  # fmt: skip
# Numbers inside functions: powers of ten are units; the rest stands here with its reason.
IN_FUNCTIONS = {
    ("catalogue/zones.py", 0.8): "how alike two spellings are",
    ("catalogue/zones.py", 0.6): "how alike two spellings are",
    ("attribution/cputree.py", 0.5): "rounding",
}


def is_unit(number: float) -> bool:
    """Thousands, millions, thousandths: a tenth may be a share."""
    exponent = round(math.log10(number))
    return number == float(f"1e{exponent}") and abs(exponent) >= 3


def figures_in(text: str) -> Iterator[tuple[str, float]]:
    """(name of the constant, or "" inside a function, number) for all that may be a figure about the world.

    Whole numbers inside functions count and index; fractions do not.
    """
    tree = ast.parse(text)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or isinstance(node.value, (bool, str, bytes, complex)):
            continue
        if not isinstance(node.value, (int, float)) or node.value in {0, 1, 2}:
            continue
        above, name, inside = parents.get(node), "", False
        while above is not None:
            inside = inside or isinstance(above, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            if isinstance(above, (ast.Assign, ast.AnnAssign)) and not inside:
                targets = above.targets if isinstance(above, ast.Assign) else [above.target]
                name = " ".join(n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name))
            above = parents.get(above)
        if not inside:
            yield name, node.value
        elif isinstance(node.value, float) and not is_unit(node.value):
            yield "", node.value


def test_no_figure_hides_in_code() -> None:
    allowed = {name for names in NAMES.values() for name in names}
    hidden = []
    for room in ROOMS:
        for path in sorted((SOURCES / room).rglob("*.py")):
            file = path.relative_to(SOURCES).as_posix()
            if file in TABLES:
                continue
            for name, number in figures_in(path.read_text(encoding="utf-8")):
                known = set(name.split()) <= allowed if name else (file, number) in IN_FUNCTIONS
                if not known:
                    hidden.append(f"{file}: {name or 'in a function'}: {number}")

    assert not hidden, "give it a row with unit, source, year and evidence, or a reason here"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("PUE = (1.09, 1.15)", [("PUE", 1.09), ("PUE", 1.15)]),
        ("ROWS = {'vm': Row(3.6)}", [("ROWS", 3.6)]),
        ("ANSWER: int = 42", [("ANSWER", 42)]),
        ("def f(x):\n    return 0.39 * x[3]", [("", 0.39)]),
        ("def f(x):\n    return x * 1000.0 * 1e-9", []),
    ],
)
def test_what_the_search_for_figures_finds(code: str, found: list[tuple[str, float]]) -> None:
    assert list(figures_in(code)) == found
