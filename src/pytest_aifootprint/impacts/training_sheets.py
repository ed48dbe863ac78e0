"""How a training share is made, as a sheet: by the share method, or from a whole training and its uses."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_aifootprint.catalogue import Catalogue
from pytest_aifootprint.impacts.contract import Grid
from pytest_aifootprint.impacts.inputs import factor_given, grid_given
from pytest_aifootprint.impacts.models import Model
from pytest_aifootprint.impacts.wholes import ETA, Whole
from pytest_aifootprint.quantities import Given, Range, Sheet, Step, as_grams

NO_SHEET = Sheet("", (), ())
ANSWERS: Mapping[str, str | None] = {"training_energy_j": "E_train", "training_carbon_g": "training"}
UNKNOWN_SHEET = Sheet("", (), (), dict.fromkeys(ANSWERS))
DECLARED = "declared by the user"


def share_sheet(multiplier: Range, model: Model, grid: Grid, catalogue: Catalogue) -> Sheet:
    """From ``E``, the joules of a served call, by the share method.

    Args:
        multiplier: training per unit of inference.
        model: whose table may declare it.
        grid: where the model was trained.
        catalogue: has it for all others.
    """
    what = "(1 - phi) / phi"
    if model.override is not None and model.override.inference_share is not None:
        m = Given("m", what, "training per inference", multiplier, model.override.source, None, "declared")
    else:
        m = factor_given("m", what, catalogue, "phi.multiplier", "phi")
    steps = (
        Step("E_train", "E * m", "J", "training that one use bears"),
        Step("training", "E_train * I_train / 3.6e6", "g", "carbon of that, where the model was trained"),
    )
    return Sheet("", (m, grid_given("I_train", grid)), steps, ANSWERS)


def count_sheet(model: Model, whole: Whole, uses: Range, grid: Grid | None, catalogue: Catalogue) -> Sheet:
    """From a whole training and the uses over the model's life, by the count and compute methods.

    Args:
        model: for the name.
        whole: of the training.
        uses: declared.
        grid: where the model was trained, for a training of which the energy alone is known; else None.
        catalogue: has the efficiency of trainings.
    """
    given = [Given("uses", "calls over the model's life", "", uses, DECLARED, None, "declared")]
    steps = []
    if whole.computed:
        more, made = _computed(whole, catalogue)
        given += more
        steps.append(made)
    elif whole.energy_j is not None:
        given.append(_whole("E_whole", "electricity of the whole training", "J", whole.energy_j, whole))
    if grid is not None:
        given.append(grid_given("I_train", grid))
        steps.append(Step("whole", "E_whole * I_train / 3.6e6", "g", "carbon of that, where the model was trained"))
    elif whole.carbon_kg is not None:
        given.append(_whole("whole", "carbon of the whole training", "g", as_grams(whole.carbon_kg), whole))
    answers: dict[str, str | None] = dict.fromkeys(ANSWERS)
    if whole.energy_j is not None:
        steps.append(Step("E_train", "E_whole / uses", "J", "electricity of training that one use bears"))
        answers["training_energy_j"] = "E_train"
    steps.append(Step("training", "whole / uses", "g", "training that one use bears"))
    answers["training_carbon_g"] = "training"
    return Sheet(f"training of {model.id}", tuple(given), tuple(steps), answers)


def _whole(symbol: str, what: str, unit: str, value: Range, whole: Whole) -> Given:
    return Given(symbol, what, unit, value, whole.source, None, whole.basis)


def _computed(whole: Whole, catalogue: Catalogue) -> tuple[list[Given], Step]:
    """``6 N D / eta_train``."""
    assert whole.energy_j is not None
    assert whole.tokens is not None
    assert whole.parameters is not None
    eta = factor_given("eta_train", "work of a training per joule", catalogue, "training.flop_per_joule", ETA)
    given = [
        Given("N_train", "active parameters", "", Range(whole.parameters), whole.source, None, whole.basis),
        Given("D", "tokens that it was trained on", "", Range(whole.tokens), whole.source, None, whole.basis),
        eta,
    ]
    equation = "6 * N_train * D / eta_train"
    beside = {name: pair for name, pair in whole.energy_j.factors.items() if name != ETA}
    if beside:
        given.append(
            Given("read", "uncertainty of how they were read", "", Range(1.0, beside), whole.source, None, whole.basis)
        )
        equation += " * read"
    return given, Step("E_whole", equation, "J", "electricity of the whole training")
