"""What caused a change: the change of a product, split into the changes of its factors.

Additive LMDI-I: ``dV_k = L(V1, V0) * ln(x_k1 / x_k0)`` with the logarithmic mean ``L(a, b) = (a - b) / ln(a / b)``
(Ang, The LMDI approach to decomposition analysis: a practical guide, Energy Policy 33, 2005, 867-871). The parts add up
to ``V1 - V0`` without a rest, and A to B is B to A with the other sign. Where a factor is 0 on one side the whole
change is that factor's: its analytical limit (Wood and Lenzen, Energy Policy 34, 2006, 1326-1331).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from pytest_aifootprint.records.snapshot import tokens_of_row

TESTS, CALLS, TOKENS, PER_TOKEN, GRID = (
    "number of tests",
    "calls per test",
    "tokens per call",
    "energy per token",
    "grid",
)
MODELS, PER_CALL, HERE, TRAINING, HARDWARE = (
    "models that came or went",
    "energy per call (tokens not told)",
    "energy on this machine per test",
    "training share",
    "hardware share",
)
CAUSES = (TESTS, MODELS, CALLS, TOKENS, PER_TOKEN, PER_CALL, HERE, GRID, TRAINING, HARDWARE)

MOST_COUNTED = 10**18
"""Nothing that a run can do: a damaged file."""


def log_mean(a: float, b: float) -> float:
    """The logarithmic mean of two numbers of 0 or more; 0 if one of them is 0."""
    if a == b:
        return a
    if min(a, b) <= 0:
        return 0.0
    ratio = (a - b) / b
    # Close together, the quotient of the differences would lose its digits.
    return (a - b) / (math.log1p(ratio) if abs(ratio) < 0.5 else math.log(a / b))


def split(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What each factor's change makes of the change of their product.

    Args:
        before: the factors, by name, in the order in which a zero is blamed.
        after: the same of the other side.

    Returns:
        By name; their sum is ``product(after) - product(before)``.
    """
    old, new = math.prod(before.values()), math.prod(after.values())
    if old <= 0 or new <= 0:
        blamed = next((name for name in before if (before[name] > 0) != (after[name] > 0)), next(iter(before)))
        return {name: new - old if name == blamed else 0.0 for name in before}
    mean = log_mean(new, old)
    return {name: mean * math.log(after[name] / before[name]) for name in before}


class ModelUse(Struct):
    """Live remote calls to one model, weighted by what AI tests bear of them: J and g CO2e of use.

    Attributes:
        tokens: None if a call did not tell its tokens; 0 where there are none to tell.
    """

    calls: float = 0.0
    tokens: float | None = 0.0
    energy_j: float = 0.0
    use_g: float = 0.0

    def add(self, weight: float, call: Mapping[str, Any]) -> None:
        """One row of a report's calls."""
        tokens = tokens_of_row(call)
        self.calls += weight * _counted(call["count"])
        self.tokens = None if self.tokens is None or tokens is None else self.tokens + weight * _counted(tokens)
        self.energy_j += weight * _central(call["energy_j"])
        self.use_g += weight * _central(call["carbon_g"]["use"])


class Account(Struct, frozen=True):
    """A run as far as it is decomposed; grams are central values, and what is unknown is not in them.

    Attributes:
        tests: AI tests. calls, tokens: live ones, and what all calls told. models: by name and provider.
        energy_j, use_g, training_g, hardware_g: of the run. unpriced: calls that are not in them. unknown: ``use``,
            ``training`` or ``hardware``, which is 0 here because nobody knows it.
    """

    tests: int
    models: Mapping[tuple[str, str], ModelUse]
    energy_j: float
    use_g: float
    training_g: float
    hardware_g: float
    calls: int = 0
    tokens: int = 0
    unpriced: int = 0
    unknown: frozenset[str] = frozenset()

    @property
    def here_j(self) -> float:
        """What no remote call took."""
        return max(self.energy_j - math.fsum(use.energy_j for use in self.models.values()), 0.0)

    @property
    def here_g(self) -> float:
        """Use that no remote call made."""
        return max(self.use_g - math.fsum(use.use_g for use in self.models.values()), 0.0)

    @property
    def total_g(self) -> float:
        """As the causes add up to: remote and local use, training, hardware."""
        use = math.fsum([*(m.use_g for m in self.models.values()), self.here_g])
        return use + self.training_g + self.hardware_g


def account_of(report: Mapping[str, Any]) -> Account:
    """A saved report. Raises one of ``snapshot.BROKEN`` for what is none."""
    models: dict[tuple[str, str], ModelUse] = {}
    owners = [(1.0, row) for row in report["tests"] if row["ai"]]
    owners += [(row["ai_payers"] / row["payers"], row) for row in report["fixtures"] if row["ai_payers"]]
    for weight, owner in owners:
        for call in owner["calls"]:
            if call["realness"] == "live" and call["locality"] == "remote":
                name = str(call["model"] or "unknown"), str(call["provider"] or "")
                models.setdefault(name, ModelUse()).add(weight, call)
    totals = report["totals"]
    carbon = totals["carbon_g"]
    return Account(
        tests=_counted(totals["ai_tests"]),
        calls=_counted(totals["calls"]["live"]),
        tokens=_counted(totals["tokens"]["input"]) + _counted(totals["tokens"]["output"]),
        unpriced=_counted(totals.get("unpriced_calls", 0)),
        unknown=frozenset(part for part in ("use", "training", "hardware") if carbon[part] is None),
        models=models,
        energy_j=_central(totals["energy_j"]["total"]),
        use_g=_central(carbon["use"]),
        training_g=_central(carbon["training"]),
        hardware_g=_central(carbon["hardware"]),
    )


def causes(before: Account, after: Account) -> dict[str, float]:
    """The change of a run's carbon by cause, in g CO2e.

    ``carbon = sum over models(tests x calls/test x tokens/call x energy/token x grid) + this machine + shares``.

    This machine is ``tests x energy/test x grid``; calls without tokens have their energy per call. The parts add up to
    the change of ``total_g``.
    """
    found = dict.fromkeys(CAUSES, 0.0)
    for name in sorted(before.models.keys() | after.models.keys()):
        pair = before.models.get(name, ModelUse()), after.models.get(name, ModelUse())
        if not all(use.calls for use in pair):
            parts = {MODELS: pair[1].use_g - pair[0].use_g}
        else:
            with_tokens = all(use.tokens for use in pair)
            parts = split(*(_factors(a, use, with_tokens) for a, use in zip((before, after), pair, strict=True)))
        for cause, grams in parts.items():
            found[cause] += grams
    for cause, grams in split(_factors_here(before), _factors_here(after)).items():
        found[cause] += grams
    found[TRAINING] = after.training_g - before.training_g
    found[HARDWARE] = after.hardware_g - before.hardware_g
    return found


def _factors(whole: Account, use: ModelUse, with_tokens: bool) -> dict[str, float]:  # noqa: FBT001
    energy = {PER_CALL: _ratio(use.energy_j, use.calls)}
    if with_tokens and use.tokens:
        energy = {TOKENS: _ratio(use.tokens, use.calls), PER_TOKEN: _ratio(use.energy_j, use.tokens)}
    tests = float(whole.tests)
    return {TESTS: tests, CALLS: _ratio(use.calls, tests), **energy, GRID: _ratio(use.use_g, use.energy_j)}


def _factors_here(whole: Account) -> dict[str, float]:
    return {
        TESTS: float(whole.tests),
        HERE: _ratio(whole.here_j, whole.tests),
        GRID: _ratio(whole.here_g, whole.here_j),
    }


def _ratio(a: float, b: float) -> float:
    return a / b if b else 0.0


def _central(row: Mapping[str, Any] | None) -> float:
    value = float(row["central"]) if row is not None else 0.0
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{value!r} is no quantity")
    return value


def _counted(value: Any) -> int:
    number = int(value)
    if not 0 <= number < MOST_COUNTED:
        raise ValueError(f"{str(value)[:20]} is no count")
    return number
