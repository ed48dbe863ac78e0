"""A model's training, amortised over its use; always a line of its own (method, section 5)."""

from __future__ import annotations

from pytest_aifootprint.quantities import Range

DAYS_PER_YEAR = 365.25


def share_energy_j(served_energy_j: Range, multiplier: Range) -> Range:
    """Joules of training that one use bears, by the *share* method: ``E_train = E_ref x (1 - phi) / phi``.

    Args:
        served_energy_j: what a served call like this one uses, wherever this one ran: a slow laptop does not cause
            more training.
        multiplier: (1 - phi)/phi with phi the inference share of a model's lifetime energy; factor ``phi``.

    Source: phi 0.9 NVIDIA and AWS via Patterson et al. 2021 (arXiv:2104.10350); 0.7 and 0.5 Meta, Wu et al. 2022
    (arXiv:2111.00364). It needs no count of uses.
    """
    return served_energy_j * multiplier


def multiplier_of_share(inference_share: float) -> float:
    """Training per unit of inference: ``(1 - phi) / phi``. Raises ZeroDivisionError for phi 0."""
    return (1 - inference_share) / inference_share


def count_per_use(training: Range, lifetime_uses: Range) -> Range:
    """Training that one use bears, by the *count* method: ``I_train / N_life``, in the unit of ``training``."""
    return training / lifetime_uses


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
