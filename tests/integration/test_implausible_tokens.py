"""A count of tokens that cannot be: from the wire, and from another plugin."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from pytest_aifootprint.records.schema import report_schema

HOOK = """
def pytest_aifootprint_call(call):
    import math
    call.input_tokens, call.output_tokens = {
        "large": (10**12, 5), "negative": (5, -5), "broken": (math.nan, 5), "text": (5, "5"), "bool": (True, 5),
        "object": (object(), 5), "fine": (5.0, 5),
    }[call.model]
"""
SUITE = """
import pytest

@pytest.mark.parametrize("model", ["large", "negative", "broken", "text", "bool", "object", "fine"])
def test_it(aifootprint, model):
    aifootprint.record_call(model=model, provider="openai")
"""
WIRE = """
import httpx

def answer(request):
    usage = {"prompt_tokens": 10**12, "completion_tokens": 7}
    return httpx.Response(200, json={"model": "gpt-4o", "choices": [], "usage": usage})

def test_it(monkeypatch):
    client = httpx.Client(transport=httpx.MockTransport(answer))
    client.post("https://api.openai.com/v1/chat/completions", json={"model": "gpt-4o", "messages": []})
"""


def report(pytester: pytest.Pytester, *args: str) -> tuple[pytest.RunResult, dict[str, Any]]:
    result = pytester.runpytest("--aifootprint", "--aifootprint-report=json:r.json", *args)
    data: dict[str, Any] = json.loads((pytester.path / "r.json").read_text())
    jsonschema.validate(data, report_schema())
    return result, data


def test_what_a_plugin_makes_of_counts_breaks_nothing_and_is_told(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    pytester.makeconftest(HOOK)
    pytester.makepyfile(SUITE)

    result, data = report(pytester, *workers)

    result.assert_outcomes(passed=7)
    told = {
        test["calls"][0]["model"]: [n["message"] for n in test["notices"] if n["code"] == "implausible-tokens"]
        for test in data["tests"]
    }
    assert {model for model, messages in told.items() if not messages} == {"fine"}
    assert "input_tokens 1000000000000" in told["large"][0]
    assert "output_tokens -5" in told["negative"][0]
    assert "(str)" in told["text"][0]
    assert data["totals"]["tokens"]["unknown_calls"] == 6
    assert data["totals"]["tokens"]["input"] == 5 + 5 + 5
    assert data["totals"]["energy_j"]["total"]["high"] < 3.6e6


def test_a_limit_on_tokens_is_not_passed_by_a_count_that_is_not_believed(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(HOOK)
    pytester.makepyfile(
        """
        def test_it(aifootprint):
            aifootprint.record_call(model="negative", provider="openai")
        """
    )

    result, data = report(pytester, "--aifootprint-budget=1000 tokens")

    assert result.ret == 1
    assert [v["verdict"] for v in data["verdicts"]] == ["undecided"]


def test_a_mocked_answer_s_count_is_told_of_nowhere_as_nothing_ran(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(WIRE)

    _, data = report(pytester)

    (call,) = data["tests"][0]["calls"]
    assert call["realness"] == "mocked"
    assert call["input_tokens"] is None
    assert data["totals"]["energy_j"]["remote"]["high"] == 0
