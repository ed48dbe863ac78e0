"""What the manufacture of the machine is shared out by, as builtin types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_aifootprint.reports.saved.values import finite, ranged

if TYPE_CHECKING:
    from pytest_aifootprint.records.hardware import HardwareUse

Row = dict[str, Any]


def hardware_row(use: HardwareUse) -> Row:
    """A machine, or a card of it: its row of the table, its seconds and whose they were."""
    row, rate = use.row, ranged(use.rate_g_per_s)
    return {
        "domain": use.domain,
        "name": use.name,
        "row": row.key,
        "embodied_kg": triple(row.embodied_kg),
        "host_kg": finite(row.host_kg),
        "per_cpu": row.per_cpu,
        "n_cpu": use.n_cpu,
        "lifetime_years": triple(row.life_years),
        "utilisation": triple(row.utilisation),
        "source": row.origin.source,
        "year": row.origin.year,
        "rate_g_per_s": rate,
        "capacity_s": finite(use.capacity_s),
        "ai_tests_s": finite(use.ai_tests_s),
        "shared_fixtures_s": finite(use.shared_fixtures_s),
        "other_tests_s": finite(use.other_tests_s),
        "unattributed_s": finite(use.unattributed_s),
        # End by end, of the ends above: from a saved report it comes out the same to the last digit.
        "unattributed_g": rate and {end: value * use.unattributed_s for end, value in rate.items()},
        "how": use.how,
    }


def triple(value: tuple[float, float, float]) -> Row:
    """Three plain numbers in the form of a range."""
    return {name: finite(number) for name, number in zip(("low", "central", "high"), value, strict=True)}
