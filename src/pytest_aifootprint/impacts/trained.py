"""Models that the run trained itself: that training stands in use, and is never a share too (method, section 5)."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts.model_files import DIGEST
from pytest_aifootprint.impacts.models import Model


class TrainedHere:
    """Names and sizes of the models that were trained in this run."""

    def __init__(self) -> None:
        """None yet."""
        self._sizes: dict[str, set[int | None]] = {}

    def note(self, calls: Iterable[AICall]) -> bool:
        """Remember the trainings among these calls. Returns whether there was a new one."""
        before = sum(map(len, self._sizes.values()))
        for call in calls:
            if call.operation == "training" and call.locality == "local" and call.model:
                self._sizes.setdefault(call.model, set()).add(call.parameters)
        return sum(map(len, self._sizes.values())) > before

    def has(self, call: AICall) -> bool:
        """Whether a call is to one of them: of its name, and of its size as far as both are known."""
        sizes = self._sizes.get(call.model or "")
        return sizes is not None and (call.parameters is None or None in sizes or call.parameters in sizes)

    def all_of(self, call: AICall, model: Model) -> bool:
        """Whether all training that a call's model has was done here.

        Not so for a model that came trained and was only tuned here: one that a hub, the catalogue or the user knows.
        Its share of what came before stands beside the tuning.
        """
        return self.has(call) and model.row is None and model.override is None and not from_hub(call)


def from_hub(call: AICall) -> bool:
    """Whether the model tells which revision of a hub's repository it is."""
    return call.revision is not None and not call.revision.startswith(DIGEST)
