"""Graphics that are a part of the processor: metered like a card, made with the machine."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pytest_aifootprint.attribution.lanes import Lane, Span
from pytest_aifootprint.meters.contract import Host, LoadModel, MemoryModel, Reading, Selection
from pytest_aifootprint.quantities import Basis, Range, Watts
from pytest_aifootprint.records.domains import MachineData, domain_shares
from pytest_aifootprint.timeline.readings import BusyReadings, CounterReadings

S = 1_000_000_000


@dataclass
class Graphics:
    on_chip: bool
    domain: str = "gpu0"
    name: str = "apple"
    basis: Basis = Basis.MODELLED
    reason: str = ""

    def read(self) -> Reading:
        return Reading(0, 0.0)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("on_chip", [True, False])
def test_only_a_card_of_its_own_has_busy_seconds_to_share_its_manufacture_by(*, on_chip: bool) -> None:
    watts = Watts(Range.of(1.1, 2.0, 3.6, "cpu_w"))
    model = LoadModel(
        "load model", "", watts, watts, 4, includes_ram=True, boundary="wall", source="", machine="laptop"
    )
    host = Host("Apple arm64", 4, None, virtual=False, memory_bytes=0, kind="laptop", boot_id="here")
    selection = Selection(host, (Graphics(on_chip),), model, MemoryModel("", None, ""), ())
    readings = CounterReadings("gpu0", "apple")
    for second in range(11):
        readings.t_ns.append(second * S)
        readings.energy_j.append(5.0 * second)
    lane = Lane("main", "here", 0, 10 * S)
    lane.add(Span(1, 1, 1, 2 * S, 6 * S, 0, S))
    data = MachineData(selection, BusyReadings(), 10.0, 0, (readings,))
    graphics = next(share for share in domain_shares(data, [lane], {"main": 1}) if share.domain == "gpu0")
    assert graphics.owners["main", 1] == pytest.approx(20)
    assert graphics.basis is Basis.MODELLED
    assert (graphics.busy is None) is on_chip
