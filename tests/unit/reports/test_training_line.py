"""The line that says how the models' training shares are made."""

from __future__ import annotations

from typing import Any

import pytest
import samples  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not

from pytest_aifootprint.impacts.contract import Training
from pytest_aifootprint.quantities import ZERO_G, Grams, Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.amounts import Carbon, Tokens
from pytest_aifootprint.records.model import RunFootprint
from pytest_aifootprint.records.model_use import ModelFootprint
from pytest_aifootprint.reports import facts
from pytest_aifootprint.reports.summary import summarise
from pytest_aifootprint.reports.text import render

PHI = Range.of(0.5, 0.7, 0.9, "phi")
GRAM = Grams(Range(1.0))


def model(method: str, training_g: Grams | None = GRAM, name: str = "m", calls: int = 1, **told: Any) -> ModelFootprint:
    return ModelFootprint(
        name, "p", calls, Tokens(), None, Carbon(GRAM, training_g, None), Training(method, "s", **told)
    )


def run_of(*models: ModelFootprint) -> RunFootprint:
    run: RunFootprint = replace(samples.mixed(), models=models)
    return run


def said(*models: ModelFootprint) -> str:
    return facts.training(run_of(*models))


SHARE = model("share", phi=PHI)
UNKNOWN = model("unknown", None, "magika/standard_v3_3")


def test_each_way_is_counted_and_the_unknown_are_named() -> None:
    models = (UNKNOWN, model("compute"), SHARE, SHARE, model("count"), SHARE, model("measured", ZERO_G))

    assert said(*models) == (
        "share of use for 3 models (phi 0.70) · count for 1 · compute for 1 · measured here for 1 · "
        "unknown for magika/standard_v3_3"
    )


def test_a_phi_of_its_own_is_told_apart() -> None:
    own = model("share", phi=Range(0.9))

    assert said(SHARE, own, SHARE) == "share of use for 2 models (phi 0.70) · share of use for 1 (phi 0.90)"


def test_the_first_way_says_what_is_counted() -> None:
    assert said(model("count")) == "count for 1 model"
    assert said(model("count"), model("count")) == "count for 2 models"
    assert said(model("measured", ZERO_G), UNKNOWN) == "measured here for 1 model · unknown for magika/standard_v3_3"


def test_many_unknown_ones_are_counted() -> None:
    unknown = [model("unknown", None, name) for name in "abcde"]

    assert said(*unknown) == "unknown for a, b, c and 2 more"


@pytest.mark.parametrize(
    "models",
    [
        (),
        (model("measured", ZERO_G),),
        # Mocked and replayed calls bear nothing; a model that was only loaded was not used.
        (model("share", ZERO_G),),
        (model("unknown", None, calls=0),),
    ],
)
def test_where_nothing_is_shared_and_nothing_unknown_there_is_no_line(models: tuple[ModelFootprint, ...]) -> None:
    assert said(*models) == ""
    assert "training" not in dict(facts.facts(run_of(*models)))


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_line_is_wrapped_and_loses_nothing(width: int) -> None:
    long = [model("unknown", None, f"somebodys/very-long-name-of-a-model-{n}") for n in range(3)]
    run = run_of(SHARE, model("count"), *long)
    printed = [line.text for line in render(summarise(run), width)]
    start = next(n for n, line in enumerate(printed) if line.startswith("training  "))
    end = next(n for n, line in enumerate(printed) if line.startswith("widest input"))
    lines = printed[start:end]

    assert all(len(line) <= width for line in lines)
    assert (len(lines) > 1) == (width < 200)
    assert "".join("".join(lines).split()) == "".join(f"training {facts.training(run)}".split())
