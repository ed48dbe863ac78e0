"""What a call, a test's own windows, a shared fixture and a test come to, calculated from a report's sheets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from pytest_aifootprint.explain.saved import HERE, Row, Saved, ranged
from pytest_aifootprint.quantities import EXACT_ZERO, Range, total

FIGURES: Mapping[str, tuple[str, str]] = {
    "E_cpu": ("J", "electricity of the CPU"),
    "E_ram": ("J", "electricity of memory"),
    "E_gpu": ("J", "electricity of GPUs"),
    "E_server": ("J", "electricity of local servers that nobody could meter"),
    "E_remote": ("J", "electricity of providers' data centres"),
    "use": ("g", "carbon of that electricity"),
    "training": ("g", "share of the models' training"),
    "hardware": ("g", "share of the hardware's manufacture"),
    "W_site": ("L", "water at data centres"),
    "W_source": ("L", "water at power plants"),
    "avoidable": ("g", "carbon that would not have been emitted"),
    "avoided": ("g", "carbon that replayed calls did not cost"),
}
"""Symbol to unit and meaning, of what an owner comes to."""

DOMAINS = ("cpu", "ram", "gpu")
_OF_CALL = {
    "use": "use_carbon_g",
    "training": "training_carbon_g",
    "hardware": "hardware_carbon_g",
    "W_site": "water_site_l",
    "W_source": "water_source_l",
    "avoidable": "avoidable_carbon_g",
    "avoided": "avoided_carbon_g",
}
PARTS = {
    "J_counter": "cpu_counter",
    "J_model": "cpu_load_model",
    "J_idle": "cpu_idle_model",
    "J_above_idle": "counters_above_idle",
}
"""Symbol to key of ``metered_j``: what windows took, by what said so."""
Figures = dict[str, Range | None]


def told_of(call: Row) -> dict[str, Range]:
    """What a sheet of calls has to be told of one: ``n``, ``c``, ``out``, ``items``, ``media_s``."""
    said = {
        "n": call["input_tokens"],
        "c": call["cached_input_tokens"] or 0,
        "out": call["output_tokens"],
        "items": call["samples"] or 1,
        "media_s": call["media_s"],
    }
    return {symbol: Range(float(number)) for symbol, number in said.items() if number is not None}


def of_call(saved: Saved, call: Row) -> Figures:
    """What a row of calls comes to beside the windows that it ran in; None: unknown."""
    told = told_of(call)
    key = (call["sheet"], call["locality"], *((symbol, value.central) for symbol, value in told.items()))
    one = saved.prices.get(key) if call["sheet"] is not None else None
    if one is None:
        one = _of_one(saved, call, told)
        if call["sheet"] is None:
            return one
        saved.prices[key] = one
    count = call["count"]
    return one if count == 1 else {name: None if value is None else value.scale(count) for name, value in one.items()}


def _of_one(saved: Saved, call: Row, told: Mapping[str, Range]) -> Figures:
    """The same of one call of the row; a row without a sheet as a whole."""
    figures: Figures = dict.fromkeys(FIGURES, EXACT_ZERO)
    energy = "E_remote" if call["locality"] == "remote" else "E_server"
    if call["sheet"] is None:
        figures["training"] = ranged(call["carbon_g"]["training"], "training")
        if not call["priced"]:
            figures.update(dict.fromkeys((energy, *(name for name in _OF_CALL if name != "avoided"))))
        # What a replayed call to a model on this machine would have used, nobody metered.
        if call.get("avoided_carbon_g", {}) is None:
            figures["avoided"] = None
        return figures
    sheet = saved.sheets[call["sheet"]]
    own = {given.symbol for given in sheet.given}
    values = sheet.results({symbol: value for symbol, value in told.items() if symbol not in own})

    def answer(figure: str) -> Range | None:
        symbol = sheet.answers.get(figure, "")
        if symbol is None:
            return None
        return values[symbol] if symbol else EXACT_ZERO

    figures[energy] = answer("energy_j")
    figures.update({name: answer(figure) for name, figure in _OF_CALL.items()})
    return figures


def machine_told(saved: Saved, seconds: Row, energy: Row) -> dict[str, Range]:
    """What the sheet of this machine has to be told of an owner."""
    told = {"t": Range(max(seconds["cpu_s"] or 0.0, 0.0)), "t_machine": Range(seconds["machine_s"] or 0.0)}
    told |= {f"t_{domain}": Range(s or 0.0) for domain, s in seconds["cards_s"].items()}
    sheet = saved.sheets[HERE]
    for domain in DOMAINS:
        if not sheet.makes(f"E_{domain}"):
            told[f"E_{domain}"] = ranged(energy.get(domain), f"meter:{domain}") or EXACT_ZERO
    parts = seconds.get("metered_j") or {}
    told |= {symbol: Range(parts.get(key) or 0.0) for symbol, key in PARTS.items() if sheet.needs(symbol)}
    return told


def of_machine(saved: Saved, seconds: Row, energy: Row) -> Figures:
    """What an owner's own windows come to."""
    sheet = saved.sheets[HERE]
    values = sheet.results(machine_told(saved, seconds, energy))
    figures: Figures = dict.fromkeys(FIGURES, EXACT_ZERO)
    for domain in DOMAINS:
        unread = domain in energy and energy[domain] is None
        figures[f"E_{domain}"] = None if unread else values[f"E_{domain}"]
    for name, figure in _OF_CALL.items():
        symbol = sheet.answers.get(figure)
        if symbol is not None:
            figures[name] = values[symbol]
    return figures


def summed(parts: Iterable[Figures]) -> Figures:
    """The sum of what is known. Unknown and nothing is unknown; unknown and something is at least that something."""
    rows = list(parts)
    found: Figures = {}
    for name in FIGURES:
        values: list[Range | None] = [row[name] for row in rows]
        numbers = [value for value in values if value is not None and value.central]
        some = numbers[0] if len(numbers) == 1 else total(numbers)
        found[name] = None if not numbers and None in values else some
    return found


class Whole(Struct, frozen=True):
    """What a test or a fixture comes to, part by part.

    Attributes:
        own: its windows. calls: each row of calls. shares: of each shared fixture that a test bears.
    """

    own: Figures
    calls: tuple[tuple[Row, Figures], ...]
    shares: tuple[tuple[Row, Figures], ...] = ()

    @property
    def direct(self) -> Figures:
        """Own windows and calls."""
        return summed([self.own, *(figures for _, figures in self.calls)])

    @property
    def total(self) -> Figures:
        """And shares of fixtures."""
        return summed([self.direct, *(figures for _, figures in self.shares)])


def of_fixture(saved: Saved, fixture: Row) -> Whole:
    """What a shared fixture comes to as a whole."""
    own = of_machine(saved, fixture, fixture["energy_j"])
    return Whole(own, tuple((call, of_call(saved, call)) for call in fixture["calls"]))


def of_test(saved: Saved, test: Row, fixtures: Mapping[str, Figures] | None = None) -> Whole:
    """What a test comes to; ``fixtures`` as calculated before, by id."""
    direct = test["direct"]
    own = of_machine(saved, direct, direct["energy_j"])
    shares = []
    for share in test["fixtures"]:
        row = saved.fixtures[share["id"]]
        whole = (fixtures or {}).get(share["id"]) or of_fixture(saved, row).direct
        part = scaled(whole, 1 / row["payers"])
        # What others use, too, is not avoidable by one of them.
        shares.append((share, part if row["payers"] == 1 else {**part, "avoidable": EXACT_ZERO}))
    return Whole(own, tuple((call, of_call(saved, call)) for call in test["calls"]), tuple(shares))


def scaled(figures: Figures, k: float) -> Figures:
    """``k`` times everything."""
    return {name: None if value is None else value.scale(k) for name, value in figures.items()}
