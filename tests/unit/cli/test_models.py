"""``aifootprint models``."""

# ruff: noqa: RUF001 - the signs that are printed

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pytest_aifootprint.catalogue import default_catalogue, llm_sizes
from pytest_aifootprint.cli import app
from pytest_aifootprint.cli.model_facts import told_operation
from pytest_aifootprint.cli.models import NOT_KNOWN
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts import Pricer, resolve_grid

TABLES = """
[tool.aifootprint.models."acme/tuned"]
parent = "google/gemma-3-270m"
training_tokens = "2B"
expected_uses = [100_000, 1_000_000, 10_000_000]
training_grid = "FRA"

[tool.aifootprint.models."bigscience/bloom"]
expected_uses = 10_000_000
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Without tables of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, columns: int = 80, status: int = 0) -> str:
    result = CliRunner().invoke(app, ["models", *arguments], env={"COLUMNS": str(columns)})
    assert result.exit_code == status, result.output
    return result.output


def facts(*arguments: str, status: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*arguments, "--json", status=status))
    return found


def flat(text: str) -> str:
    return " ".join(text.split())


def values(training: dict[str, Any]) -> dict[str, float]:
    return {row["symbol"]: row["value"]["central"] for row in (*training["inputs"], *training["steps"])}


# --- all of them ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [80, 200])
def test_every_training_stands_in_the_table_and_no_line_is_too_long(columns: int) -> None:
    text = run(columns=columns)
    lines = text.splitlines()

    assert max(map(len, lines)) <= columns
    for row in default_catalogue().training:
        assert row.model_id[:18] in text
    assert f"{len(default_catalogue().training)} trainings, 28 of them computed" in text
    assert f"{len(llm_sizes())} sizes and aliases of ecologits" in text


def test_a_wide_terminal_shows_method_basis_and_source_a_narrow_one_says_where_they_are() -> None:
    wide, narrow = run(columns=200), run(columns=80)

    assert "arXiv:2211.02001" in wide
    assert "6 N D / eta_train" in wide.partition("trainings,")[0]
    assert "compute" in wide.partition("trainings,")[0]
    assert "arXiv:2211.02001" not in narrow
    assert "Basis and sources: at 120 columns or more" in narrow


def test_published_figures_stand_as_published_and_others_are_told_apart() -> None:
    rows = {line.split()[0]: line for line in run(columns=120).splitlines() if line[:1].strip()}

    assert "176.247 B" in rows["bloom-176b"]
    assert "430 MWh" in rows["bloom-176b"]
    assert " 50 t" in rows["bloom-176b"]
    assert "~" in rows["palm-540b"]  # its energy is published, its carbon is not
    assert "computed" in rows["gemma-3-270m"]
    assert "upper" in rows["mistral-large-2"]


def test_the_json_has_every_row_with_range_and_source() -> None:
    found = facts()
    rows = {row["id"]: row for row in found["trainings"]}

    assert rows.keys() == {row.model_id for row in default_catalogue().training}
    assert rows["bloom-176b"]["kgco2e"] == {"low": pytest.approx(24_690), "central": 50_500, "high": 50_500}
    assert rows["bloom-176b"]["whole"] == "published"
    assert rows["gemma-3-270m"]["whole"] == "computed"
    assert rows["gemma-3-270m"]["kwh"]["low"] < rows["gemma-3-270m"]["kwh"]["central"]
    assert rows["llama-3.3-70b"]["parent"] == "llama-3.1-70b"
    assert rows["mistral-large-2"]["whole"] is None
    assert all(row["source"] and row["year"] and row["confidence"] for row in rows.values())
    assert found["sizes"]["models_and_aliases"] == sum(found["sizes"]["by_provider"].values()) == len(llm_sizes())
    assert found["factors_version"] == default_catalogue().factors_version


# --- one of them ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [80, 200])
def test_one_model_is_told_with_size_row_and_every_step(columns: int) -> None:
    text = run("google/gemma-3-270m-it", columns=columns)

    assert max(map(len, text.splitlines())) <= columns
    assert "How 'google/gemma-3-270m-it' is resolved" in text
    for said in (
        "active 0.27 billion parameters",
        'tokens_source Gemma 3 model card: "the 270M with 6 trillion tokens"',
        "evidence seen (model card, two stored copies)",
        "whole computed: 10 MWh, 4.8 tCO2e",
        "provider unknown (trains in WOR); another: --provider",
        "m 0.43 (0.111 – 1)",
        "E_train E * m =",
        "for 1,000 tokens read, 200 written",
    ):
        assert said in flat(text), said


@pytest.mark.parametrize(
    ("name", "provider", "key"),
    [
        ("gpt-4o", None, "openai"),
        ("gpt-4o", "mistral", "mistral"),
        ("claude-sonnet-4-5", None, "anthropic"),
        ("claude-opus-9", None, "anthropic"),
    ],
)
def test_the_result_is_what_a_call_in_a_run_bears(name: str, provider: str | None, key: str) -> None:
    found = facts(name, *(("--provider", provider) if provider else ()))
    call = AICall("chat", "x", "remote", "live", 0, 0, provider=key, model=name, input_tokens=1000, output_tokens=200)
    impact = Pricer(resolve_grid("FRA", {})).call(call)

    assert impact.training_carbon_g is not None
    carbon = impact.training_carbon_g
    assert found["provider"]["name"] == key
    assert found["training"]["per_call"]["carbon_g"] == {
        "low": pytest.approx(carbon.low), "central": pytest.approx(carbon.central), "high": pytest.approx(carbon.high)
    }  # fmt: skip


@pytest.mark.parametrize("name", ["gpt-4o", "google/gemma-3-270m-it", "meta-llama/Llama-3.3-70B-Instruct"])
def test_the_steps_of_a_share_can_be_followed_by_hand(name: str) -> None:
    training = facts(name)["training"]
    by_hand = values(training)

    for step in training["steps"]:
        found = eval(step["equation"], {"__builtins__": {"min": min}}, dict(by_hand))
        assert found == pytest.approx(step["value"]["central"]), step["symbol"]
    assert [step["symbol"] for step in training["steps"]][-2:] == ["E_train", "training"]
    assert training["per_call"]["carbon_g"]["central"] == pytest.approx(by_hand["training"])
    assert (by_hand["n"], by_hand["out"]) == (1000, 200)
    assert all(row["source"] for row in training["inputs"])


def test_the_steps_of_a_computed_training_can_be_followed_by_hand(project: Path) -> None:
    (project / "pyproject.toml").write_text(TABLES)
    training = facts("acme/tuned")["training"]
    made = values(training)

    assert training["method"] == "compute"
    assert [step["symbol"] for step in training["steps"]] == ["E_whole", "whole", "E_train", "training"]
    assert made["eta_train"] * made["E_whole"] == pytest.approx(6 * 0.27e9 * 2e9)
    assert made["E_whole"] * made["I_train"] / 3.6e6 == pytest.approx(made["whole"])
    assert made["training"] * made["uses"] == pytest.approx(made["whole"])
    assert made["E_train"] * made["uses"] == pytest.approx(made["E_whole"])
    assert next(row for row in training["inputs"] if row["symbol"] == "I_train")["what"].endswith("FRA")


def test_a_counted_training_with_published_carbon_needs_no_grid(project: Path) -> None:
    (project / "pyproject.toml").write_text(TABLES)
    training = facts("bigscience/bloom")["training"]

    assert "I_train" not in values(training)
    assert [step["symbol"] for step in training["steps"]] == ["E_train", "training"]
    assert values(training)["training"] == pytest.approx(5.05)


def test_the_projects_table_and_the_lineage_are_shown(project: Path) -> None:
    (project / "pyproject.toml").write_text(TABLES)
    text = flat(run("acme/tuned"))

    assert "said_by" not in text
    assert "Your table in pyproject.toml name acme/tuned expected_uses 100,000, 1,000,000, 10,000,000" in text
    assert "Made from (in none of the figures below) google/gemma-3-270m computed: 10 MWh" in text
    assert "found by the size in its parent's name" in text
    assert "left out the training of its parent google/gemma-3-270m" in text
    assert "declared in pyproject.toml: acme/tuned, bigscience/bloom" in flat(run())


def test_a_line_of_parents_is_followed_to_its_end() -> None:
    lineage = facts("llama-3.2-1b-qlora")["lineage"]

    assert [parent["name"] for parent in lineage] == ["llama-3.2-1b", "llama-3.1-8b"]
    assert lineage[1]["kgco2e"]["central"] == 420_000


def test_a_parent_of_which_nothing_is_published_says_so() -> None:
    name = "sentence-transformers/all-MiniLM-L6-v2"

    assert "nreimers/MiniLM-L6-H384-uncased nothing is known of its training" in flat(run(name))


@pytest.mark.parametrize(
    ("name", "match"),
    [("gemini-2.5-flsh", "gemini-2.5-flash"), ("sentence-transformers/all-minilm-l6", "all-MiniLM-L6-v2")],
)
def test_an_unknown_model_gets_its_class_and_close_matches_and_status_1(name: str, match: str) -> None:
    text = flat(run(name, status=NOT_KNOWN))
    found = facts(name, status=NOT_KNOWN)

    assert "active 48.99 (8 – 300) billion parameters" in text
    assert match.lower() in text
    assert found["known"] is False
    assert any(match.lower() in close for close in found["close_matches"])
    assert found["resolved"]["active_b"] == {"low": 8, "central": pytest.approx(48.99, rel=1e-3), "high": 300}


def test_a_model_in_the_process_is_not_told_the_share_of_one_behind_an_api(project: Path) -> None:
    found = facts("sklearn.SVC", status=NOT_KNOWN)

    assert found["operation"] == {"name": "inference", "given": False}
    assert found["training"]["method"] == "unknown"
    assert found["training"]["per_call"] == {
        "input_tokens": None, "output_tokens": None, "energy_j": None, "carbon_g": None
    }  # fmt: skip
    assert found["resolved"]["active_b"] is None
    text = flat(run("sklearn.SVC", status=NOT_KNOWN))
    assert "Its training share in a call, one inference operation inference; another: --operation" in text
    assert "a call unknown, not 0: " in text
    assert "billion" not in text
    table = '[tool.aifootprint.models."sklearn.SVC"]\ntraining_kwh = 10\nexpected_uses = 1000\n'
    (project / "pyproject.toml").write_text(table)
    assert facts("sklearn.SVC")["training"]["per_call"]["energy_j"]["central"] == pytest.approx(36_000)


WHOLE = "training_kwh, training_gco2e, codecarbon_csv or training_tokens"


@pytest.mark.parametrize(
    ("name", "table", "said"),
    [
        ("gpt-4o", "", f"uses; declare {WHOLE} and expected_uses to divide the whole instead"),
        ("gpt-4o", "expected_uses = 1000", f"uses; declare {WHOLE} to divide the whole instead"),
        ("bigscience/bloom", "", "uses; declare expected_uses to divide the whole instead"),
        ("bigscience/bloom", "expected_uses = 1000", "count: the whole training over the declared uses"),
        ("bigscience/bloom", 'training_method = "share"', "a share of what the call uses whole published"),
    ],
)
def test_what_else_it_takes_to_divide_a_training_is_said(project: Path, name: str, table: str, said: str) -> None:
    (project / "pyproject.toml").write_text(f'[tool.aifootprint.models."{name}"]\n{table}\n')

    assert said in flat(run(name))


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("text-embedding-3-small", "embedding"), ("rerank-v3.5", "rerank"), ("omni-moderation-latest", "moderation"),
        ("gpt-4o", "chat"), ("torch.MLP", "inference"), ("gpt-4.1", "chat"), ("torchy-7b", "chat"),
    ],
)  # fmt: skip
def test_what_a_model_does_is_told_by_its_name(name: str, operation: str) -> None:
    assert told_operation(name) == operation


def test_a_model_that_only_reads_writes_nothing_and_another_operation_can_be_named() -> None:
    read = facts("text-embedding-3-small", status=NOT_KNOWN)
    written = facts("text-embedding-3-small", "--operation", "chat", status=NOT_KNOWN)

    assert read["training"]["per_call"]["output_tokens"] is None
    assert read["resolved"]["active_b"]["high"] == 8
    assert written["operation"] == {"name": "chat", "given": True}
    assert written["resolved"]["active_b"]["high"] == 300
    call = AICall("embedding", "x", "remote", "live", 0, 0, model="text-embedding-3-small", input_tokens=1000)
    impact = Pricer(resolve_grid("FRA", {})).call(call)
    assert impact.training_carbon_g is not None
    assert read["training"]["per_call"]["carbon_g"]["central"] == pytest.approx(impact.training_carbon_g.central)


@pytest.mark.parametrize(("name", "provider"), [("gpt-5.9-mini", "openai"), ("claude-opus-9", "anthropic")])
def test_a_release_that_nobody_knows_is_trained_where_its_family_is(name: str, provider: str) -> None:
    assert facts(name)["provider"]["name"] == provider
    assert facts(name, "--provider", "mistral")["provider"]["name"] == "mistral"


def test_a_name_or_an_operation_that_is_none_is_one_line_and_status_2() -> None:
    assert "the name of a model is empty" in flat(run(" ", status=2))
    assert "'paint' is not valid; valid: chat, completion, embedding" in flat(
        run("gpt-4o", "--operation", "paint", status=2)
    )


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("inference_share = 1.5", "inference_share (phi, inference's share of the model's lifetime energy) must be"),
        ('parent = "M"', '"m"]: parent: a cycle, m -> m'),
    ],
)
def test_a_table_that_a_run_would_stop_at_is_named_and_left_out(project: Path, table: str, said: str) -> None:
    (project / "pyproject.toml").write_text(f"[tool.aifootprint.models.m]\n{table}\n")

    assert said in flat(run())
    assert said in flat(run("gpt-4o"))
    assert said in facts("gpt-4o")["declared_error"]
    assert facts("gpt-4o")["declared"] is None


def test_a_project_file_that_a_run_would_stop_at_is_told_beside_the_answer(project: Path) -> None:
    (project / "pyproject.toml").write_text("no toml ===\n")
    for command in (["models", "gpt-4o", "--json"], ["doctor", "--json"]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0
        assert json.loads(done.stdout)
        assert done.stderr.startswith("pyproject.toml: left out, a run would stop here: ")
        assert done.stderr.count("\n") == 1
    (project / "pyproject.toml").write_text("[project]\n")
    assert CliRunner().invoke(app, ["models", "gpt-4o"]).stderr == ""


def test_what_is_no_table_is_named(project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.aifootprint.models]\nm = "7B"\n')

    assert facts("gpt-4o")["declared_error"] == "[tool.aifootprint.models.\"m\"]: '7B' is not a table"


def test_neither_pytest_nor_a_meter_is_imported() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from pytest_aifootprint.cli import app\n"
        "assert CliRunner().invoke(app, ['models', 'gpt-4o']).exit_code == 0\n"
        "assert CliRunner().invoke(app, ['models']).exit_code == 0\n"
        "print(sorted({'pytest', '_pytest', 'codecarbon', 'psutil', 'pynvml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.stdout.strip(), done.stderr) == ("[]", "")
