"""``aifootprint doctor``."""

from __future__ import annotations

import functools
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pytest_aifootprint.cli import app
from pytest_aifootprint.cli.doctor import diagnose, show
from pytest_aifootprint.cli.libraries import NOT_WATCHED_YET, WATCHED
from pytest_aifootprint.detection import Recorder, Seams
from pytest_aifootprint.meters import selection

VM = {
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD EPYC\nsiblings\t: 1\ncpu cores\t: 1\nflags\t: fpu hypervisor\n",
    "proc/meminfo": "MemTotal: 4194304 kB\n",
}


def vm(tmp_path: Path) -> Path:
    for path, text in VM.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_the_doctor_says_what_works_what_does_not_and_what_is_assumed() -> None:
    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "100"})
    assert result.exit_code == 0, result.output
    for heading in (
        "This machine",
        "Meters that work here",
        "Meters that do not",
        "Model of the CPU",
        "Model of memory",
        "Grid of this machine",
        "AI libraries whose calls would be seen",
    ):
        assert heading in result.output
    assert "W (" in result.output


def test_the_doctors_json_is_json_of_the_same_findings() -> None:
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 0, result.output
    findings = json.loads(result.output)
    assert set(findings) == {
        "declared", "host", "meters", "rejected_meters", "cpu_model", "memory_model", "hardware", "grid",
        "libraries",
    }  # fmt: skip
    active = findings["cpu_model"]["active_w"]
    assert active["low"] <= active["central"] <= active["high"]
    assert all(r["reason"] and r["remedy"] for r in findings["rejected_meters"])


def test_every_rejected_meter_comes_with_its_reason_and_remedy(tmp_path: Path) -> None:
    findings = diagnose(vm(tmp_path), {})
    assert findings["meters"] == []
    assert {r["name"] for r in findings["rejected_meters"]} == {"rapl", "perf", "nvml"}
    assert findings["cpu_model"]["active_w"]["central"] == pytest.approx(1.6 * 1.15)
    assert findings["memory_model"]["power_w"] is None


def printed(root: Path) -> str:
    out = io.StringIO()
    show(diagnose(root, {}), Console(file=out, width=200, highlight=False))
    return out.getvalue()


def test_a_quota_and_steal_are_shown_where_there_are_any(tmp_path: Path) -> None:
    root = vm(tmp_path)
    assert "usable" not in printed(root)
    assert "since the boot" not in printed(root)
    (root / "proc/stat").write_text("cpu  600 0 300 9999 5 0 0 100 0 0\n")
    (root / "proc/self").mkdir()
    (root / "proc/self/cgroup").write_text("0::/\n")
    (root / "proc/self/mountinfo").write_text("31 23 0:28 / /cg rw - cgroup2 cgroup2 rw\n")
    (root / "cg").mkdir()
    (root / "cg/cpu.max").write_text("50000 100000\n")
    host = diagnose(root, {})["host"]
    assert (host["usable_cpus"], host["limited_by"], host["steal_since_boot"]) == (0.5, "cgroup quota", 0.1)
    assert "usable  0.5 of 1 CPUs by cgroup quota" in printed(root)
    assert "steal   10.00% of the CPU time asked for since the boot went to others on this host" in printed(root)
    assert "idle of 0.5 of 1 CPUs by cgroup quota" in printed(root)


def test_steal_that_is_not_told_is_not_zero(tmp_path: Path) -> None:
    root = vm(tmp_path)
    assert diagnose(root, {})["host"]["steal_since_boot"] is None
    (root / "proc/stat").write_text("cpu  600 0 300 9999 5 0 0 0 0 0\n")
    assert diagnose(root, {})["host"]["steal_since_boot"] == 0
    assert "since the boot" not in printed(root)


def test_declared_hardware_is_what_the_doctor_shows(tmp_path: Path) -> None:
    findings = diagnose(vm(tmp_path), {}, {"watts_per_cpu_second": 4})
    assert findings["cpu_model"]["active_w"]["central"] == 4


def test_the_doctor_shows_the_row_of_the_hardware_table_and_what_was_declared_in_its_place(tmp_path: Path) -> None:
    (row,) = diagnose(vm(tmp_path), {})["hardware"]
    assert (row["of"], row["row"], row["per_cpu"]) == ("this machine", "vm", True)
    assert (row["embodied_kg"], row["lifetime_years"], row["utilisation"]) == ([5, 9, 16.4], [3, 5, 6], [0.5, 0.7, 1])
    text = printed(tmp_path)
    assert "Manufacture of this machine" in text
    assert "embodied  9 (5 – 16.4) kg CO2e for each CPU" in text  # noqa: RUF001
    assert "Dell R740" in text
    findings = diagnose(tmp_path, {}, {"embodied_kgco2e": 40, "lifetime_years": [3, 4, 5], "utilisation": 0.25})
    out = io.StringIO()
    show(findings, Console(file=out, width=200, highlight=False))
    for line in (
        "embodied  40 kg CO2e\n",
        "life      4 (3 – 5) years",  # noqa: RUF001
        "in use    0.25 of it",
        "source    declared: embodied, lifetime, utilisation",
    ):
        assert line in re.sub(" +\n", "\n", out.getvalue())


def test_the_doctor_shows_the_row_of_every_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "script.json"
    path.write_text('{"domains": {"gpu0": [[0, 0]], "gpu1": [[0, 0]]}, "cards": {"gpu0": "NVIDIA H100 80GB HBM3"}}')
    recorded = functools.partial(selection.select, recorded=path)
    monkeypatch.setattr(selection, "select", recorded)
    text = printed(vm(tmp_path))
    assert "Manufacture of gpu0, NVIDIA H100 80GB HBM3\n  row       h100" in re.sub(" +\n", "\n", text)
    assert "273 (164 – 575) kg CO2e, and 712.5 kg of its server" in text  # noqa: RUF001
    assert "Manufacture of gpu1, a card\n  row       gpu" in re.sub(" +\n", "\n", text)


def test_hardware_declared_in_pyproject_is_used_and_a_wrong_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for table, says in (("pue = 1.25", "declared  pue = 1.25"), ("pue = 0.5", "pue = 0.5 is not valid")):
        (tmp_path / "pyproject.toml").write_text(f"[tool.aifootprint.hardware]\n{table}\n")
        result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "160"})
        assert result.exit_code == 0, result.output
        assert says in result.output
    (tmp_path / "pyproject.toml").write_text("not toml")
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 0


def test_the_grid_is_the_world_where_nobody_says_more(tmp_path: Path) -> None:
    grid = diagnose(vm(tmp_path), {})["grid"]
    assert grid["zone"].upper() == "WOR"
    assert grid["guessed"] is True
    assert grid["carbon_g_per_kwh"]["low"] < grid["carbon_g_per_kwh"]["central"]


def test_installed_libraries_are_listed_and_none_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pytest_aifootprint.cli.doctor import diagnose\n"
        "names = [x['name'] for x in diagnose(Path(sys.argv[1]), {})['libraries']['watched']]\n"
        "heavy = {'openai', 'anthropic', 'httpx', 'sklearn', 'onnxruntime', 'requests', 'codecarbon', 'ecologits'}\n"
        "print(sorted(heavy & set(sys.modules)), len(names) > 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(vm(tmp_path))], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[] True", "")


def test_the_doctor_claims_no_library_without_a_seam() -> None:
    armed = Seams.arm(Recorder())
    try:
        seams = {name.partition(".")[0].partition(":")[0].partition(" ")[0] for name in armed.status()}
    finally:
        armed.disarm()
    assert {"aiohttp", "httpx", "httpx2", "onnxruntime", "requests", "sklearn", "torch", "urllib3"} <= seams
    direct = {name for name, what in WATCHED.items() if "through" not in what}
    clients = {"aiohttp", "httpx", "httpx2", "requests", "urllib3"}
    files = {"ai-edge-litert", "fasttext-predict", "fasttext-wheel", "llama-cpp-python", "tflite-runtime", "xllamacpp"}
    assert {"fasttext", "litert", "llama_cpp", "xllamacpp"} <= seams
    frameworks = {"keras", "lightgbm", "onnxruntime", "optax", "scikit-learn", "spacy", "torch", "xgboost"}
    assert frameworks - {"scikit-learn"} <= seams
    assert direct == clients | files | frameworks | {"vcrpy"}
    assert not WATCHED.keys() & NOT_WATCHED_YET.keys()
    for names in (WATCHED, NOT_WATCHED_YET):
        assert list(names) == sorted(names)


def test_help_imports_neither_pytest_nor_a_room() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from pytest_aifootprint.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "rooms = {m.split('.')[1] for m in sys.modules if m.startswith('pytest_aifootprint.')} - {'cli'}\n"
        "print(sorted(rooms), 'pytest' in sys.modules, 'codecarbon' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[] False False", "")
