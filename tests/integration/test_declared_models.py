"""A training that CodeCarbon metered, declared by its CSV, amortised over the uses in tests: to the last digit."""

import ast
import csv
import hashlib
import json
import math
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import magika
import pytest

from pytest_aifootprint.records.schema import report_schema

# Two real trainings, metered by the real CodeCarbon. The power is given, so that no machine meters 0.
TRAIN = """
import time
from codecarbon import OfflineEmissionsTracker
import joblib
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier

digits = load_digits()
classifier = SGDClassifier()

def train():
    end = time.process_time() + 0.1
    while time.process_time() < end:
        classifier.partial_fit(digits.data, digits.target, classes=range(10))

for project in ("summariser", "translator"):
    tracker = OfflineEmissionsTracker(
        country_iso_code="FRA", project_name=project, log_level="error", allow_multiple_runs=True,
        force_cpu_power=40, force_ram_power=5,
    )
    with tracker:
        train()
        tracker.flush()
        train()
joblib.dump(classifier, "classifier.joblib")
"""

PROJECT = """
[tool.aifootprint.models.named]
codecarbon_csv = "runs/emissions.csv"
codecarbon_project = "summariser"
expected_uses = [100, 1_000, 10_000]

[tool.aifootprint.models."acme/by-path"]
path = "models/**/summariser*.onnx"
params = "1M"
codecarbon_csv = "runs/emissions.csv"
codecarbon_run = "{run}"
expected_uses = 500

[tool.aifootprint.models."acme/by-hash"]
sha256 = ["{digest}"]
codecarbon_csv = "runs/emissions.csv"
expected_uses = 300
parent = "acme/parent"

[tool.aifootprint.models."acme/classifier"]
path = "models/classifier.joblib"
codecarbon_csv = "runs/emissions.csv"
expected_uses = 7
"""

# The estimator's class is all that its seam knows; whoever knows the file tells it, as a plugin of the user's may.
CONFTEST = """
def pytest_aifootprint_call(config, call):
    if call.file is None and call.model == "sklearn.SGDClassifier":
        call.file = str(config.rootpath / "models/classifier.joblib")
"""

SUITE = """
import joblib
import numpy
import onnxruntime
import pytest

@pytest.fixture(scope="session")
def run(request):
    def run(file):
        session = onnxruntime.InferenceSession(str(request.config.rootpath / "models" / file))
        return session.run(None, {"bytes": numpy.zeros((1, 2048), numpy.int32)})
    return run

@pytest.fixture(scope="module")
def warmed(run):
    run("weights.onnx")

def test_named(run):
    run("named.onnx")

@pytest.mark.parametrize("times", [1, 3])
def test_path(run, times):
    for _ in range(times):
        run("v3/summariser-v3.onnx")

@pytest.mark.aifootprint(budget="1 kgCO2e")
def test_hash(run, warmed):
    run("weights.onnx")

def test_classifier(request):
    joblib.load(request.config.rootpath / "models" / "classifier.joblib").predict(numpy.zeros((1, 64)))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    subprocess.run([sys.executable, "-c", TRAIN], cwd=folder, check=True, timeout=120)
    return folder


@pytest.fixture
def project(pytester: pytest.Pytester, trained: Path) -> Path:
    models = pytester.path / "models"
    (models / "v3").mkdir(parents=True)
    (pytester.path / "runs").mkdir()
    shutil.copy(trained / "emissions.csv", pytester.path / "runs")
    shutil.copy(trained / "classifier.joblib", models)
    original = (Path(magika.__file__).parent / "models" / "standard_v3_3" / "model.onnx").read_bytes()
    for number, name in enumerate(("named.onnx", "v3/summariser-v3.onnx", "weights.onnx")):
        # Three models: a field that no reader knows makes another file of the same weights.
        (models / name).write_bytes(original + bytes((0x98, 0x06, number)))
    digest = hashlib.sha256((models / "weights.onnx").read_bytes()).hexdigest()
    run = last_rows(pytester.path)[1]["run_id"]
    (pytester.path / "pyproject.toml").write_text(PROJECT.format(digest=digest, run=run))
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(SUITE)
    return pytester.path


def last_rows(folder: Path) -> list[dict[str, str]]:
    """What CodeCarbon says of each run at its end, as text: read apart from the code under test."""
    with (folder / "runs" / "emissions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    # Of each training, a row at the flush and one at the end, of the whole training so far.
    flushed, first, again, second = (float(row["emissions"]) for row in rows)
    assert flushed < first
    assert again < second
    return [rows[1], rows[3]]


def report(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, *args: str) -> dict[str, Any]:
    # From another folder than that of pyproject.toml, which paths are relative to.
    monkeypatch.chdir(pytester.path / "runs")
    options = ("--rootdir=..", "--aifootprint", "--aifootprint-report=json:../r.json", *args)
    result = pytester.runpytest_subprocess("..", *options)
    result.assert_outcomes(passed=5)
    data: dict[str, Any] = json.loads((pytester.path / "r.json").read_text())
    jsonschema.validate(data, report_schema())
    return data


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_figures_agree_with_the_csv_to_the_last_digit(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, project: Path, workers: tuple[str, ...]
) -> None:
    data = report(pytester, monkeypatch, *workers)
    first, second = last_rows(project)
    kwh = [float(row["energy_consumed"]) for row in (first, second)]
    kg = [float(row["emissions"]) for row in (first, second)]
    expected = {
        "named": (kwh[0], kg[0], 1000, 1, {"test_named": 1}),
        "acme/by-path": (kwh[1], kg[1], 500, 1, {"test_path[1]": 1, "test_path[3]": 3}),
        "acme/by-hash": (math.fsum(kwh), math.fsum(kg), 300, 2, {"test_hash": 1}),
        "acme/classifier": (math.fsum(kwh), math.fsum(kg), 7, 2, {"test_classifier": 1}),
    }
    models = {model["id"]: model for model in data["models"]}
    calls = {test["nodeid"].partition("::")[2]: test["calls"] for test in data["tests"]}

    assert models.keys() == expected.keys()
    for name, (energy, carbon, uses, runs, counts) in expected.items():
        training = models[name]["training"]
        assert training["method"] == "count"
        assert training["kwh"] == energy
        assert training["carbon_kg"] == {"low": carbon, "central": carbon, "high": carbon}
        assert training["lifetime_uses"]["central"] == uses
        said = f"emissions.csv: {runs} run{'s'[: runs - 1]} metered by CodeCarbon {first['codecarbon_version']}"
        assert training["source"].startswith(f"{said}, declared by the user")
        for test, count in counts.items():
            (call,) = calls[test]
            assert (call["model"], call["count"]) == (name, count)
            assert call["carbon_g"]["training"]["central"] == carbon * 1000 / uses * count
    assert models["acme/by-hash"]["calls"] == 2  # the other one is the shared fixture's
    assert models["acme/by-hash"]["training"]["source"].endswith(
        "; the training of its parent acme/parent is not in it"
    )
    assert models["named"]["training"]["lifetime_uses"] == pytest.approx({"low": 100, "central": 1000, "high": 10_000})
    codes = {notice["code"] for notice in data["notices"]}
    assert not codes & {"training-unknown", "unknown-model", "declared-model-unused", "declared-model-ambiguous"}
    assert str(project) not in json.dumps(data)


def test_a_mistyped_table_is_said_and_two_that_fit_are_too(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    path = project / "pyproject.toml"
    mistyped = path.read_text().replace("models.named]", "models.namde]")
    path.write_text(f'{mistyped}\n[tool.aifootprint.models.twice]\npath = "models/v3/*"\n')
    # A table that was met outside every test was met.
    with path.open("a") as file:
        file.write('[tool.aifootprint.models."sklearn.DummyClassifier"]\n')
    with (project / "conftest.py").open("a") as file:
        file.write("\nfrom sklearn.dummy import DummyClassifier\nDummyClassifier().fit([[0]], [0]).predict([[0]])\n")
    data = report(pytester, monkeypatch, "-n2")
    said = {notice["code"]: notice["message"] for notice in data["notices"]}

    assert said["declared-model-unused"].startswith("no call of this run is of namde, twice, declared in")
    assert said["declared-model-ambiguous"].startswith("summariser-v3.onnx fits 2 tables")
    assert "named" in said["training-unknown"]


def test_nothing_is_said_of_tables_where_no_model_was_called(pytester: pytest.Pytester, project: Path) -> None:
    (project / "test_nothing_is_said_of_tables_where_no_model_was_called.py").write_text("def test_it(): pass\n")
    result = pytester.runpytest_subprocess("--aifootprint")

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*declared-model*")


def test_a_price_at_once_knows_the_table_by_its_files_hash(pytester: pytest.Pytester, project: Path) -> None:
    path = project / "test_a_price_at_once_knows_the_table_by_its_files_hash.py"
    grams = sum(float(row["emissions"]) for row in last_rows(project)) * 1000 / 300
    path.write_text(SUITE.replace("1 kgCO2e", f"{grams * 1e6 / 2:.6f} ugCO2e"))
    result = pytester.runpytest_subprocess("--aifootprint", "-k", "test_hash")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*live*local*inference*acme/by-hash*"])


BAD = [
    ("runs/emissions.csv", "runs/emission.csv", "codecarbon_csv 'runs/emission.csv': is not there; looked for"),
    ("summariser", "sumariser", "no project_name is codecarbon_project 'sumariser'; there are 'summariser', 'transl"),
]


@pytest.mark.parametrize(("right", "wrong", "problem"), BAD)
def test_what_cannot_be_used_is_one_line_and_no_test_runs(
    pytester: pytest.Pytester, project: Path, right: str, wrong: str, problem: str
) -> None:
    path = project / "pyproject.toml"
    path.write_text(path.read_text().replace(right, wrong, 2))
    result = pytester.runpytest_subprocess("--aifootprint", "-n2")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line.strip()]
    assert line.startswith('ERROR: [tool.aifootprint.models] (pyproject.toml): [tool.aifootprint.models."named"]: ')
    assert problem in line


def test_a_version_that_changed_or_a_column_that_is_missing_is_named(pytester: pytest.Pytester, project: Path) -> None:
    path = project / "runs" / "emissions.csv"
    content = path.read_text()
    version = last_rows(project)[0]["codecarbon_version"]
    for right, wrong, problem in (
        (f",{version},", ",4.0.0,", "line 2 says CodeCarbon '4.0.0' in codecarbon_version; read are 2.x and 3.x"),
        ("energy_consumed", "energy", "no column energy_consumed; valid"),
    ):
        path.write_text(content.replace(right, wrong, 1))
        result = pytester.runpytest_subprocess("--aifootprint")

        assert result.ret == pytest.ExitCode.USAGE_ERROR
        (line,) = [line for line in result.errlines if line.strip()]
        assert f"codecarbon_csv 'runs/emissions.csv': {problem}" in line


PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "declare-your-own-model.md"


def test_the_page_about_it_does_what_it_says(pytester: pytest.Pytester) -> None:
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    named = {first.removeprefix("# "): text for _, text in blocks if (first := text.partition("\n")[0])[:1] == "#"}
    for name in ("train.py", "pyproject.toml", "test_digits.py"):
        (pytester.path / name).write_text(named[name])
    (keys,) = (text for kind, text in blocks if kind == "toml" and "acme" in text)
    console = "".join(text for kind, text in blocks if kind == "console")
    train, test, show = re.findall(r"^\$ (.*)$", console, re.MULTILINE)
    method, source, *_ = shown = console.partition(show)[2].split("\n")[1:-1]

    pytester.run(sys.executable, *shlex.split(train)[1:])
    result = pytester.runpytest_subprocess(*shlex.split(test)[1:])
    result.assert_outcomes(passed=1)
    printed = pytester.run(sys.executable, *shlex.split(show)[1:]).outlines
    with (pytester.path / "emissions.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert printed[:2] == [method, source.replace("3.3.2", row["codecarbon_version"])]
    assert printed[2] == str(float(row["energy_consumed"]))
    assert ast.literal_eval(printed[3])["central"] == float(row["emissions"])
    assert printed[4:] == shown[4:]

    pyproject = pytester.path / "pyproject.toml"
    (pytester.path / "conftest.py").write_text(named["conftest.py"])
    by_file = named["pyproject.toml"].replace('."sklearn.SGDClassifier"]', '."acme/digits"]\npath = "digits.joblib"')
    pyproject.write_text(by_file)
    pytester.runpytest_subprocess(*shlex.split(test)[1:]).assert_outcomes(passed=1)
    (model,) = json.loads((pytester.path / "ai.json").read_text())["models"]
    assert (model["id"], [str(value) for value in model["training"].values()]) == ("acme/digits", printed)

    # The table of keys is one that is accepted.
    (pytester.path / "training").mkdir()
    runs = re.findall(r"[0-9a-f-]{36}", keys)
    header = "run_id,project_name,emissions,energy_consumed,codecarbon_version\n"
    lines = "".join(f"{run},translator,0.5,2.5,3.3.2\n" for run in runs)
    (pytester.path / "training" / "emissions.csv").write_text(header + lines)
    pyproject.write_text(keys)
    pytester.runpytest_subprocess("--aifootprint").assert_outcomes(passed=1)
    said = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", PAGE.read_text(), re.MULTILINE)))
    pyproject.write_text(f"{keys}nonsense = 1\n")
    (line,) = (line for line in pytester.runpytest_subprocess("--aifootprint").errlines if line.strip())
    assert sorted(said) == sorted(line.partition("valid: ")[2].split(", "))
