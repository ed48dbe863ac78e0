"""deepeval's metrics under metering: the judge's calls belong to the test that is judged, with the judge's tokens."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

JUDGE = Path(__file__).parent / "inner" / "judge_server.py"
ENVIRONMENT = {"OPENAI_API_KEY": "CANARY-KEY", "OPENAI_BASE_URL": "http://api.openai.com/v1"}
SUITE = """
import asyncio
import pytest
from deepeval import assert_test
from deepeval.metrics import AnswerRelevancyMetric, GEval
from deepeval.test_case import LLMTestCase, SingleTurnParams

NUMBERS = pytest.mark.parametrize("number", [1, 2])
MODEL = "gpt-4o-mini"


def case(name):
    return LLMTestCase(input=f"Is it so, {name}?", actual_output=f"It is so, {name}.", expected_output="It is.")


def geval(name, **how):
    params = [SingleTurnParams.INPUT, SingleTurnParams.ACTUAL_OUTPUT]
    return GEval(name="Right", criteria=f"Is {name} right?", evaluation_params=params, model=MODEL, **how)


@NUMBERS
def test_geval(number):
    assert_test(case(f"case-geval-{number}"), [geval(f"case-geval-{number}")])


@NUMBERS
def test_relevancy(number):
    assert_test(case(f"case-relevancy-{number}"), [AnswerRelevancyMetric(model=MODEL)])


@NUMBERS
def test_both(number):
    name = f"case-both-{number}"
    assert_test(case(name), [geval(name), AnswerRelevancyMetric(model=MODEL)])


@NUMBERS
def test_unheard(number):
    pass


@NUMBERS
def test_sync(number):
    name = f"case-sync-{number}"
    for metric in (geval(name, async_mode=False), AnswerRelevancyMetric(model=MODEL, async_mode=False)):
        metric.measure(case(name))
        assert metric.is_successful()


@NUMBERS
def test_async(number):
    name = f"case-async-{number}"
    metrics = geval(name), AnswerRelevancyMetric(model=MODEL)

    async def judge():
        await asyncio.gather(*(metric.a_measure(case(name)) for metric in metrics))

    asyncio.run(judge())
    assert all(metric.is_successful() for metric in metrics)


@NUMBERS
def test_bad(number):
    assert_test(case(f"case-bad-{number}"), [geval(f"case-bad-{number}", threshold=0.95)])
"""


def told(lines: str) -> dict[str, list[tuple[int, int]]]:
    """What the judge says that each case took."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for line in lines.splitlines():
        case, tokens_in, tokens_out, path = line.split()
        assert path == "/v1/chat/completions"
        found[case].append((int(tokens_in), int(tokens_out)))
    return {case: sorted(taken) for case, taken in found.items()}


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_the_judges_calls_are_in_the_right_test(workers: tuple[str, ...], inner: Any, servers: Any) -> None:
    inner.port = servers.start(JUDGE)
    ran = inner(SUITE, *workers, packages=("deepeval",), environment=ENVIRONMENT)
    assert "2 failed, 12 passed" in ran.output
    took = told(servers.stop())
    assert len(took) == 12
    # Steps and score; statements, verdicts and reason; a sum of both.
    by_kind = {"geval": 2, "relevancy": 3, "both": 5, "sync": 5, "async": 5, "bad": 2}
    for name, row in ran.rows.items():
        kind, number = name.removeprefix("test_").rstrip("]").split("[")
        taken = took.pop(f"case-{kind}-{number}", [])
        assert len(taken) == by_kind.get(kind, 0), name
        assert sorted((c["input_tokens"], c["output_tokens"]) for c in row["calls"]) == taken
        assert row["outcome"] == ("failed" if kind == "bad" else "passed")
        assert (row["tokens"]["input"], row["tokens"]["output"]) == (sum(t[0] for t in taken), sum(t[1] for t in taken))
        for call in row["calls"]:
            assert (call["realness"], call["locality"], call["provider"]) == ("live", "remote", "openai")
            assert (call["model"], call["status"], call["count"]) == ("gpt-4o-mini", 200, 1)
            assert (call["phase"], call["inferred"], call["tokens_estimated"]) == ("call", False, False)
            assert call["priced"]
    assert took == {}
    assert "CANARY-KEY" not in str(ran.data)
    assert "Is it so" not in str(ran.data)
