"""Which model a name means."""

import pytest

from pytest_aifootprint.catalogue import default_catalogue
from pytest_aifootprint.impacts.models import Model, ModelIndex
from pytest_aifootprint.impacts.names import size_in_name
from pytest_aifootprint.impacts.overrides import ModelOverride

INDEX = ModelIndex(default_catalogue(), {})


def find(name: str, table: str | None = None, operation: str = "chat") -> Model:
    return INDEX.find((name,), operation, table)


@pytest.mark.parametrize(
    ("name", "table", "found"),
    [
        ("gpt-4o", "openai", "gpt-4o"),
        ("gpt-4o-mini", "openai", "gpt-4o-mini"),
        ("gpt-4o-2099-01-01", "openai", "gpt-4o"),
        ("gpt-4-turbo-preview", "openai", "gpt-4-turbo"),
        ("gpt-35-turbo", None, "gpt-3.5-turbo"),
        ("ft:gpt-4o-mini-2024-07-18:somebody::id", "openai", "gpt-4o-mini-2024-07-18"),
        ("azure/gpt-4o", None, "gpt-4o"),
        ("models/gemini-2.5-flash", "google_genai", "gemini-2.5-flash"),
        ("gemini-2.5-flash-preview-09-2025", "google_genai", "gemini-2.5-flash"),
        ("claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5-20250929"),
        ("claude-sonnet-4-5@20250929", None, "claude-sonnet-4-5-20250929"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", None, "claude-sonnet-4-5-20250929"),
        ("llama-3.1-8b-instant", None, "meta-llama/Meta-Llama-3.1-8B"),
        ("gpt-oss:20b", None, "openai/gpt-oss-20b"),
        ("llama3.1:8b", None, "llama-3.1-8b"),
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", None, "llama-3.3-70b"),
        ("bigscience/bloomz-7b1", None, "bloomz-7b1"),
        (r"C:\models\phi-4.gguf", None, "phi-4"),
    ],
)
def test_a_name_in_any_wrapping_finds_its_model(name: str, table: str | None, found: str) -> None:
    model = find(name, table)

    assert model.id == found
    assert model.kind in {"open", "closed"}
    assert model.notice is None


@pytest.mark.parametrize(
    ("name", "active", "total"),
    [
        ("/home/me/gemma-3-270m-it-Q4_K_M.gguf", 0.27, 0.27),
        ("qwen2.5-coder:1.5b-instruct-q4_K_M", 1.5, 1.5),
        ("qwen/qwen3-coder-30b-a3b:free", 3, 30),
        ("mixtral-8x7b-32768", 12.9, 46.7),
        ("accounts/fireworks/models/llama-v3p1-405b-instruct", 405, 405),
    ],
)
def test_a_size_in_the_name_is_read(name: str, active: float, total: float) -> None:
    model = find(name)

    assert model.kind == "open"
    assert model.active_b is not None
    assert model.total_b is not None
    assert (model.active_b[1], model.total_b[1]) == pytest.approx((active, total))
    assert "home" not in model.id


@pytest.mark.parametrize(
    "name", ["my-model-4bit-128k", "gpt-4-1106-preview", "phi-3-mini", "o1", "claude-3", "a3b", ""]
)
def test_no_size_is_seen_where_there_is_none(name: str) -> None:
    assert size_in_name(name) is None


@pytest.mark.parametrize("operation", ["chat", "completion", "embedding", "rerank", "moderation", "image", "audio"])
def test_an_unknown_model_gets_a_class_range_and_a_notice_never_nothing(operation: str) -> None:
    model = find("frobnicator", operation=operation)

    assert model.kind == "class"
    assert model.notice is not None
    assert model.notice.code == "unknown-model"
    assert "frobnicator" in model.notice.message
    assert (model.active_b or model.model_class.energy_wh or (0,))[0] > 0


def test_a_newer_release_does_not_take_the_training_of_an_older_one() -> None:
    assert find("mistral-large-2411").row is not None
    assert find("mistral-large-2512", "mistralai").row is None


@pytest.mark.parametrize("name", ["vit-base", "densenet-121", "llama1-project"])
def test_rows_of_projects_and_of_authors_own_runs_are_no_models(name: str) -> None:
    assert find(name).row is None


def test_what_the_user_declares_goes_first() -> None:
    index = ModelIndex(default_catalogue(), {"GPT-4o": ModelOverride("GPT-4o", params=200e9)})
    model = index.find(("gpt-4o-2024-08-06",), "chat", "openai")

    assert (model.kind, model.active_b, model.source) == ("open", (200, 200, 200), "declared by the user")


def test_a_parent_lends_its_size_and_place() -> None:
    index = ModelIndex(default_catalogue(), {"our-tune": ModelOverride("our-tune", parent="llama-3.1-8b")})
    model = index.find(("our-tune",), "chat", None)

    assert model.active_b == (8.03, 8.03, 8.03)
    assert model.row is None
    assert model.place is not None
    assert model.place.model_id == "llama-3.1-8b"


def test_the_answering_models_name_helps_where_the_requested_one_is_a_deployment() -> None:
    assert INDEX.find(("my-deployment", "gpt-4o-2024-08-06"), "chat", "openai").id == "gpt-4o-2024-08-06"


def test_counted_parameters_are_the_size() -> None:
    model = INDEX.find(("BertModel",), "inference", None, 110_000_000)

    assert model.active_b == (0.11, 0.11, 0.11)
