"""A model's training, amortised over its use; always a line of its own (method, section 5)."""

from __future__ import annotations

import math

from pytest_aifootprint.quantities import Joules, OfUnit, Range

DAYS_PER_YEAR = 365.25


def share_energy_j(served_energy_j: Joules, multiplier: Range) -> Joules:
    """Joules of training that one use bears, by the *share* method: ``E_train = E_ref x (1 - phi) / phi``.

    Args:
        served_energy_j: what a served call like this one uses, wherever this one ran: a slow laptop does not cause
            more training.
        multiplier: (1 - phi)/phi with phi the inference share of a model's lifetime energy; factor ``phi``.

    Source: phi 0.9 NVIDIA and AWS via Patterson et al. 2021 (arXiv:2104.10350); 0.7 and 0.5 Meta, Wu et al. 2022
    (arXiv:2111.00364). It needs no count of uses.
    """
    return Joules(served_energy_j * multiplier)


def multiplier_of_share(inference_share: float) -> float:
    """Training per unit of inference: ``(1 - phi) / phi``. Raises ZeroDivisionError for phi 0."""
    return (1 - inference_share) / inference_share


def multiplier_range(inference_share: tuple[float, float, float], factor: str) -> Range:
    """``(1 - phi)/phi`` of a model whose own phi is declared, as a range under ``factor``; exact where all ends agree.

    Args:
        inference_share: phi, (low, central, high), strictly between 0 and 1. The more of a model's life is inference,
            the less training an inference bears: high phi gives the low end.
        factor: the name of its uncertainty.
    """
    low, central, high = (multiplier_of_share(phi) for phi in reversed(inference_share))
    return Range(central) if low == high else Range.of(low, central, high, factor)


def inference_share(multiplier: Range) -> Range:
    """The phi of a multiplier: ``phi = 1 / (1 + multiplier)``, its range under the multiplier's factor."""
    low, central, high = (1 / (1 + m) for m in (multiplier.high, multiplier.central, multiplier.low))
    name = multiplier.widest_factor
    return Range(central) if name is None else Range.of(low, central, high, name)


def training_flop(parameters: float, tokens: float) -> float:
    """Floating point operations of a training: ``6 N D``, N parameters at work on a token, D tokens.

    Source: 6 FLOP a parameter and token; it gives what makers print: GPT-3, 175B on 300B
    tokens, 3.14e23 (arXiv:2005.14165, Table D.1); Llama 3, 405B on 15.6T tokens, 3.8e25 (arXiv:2407.21783).
    """
    return 6 * parameters * tokens


def compute_energy_j(parameters: float, tokens: float, flop_per_joule: Range) -> Joules:
    """Joules of a whole training, by the *compute* method: ``E_train = 6 N D / eta_train``.

    Args:
        parameters: at work on a token, N.
        tokens: trained on, D.
        flop_per_joule: eta_train, ``training.flop_per_joule`` of the catalogue: derived from the trainings whose
            energy is published, so it covers what they cover (most of them the final run alone).
    """
    return Joules(Range(training_flop(parameters, tokens)) / flop_per_joule)


def with_ancestors(*increments: float) -> float:
    """A model's training with that of the models it was made from, each of them once: ``sum of I_incremental``.

    A child's own figure holds none of its parent's (Llama 3.3's card first said 2,040 t with its parent
    in it, then 12.9 t without); a call bears the child's alone, so that no parent is counted in each of its children.
    """
    return math.fsum(increments)


def count_per_use(training: OfUnit, lifetime_uses: Range) -> OfUnit:
    """Training that one use bears, by the *count* method: ``I_train / N_life``, in the unit of ``training``."""
    per_use = training / lifetime_uses
    return type(training)(per_use.central, per_use.factors)


def parity_uses(training: float, per_use: float) -> float:
    """Uses after which inference has cost as much as training: ``N* = I_train / i_use``, both in one unit.

    Source: Luccioni, Jernite & Strubell 2024, arXiv:2311.16863, Table 5 (there: kWh, training + fine-tuning).
    """
    return training / per_use


def parity_years(training: float, per_day: float) -> float:
    """Years of service after which inference has cost as much as training, both in one unit.

    BLOOM (arXiv:2211.02001): 50.5 t over 19 kg a day = 7.28 years; the same question has other answers on another
    basis (3.56 with dynamic carbon alone, 23.4 with energy), so the basis belongs to the answer.
    """
    return parity_uses(training, per_day) / DAYS_PER_YEAR


def life_cycle_kg(*parts_kg: float) -> float:
    """Kilograms CO2e of a training with all its parts: dynamic + idle + embodied (BLOOM, arXiv:2211.02001, Table 3)."""
    return sum(parts_kg)
