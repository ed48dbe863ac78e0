"""The calls under a test."""

# ruff: noqa: RUF001 - the signs that are printed
from __future__ import annotations

from typing import Any

import pytest
import samples  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not

from pytest_aifootprint.quantities import ZERO_G, ZERO_J
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.model import CallFootprint
from pytest_aifootprint.reports.calls import call_lines, wrapped


def unpriced(**changed: Any) -> CallFootprint:
    call: CallFootprint = samples.remote_call(1.0, **changed)
    impact = replace(call.impact, priced=False, use_carbon_g=None, training_carbon_g=None, hardware_carbon_g=None)
    return replace(call, impact=impact)


def trained() -> CallFootprint:
    call: CallFootprint = samples.remote_call(1.0, "llama-3", provider="local", locality="local")
    nothing: dict[str, Any] = {"energy_j": ZERO_J, "use_carbon_g": ZERO_G, "hardware_carbon_g": ZERO_G}
    return replace(call, impact=replace(call.impact, **nothing))


def without_training() -> CallFootprint:
    call: CallFootprint = samples.remote_call(1.0)
    return replace(call, impact=replace(call.impact, training_carbon_g=None))


@pytest.mark.parametrize(
    ("calls", "lines"),
    [
        ([samples.remote_call(1.0)], ["chat openai/gpt-5-mini, 4 k + 1 k tokens, 570 mgCO2e"]),
        ([samples.remote_call(1.0)] * 3, ["chat openai/gpt-5-mini ×3, 12 k + 3 k tokens, 1.7 gCO2e"]),
        (
            [samples.remote_call(0.01), samples.remote_call(0.02), samples.remote_call(0.01)],
            [
                "chat openai/gpt-5-mini ×2, 80 + 20 tokens, 11 mgCO2e",
                "chat openai/gpt-5-mini, 80 + 20 tokens, 11 mgCO2e",
            ],
        ),
        (
            [samples.remote_call(1.0), samples.remote_call(1.0, output_tokens=5)],
            [
                "chat openai/gpt-5-mini, 4 k + 1 k tokens, 570 mgCO2e",
                "chat openai/gpt-5-mini, 4 k + 5 tokens, 570 mgCO2e",
            ],
        ),
        ([samples.replayed_call(1.0)], ["chat openai/gpt-5-mini, replayed, 4 k + 1 k tokens, avoided 380 mgCO2e"]),
        ([samples.local_call(3)], ["inference iris.onnx ×3, local"]),
        ([samples.local_call(1, training_known=True)], ["inference iris.onnx, local"]),
        (
            [samples.remote_call(1.0, "llama-3", provider="local", locality="local", count=2)],
            ["chat llama-3 ×2, local, 8 k + 2 k tokens, 570 mgCO2e"],
        ),
        ([trained()], ["chat llama-3, local, 4 k + 1 k tokens, 170 mgCO2e of its training"]),
        ([without_training()], ["chat openai/gpt-5-mini, 4 k + 1 k tokens, 400 mgCO2e, training unknown"]),
        ([unpriced()], ["chat openai/gpt-5-mini, 4 k + 1 k tokens, not priced"]),
        (
            [samples.remote_call(1.0, status=429, input_tokens=None, output_tokens=None)],
            ["chat openai/gpt-5-mini, status 429, 570 mgCO2e"],
        ),
        (
            [samples.remote_call(1.0, model=None, provider=None, output_tokens=None)],
            ["chat unknown model at api.openai.com, 4 k + – tokens, 570 mgCO2e"],
        ),
        ([samples.remote_call(1.0, "openai/gpt-5")], ["chat openai/gpt-5, 4 k + 1 k tokens, 570 mgCO2e"]),
    ],
)
def test_a_line_says_what_was_called_how_often_and_what_it_came_to(
    calls: list[CallFootprint], lines: list[str]
) -> None:
    assert call_lines(calls) == lines


def test_many_calls_are_ten_lines_and_the_sum_of_the_others() -> None:
    calls = [samples.remote_call(1.0, model=f"m{n}") for n in range(14)] + [samples.remote_call(1.0, model="m13")]
    lines = call_lines(calls)
    assert len(lines) == 11
    assert lines[-1] == "… and 5 more calls, 2.8 gCO2e"
    assert len(call_lines(calls[:11])) == 11
    assert call_lines(calls[:11])[-1].startswith("chat openai/m10, ")


def test_hostile_names_stay_one_short_line() -> None:
    (line,) = call_lines([samples.remote_call(1.0, model="a\nb\x1b[31m" + "x" * 5000)])
    assert line.startswith(r"chat openai/a\nb\x1b[31mxxx")
    assert line.isprintable()
    assert len(line) < 200


def test_lines_are_wrapped_behind_commas() -> None:
    lines = ["chat openai/gpt-5-mini, 4 k + 1 k tokens, 570 mgCO2e", "chat 日本語, mocked"]
    assert wrapped(lines, 48) == [
        "    chat openai/gpt-5-mini, 4 k + 1 k tokens,",
        "        570 mgCO2e",
        "    chat 日本語, mocked",
    ]
    assert wrapped(lines, 22)[-2:] == ["    chat 日本語,", "        mocked"]
    assert wrapped(lines, None) == [f"    {line}" for line in lines]
    assert len(wrapped(lines, 1)) == 5
