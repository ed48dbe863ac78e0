"""How the price of a call is made, as a sheet: the equations of this room with the inputs of one model and provider.

A sheet holds for every call to one model that tells the same of its tokens; what differs from call to call is told when
it is calculated: ``n`` tokens read, ``c`` of them cached, ``out`` written, ``items`` of a batch. It repeats no figure:
all inputs are those that the price was computed with, and a test holds each sheet's results against the price.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pytest_aifootprint.catalogue import Catalogue, Triple
from pytest_aifootprint.impacts.inputs import factor_given, grid_given, water_given
from pytest_aifootprint.impacts.models import Model
from pytest_aifootprint.impacts.remote import (
    METHOD,
    PREFILL,
    PROVIDER_HARDWARE,
    ServedModel,
    Tokens,
    generates,
)
from pytest_aifootprint.impacts.site import RemoteSite
from pytest_aifootprint.quantities import EXACT_ZERO, Given, Range, Sheet, Step
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.quantities.units import J_PER_WH

SERVER_MODEL = "ecologits, compute_llm_impacts_dag"


class Told(NamedTuple):
    """Whether calls tell what they read and wrote: "told"; "class", then a class range stands in; "none": nothing."""

    input: str
    output: str

    @classmethod
    def of(cls, tokens: Tokens) -> Told:
        """As the price took them: a number that is known, or a range that stands in."""
        return cls(
            *(
                "none" if not high else "told" if low == high else "class"
                for low, _, high in (tokens.input, tokens.output)
            )
        )


def it_sheet(served: ServedModel, told: Told, catalogue: Catalogue, *, timed: bool = False) -> Sheet:
    """``E_it`` in joules and ``hardware`` in grams of one served call (``impacts.remote``).

    ``timed``: calls tell the seconds of their clips.
    """
    model = served.model
    if model.active_b is None:
        return _by_piece(model, timed=timed) | _server(catalogue) | _steps(_HARDWARE_BY_ENERGY)
    reading = _reading(served, told, catalogue) | _server(catalogue)
    if told.output == "none" or not generates(served.operation):
        return reading | _steps(Step("E_it", "E_read", "J", "electricity of the servers"), _HARDWARE_BY_ENERGY)
    return reading | _writing(served, told, catalogue)


def site_sheet(site: RemoteSite, catalogue: Catalogue, it: Sheet) -> Sheet:
    """``E`` in joules at the data centre, and what it comes to there in grams and litres (``impacts.site``)."""
    row = site.provider.origin
    low, central, high = catalogue.value("standby")
    standby = catalogue.factors["standby"].origin
    given = (
        Given("PUE", f"of {site.name}'s data centres", "", site.pue, row.source, row.year, row.evidence),
        grid_given("I", site.grid),
        Given("WUE", f"of {site.name}'s data centres", "L/kWh", site.wue, row.source, row.year, row.evidence),
        water_given("EWIF", site.grid, site.ewif),
        Given(
            "a", f"avoidable share: 1 - standby ({low:g} - {central:g} - {high:g})", "", site.avoidable_share,
            standby.source, standby.year, standby.evidence,
        ),
    )  # fmt: skip
    steps = (
        Step("E", "E_it * PUE", "J", "electricity of the data centre"),
        Step("use", "E * I / 3.6e6", "g", "carbon of that electricity"),
        Step("W_site", "E_it * WUE / 3.6e6", "L", "water at the data centre"),
        Step("W_source", "E * EWIF / 3.6e6", "L", "water at the power plants"),
    )
    return it | Sheet("", given, steps) | _saved(site)


def _saved(site: RemoteSite) -> Sheet:
    """What is not emitted if the call is not made: at the user's marginal factor, else at the average."""
    avoidable = Step("avoidable", "saved * a", "g", "carbon had the call not been made")
    if site.marginal is None:
        return _steps(Step("saved", "use", "g", "carbon if that electricity is not used"), avoidable)
    given = grid_given("I_marginal", site.marginal)
    saved = Step("saved", "E * I_marginal / 3.6e6", "g", "carbon if that electricity is not used")
    return Sheet("", (given,), (saved, avoidable))


LIVE = {
    "energy_j": "E",
    "use_carbon_g": "use",
    "hardware_carbon_g": "hardware",
    "water_site_l": "W_site",
    "water_source_l": "W_source",
    "avoidable_carbon_g": "avoidable",
}
"""What a live call to a provider comes to; with a training share beside it."""
REPLAYED = {"avoided_carbon_g": "saved"}
"""A replayed one: the electricity of the live one was not used."""


def reference_sheet(site: RemoteSite, it: Sheet) -> Sheet:
    """``E`` in joules of a served call like a local one: what the share method goes by."""
    row = site.provider.origin
    given = (Given("PUE", f"of {site.name}'s data centres", "", site.pue, row.source, row.year, row.evidence),)
    steps = (Step("E", "E_it * PUE", "J", "electricity of a served call like this one"),)
    return it | Sheet("", given, steps)


_HARDWARE_BY_ENERGY = Step(
    "hardware",
    "E_it / P_server * rate_server * hw",
    "g",
    "servers' manufacture, by the time that the energy stands for",
)


def _steps(*steps: Step) -> Sheet:
    return Sheet("", (), steps)


def _server(catalogue: Catalogue) -> Sheet:
    """The provider's server: grams of its manufacture per second of use."""
    given = (
        factor_given("TE_server", "manufacture of an 8-GPU server", catalogue, "server.embodied_kg"),
        factor_given("life_server", "life of a server, in use", catalogue, "server.life_years"),
        factor_given("P_server", "power of a server at work", catalogue, "server.busy_power_w"),
        factor_given("hw", "uncertainty of servers' manufacture", catalogue, "hw.provider", PROVIDER_HARDWARE),
    )
    rate = Step("rate_server", "TE_server * 1000 / (life_server * 31536000)", "g/s", "a second of a server")
    return Sheet("", given, (rate,))


def _by_piece(model: Model, *, timed: bool) -> Sheet:
    stand_in = model.model_class
    timed = timed and stand_in.energy_wh_per_s is not None
    watt_hours = stand_in.energy_wh_per_s if timed else stand_in.energy_wh
    assert watt_hours is not None
    each = Range.of(*watt_hours, f"model:{model.id}").scale(J_PER_WH)
    what, equation = ("one second", "items * media_s * E_item") if timed else ("one item", "items * E_item")
    origin = stand_in.origin
    given = Given(
        "E_item", f"electricity of {what}, class range", "J", each, origin.source, origin.year, origin.evidence
    )
    return Sheet("", (given,), (Step("E_it", equation, "J", "electricity of the servers"),))


def _reading(served: ServedModel, told: Told, catalogue: Catalogue) -> Sheet:
    """Prefill (method, section 4); the low end of its factor is the one with less energy."""
    model = served.model
    active = model.active_b
    assert active is not None
    kappa = factor_given("kappa", "work on a cached token", catalogue, "prefill.cached_share", PREFILL)
    slow, efficiency, fast = catalogue.value("prefill.flop_per_joule")
    per_joule = Range(efficiency, {PREFILL: (math.log(fast / efficiency), math.log(slow / efficiency))})
    eta = replace(
        factor_given("eta", "work of a server per joule", catalogue, "prefill.flop_per_joule"), value=per_joule
    )
    given = [
        *_tokens("n", "tokens read", told.input, served, model.model_class.input_tokens),
        _parameters("N", "active parameters", active, model),
        eta,
        kappa,
        *_undisclosed(served, catalogue),
    ]
    size = " * size" if served.size_factor else ""
    layers = Step("LD", "128 * (N / 196608) ** (2 / 3)", "", "layers x width of a transformer of N parameters")
    new, pairs, cached = "2 * N * (n - min(c, n))", "2 * LD * (n ** 2 - min(c, n) ** 2)", "kappa * 2 * N * min(c, n)"
    if told.input == "class":
        # In one: of tokens that nobody told, the cached ones may be all, or a few.
        reading = Step("E_read", f"({new} + {pairs} + {cached}) / eta{size}", "J", "reading the prompt")
        return Sheet("", tuple(given), (layers, reading))
    steps = (
        layers,
        Step("F_new", new, "FLOP", "new tokens: linear work"),
        Step("F_pairs", pairs, "FLOP", "new tokens: attention"),
        Step("F_cached", cached, "FLOP", "cached tokens"),
        Step("E_read", f"(F_new + F_pairs + F_cached) / eta{size}", "J", "reading the prompt"),
    )
    return Sheet("", tuple(given), steps)


def _undisclosed(served: ServedModel, catalogue: Catalogue) -> list[Given]:
    if not served.size_factor:
        return []
    value = Range(1.0, served.size_factor)
    if served.model.kind == "family":
        return [Given("size", "uncertainty of a relative's size", "", value, served.model.source, None, "assumed")]
    row = catalogue.factors["inference.closed"].origin
    what = "uncertainty of a size that is not disclosed"
    return [Given("size", what, "", value, row.source, row.year, row.evidence)]


def _writing(served: ServedModel, told: Told, catalogue: Catalogue) -> Sheet:
    """Generation by ecologits' server model, linear in the tokens written."""
    model = served.model
    low, central, high = served.servers
    assert model.active_b is not None
    assert model.total_b is not None
    size = f"{_span(model.active_b)} of {_span(model.total_b)} billion parameters active"
    source = f"{SERVER_MODEL}({size}{f', {model.tps:g} tokens/s' if model.tps else ''}); {model.source}"

    def given(symbol: str, what: str, unit: str, values: Triple) -> Given:
        factor = f"model:{model.id}"
        value = Range.of(*values, factor) if model.kind == "class" and values[0] > 0 else Range(values[1])
        return Given(symbol, what, unit, value, source, None, model.basis.value)

    found = [
        *_tokens("out", "tokens written", told.output, served, model.model_class.output_tokens),
        given("e_out", "electricity per token written", "J", (low.per_token_j, central.per_token_j, high.per_token_j)),
        given("e_first", "electricity before the first", "J", (low.fixed_j, central.fixed_j, high.fixed_j)),
        given("h_out", "manufacture per token written", "g", (low.per_token_g, central.per_token_g, high.per_token_g)),
        given("h_first", "manufacture before the first", "g", (low.fixed_g, central.fixed_g, high.fixed_g)),
        factor_given("method", "uncertainty of the server model", catalogue, "inference.open", METHOD),
    ]
    size_factor = " * size" if served.size_factor else ""
    first = ("e_first + ", "h_first + ") if central.fixed_j else ("", "")
    if not central.fixed_j:
        found = [one for one in found if not one.symbol.endswith("_first")]
    steps = (
        Step("E_write", f"({first[0]}e_out * out) * method{size_factor}", "J", "writing the answer"),
        Step("E_it", "E_write + E_read", "J", "electricity of the servers"),
        Step("H_write", f"({first[1]}h_out * out) * hw{size_factor}", "g", "servers' manufacture while writing"),
        Step("H_read", "E_read / P_server * rate_server * hw", "g", "servers' manufacture while reading"),
        Step("hardware", "H_write + H_read", "g", "servers' manufacture"),
    )
    return Sheet("", tuple(found), steps)


def _tokens(symbol: str, what: str, told: str, served: ServedModel, stand_in: Triple | None) -> list[Given]:
    if told == "told":
        return []
    origin = served.model.model_class.origin
    if told == "none" or stand_in is None:
        return [Given(symbol, f"{what}: none, by what it told", "", EXACT_ZERO, "the call", None, "measured")]
    value = Range.of(*stand_in, f"tokens:{served.operation}")
    return [Given(symbol, f"{what}: nobody told, class range", "", value, origin.source, origin.year, origin.evidence)]


def _parameters(symbol: str, what: str, billions: Triple, model: Model) -> Given:
    low, central, high = (b * 1e9 for b in billions)
    value = Range.of(low, central, high, f"model:{model.id}") if model.kind == "class" else Range(central)
    return Given(symbol, f"{what} of {model.id}", "", value, model.source, None, model.basis.value)


def _span(ends: Triple) -> str:
    low, _, high = ends
    return f"{low:g}" if low == high else f"{low:g}-{high:g}"
