"""The ``emissions.csv`` of a training that CodeCarbon metered, as CodeCarbon's own writer writes it."""

import logging
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import pytest
from codecarbon.output_methods.emissions_data import EmissionsData, TaskEmissionsData
from codecarbon.output_methods.file import FileOutput
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.impacts import ModelOverride
from pytest_aifootprint.impacts.codecarbon_csv import COLUMNS, MeteredTraining, read_codecarbon_csv

logging.getLogger("codecarbon").setLevel(logging.ERROR)

TEXTS = {"codecarbon_version": "3.3.2", "run_id": "r1", "project_name": "summariser", "timestamp": "2026-11-23T09:57"}


def data(kind: Any, **said: object) -> Any:
    """What CodeCarbon hands to its writer: numbers where it has numbers, else texts, some of them empty."""
    blank = {f.name: TEXTS.get(f.name, "" if f.type is str else 0.5) for f in fields(kind)}
    return kind(**{**blank, **said})


def write(folder: Path, rows: Iterable[dict[str, object]], mode: str = "append") -> Path:
    output = FileOutput("emissions.csv", str(folder), mode)
    for row in rows:
        output.out(data(EmissionsData, **row), None)
    return folder / "emissions.csv"


def row(run: str, energy: float, emissions: float, **more: object) -> dict[str, object]:
    return {"run_id": run, "energy_consumed": energy, "emissions": emissions, **more}


def read(path: Path, projects: Sequence[str] = (), runs: Sequence[str] = ()) -> MeteredTraining:
    return read_codecarbon_csv(path, path.name, projects=projects, runs=runs)


def test_one_run_is_read_to_the_last_digit(tmp_path: Path) -> None:
    path = write(tmp_path, [row("r1", 6.104057780768141e-06, 3.4206529397646585e-07)])

    assert read(path) == MeteredTraining(
        6.104057780768141e-06,
        3.4206529397646585e-07,
        "emissions.csv: 1 run metered by CodeCarbon 3.3.2, declared by the user",
    )


@pytest.mark.parametrize("mode", ["append", "update"])
def test_rows_of_one_run_grow_and_the_last_is_the_run(tmp_path: Path, mode: str) -> None:
    flushes = [row("r1", 1.0, 0.25), row("r1", 2.0, 0.5), row("r1", 2.5, 0.625)]
    path = write(tmp_path, flushes, mode)

    assert len(path.read_text().splitlines()) == (4 if mode == "append" else 2)
    assert (read(path).kwh, read(path).kg_co2e) == (2.5, 0.625)


def test_several_runs_are_summed_each_by_its_last_row(tmp_path: Path) -> None:
    rows = [row("r1", 0.1, 0.2), row("r2", 0.2, 0.4), row("r1", 0.3, 0.6, codecarbon_version="2.8.4")]
    training = read(write(tmp_path, rows))

    assert (training.kwh, training.kg_co2e) == (math.fsum([0.3, 0.2]), math.fsum([0.6, 0.4]))
    assert training.source == "emissions.csv: 2 runs metered by CodeCarbon 3.3.2, 2.8.4, declared by the user"


def test_a_project_or_runs_are_selected(tmp_path: Path) -> None:
    rows = [
        row("r1", 1.0, 0.1),
        row("r2", 2.0, 0.2, project_name="translator"),
        row("r3", 4.0, 0.4),
        # Of a version that is not read: no matter, nobody asked for it.
        row("r4", 8.0, 0.8, project_name="old", codecarbon_version="4.0.0"),
    ]
    path = write(tmp_path, rows)

    assert read(path, projects=["translator"]).kwh == 2.0
    assert read(path, projects=["summariser"]).kwh == 5.0
    assert read(path, runs=["r2", "r3"]).kwh == 6.0
    assert read(path, projects=["summariser"], runs=["r3"]).kwh == 4.0


def test_tasks_of_a_run_are_summed(tmp_path: Path) -> None:
    tasks = [
        data(TaskEmissionsData, task_name=f"epoch {n}", energy_consumed=0.1, emissions=0.7, region=None)
        for n in range(10)
    ]
    FileOutput("emissions.csv", str(tmp_path)).task_out(tasks, "base")
    training = read(tmp_path / "emissions_base_r1.csv")

    assert (training.kwh, training.kg_co2e) == (math.fsum([0.1] * 10), math.fsum([0.7] * 10))
    one_by_one = reduce(add, [0.1] * 10), reduce(add, [0.7] * 10)  # as sum() did before Python 3.12
    assert (training.kwh, training.kg_co2e) != one_by_one
    assert training.source == "emissions_base_r1.csv: 1 run metered by CodeCarbon 3.3.2, declared by the user"


def test_a_byte_order_mark_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "emissions.csv"
    path.write_bytes(b"\xef\xbb\xbf" + plain(GOOD).replace(b"\n", b"\r\n\r\n"))

    assert read(path).kwh == 1.5


def test_a_training_on_a_grid_that_codecarbon_has_as_zero_is_read(tmp_path: Path) -> None:
    assert read(write(tmp_path, [row("r1", 2.0, 0.0)])).kg_co2e == 0.0


def test_old_versions_that_lost_a_last_digit_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, [row("r1", 0.3, 0.1), row("r1", math.nextafter(0.3, 0), 0.1)])

    assert read(path).kwh == math.nextafter(0.3, 0)


HEADER = ",".join(COLUMNS)
GOOD = "r1,summariser,0.25,1.5,3.3.2"


def plain(*rows: str) -> bytes:
    return "\n".join([HEADER, *rows, ""]).encode()


BAD = [
    (b"", "is empty; valid: the emissions.csv that CodeCarbon writes"),
    (b"\n \n\n", "no column run_id, project_name, emissions, energy_consumed, codecarbon_version; valid"),
    (plain(), "has a header and no row: no run was written to it"),
    (b"\xff\xfe\x00r", "is not UTF-8 text: invalid start byte at byte 0"),
    (b"<html>\n<p>404</p>\n", "no column run_id, project_name"),
    (plain(GOOD).replace(b",", b";"), "no column run_id, project_name"),
    (b"\x7fELF\x02\x01\x01", "no column run_id, project_name"),
    (plain('"r1" x,summariser,0.25,1.5,3.3.2'), "is not a CSV file: line 2: ',' expected after '\"'"),
    (plain('"r1,summariser,0.25,1.5,3.3.2'), "is not a CSV file: line 2: unexpected end of data"),
    (plain("x" * 200_000), "is not a CSV file: line 2: field larger than field limit"),
    (plain(GOOD, "r1,summariser,0.25"), "line 3 has 3 fields, the header has 5"),
    (plain(GOOD + ",1"), "line 2 has 6 fields, the header has 5"),
    (plain(GOOD).replace(b"emissions,", b"emission,"), "no column emissions; valid: the emissions.csv of CodeCarbon"),
    (plain(GOOD).replace(b"codecarbon_", b""), "no column codecarbon_version; CodeCarbon writes it since 2.2; valid"),
    (b"run_id," + plain("r0," + GOOD), "the column run_id stands there more than once"),
    (
        plain(GOOD, GOOD.replace("3.3.2", "4.0.1")),
        "line 3 says CodeCarbon '4.0.1' in codecarbon_version; read are 2.x and 3.x",
    ),
    (plain(GOOD.replace("3.3.2", "1.2.0")), "line 2 says CodeCarbon '1.2.0' in codecarbon_version"),
    (plain(GOOD.replace("3.3.2", "33.2")), "line 2 says CodeCarbon '33.2' in codecarbon_version"),
    (plain(GOOD.replace("3.3.2", "3.3.2 or so")), "line 2 says CodeCarbon '3.3.2 or so' in codecarbon_version"),
    (plain(GOOD.replace("3.3.2", "")), "line 2 says no version of CodeCarbon in codecarbon_version"),
    (plain(GOOD.replace("0.25", "")), "line 2: emissions must be a number of 0 or more, got ''"),
    (plain(GOOD.replace("0.25", "-0.25")), "line 2: emissions must be a number of 0 or more, got '-0.25'"),
    (plain(GOOD.replace("0.25", "nan")), "line 2: emissions must be a number of 0 or more, got 'nan'"),
    (plain(GOOD.replace("0.25", "0_1")), "line 2: emissions must be a number of 0 or more, got '0_1'"),
    (plain(GOOD.replace("1.5", "inf")), "line 2: energy_consumed must be a number of 0 or more, got 'inf'"),
    (plain(GOOD.replace("1.5", "1e999")), "line 2: energy_consumed must be a number of 0 or more, got '1e999'"),
    (plain(GOOD.replace("1.5", "'1\n5'")), "line 2 has 4 fields, the header has 5"),
    (plain(GOOD.replace("1.5", '"1\n5"')), "line 3: energy_consumed must be a number of 0 or more, got '1\\n5'"),
    (plain(GOOD.replace("1.5", "1e303")), "energy_consumed is too large: 1e+303"),
    (plain(*(GOOD.replace("1.5", "1.7e308").replace("r1", run) for run in "ab")), "energy_consumed is too large: inf"),
    (plain(GOOD.replace("1.5", "0.0")), "energy_consumed is 0: CodeCarbon metered nothing"),
    (
        plain(GOOD, GOOD.replace("1.5", "1.25")),
        "line 3: energy_consumed of run 'r1' falls from 1.5 to 1.25; CodeCarbon's rows of one run only grow",
    ),
    (plain(GOOD, GOOD.replace("0.25", "0.125")), "line 3: emissions of run 'r1' falls from 0.25 to 0.125"),
    (
        f"{HEADER},task_name\n{GOOD},fit\n{GOOD},fit\n".encode(),
        "the task 'fit' of run 'r1' stands there more than once",
    ),
]


@pytest.mark.parametrize(("content", "problem"), BAD)
def test_a_file_that_cannot_be_used_is_one_line_that_says_why(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "emissions.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^emissions\.csv: ") as error:
        read(path)

    assert str(error.value).startswith(f"emissions.csv: {problem}")
    assert "\n" not in str(error.value)


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def nothing(path: Path) -> None:
    del path


@pytest.mark.parametrize(
    ("make", "problem"), [(nothing, "is not there"), (a_folder, "is not a file"), (a_pipe, "is not a file")]
)
def test_what_is_no_file_is_said_without_waiting_for_it(
    tmp_path: Path, make: Callable[[Path], None], problem: str
) -> None:
    path = tmp_path / "emissions.csv"
    make(path)
    with pytest.raises(ValueError, match=r"^emissions\.csv: ") as error:
        read(path)

    where = f"looked for {str(path)!r}: relative to the folder of pyproject.toml"
    assert str(error.value) == f"emissions.csv: {problem}; {where}"


def test_what_the_system_refuses_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^e\.csv: cannot be read: File name too long$"):
        read_codecarbon_csv(tmp_path / ("e" * 300), "e.csv")


@pytest.mark.parametrize(
    ("selection", "problem"),
    [
        (
            {"projects": ["sumariser"]},
            "no project_name is codecarbon_project 'sumariser'; there are 'summariser', 'other'",
        ),
        ({"runs": ["r1", "r9"]}, "no run_id is codecarbon_run 'r9'; there are 'r1', 'r2', 'r3', 'r4', 'r5' and 1 more"),
        (
            {"projects": ["other"], "runs": ["r1"]},
            "no run is in both codecarbon_project and codecarbon_run; there are 'r1 of summariser', 'r2 of summariser'",
        ),
    ],
)
def test_a_selection_that_finds_nothing_says_what_there_is(
    tmp_path: Path, selection: dict[str, list[str]], problem: str
) -> None:
    rows = [row(f"r{n}", 1.0, 1.0, project_name="other" if n == 6 else "summariser") for n in range(1, 7)]
    path = write(tmp_path, rows)
    with pytest.raises(ValueError, match=r"^emissions\.csv: ") as error:
        read(path, **selection)

    assert str(error.value).startswith(f"emissions.csv: {problem}")
    assert "\n" not in str(error.value)


def test_the_table_says_where_and_which(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    write(tmp_path / "runs", [row("r1", 1.0, 0.1), row("r2", 2.0, 0.2)])
    table = {"codecarbon_csv": "runs/emissions.csv", "codecarbon_run": "r2", "expected_uses": 100}
    override = ModelOverride.from_table("x", table, tmp_path)

    assert override.metered == MeteredTraining(
        2.0, 0.2, "emissions.csv: 1 run metered by CodeCarbon 3.3.2, declared by the user"
    )
    with pytest.raises(ValueError, match=r'^\[tool\.aifootprint\.models\."x"\]: codecarbon_csv needs expected_uses'):
        ModelOverride.from_table("x", {"codecarbon_csv": "runs/emissions.csv"}, tmp_path)
    with pytest.raises(ValueError, match=r"\"x\"\]: codecarbon_csv 'emissions.csv': is not there; looked for") as error:
        ModelOverride.from_table("x", {**table, "codecarbon_csv": "emissions.csv"}, tmp_path)
    assert str(tmp_path) in str(error.value)


amounts = st.floats(min_value=1e-12, max_value=1e9)
# What a project may be called: commas, quotes and line breaks too; the writer cannot say a lone surrogate.
names = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=20).filter(str.strip)


flushes = st.lists(st.tuples(amounts, amounts), min_size=1, max_size=3).map(
    lambda steps: list(zip(*(sorted(column) for column in zip(*steps, strict=True)), strict=True))
)


@given(st.dictionaries(st.uuids().map(str), flushes, min_size=1, max_size=4), names)
def test_what_codecarbon_writes_is_read_back_exactly(grown: dict[str, list[tuple[float, float]]], project: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(
            Path(folder), (row(run, *step, project_name=project) for run, steps in grown.items() for step in steps)
        )
        training = read(path, projects=[project])
        one = {run: read(path, runs=[run]) for run in grown}

    assert training.kwh == math.fsum(steps[-1][0] for steps in grown.values())
    assert training.kg_co2e == math.fsum(steps[-1][1] for steps in grown.values())
    assert {run: (t.kwh, t.kg_co2e) for run, t in one.items()} == {run: steps[-1] for run, steps in grown.items()}


def outcome(path: Path) -> str:
    try:
        return read(path).source
    except ValueError as error:
        return str(error)


@given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(lambda t: plain(t, GOOD))))
def test_whatever_is_in_the_file_is_read_or_one_line(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "emissions.csv"
        path.write_bytes(content)
        said = outcome(path)

    assert said.startswith("emissions.csv: ")
    assert len(said.splitlines()) == 1
