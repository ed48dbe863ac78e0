"""The example suite in docs/examples as a user runs it: in a process of its own, with the real libraries."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
NEED_NO_SERVER = ("test_classifier.py", "test_file_types.py", "test_plain.py", "test_replayed.py")
TESTS = 15
ALL_PARTS = ("use", "training", "hardware")

CLASSIFIER = {
    "test_classifier.py::test_unseen_digits_are_read",
    "test_classifier.py::test_a_handful_of_digits_is_read",
    "test_classifier.py::test_a_blank_image_is_read_without_confidence",
}
FILE_TYPES = {
    "test_file_types.py::test_source_code_is_recognised",
    "test_file_types.py::test_a_script_that_calls_itself_a_photo_is_found_out",
    "test_file_types.py::test_a_folder_is_classified_in_one_go",
}
WHOLE_CHAT = "test_assistant.py::test_a_text_is_summarised"
STREAMED_CHAT = "test_assistant.py::test_a_summary_can_be_shown_while_it_is_written"
EMBEDDING = "test_assistant.py::test_the_most_similar_text_is_found"
ASYNC_CHATS = "test_assistant.py::test_many_users_are_served_at_once"
LIVE_API = {WHOLE_CHAT, STREAMED_CHAT, EMBEDDING, ASYNC_CHATS}
REPLAYED = "test_replayed.py::test_a_text_is_summarised_from_the_recording"
AI_TESTS = CLASSIFIER | FILE_TYPES | LIVE_API | {REPLAYED}


@dataclass(frozen=True)
class Run:
    """A finished run of the examples."""

    status: int
    output: str
    report: dict[str, Any]

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        return {test["nodeid"]: test for test in self.report["tests"]}

    def calls(self, nodeid: str) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = self.rows[nodeid]["calls"]
        return calls

    def kinds_of_calls(self) -> dict[str, Counter[tuple[Any, ...]]]:
        """What was seen of each test's calls, without what differs from run to run: times and joules."""
        keys = ("operation", "provider", "model", "locality", "realness", "streamed", "input_tokens", "output_tokens")
        kinds: dict[str, Counter[tuple[Any, ...]]] = {}
        for nodeid in self.rows:
            kinds[nodeid] = Counter()
            for call in self.calls(nodeid):
                kinds[nodeid][tuple(call[key] for key in keys)] += call.get("count", 1)
        return kinds


def central(value: dict[str, float] | None) -> float:
    assert value is not None
    assert value["low"] <= value["central"] <= value["high"]
    return value["central"]


def pytest_in(folder: Path, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Pytest in a process of its own, untouched by the settings of the run that we are part of."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    command = [*before, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, text=True, capture_output=True, timeout=300, check=False
    )


def metered(folder: Path, *arguments: str, before: tuple[str, ...] = ()) -> Run:
    path = folder / "footprint.json"
    path.unlink(missing_ok=True)
    done = pytest_in(folder, "--aifootprint", "--aifootprint-report", f"json:{path}", *arguments, before=before)
    output = done.stdout + done.stderr
    assert path.exists(), output
    return Run(done.returncode, output, json.loads(path.read_text()))


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the suite without the part that needs a real LLM."""
    folder = tmp_path_factory.mktemp("run") / "examples"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("llm", "__pycache__", ".pytest_cache"))
    return folder


@pytest.fixture(scope="module")
def alone(examples: Path) -> Run:
    """One process, within its budget."""
    return metered(examples, "--aifootprint-budget", "1 kgCO2e")


@pytest.fixture(scope="module")
def workers(examples: Path) -> Run:
    """Two workers, over their budget."""
    return metered(examples, "-n", "2", "--aifootprint-budget", "1 ugCO2e")


@pytest.fixture(params=["alone", "workers"])
def run(request: pytest.FixtureRequest) -> Run:
    """Either."""
    finished: Run = request.getfixturevalue(request.param)
    return finished


def test_suite_passes_without_the_flag_and_says_nothing(examples: Path) -> None:
    done = pytest_in(examples, "-W", "error")
    assert done.returncode == 0, done.stdout
    assert f"{TESTS} passed" in done.stdout
    assert "AI footprint" not in done.stdout
    assert "warning" not in done.stdout


def test_every_test_passes_under_the_meter_without_a_warning(run: Run) -> None:
    assert re.search(rf"=+ {TESTS} passed in ", run.output), run.output
    assert "AI footprint" in run.output
    assert {row["outcome"] for row in run.rows.values()} == {"passed"}


def test_tests_that_call_a_model_have_a_row_and_the_others_none(run: Run) -> None:
    assert set(run.rows) == AI_TESTS
    assert all(row["ai"] for row in run.rows.values())
    assert run.report["totals"]["ai_tests"] == len(AI_TESTS)
    assert run.report["totals"]["tests"] == TESTS


@pytest.mark.parametrize("nodeid", sorted(FILE_TYPES))
def test_file_types_show_one_inference_in_the_process(run: Run, nodeid: str) -> None:
    (call,) = run.calls(nodeid)
    assert (call["operation"], call["client"]) == ("inference", "onnxruntime")
    assert (call["locality"], call["realness"]) == ("local", "live")
    assert call.get("count", 1) == 1


@pytest.mark.parametrize("nodeid", sorted(CLASSIFIER))
def test_classifier_shows_one_inference_and_not_one_for_each_of_its_trees(run: Run, nodeid: str) -> None:
    (call,) = (call for call in run.calls(nodeid) if call["operation"] == "inference")
    assert (call["client"], call["model"]) == ("sklearn", "sklearn.RandomForestClassifier")
    assert (call["locality"], call["realness"]) == ("local", "live")
    assert call.get("count", 1) == 1


@pytest.mark.parametrize(
    ("nodeid", "kind", "tokens"),
    [
        (WHOLE_CHAT, ("chat", False), [(37, 11)]),
        (STREAMED_CHAT, ("chat", True), [(37, 11)]),
        (EMBEDDING, ("embedding", False), [(22, 0)]),
        (ASYNC_CHATS, ("chat", False), [(14, 4)] * 5),
    ],
)
def test_calls_to_the_server_on_loopback_are_local_and_live(
    run: Run, nodeid: str, kind: tuple[str, bool], tokens: list[tuple[int, int]]
) -> None:
    calls = run.calls(nodeid)
    assert {(call["locality"], call["realness"]) for call in calls} == {("local", "live")}
    assert {(call["operation"], call["streamed"]) for call in calls} == {kind}
    assert {call["model"] for call in calls} == {"llama-3.2-1b"}
    assert [(call["input_tokens"], call["output_tokens"] or 0) for call in calls] == tokens


def test_tokens_of_the_run_are_those_of_its_live_calls(run: Run) -> None:
    totals = run.report["totals"]["tokens"]
    assert (totals["input"], totals["output"]) == (37 + 37 + 22 + 5 * 14, 11 + 11 + 5 * 4)


def test_replayed_call_costs_nothing_and_shows_what_it_avoided(run: Run) -> None:
    (call,) = run.calls(REPLAYED)
    assert (call["operation"], call["provider"], call["model"]) == ("chat", "openai", "gpt-4o-mini")
    assert (call["locality"], call["realness"]) == ("remote", "replayed")
    assert central(call["carbon_g"]["use"]) == 0
    assert central(call["energy_j"]) == 0
    assert central(run.rows[REPLAYED]["avoided_carbon_g"]) > 0
    assert run.report["totals"]["calls"]["replayed"] == 1
    assert run.report["totals"]["calls"]["mocked"] == 0
    assert central(run.report["totals"]["avoided_carbon_g"]) == pytest.approx(
        central(run.rows[REPLAYED]["avoided_carbon_g"])
    )
    assert re.search(r"^avoided .*1 call\b.* replayed", run.output, re.MULTILINE), run.output


def test_training_in_a_fixture_is_shared_by_its_three_users(run: Run) -> None:
    shares = [
        fixture for nodeid in CLASSIFIER for fixture in run.rows[nodeid]["fixtures"] if fixture["name"] == "classifier"
    ]
    assert [(share["scope"], share["users"]) for share in shares] == [("module", 3)] * 3
    joules = [central(share["energy_j"]) for share in shares]
    assert joules[0] > 0
    assert joules == pytest.approx([joules[0]] * 3)


def test_the_classifier_is_billed_to_its_users_only(run: Run) -> None:
    others = {
        nodeid
        for nodeid, row in run.rows.items()
        if any(fixture["name"] == "classifier" for fixture in row["fixtures"])
    }
    assert others == CLASSIFIER


def test_a_test_is_its_own_part_and_its_shares(run: Run) -> None:
    for nodeid, row in run.rows.items():
        shares = sum(central(fixture["energy_j"]) for fixture in row["fixtures"])
        own = central(row["direct"]["energy_j"]["total"])
        assert central(row["energy_j"]["total"]) == pytest.approx(own + shares), nodeid


def test_carbon_is_split_into_use_training_and_hardware(run: Run) -> None:
    carbon = run.report["totals"]["carbon_g"]
    assert all(central(carbon[part]) > 0 for part in ALL_PARTS)
    assert central(carbon["total"]) == pytest.approx(sum(central(carbon[part]) for part in ALL_PARTS))
    assert re.search(r"central +range +use +training +hardware", run.output), run.output


@pytest.mark.parametrize("nodeid", sorted(FILE_TYPES))
def test_training_that_nobody_published_is_unknown_and_not_zero(run: Run, nodeid: str) -> None:
    (call,) = run.calls(nodeid)
    assert call["carbon_g"]["training"] is None
    assert run.rows[nodeid]["direct"]["carbon_g"]["training"] is None
    assert run.rows[nodeid]["carbon_g"]["training"] is None
    assert {notice["code"] for notice in call["notices"]} == {"training-unknown"}


def test_each_local_domain_is_balanced(run: Run) -> None:
    assert run.report["balance"]
    for domain, balance in run.report["balance"].items():
        terms = ("ai_tests_j", "shared_fixtures_j", "other_tests_j", "other_processes_j", "idle_j", "plugin_j")
        assert sum(balance[term] for term in terms) == pytest.approx(balance["metered_j"], rel=1e-9), domain


def test_two_workers_see_what_one_process_sees(alone: Run, workers: Run) -> None:
    assert workers.kinds_of_calls() == alone.kinds_of_calls()
    assert [worker["reported"] for worker in workers.report["run"]["workers"]] == [True, True]


def test_report_holds_no_prompt_and_no_answer(run: Run) -> None:
    text = json.dumps(run.report)
    assert "Training a large model" not in text
    assert "one sentence" not in text
    assert "none-needed" not in text


def test_budget_that_is_kept_leaves_the_exit_status_alone(alone: Run) -> None:
    assert alone.status == 0, alone.output
    assert [verdict["verdict"] for verdict in alone.report["verdicts"]] == ["pass"]


def test_budget_that_is_exceeded_names_limit_value_and_worst_test_in_one_line(workers: Run) -> None:
    assert workers.status == 1
    (verdict,) = (v for v in workers.report["verdicts"] if v["scope"] == "run")
    assert verdict["verdict"] == "fail"
    worst = max(workers.rows.values(), key=lambda row: central(row["carbon_g"]["total"]))
    lines = [line for line in workers.output.splitlines() if line.startswith("budget") and "fail" in line]
    assert len(lines) == 1, workers.output
    assert re.search(r"\b1 (ugCO2e|µg)", lines[0]), lines
    assert re.search(r"\d m?g of ", lines[0]), lines
    assert worst["nodeid"].rpartition("::")[2] in lines[0]


def test_budget_fails_one_process_as_well(examples: Path) -> None:
    run = metered(examples, "--aifootprint-budget", "1 ugCO2e", "test_file_types.py")
    assert run.status == 1
    assert "3 passed" in run.output


def test_a_test_over_its_own_limit_fails_alone(examples: Path, tmp_path: Path) -> None:
    folder = tmp_path / "examples"
    shutil.copytree(examples, folder)
    source = (folder / "test_file_types.py").read_text()
    name = "test_source_code_is_recognised"
    limited = source.replace(f"def {name}", f'@pytest.mark.aifootprint(budget="1 ugCO2e")\ndef {name}')
    assert limited != source
    (folder / "test_file_types.py").write_text(limited)
    run = metered(folder, "test_file_types.py")
    assert run.status == 1
    assert "1 failed, 2 passed" in run.output
    assert {nodeid: row["outcome"] for nodeid, row in run.rows.items() if row["outcome"] != "passed"} == {
        f"test_file_types.py::{name}": "failed"
    }


def test_without_any_network_the_same_is_seen(examples: Path, alone: Run) -> None:
    isolated = ("unshare", "--map-root-user", "--net")
    if not shutil.which("unshare") or subprocess.run([*isolated, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let a user make a network namespace (unshare --map-root-user --net)")
    run = metered(examples, *NEED_NO_SERVER, before=isolated)
    assert run.status == 0, run.output
    seen = {nodeid: kinds for nodeid, kinds in alone.kinds_of_calls().items() if nodeid not in LIVE_API}
    assert run.kinds_of_calls() == seen
    assert run.report["run"]["grids"] == alone.report["run"]["grids"]
