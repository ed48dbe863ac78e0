"""Water consumed for electricity: at the data centre and at the power plants.

Source of the boundary: Li et al. 2023, arXiv:2304.03271 (also ecologits 0.11.3 and Jegham et al. 2025):
``W = E_it x (WUE + PUE x EWIF)``. Consumption, not withdrawal; the water embodied in hardware is not in it.
"""

from __future__ import annotations

from pytest_aifootprint.quantities import Joules, Litres, LitresPerKwh
from pytest_aifootprint.quantities.units import J_PER_KWH


def site_l(it_energy_j: Joules, wue_l_per_kwh: LitresPerKwh) -> Litres:
    """Litres evaporated at the data centre: ``E_it x WUE``; WUE is per kWh of IT equipment."""
    return Litres((it_energy_j * wue_l_per_kwh).scale(1 / J_PER_KWH))


def source_l(energy_j: Joules, ewif_l_per_kwh: LitresPerKwh) -> Litres:
    """Litres consumed at the power plants: ``E x EWIF = E_it x PUE x EWIF``.

    Args:
        energy_j: joules at the meter of the site: PUE included.
        ewif_l_per_kwh: electricity water intensity factor of the grid.
    """
    return Litres((energy_j * ewif_l_per_kwh).scale(1 / J_PER_KWH))
