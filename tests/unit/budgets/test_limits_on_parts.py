"""Limits on a part of the run: read from the right, since names of models have colons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.budgets import parse_scoped
from pytest_aifootprint.records.scopes import means


@pytest.mark.parametrize(
    ("text", "scope", "kind", "value", "use_only", "each"),
    [
        ("slow_llm: 2 gCO2e", "marker: slow_llm", "carbon_g", 2, False, False),
        ("slow_llm and not nightly: 3 Wh", "marker: slow_llm and not nightly", "energy_j", 10800, False, False),
        ("slow_llm:use:2 g", "marker: slow_llm", "carbon_g", 2, True, False),
        ("slow_llm : USE : 2 g each", "marker: slow_llm", "carbon_g", 2, True, True),
        ("slow_llm: 50 mg each", "marker: slow_llm", "carbon_g", 0.05, False, True),
        ("( slow_llm  or b ): 10 calls EACH", "marker: ( slow_llm or b )", "calls", 10, False, True),
        ("model gpt-5*: 2k tokens", "model: gpt-5*", "tokens", 2000, False, False),
        ("model llama3:8b: 150 mL", "model: llama3:8b", "water_l", 0.15, False, False),
        ("model llama3:8b: use: 1 kg", "model: llama3:8b", "carbon_g", 1000, True, False),
        ("Model meta-llama/Llama-3 8B : 0 calls", "model: meta-llama/Llama-3 8B", "calls", 0, False, False),
        ("model: 1 g", "marker: model", "carbon_g", 1, False, False),
        ("model and slow: 1 g", "marker: model and slow", "carbon_g", 1, False, False),
        ("model model: 1 g", "model: model", "carbon_g", 1, False, False),
        ("use: use: 1 g", "marker: use", "carbon_g", 1, True, False),
        ("each: 1 g", "marker: each", "carbon_g", 1, False, False),
    ],
)
def test_a_limit_on_a_part_of_the_run(
    text: str,
    scope: str,
    kind: str,
    value: float,
    use_only: bool,  # noqa: FBT001
    each: bool,  # noqa: FBT001
) -> None:
    found = parse_scoped(text)
    limit = found.limit
    assert (found.scope, limit.kind, limit.use_only, found.each) == (scope, kind, use_only, each)
    assert limit.value == pytest.approx(value)
    assert found.marks == (scope.removeprefix("marker: ") if scope.startswith("marker") else "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not an amount"),
        ("5 g", "names neither marks nor a model"),
        ("slow 5 g", "names neither marks nor a model"),
        (": 5 g", "names neither marks nor a model"),
        ("use: 5 g", "names neither marks nor a model"),
        ("slow", "not an amount"),
        ("slow:", "not an amount"),
        ("slow: each", "not an amount"),
        ("slow: 5 bananas", "unknown unit"),
        ("slow: -5 g", "0 or more"),
        ("slow: use: 5 tokens", "only carbon"),
        ("slow llm: 5 g", "no expression of marks"),
        ("slow =: 5 g", "no expression of marks"),
        ("slow(n=1): 5 g", "no expression of marks"),
        ("model gpt-5: 5 g each", '"each" is for tests'),
        ("model: gpt-5: 5 g", "no expression of marks"),
    ],
)
def test_what_is_no_such_limit_is_one_line_that_says_what_is_valid(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        parse_scoped(text)
    assert "valid:" in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_a_limit_or_one_clear_error(text: str) -> None:
    try:
        value = parse_scoped(text).limit.value
    except ValueError as error:
        value = 0.0 if "valid:" in str(error) else -1.0
    assert value >= 0


@pytest.mark.parametrize(
    ("pattern", "model", "meant"),
    [
        ("gpt-5*", "gpt-5-mini", True),
        ("GPT-5*", "gpt-5-mini", True),
        ("gpt-5", "gpt-5-mini", False),
        ("llama-3-8b", "meta-llama/Llama-3-8B", True),
        ("meta-llama/*", "meta-llama/Llama-3-8B", True),
        ("llama-*", "meta-llama/Llama-3-8B", True),
        ("llama3:8b", "llama3:8b", True),
        ("*", "anything", True),
        ("model[1]", "model[1]", True),
        ("model[12]", "model1", True),
        ("lama-3-8b", "meta-llama/Llama-3-8B", False),
    ],
)
def test_a_model_is_meant_with_or_without_its_organisation(pattern: str, model: str, meant: bool) -> None:  # noqa: FBT001
    assert means(pattern, model) == meant
