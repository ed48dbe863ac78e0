"""A served call: generation by ecologits' server model, prefill by method section 4, PUE not yet in.

ecologits is imported when the first generation is priced, never before: 0.1 s and pydantic. Its own min-max is the
spread of one parameter; the factors here replace it.
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from pytest_aifootprint.catalogue import Catalogue, Triple, default_catalogue
from pytest_aifootprint.impacts.models import Model, undisclosed_times_over
from pytest_aifootprint.quantities import EXACT_ZERO, ZERO_G, ZERO_J, Grams, Joules, Range, total
from pytest_aifootprint.quantities.ranges import LogPair
from pytest_aifootprint.quantities.units import J_PER_KWH, J_PER_WH, S_PER_YEAR

METHOD = "method:ecologits"
PREFILL = "prefill"
PROVIDER_HARDWARE = "hw:h100"
G_PER_KG = 1000.0
_PROBE_TOKENS = 1000.0


class ServerModel(Struct, frozen=True):
    """ecologits' price of a generation, which is linear in its output tokens.

    Attributes:
        fixed_j, per_token_j: IT energy. fixed_g, per_token_g: embodied carbon of server and GPUs.
    """

    fixed_j: float
    per_token_j: float
    fixed_g: float
    per_token_g: float

    def energy_j(self, output_tokens: float) -> float:
        """Joules of IT equipment for one answer."""
        return self.fixed_j + self.per_token_j * output_tokens

    def hardware_g(self, output_tokens: float) -> float:
        """Grams CO2e of server and GPU manufacture that one answer bears."""
        return self.fixed_g + self.per_token_g * output_tokens


def server_model(active_b: float, total_b: float, tps: float | None = None, ttft: float | None = None) -> ServerModel:
    """The server model of ecologits for a size (ecologits 0.11, ``impacts/llm.py``).

    The latency is always the modelled one (``request_latency=inf``): a loopback's 10 ms would cut embodied carbon
    400-fold. Energy and time are linear in the output tokens, so two evaluations tell them for every length.

    Args:
        active_b: billions of parameters at work on a token.
        total_b: billions of parameters to be held in memory.
        tps: tokens per second, where measured.
        ttft: seconds to the first token, where measured.
    """
    compute = _ecologits()

    def evaluate(tokens: float) -> tuple[float, float]:
        result = compute(
            model_active_parameter_count=active_b,
            model_total_parameter_count=total_b,
            output_token_count=tokens,
            request_latency=math.inf,
            if_electricity_mix_adpe=0.0,
            if_electricity_mix_pe=0.0,
            if_electricity_mix_gwp=0.0,
            if_electricity_mix_wue=0.0,
            datacenter_pue=1.0,
            datacenter_wue=0.0,
            tps=tps,
            ttft=ttft,
        )
        return result["request_it_energy"] * J_PER_KWH, result["request_embodied_gwp"] * G_PER_KG

    (energy_0, hardware_0), (energy_1, hardware_1) = evaluate(0.0), evaluate(_PROBE_TOKENS)
    return ServerModel(
        energy_0, (energy_1 - energy_0) / _PROBE_TOKENS, hardware_0, (hardware_1 - hardware_0) / _PROBE_TOKENS
    )


@functools.cache
def _ecologits() -> Callable[..., dict[str, Any]]:
    # Importing ecologits changes the class of every logger that is made afterwards: that is the user's.
    logger_class = logging.getLoggerClass()
    try:
        from ecologits.impacts.llm import compute_llm_impacts_dag
    finally:
        logging.setLoggerClass(logger_class)
    return compute_llm_impacts_dag


class Shape(Struct, frozen=True):
    """Proportions of a transformer: ``D = width_per_layer L`` and ``N = parameters_per_layer L D^2``."""

    width_per_layer: float
    parameters_per_layer: float

    @classmethod
    def of(cls, catalogue: Catalogue) -> Shape:
        """That of the catalogue: D = 128 L and N = 12 L D^2, so that N = 196608 L^3."""
        width, parameters = (f"transformer.{key}" for key in ("width_per_layer", "parameters_per_layer"))
        return cls(catalogue.value(width)[1], catalogue.value(parameters)[1])


def layers_times_width(parameters: float, shape: Shape | None = None) -> float:
    """Layers x width of a transformer: ``LD = 128 (N / 196608)^(2/3)`` (method, section 4)."""
    shape = shape if shape is not None else Shape.of(default_catalogue())
    width = shape.width_per_layer
    return width * math.pow(parameters / (shape.parameters_per_layer * width**2), 2 / 3)


def prefill_flop(
    parameters: float,
    input_tokens: float,
    cached_tokens: float,
    cached_share: float,
    shape: Shape | None = None,
) -> float:
    """Floating point operations to read a prompt: ``F = 2N(n-c) + 2 LD (n^2 - c^2) + kappa 2N c``.

    Args:
        parameters: active ones, N.
        input_tokens: n, cached ones included.
        cached_tokens: c.
        cached_share: kappa, the work on a cached token as a share of the linear work on a new one.
        shape: of the transformer; None: the catalogue's.
    """
    fresh = input_tokens - cached_tokens
    attention = 2 * layers_times_width(parameters, shape) * (input_tokens**2 - cached_tokens**2)
    return 2 * parameters * fresh + attention + cached_share * 2 * parameters * cached_tokens


class PrefillConstants(Struct, frozen=True):
    """eta in FLOP/J and kappa, each (low, central, high), and the shape (method, section 4)."""

    flop_per_joule: Triple
    cached_share: Triple
    shape: Shape

    @classmethod
    def of(cls, catalogue: Catalogue) -> PrefillConstants:
        """Those of the catalogue."""
        return cls(
            catalogue.value("prefill.flop_per_joule"), catalogue.value("prefill.cached_share"), Shape.of(catalogue)
        )


def prefill_energy_j(
    parameters: float, input_tokens: float, cached_tokens: float, constants: PrefillConstants
) -> Joules:
    """IT joules to read a prompt: ``E_it = F / eta``, factor ``prefill`` (method, section 4).

    Returns:
        The range whose low end has the highest efficiency and the cheapest cache, the high end the opposite.
    """
    eta_low, eta, eta_high = constants.flop_per_joule
    kappa_low, kappa, kappa_high = constants.cached_share
    cached = min(cached_tokens, input_tokens)
    shape = constants.shape
    central = prefill_flop(parameters, input_tokens, cached, kappa, shape) / eta
    if central <= 0:
        return ZERO_J
    low = prefill_flop(parameters, input_tokens, cached, kappa_low, shape) / eta_high
    high = prefill_flop(parameters, input_tokens, cached, kappa_high, shape) / eta_low
    return Joules(Range.of(low, central, high, PREFILL))


class Tokens(Struct, frozen=True):
    """What a call read and wrote; each (low, central, high), with equal ends where it is known."""

    input: Triple
    cached: float
    output: Triple


class Served(Struct, frozen=True):
    """A served call without its data centre.

    Attributes:
        it_energy_j: joules of IT equipment. hardware_g: embodied carbon of the provider's servers.
        equation: of the energy, one line with its inputs.
    """

    it_energy_j: Joules
    hardware_g: Grams
    equation: str


class ServedModel:
    """Prices calls to one model as a provider would serve them; ecologits is asked once per size."""

    def __init__(self, model: Model, operation: str, catalogue: Catalogue) -> None:
        """``operation`` decides whether anything is generated."""
        self.model = model
        self.operation = operation
        self._prefill = PrefillConstants.of(catalogue)
        # Closed models are less sure by what is not known of each of them; the method's own error all models share.
        undisclosed = math.log(undisclosed_times_over(catalogue))
        self.size_factor = _size_factor(model, undisclosed)
        self._method_factor = Range.times_over(1.0, catalogue.spread("inference.open"), METHOD).factors
        self._hardware_factor = Range.times_over(1.0, catalogue.spread("hw.provider"), PROVIDER_HARDWARE).factors
        life_s = catalogue.value("server.life_years")[1] * S_PER_YEAR
        power_w = catalogue.value("server.busy_power_w")[1]
        self._hardware_g_per_j = catalogue.value("server.embodied_kg")[1] * G_PER_KG / life_s / power_w

    def serve(self, tokens: Tokens, items: int = 1, media_s: float | None = None) -> Served:
        """The call's IT energy and hardware share.

        Args:
            tokens: read and written.
            items: images or clips, for operations priced by the piece.
            media_s: seconds of one of the clips, if told.
        """
        if self.model.active_b is None:
            return self._by_piece(items, media_s)
        reading = self._reading(tokens)
        if not generates(self.operation) or not tokens.output[1]:
            equation = f"E_it = {_wh(reading)} Wh to read {tokens.input[1]:.0f} tokens {self._size}"
            return Served(reading, self._hardware_of(reading), equation)
        writing, write_hardware = self._writing_j(tokens), self._writing_g(tokens)
        equation = (
            f"E_it = {_wh(writing)} Wh to write {tokens.output[1]:.0f} tokens (ecologits) + {_wh(reading)} Wh to read "
            f"{tokens.input[1]:.0f}, {tokens.cached:.0f} cached {self._size}"
        )
        hardware = total((write_hardware, self._hardware_of(reading)))
        return Served(total((writing, reading)), hardware, equation)

    def _hardware_of(self, it_energy_j: Joules) -> Grams:
        """Work whose server time is only known through its energy: ``E_it / P x TE / life``."""
        if not it_energy_j.central:
            return ZERO_G
        factors = {**it_energy_j.factors, **self._hardware_factor}
        return Grams(Range(it_energy_j.central * self._hardware_g_per_j, factors))

    @functools.cached_property
    def servers(self) -> tuple[ServerModel, ServerModel, ServerModel]:
        """The server model at the low end, the middle and the high end of the size."""
        model = self.model
        assert model.active_b is not None
        assert model.total_b is not None
        low, central, high = (
            server_model(a, t, model.tps, model.ttft) for a, t in zip(model.active_b, model.total_b, strict=True)
        )
        if model.kind == "closed":
            # The mean of both ends, as ecologits reports its own range: the number of GPUs goes in steps.
            central = ServerModel(
                (low.fixed_j + high.fixed_j) / 2,
                (low.per_token_j + high.per_token_j) / 2,
                (low.fixed_g + high.fixed_g) / 2,
                (low.per_token_g + high.per_token_g) / 2,
            )
        return low, central, high

    def _writing_j(self, tokens: Tokens) -> Joules:
        return Joules(self._spread(lambda i, t: self.servers[i].energy_j(t), tokens.output, self._method_factor))

    def _writing_g(self, tokens: Tokens) -> Grams:
        return Grams(self._spread(lambda i, t: self.servers[i].hardware_g(t), tokens.output, self._hardware_factor))

    def _reading(self, tokens: Tokens) -> Joules:
        sizes = self.model.active_b
        assert sizes is not None
        central = prefill_energy_j(sizes[1] * 1e9, tokens.input[1], tokens.cached, self._prefill)

        def energy_j(size: int, count: float) -> float:
            return prefill_energy_j(sizes[size] * 1e9, count, tokens.cached, self._prefill).central

        return Joules(self._spread(energy_j, tokens.input, central.factors, central.central))

    def _spread(
        self,
        price: Callable[[int, float], float],
        tokens: Triple,
        factors: Mapping[str, LogPair],
        known: float | None = None,
    ) -> Range:
        """A price at the central size and length: ``factors`` and what size and length add to its uncertainty."""
        low, count, high = tokens
        central = price(1, count) if known is None else known
        if not central:
            return EXACT_ZERO
        spread = {**factors, **self.size_factor}
        if self.model.kind == "class":
            spread[f"model:{self.model.id}"] = _logs(price(0, count), central, price(2, count))
        if low < high:
            spread[f"tokens:{self.operation}"] = _logs(price(1, low), central, price(1, high))
        return Range(central, spread)

    def _by_piece(self, items: int, media_s: float | None) -> Served:
        per_piece, per_s = self.model.model_class.energy_wh, self.model.model_class.energy_wh_per_s
        assert per_piece is not None
        if media_s is None or per_s is None:
            pieces, unit, amount = piece_energy_j(per_piece, items), per_piece, f"{items}"
        else:
            pieces, unit, amount = piece_energy_j(per_s, items, media_s), per_s, f"{items} x {media_s:g} s"
        energy = Joules(Range.of(*pieces, f"model:{self.model.id}"))
        per = "" if unit is per_piece else "/s"
        return Served(energy, self._hardware_of(energy), f"E_it = {amount} x {unit[1]:.2g} Wh{per} (class range)")

    @functools.cached_property
    def _size(self) -> str:
        active, whole = self.model.active_b, self.model.total_b
        assert active is not None
        assert whole is not None
        return f"[{self.model.id}: {active[1]:.3g} of {whole[1]:.3g} billion parameters active]"


def piece_energy_j(watt_hours: Triple, items: float, media_s: float = 1.0) -> Triple:
    """IT joules of images or clips: ``E_it = items x energy`` or ``items x seconds x energy per second``.

    Args:
        watt_hours: (low, central, high) of one piece, or of one second of it (catalogue, ``[[class]]``).
        items: pieces.
        media_s: seconds of one piece, with ``watt_hours`` of a second.
    """
    low, central, high = (one * items * media_s * J_PER_WH for one in watt_hours)
    return low, central, high


def _size_factor(model: Model, undisclosed: float) -> dict[str, LogPair]:
    """What a size that is not disclosed adds to every price.

    Args:
        model: whose size; of a family, its members' sizes, and no relative is surer than a closed model.
        undisclosed: the log of what a closed model's size adds.
    """
    name = f"model:{model.id}"
    if model.kind == "closed":
        return {name: (-undisclosed, undisclosed)}
    if model.kind != "family" or model.active_b is None:
        return {}
    down, up = _logs(*model.active_b)
    return {name: (min(down, -undisclosed), max(up, undisclosed))}


def generates(operation: str) -> bool:
    """Whether the operation writes tokens: embedding, rerank and what judges only read, images go by the piece."""
    return operation in {"chat", "completion", "inference"}


def load_ecologits() -> None:
    """Import ecologits now, so that the first price does not pay for it."""
    _ecologits()


def _logs(low: float, central: float, high: float) -> LogPair:
    return math.log(low / central), math.log(high / central)


def _wh(energy: Joules) -> str:
    return f"{energy.central / J_PER_WH:.3g}"
