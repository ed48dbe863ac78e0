"""What a run says in OpenTelemetry's words: metrics with the names of the semantic conventions where there are any.

Names, units and attributes are those of opentelemetry-semantic-conventions 0.66b2: ``gen_ai.*`` and ``hw.*``, both in
development there. What has no name there is ``aifootprint.*``. No test is named: a series for each would be many, and a
node id is nobody else's business.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from msgspec import Struct

from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.quantities import Range
from pytest_aifootprint.records.amounts import Carbon
from pytest_aifootprint.records.model import RunFootprint
from pytest_aifootprint.reports.saved.values import ranged

Attributes = Mapping[str, str]
Kind = Literal["sum", "gauge", "histogram"]

TOKEN_BOUNDS = tuple(float(4**n) for n in range(14))
"""The buckets that the conventions advise for gen_ai.client.token.usage."""
SECONDS_BOUNDS = tuple(0.01 * 2**n for n in range(14))
"""Likewise for gen_ai.client.operation.duration."""

_OPERATIONS = {"completion": "text_completion", "embedding": "embeddings"}
_PROVIDERS = {
    "aws_bedrock": "aws.bedrock",
    "azure-openai": "azure.ai.openai",
    "google_genai": "gcp.gemini",
    "mistralai": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "xai": "x_ai",
}
_HARDWARE = {"cpu": "cpu", "ram": "memory", "gpu": "gpu"}
_NOT_GENERATIVE = frozenset({"inference", "training"})
_HTTP_ERROR = 400


class Histogram(Struct):
    """Values counted by bucket: as many buckets as bounds and one more."""

    bounds: tuple[float, ...]
    buckets: list[int]
    count: int = 0
    sum: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    def add(self, value: float, times: int) -> None:
        """The same value so many times."""
        self.buckets[bisect_left(self.bounds, value)] += times
        self.count += times
        self.sum += value * times
        self.low, self.high = min(self.low, value), max(self.high, value)


class Metric(Struct, frozen=True):
    """A metric with a value for each set of attributes: a number, or of kind histogram a ``Histogram``."""

    name: str
    unit: str
    kind: Kind
    about: str
    points: tuple[tuple[Attributes, float | int | Histogram], ...]


def metrics(run: RunFootprint) -> Iterator[Metric]:
    """The metrics of a run; one without a known value is left out."""
    return (metric for metric in _metrics(run) if metric.points)


def resource(run: RunFootprint) -> dict[str, str]:
    """What the metrics are of: the run's tool, grid, figures, commit, and the machine by its hashed id."""
    found = {
        "service.name": "pytest",
        "host.id": str(run.host.get("id") or ""),
        "vcs.ref.head.revision": run.commit or "",
        "aifootprint.grid": run.local_grid.zone,
        "aifootprint.factors_version": run.factors_version,
    }
    return {name: value for name, value in found.items() if value}


def _metrics(run: RunFootprint) -> Iterator[Metric]:
    totals = run.totals
    yield from _usage(run)
    yield _sum("hw.energy", "J", "What a component of this machine took during the run, idle included", _hardware(run))
    yield _sum("aifootprint.carbon", "g", "CO2e of the AI tests, central values", _carbon(totals.carbon))
    yield from _ends("aifootprint.carbon", "g", totals.carbon.known_total)
    energy = _central((_at("aifootprint.domain", domain), value) for domain, value in totals.energy.by_domain.items())
    yield _sum("aifootprint.energy", "J", "Energy of the AI tests, central values", energy)
    yield from _ends("aifootprint.energy", "J", totals.energy.total)
    water = (("site", totals.water.site), ("source", totals.water.source))
    parts = _central((_at("aifootprint.part", part), value) for part, value in water)
    yield _sum("aifootprint.water", "L", "Water of the AI tests, central values", parts)
    yield from _ends("aifootprint.water", "L", totals.water.total)
    avoidable, avoided = _central([({}, totals.avoidable_carbon_g)]), _central([({}, totals.avoided_carbon_g)])
    yield _sum("aifootprint.avoidable_carbon", "g", "CO2e that would not be, had the AI tests not run", avoidable)
    yield _sum("aifootprint.avoided_carbon", "g", "CO2e of use that replayed calls would have had live", avoided)
    tests = (("true", totals.ai_tests), ("false", totals.tests - totals.ai_tests))
    yield _sum("aifootprint.tests", "{test}", "Tests that ran", ((_at("aifootprint.ai", ai), n) for ai, n in tests))
    counted = _counted((_at("aifootprint.verdict", verdict.verdict), 1) for verdict in run.all_verdicts)
    yield _sum("aifootprint.verdicts", "{verdict}", "Limits by what came of them", counted)
    yield from _models(run)


def _usage(run: RunFootprint) -> Iterator[Metric]:
    calls = [priced.call for priced in run.all_calls]
    tokens, seconds = _Histograms(TOKEN_BOUNDS), _Histograms(SECONDS_BOUNDS)
    for call in calls:
        if call.realness != "live" or call.operation in _NOT_GENERATIVE:
            continue
        of_call = _of_call(call)
        for kind, count in (("input", call.input_tokens), ("output", call.output_tokens)):
            if count is not None:
                tokens.add({**of_call, "gen_ai.token.type": kind}, float(count), call.count)
        if call.duration_ns > 0:  # of a call that a test only told of, nobody knows
            seconds.add({**of_call, **_error(call)}, call.duration_ns / 1e9 / call.count, call.count)
    totals = run.totals
    counts = {"live": totals.calls_live, "replayed": totals.calls_replayed, "mocked": totals.calls_mocked}
    for call in calls:
        counts[call.realness] -= call.count
    # Of calls of tests that have no row, the number alone is known: a histogram without them is of something else.
    rest = [({"aifootprint.realness": realness}, count) for realness, count in counts.items() if count > 0]
    if not rest:
        yield Metric("gen_ai.client.token.usage", "{token}", "histogram", "Tokens of live calls", tokens.points)
        yield Metric("gen_ai.client.operation.duration", "s", "histogram", "Duration of live calls", seconds.points)
    counted = _counted(({**_of_call(call), "aifootprint.realness": call.realness}, call.count) for call in calls)
    yield _sum("aifootprint.calls", "{call}", "Uses of a model, live, replayed or mocked", (*counted, *rest))


def _hardware(run: RunFootprint) -> Iterator[tuple[Attributes, float]]:
    for name, balance in run.balance.items():
        kind = _HARDWARE.get(name.rstrip("0123456789"), name)
        yield {"hw.id": name, "hw.type": kind, "aifootprint.basis": str(balance.basis.value)}, balance.metered_j


def _models(run: RunFootprint) -> Iterator[Metric]:
    named = [({"gen_ai.request.model": m.id, **_provider(m.provider)}, m) for m in run.models]
    carbon = (({**of_model, **part}, value) for of_model, model in named for part, value in _carbon(model.carbon))
    yield _sum("aifootprint.model.carbon", "g", "CO2e by model, a part of aifootprint.carbon", carbon)
    energy = _central((of_model, model.energy_j) for of_model, model in named)
    yield _sum("aifootprint.model.energy", "J", "Energy by model, a part of aifootprint.energy", energy)


def _of_call(call: AICall) -> dict[str, str]:
    found = {"gen_ai.operation.name": _OPERATIONS.get(call.operation, call.operation)}
    found |= _provider(call.provider or call.client)
    if call.model:
        found["gen_ai.request.model"] = call.model
    return found


def _provider(name: str | None) -> dict[str, str]:
    return {"gen_ai.provider.name": _PROVIDERS.get(name, name)} if name else {}


def _error(call: AICall) -> dict[str, str]:
    status = call.status
    failed = status >= _HTTP_ERROR if isinstance(status, int) else status is not None
    return {"error.type": str(status)} if failed else {}


class _Histograms:
    """A histogram for each set of attributes."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._found: dict[tuple[tuple[str, str], ...], Histogram] = {}

    def add(self, attributes: Attributes, value: float, times: int) -> None:
        key = tuple(attributes.items())
        if key not in self._found:
            self._found[key] = Histogram(self._bounds, [0] * (len(self._bounds) + 1))
        self._found[key].add(value, times)

    @property
    def points(self) -> tuple[tuple[Attributes, Histogram], ...]:
        return tuple((dict(key), histogram) for key, histogram in self._found.items())


def _sum(name: str, unit: str, about: str, points: Iterable[tuple[Attributes, float]]) -> Metric:
    return Metric(name, unit, "sum", about, tuple(points))


def _ends(name: str, unit: str, value: Range | None) -> Iterator[Metric]:
    """Both ends of a range: gauges, because ends do not add up."""
    row = ranged(value)
    if row is not None:
        for end in ("low", "high"):
            yield Metric(f"{name}.{end}", unit, "gauge", f"{end.capitalize()} end of the 90 % range", (({}, row[end]),))


def _carbon(carbon: Carbon) -> Iterator[tuple[Attributes, float]]:
    return _central((_at("aifootprint.part", part), value) for part, value in carbon.parts)


def _central(values: Iterable[tuple[Attributes, Range | None]]) -> Iterator[tuple[Attributes, float]]:
    return ((attributes, value.central) for attributes, value in values if value is not None)


def _at(name: str, value: str) -> Attributes:
    return {name: value}


def _counted(each: Iterable[tuple[Attributes, int]]) -> Iterator[tuple[Attributes, int]]:
    found: dict[tuple[tuple[str, str], ...], int] = {}
    for attributes, count in each:
        key = tuple(attributes.items())
        found[key] = found.get(key, 0) + count
    return ((dict(key), count) for key, count in found.items())
