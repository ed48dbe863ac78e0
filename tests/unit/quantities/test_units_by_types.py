"""The type checker tells grams from joules: each mistake here is an error, each line without one is none."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SAMPLE = """
from pytest_aifootprint.quantities.changed import replace

from pytest_aifootprint.attribution.fixtures import FixtureBill
from pytest_aifootprint.attribution.shares import DomainShares, Parts
from pytest_aifootprint.impacts import Pricer, electricity, hardware, here, inputs, outcomes, remote, training, water
from pytest_aifootprint.impacts.amortisation import TrainingShare
from pytest_aifootprint.impacts.contract import CallImpact, Grid, Training, Use
from pytest_aifootprint.impacts.site import RemoteSite
from pytest_aifootprint.impacts.wholes import Whole
from pytest_aifootprint.meters.contract import LoadModel, MemoryModel, Selection
from pytest_aifootprint.quantities import *
from pytest_aifootprint.records.cost import Cost
from pytest_aifootprint.records.hardware import HardwareUse
from pytest_aifootprint.records.amounts import Carbon, Energy, Water
from pytest_aifootprint.records.model import CallFootprint, FixtureFootprint, TestFootprint, Totals
from pytest_aifootprint.records.model_use import Hint, ModelFootprint, Place, Trained, Work
from pytest_aifootprint.records.wall import Wall
from pytest_aifootprint.reports import formatting

j: Joules
kwh: KilowattHours
w: Watts
g: Grams
kg: Kilograms
g_per_s: GramsPerSecond
l: Litres
g_per_kwh: GramsPerKwh
l_per_kwh: LitresPerKwh
ratio: Range


def sums() -> None:
    j + j
    j + ZERO_J
    j + g  # operator
    j + kwh  # operator
    j + ratio  # operator
    g + kg  # operator
    l + ZERO_G  # operator
    same: Grams = total((g, g))
    mixed: Grams = total((g, j))  # assignment
    known: Litres = total(part for part in (l, None) if part is not None)
    unlike: Litres = total(part for part in (g, None) if part is not None)  # assignment
    kept: Joules = j.scale(2.0).with_factor(1.5, "gpu")
    changed: Grams = j.scale(2.0)  # assignment
    uncertain: Grams = j.with_factor(1.5, "gpu")  # assignment


def products() -> None:
    plain: Range = j * g_per_kwh
    unnamed: Grams = j * g_per_kwh  # assignment
    divided: Joules = j / ratio  # assignment
    named: Grams = Grams(j * g_per_kwh)


def conversions() -> None:
    joules: Joules = as_joules(kwh)
    as_joules(j)  # arg-type
    kilograms: Kilograms = as_kilograms(g)
    as_kilograms(kg)  # arg-type
    grams: Grams = as_grams(kg)
    as_grams(g)  # arg-type
    worked: Joules = joules_over(w, 3.0)
    joules_over(j, 3.0)  # arg-type
    bad: Grams = as_kilograms(g)  # assignment


def equations(grid: Grid, site: RemoteSite, served: remote.Served, constants: remote.PrefillConstants) -> None:
    use: Grams = electricity.carbon_g(j, grid)
    electricity.carbon_g(l, grid)  # arg-type
    electricity.carbon_g(j * ratio, grid)  # arg-type
    electricity.carbon_g(j, g_per_kwh)  # arg-type
    litres: Litres = electricity.carbon_g(j, grid)  # assignment
    electricity.carbon_g(electricity.at_wall_j(j, ratio), grid)
    electricity.at_wall_j(g, ratio)  # arg-type
    electricity.without_pue_j(g, ratio)  # arg-type
    site_l: Litres = water.site_l(j, l_per_kwh)
    water.site_l(j, grid.carbon_g_per_kwh)  # arg-type
    water.site_l(g, l_per_kwh)  # arg-type
    source_l: Litres = water.source_l(j, l_per_kwh)
    water.source_l(j, g_per_kwh)  # arg-type
    water.source_l(l, l_per_kwh)  # arg-type
    grams: Grams = water.source_l(j, l_per_kwh)  # assignment
    trained: Joules = training.share_energy_j(j, ratio)
    training.share_energy_j(g, ratio)  # arg-type
    computed: Joules = training.compute_energy_j(1.0, 1.0, ratio)
    flop: Grams = training.compute_energy_j(1.0, 1.0, ratio)  # assignment
    per_use: Grams = training.count_per_use(g, ratio)
    counted: Grams = training.count_per_use(kg, ratio)  # assignment
    made: Grams = hardware.used_g(g_per_s, 1.0)
    hardware.used_g(g, 1.0)  # arg-type
    hardware.used_g(g_per_kwh, 1.0)  # arg-type
    not_emitted: Grams = site.saved_g(site.energy_j(served))
    avoidable: Grams = site.avoidable_g(j)
    site.saved_g(served.hardware_g)  # arg-type
    site.avoidable_g(g)  # arg-type
    unseen: Joules = outcomes.server_energy_j(j, ratio)
    outcomes.server_energy_j(g, ratio)  # arg-type
    read: Joules = remote.prefill_energy_j(1e9, 10, 0, constants)
    inputs.water_given("EWIF", grid, l_per_kwh)
    inputs.water_given("EWIF", grid, g_per_kwh)  # arg-type
    here.use_sheet("E", grid, l_per_kwh, ratio, l_per_kwh, None)
    here.use_sheet("E", grid, g_per_kwh, ratio, None, None)  # arg-type
    here.use_sheet("E", grid, l_per_kwh, ratio, g_per_kwh, None)  # arg-type
    saved: Joules = site.avoidable_g(j)  # assignment


def contracts(impact: CallImpact, whole: Whole) -> None:
    Grid("FRA", g_per_kwh, l_per_kwh, "", None)
    Grid("FRA", l_per_kwh, None, "", None)  # arg-type
    Grid("FRA", g_per_kwh, g_per_kwh, "", None)  # arg-type
    Training("count", "", carbon_kg=kg)
    Training("count", "", carbon_kg=g)  # arg-type
    Use(g, l, l, g)
    Use(j, l, l, g)  # arg-type
    Use(g, g, l, g)  # arg-type
    Use(g, l, g, g)  # arg-type
    Use(g, l, l, j)  # arg-type
    replace(impact, energy_j=j, use_carbon_g=g, hardware_carbon_g=g, training_carbon_g=g, training_energy_j=j)
    replace(impact, water_site_l=l, water_source_l=l, avoidable_carbon_g=g, avoided_carbon_g=g)
    replace(impact, energy_j=g)  # arg-type
    replace(impact, use_carbon_g=j)  # arg-type
    replace(impact, hardware_carbon_g=kg)  # arg-type
    replace(impact, training_carbon_g=j)  # arg-type
    replace(impact, training_energy_j=g)  # arg-type
    replace(impact, water_site_l=g)  # arg-type
    replace(impact, water_source_l=j)  # arg-type
    replace(impact, avoidable_carbon_g=ratio)  # arg-type
    replace(impact, avoided_carbon_g=j)  # arg-type
    TrainingShare(j, g, impact.training)
    TrainingShare(g, g, impact.training)  # arg-type
    TrainingShare(j, j, impact.training)  # arg-type
    whole.with_carbon(g)  # arg-type
    replace(whole, energy_j=kwh)  # arg-type
    replace(whole, carbon_kg=g)  # arg-type
    energy: Joules | None = whole.energy_j
    mass: Kilograms | None = whole.carbon_kg
    remote.Served(j, g, "")
    remote.Served(g, g, "")  # arg-type
    remote.Served(j, j, "")  # arg-type


def machine(pricer: Pricer, model: LoadModel, selection: Selection, shares: DomainShares, wall: Wall) -> None:
    replace(model, active_w=w, idle_w_per_cpu=w)
    replace(model, active_w=j)  # arg-type
    replace(model, idle_w_per_cpu=j)  # arg-type
    MemoryModel("", w, "")
    MemoryModel("", j, "")  # arg-type
    replace(selection, pue=ratio, wue_l_per_kwh=l_per_kwh)
    replace(selection, wue_l_per_kwh=g_per_kwh)  # arg-type
    Pricer(pricer.grid, wue_local_l_per_kwh=g_per_kwh)  # arg-type
    pricer.local_carbon_g(model.active_w.scale(3.0))  # arg-type
    pricer.local_carbon_g(joules_over(model.active_w, 3.0))
    pricer.local_avoidable_g(g)  # arg-type
    pricer.local_water(l)  # arg-type
    pricer.local_water(j, g)  # arg-type
    pricer.local_carbon_g(shares.energy_of(("main", 1)))
    its: Joules = shares.energy_of_all([]) + shares.active_of_all([]) + shares.parts_of_all([]).whole + shares.idle
    at_wall: Joules = wall.at_wall_j("cpu", Parts(j)) + wall.of_machine_j("cpu", Parts(j, j, j))
    grams: Grams = pricer.local_carbon_g(j) + pricer.local_avoidable_g(j)
    manufacture: Grams = pricer.hardware_g(1.0, "vm", 4) + pricer.accelerator_g(1.0, "")
    world: LitresPerKwh = pricer.world_water_l_per_kwh
    litres: tuple[Litres, Litres] = pricer.local_water(j, j)
    row = pricer.local_hardware.machine("vm")
    rate: GramsPerSecond = hardware.rate_g_per_s(row)
    each: Grams = hardware.cpu_share_g(row, 1.0, 4) + hardware.accelerator_share_g(row, 1.0)
    owned: Grams = shares.energy_of_all([])  # assignment
    active: Grams = shares.active_of_all([])  # assignment
    reserved: Grams = shares.parts_of_all([]).idle  # assignment
    idle: Watts = shares.idle  # assignment
    wall.at_wall_j("cpu", Parts(g))  # arg-type
    wall.of_machine_j("cpu", Parts(j, l))  # arg-type
    made: Joules = pricer.hardware_g(1.0, "vm", 4)  # assignment
    card: Joules = pricer.accelerator_g(1.0, "")  # assignment


def records(
    call: CallFootprint, totals: Totals, bill: FixtureBill, row: HardwareUse, model: ModelFootprint,
    fixture: FixtureFootprint, test: TestFootprint,
) -> None:
    carbon, litres, energy = Carbon(use=g, training=None), Water(site=l), Energy({"cpu": j})
    Carbon(use=j)  # arg-type
    Carbon(training=kg)  # arg-type
    Carbon(hardware=ratio)  # arg-type
    Water(site=g)  # arg-type
    Water(source=j)  # arg-type
    Energy({"cpu": w})  # dict-item
    in_all: Grams = carbon.total
    joules: Joules = energy.total
    both: Litres = litres.total
    carbon.total + energy.total  # operator
    litres.total + carbon.total  # operator
    carbon_of: Grams = bill.share_of(carbon.total)
    shared: Grams = bill.share_of(energy.total)  # assignment
    replace(call, local_energy_j=j, local_wall_j=j)
    replace(call, local_energy_j=g)  # arg-type
    replace(call, local_wall_j=g)  # arg-type
    Cost(avoidable_carbon_g=g, avoided_carbon_g=g, active_j=j)
    Cost(avoidable_carbon_g=j)  # arg-type
    Cost(avoided_carbon_g=j)  # arg-type
    Cost(active_j=g)  # arg-type
    replace(totals, avoidable_carbon_g=j)  # arg-type
    replace(totals, avoided_carbon_g=j)  # arg-type
    replace(totals, hardware_unattributed_g=kg)  # arg-type
    replace(row, rate_g_per_s=g)  # arg-type
    nobodys: Grams = row.unattributed_g
    unborne: Joules = row.unattributed_g  # assignment
    replace(fixture, avoidable_carbon_g=j)  # arg-type
    replace(fixture, active_j=g)  # arg-type
    replace(test, avoidable_carbon_g=j)  # arg-type
    replace(test, avoided_carbon_g=j)  # arg-type
    replace(test, direct_active_j=g)  # arg-type
    Work(energy_j=j, carbon_g=g)
    Work(energy_j=g)  # arg-type
    Work(carbon_g=j)  # arg-type
    Place("", "call", 1, g)  # arg-type
    replace(model, energy_j=g)  # arg-type
    Trained(Work(), None, None, None, 1, j, g)
    Trained(Work(), None, None, None, 1, g, g)  # arg-type
    Trained(Work(), None, None, None, 1, j, j)  # arg-type
    Hint("", "", (), (), 1, j, j, g)
    Hint("", "", (), (), 1, g, j, g)  # arg-type
    Hint("", "", (), (), 1, j, g, g)  # arg-type
    Hint("", "", (), (), 1, j, j, j)  # arg-type


def printed() -> None:
    formatting.energy(j), formatting.carbon(g), formatting.water(l), formatting.intensity(g_per_kwh)
    formatting.carbon_unit([g]), formatting.energy_unit([j]), formatting.water_unit([l])
    formatting.carbon_unit([j])  # list-item
    formatting.energy_unit([l])  # list-item
    formatting.water_unit([g])  # list-item
    formatting.energy_number(g, formatting.energy_unit([j]))  # arg-type
    formatting.energy(g)  # arg-type
    formatting.energy_range(g)  # arg-type
    formatting.carbon(j)  # arg-type
    formatting.carbon_range(kg)  # arg-type
    formatting.suffix(j)  # arg-type
    formatting.water(g)  # arg-type
    formatting.water_range(g)  # arg-type
    formatting.intensity(g)  # arg-type
"""


def test_a_mistaken_unit_is_a_type_error_and_a_right_one_is_none(tmp_path: Path) -> None:
    sample = tmp_path / "units_sample.py"
    sample.write_text(SAMPLE, encoding="utf-8")
    lines = enumerate(SAMPLE.splitlines(), start=1)
    mistakes = {number: code for number, line in lines for code in re.findall(r"  # ([a-z-]+)$", line)}

    # With the project's own settings, and a cache of its own: no other run of mypy decides.
    plain = ("--no-pretty", "--no-color-output")
    command = [sys.executable, "-m", "mypy", *plain, "--cache-dir", str(tmp_path / "cache"), str(sample)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    found = re.findall(r"units_sample\.py:(\d+): error: .*\[([a-z-]+)\]$", run.stdout, re.MULTILINE)
    assert {int(number): code for number, code in found} == mistakes, run.stdout + run.stderr
    assert run.stdout.count(": error: ") == len(mistakes)
