"""What a run did with each model: calls, loads, trainings, and what could be saved. None means unknown, never zero."""

from __future__ import annotations

from msgspec import Struct, field

from pytest_aifootprint.impacts.contract import Training
from pytest_aifootprint.quantities import Grams, Joules
from pytest_aifootprint.records.amounts import Carbon, Tokens


class Place(Struct, frozen=True):
    """What one test or shared fixture did with a model; ``where`` is its id, or ``outside``."""

    where: str
    phase: str
    count: int
    energy_j: Joules | None


class Work(Struct, frozen=True):
    """Loads or trainings of one model: a part of what the windows they ran in came to. None: nothing was metered."""

    count: int = 0
    duration_s: float = 0.0
    energy_j: Joules | None = None
    carbon_g: Grams | None = None
    places: tuple[Place, ...] = ()


class Trained(Struct, frozen=True):
    """Training that this run did itself. It stands in use; per inference it is information, never cost again.

    Attributes:
        work: all trainings. steps, samples, epochs: over all of them; None if unknown.
        inferences: of this run with that model. per_inference_j, per_inference_g: training over those; None without.
        again: groups of places that trained the same model on as many samples.
    """

    work: Work
    steps: float | None
    samples: float | None
    epochs: float | None
    inferences: int
    per_inference_j: Joules | None
    per_inference_g: Grams | None
    again: tuple[tuple[Place, ...], ...] = ()


class ModelFootprint(Struct, frozen=True):
    """All calls to one model in this run, and its loads.

    Attributes:
        energy_j: of the provider, and of a model in the process its part of what is metered here; None if unknown.
        parameters, revision, precisions, devices: of a model in the process, as far as known.
    """

    id: str
    provider: str | None
    calls: int
    tokens: Tokens
    energy_j: Joules | None
    carbon: Carbon
    training: Training
    parameters: int | None = None
    revision: str | None = None
    precisions: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    loads: Work = field(default_factory=Work)
    trained: Trained | None = None


class Hint(Struct, frozen=True):
    """What could be saved in each run, from what was measured in this one.

    Attributes:
        code: which kind. subject: the model it is about. tests, fixtures: ids of who could share.
        count: how often it was done, for energy_j in all. saving_j, saving_g: joules, grams CO2e.
        reported: its one line in a saved report, which may be of a kind that is unknown here; "" of a run's own.
    """

    code: str
    subject: str
    tests: tuple[str, ...]
    fixtures: tuple[str, ...]
    count: int
    energy_j: Joules
    saving_j: Joules
    saving_g: Grams | None
    reported: str = ""
