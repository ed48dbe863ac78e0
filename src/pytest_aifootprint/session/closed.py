"""What a limit in grams, joules or litres has to say of models whose makers do not disclose their size."""

from __future__ import annotations

import math
from collections.abc import Iterable

from pytest_aifootprint.budgets.verdicts import OF_ENERGY
from pytest_aifootprint.catalogue import Catalogue
from pytest_aifootprint.impacts.models import undisclosed_times_over
from pytest_aifootprint.quantities import Notice
from pytest_aifootprint.records.model import RunFootprint, Verdict
from pytest_aifootprint.reports import formatting

MOST_NAMED = 3
MATTERS = 1.1
"""A size that moves a value by less does not decide about it."""


def closed_notices(verdicts: Iterable[Verdict], run: RunFootprint, catalogue: Catalogue) -> tuple[Notice, ...]:
    """One notice for the run if a factor that nobody knows decides about its limits; none otherwise."""
    held = {
        name
        for verdict in verdicts
        if verdict.unit in OF_ENERGY and verdict.actual is not None
        for name, (_, up) in verdict.actual.factors.items()
        if up >= math.log(MATTERS)
    }
    if not held:
        return ()
    undisclosed = math.log(undisclosed_times_over(catalogue)) * (1 - 1e-9)
    models = [
        model.id
        for model in run.models
        if model.energy_j is not None
        and any(
            up >= undisclosed and name in held
            for name, (_, up) in model.energy_j.factors.items()
            if name.startswith("model:")
        )
    ]
    if not models:
        return ()
    spread = formatting.factor(catalogue.spread("inference.closed"))
    message = (
        f"nobody told the size of {formatting.listed(models, MOST_NAMED)}: a factor of {spread} or more decides "
        "whether a limit on carbon, energy or water holds; a limit on tokens, or a baseline, where it cancels, decides "
        "better"
    )
    return (Notice("closed-model-limit", formatting.one_line(message)),)
