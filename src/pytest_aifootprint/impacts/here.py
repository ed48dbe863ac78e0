"""Sheets of this machine: what its joules and its CPU seconds come to."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_aifootprint.catalogue import Machine
from pytest_aifootprint.impacts.contract import Grid
from pytest_aifootprint.impacts.inputs import grid_given, water_given
from pytest_aifootprint.meters.contract import LoadModel
from pytest_aifootprint.meters.watts import PUE_CLOUD
from pytest_aifootprint.quantities import Given, LitresPerKwh, Range, Sheet, Step

DECLARED = "[tool.aifootprint.hardware]"


def use_sheet(  # noqa: PLR0913 - what joules come to depends on all of these
    symbol: str, grid: Grid, ewif: LitresPerKwh, pue: Range | None, wue: LitresPerKwh | None, marginal: Grid | None
) -> Sheet:
    """What joules of machines here come to in grams and litres.

    Args:
        symbol: of the joules of the machines, without PUE.
        grid: of this machine.
        ewif: water at its power plants.
        pue: of the data centre, where declared.
        wue: likewise.
        marginal: the user's factor for what is not emitted.
    """
    given = [grid_given("I_here", grid), water_given("EWIF_here", grid, ewif)]
    steps = []
    at_wall = symbol
    if pue is not None:
        given.append(Given("PUE_here", "of this machine's data centre", "", pue, DECLARED, None, "declared"))
        steps.append(Step("E_wall", f"{symbol} * PUE_here", "J", "at the wall of the data centre"))
        at_wall = "E_wall"
    steps.append(Step("use", f"{at_wall} * I_here / 3.6e6", "g", "carbon of that electricity"))
    answers: dict[str, str | None] = {"use_carbon_g": "use", "water_source_l": "W_source"}
    if wue is not None:
        given.append(Given("WUE_here", "of this machine's data centre", "L/kWh", wue, DECLARED, None, "declared"))
        steps.append(Step("W_site", f"{symbol} * WUE_here / 3.6e6", "L", "water at the data centre"))
        answers["water_site_l"] = "W_site"
    steps.append(Step("W_source", f"{at_wall} * EWIF_here / 3.6e6", "L", "water at the power plants"))
    return Sheet("", tuple(given), tuple(steps), answers) | _avoidable(at_wall, marginal, all_of_use=True)


def _avoidable(symbol: str, marginal: Grid | None, *, all_of_use: bool) -> Sheet:
    """What is not emitted if joules here are not used: at the user's marginal factor, else at the average.

    ``all_of_use``: the joules of ``symbol`` are all that the use is of.
    """
    answers = {"avoidable_carbon_g": "avoidable"}
    if marginal is None and not all_of_use:
        step = Step("avoidable", f"{symbol} * I_here / 3.6e6", "g", "carbon if it is not used")
        return Sheet("", (), (step,), answers)
    if marginal is None:
        return Sheet("", (), (Step("avoidable", "use", "g", "carbon if it is not used"),), answers)
    given = grid_given("I_marginal_here", marginal)
    step = Step("avoidable", f"{symbol} * I_marginal_here / 3.6e6", "g", "carbon if it is not used")
    return Sheet("", (given,), (step,), answers)


def cpu_sheet(model: LoadModel, *, pue_declared: bool = False, idle_shared: bool = False) -> Sheet:
    """Joules of ``t`` CPU seconds by the load model, at the wall where its watts are (method, section 2).

    Args:
        model: of the CPU.
        pue_declared: the PUE inside its watts is the user's.
        idle_shared: and of the ``t_machine`` CPU seconds for which the machine was there.
    """
    given = [_watts("w", "a busy CPU above idle", model.active_w, model)]
    pue = ""
    if model.pue is not None:
        said = _pue_inside("PUE_cpu", "of the data centre, inside the watts", model.pue, declared=pue_declared)
        given, pue = [*given, said], " * PUE_cpu"
    if not idle_shared:
        return Sheet("", tuple(given), (Step("E_cpu", f"w{pue} * t", "J", "electricity of the CPU"),))
    idle = model.idle_w_per_cpu
    given.append(_watts("w_idle", "a CPU, whether busy or not", idle, model))
    idle_pue = pue if _has_pue(idle, model) else ""
    steps = (
        Step("E_work", f"w{pue} * t", "J", "electricity of the CPU above idle"),
        Step("E_cpu", f"E_work + w_idle{idle_pue} * t_machine", "J", "electricity of the CPU"),
    )
    return Sheet("", tuple(given), steps)


def _has_pue(watts: Range, model: LoadModel) -> bool:
    """Whether a data centre's PUE is inside the watts."""
    return model.pue is not None and model.pue.factors.keys() <= watts.factors.keys()


def _watts(symbol: str, what: str, watts: Range, model: LoadModel) -> Given:
    pue = model.pue
    plain = _without(watts / pue, pue) if pue is not None and _has_pue(watts, model) else watts
    return Given(symbol, f"watts of {what}: {model.name}", "W", plain, model.source, model.year, model.basis.value)


def gaps_sheet(model: LoadModel, *, idle_shared: bool) -> Sheet:
    """``E_cpu`` where the load model priced what the counter missed: ``J_counter``, ``J_model`` and ``J_idle``."""
    parts = [("J_model", "u_w", "a busy CPU", model.active_w)]
    if idle_shared:
        parts.append(("J_idle", "u_idle", "an idle CPU", model.idle_w_per_cpu))
    given = tuple(
        Given(u, f"uncertainty of {what}: {model.name}", "", Range(1.0, watts.factors), model.source, model.year,
              model.basis.value)
        for _, u, what, watts in parts
    )  # fmt: skip
    equation = " + ".join(f"{joules} * {u}" for joules, u, _, _ in parts)
    steps = (
        Step("E_gaps", equation, "J", "electricity of the CPU while its counter could not be read"),
        Step("E_cpu", "J_counter + E_gaps", "J", "electricity of the CPU"),
    )
    return Sheet("", given, steps)


def _pue_inside(symbol: str, what: str, pue: Range, *, declared: bool) -> Given:
    """The PUE inside the load model's watts: the user's, else that of the cloud."""
    if declared:
        return Given(symbol, what, "", pue, DECLARED, None, "declared")
    origin = PUE_CLOUD.origin
    return Given(symbol, what, "", pue, origin.source, origin.year, origin.evidence)


def _without(value: Range, cancelled: Range) -> Range:
    """Without the factors that a division has cancelled."""
    return Range(value.central, {name: pair for name, pair in value.factors.items() if name not in cancelled.factors})


def machine_sheet(  # noqa: PLR0913 - what the price of a machine depends on
    grid: Grid,
    ewif: LitresPerKwh,
    model: LoadModel,
    machine: Machine,
    cards: Mapping[str, Machine],
    *,
    pue: Range | None,
    wue: LitresPerKwh | None,
    marginal: Grid | None,
    cpu_metered: bool,
    gaps: bool = False,
    idle_shared: bool,
) -> Sheet:
    """What ``t`` CPU seconds and ``E_ram``, ``E_gpu`` joules of this machine come to.

    Args:
        grid: of this machine.
        ewif: water at its power plants.
        model: of the CPU.
        machine: row of its manufacture.
        cards: rows of its GPUs, by domain; each is told as ``t_DOMAIN``.
        pue: of the data centre, where declared.
        wue: likewise.
        marginal: the user's factor for what is not emitted.
        cpu_metered: a counter tells ``E_cpu``.
        gaps: but not all of it, see ``gaps_sheet``.
        idle_shared: ``t_machine`` goes by the time that somebody had the machine, and so does its idle power; of what
            counters said, ``J_above_idle`` is told.
    """
    by_model = not cpu_metered
    if by_model:
        head = cpu_sheet(model, pue_declared=pue is not None, idle_shared=idle_shared)
    else:
        head = gaps_sheet(model, idle_shared=idle_shared) if gaps else Sheet("", (), ())
    given = [grid_given("I_here", grid), water_given("EWIF_here", grid, ewif)]
    steps = [Step("E_here", "E_cpu + E_ram + E_gpu", "J", "electricity of this machine")]
    wall = "E_here"
    if pue is not None:
        given.append(Given("PUE_here", "of this machine's data centre", "", pue, DECLARED, None, "declared"))
        equation = "E_cpu + (E_ram + E_gpu) * PUE_here" if by_model else "E_here * PUE_here"
        if gaps:
            equation = "(J_counter + E_ram + E_gpu) * PUE_here + E_gaps"
        steps.append(Step("E_wall", equation, "J", "the same at the wall of the data centre"))
        wall = "E_wall"
    steps.append(Step("use", f"{wall} * I_here / 3.6e6", "g", "carbon of that electricity"))
    answers: dict[str, str | None] = {
        "use_carbon_g": "use",
        "water_source_l": "W_source",
        "hardware_carbon_g": "hardware",
    }
    if wue is not None:
        it = "E_here"
        if (by_model or gaps) and model.pue is not None:
            it = "E_it_here"
            given.append(_pue_inside("PUE_in", "inside the CPU's watts", model.pue, declared=pue is not None))
            equation = "J_counter + E_gaps / PUE_in" if gaps else "E_cpu / PUE_in"
            steps.append(Step(it, f"{equation} + E_ram + E_gpu", "J", "of the machine itself"))
        given.append(Given("WUE_here", "of this machine's data centre", "L/kWh", wue, DECLARED, None, "declared"))
        steps.append(Step("W_site", f"{it} * WUE_here / 3.6e6", "L", "water at the data centre"))
        answers["water_site_l"] = "W_site"
    steps.append(Step("W_source", f"{wall} * EWIF_here / 3.6e6", "L", "water at the power plants"))
    if idle_shared:
        counted = "J_above_idle * PUE_here" if pue is not None else "J_above_idle"
        at_work = "E_work + " if by_model else "J_model * u_w + " if gaps else ""
        steps.append(Step("E_active", at_work + counted, "J", "electricity above idle, at the wall"))
    whole = head | Sheet("this machine", tuple(given), tuple(steps), answers)
    return (
        whole
        | _avoidable("E_active" if idle_shared else wall, marginal, all_of_use=not idle_shared)
        | hardware_sheet(machine, cards, model.n_cpu)
    )


def hardware_sheet(machine: Machine, cards: Mapping[str, Machine], n_cpu: int) -> Sheet:
    """What ``t_machine`` CPU seconds and seconds of cards bear of their manufacture (``impacts.hardware``)."""
    whole = "rate * t_machine" if machine.per_cpu else "rate * t_machine / n_cpu"
    sheet = _rate(machine, "", f"manufacture {'of one CPU' if machine.per_cpu else 'of the machine'}")
    if not machine.per_cpu:
        cpus = Given("n_cpu", "CPUs of the machine", "", Range(float(n_cpu)), "the kernel", None, "measured")
        sheet |= Sheet("", (cpus,), ())
    for domain, row in cards.items():
        sheet |= _rate(row, f"_{domain}", f"manufacture of {domain}, with its part of the server")
        whole += f" + rate_{domain} * t_{domain}"
    return sheet | Sheet("", (), (Step("hardware", whole, "g", "manufacture"),))


def _rate(machine: Machine, suffix: str, what: str) -> Sheet:
    """Grams CO2e of one second in use."""
    origin = machine.origin

    def given(symbol: str, what: str, unit: str, ends: tuple[float, float, float]) -> Given:
        low, central, high = ends
        value = Range.of(low, central, high, symbol) if low < high else Range(central)
        return Given(f"{symbol}{suffix}", what, unit, value, origin.source, origin.year, origin.evidence)

    low, central, high = (kg + machine.host_kg for kg in machine.embodied_kg)
    inputs = (
        given("TE", f"{what} ({machine.key})", "kg", (low, central, high)),
        given("life", "its life", "years", machine.life_years),
        given("U", "share of its life in which it is used", "", machine.utilisation),
    )
    equation = f"TE{suffix} * 1000 / (life{suffix} * 31536000 * U{suffix})"
    return Sheet("", inputs, (Step(f"rate{suffix}", equation, "g/s", "a second of it", f"hw:{machine.key}"),))
