"""Tests, calls and shared fixtures from a saved JSON report: the mirror of ``rows``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.detection.calls import LOCALITIES, OPERATIONS, REALNESSES, AICall
from pytest_aifootprint.impacts.contract import CallImpact, Training
from pytest_aifootprint.quantities import Grams, Joules, Litres, Sheet
from pytest_aifootprint.records.amounts import Carbon, Energy, Tokens, Water
from pytest_aifootprint.records.model import (
    Attempt,
    CallFootprint,
    FixtureFootprint,
    FixtureShare,
    MeteredParts,
    ReportedCall,
    Retries,
    TestFootprint,
    Verdict,
)
from pytest_aifootprint.reports.saved.told import Factors, Told, notices

NOT_TOLD = Training("unknown", "")
_NS = 1e9


class RowReader:
    """Reads rows that name a sheet or a model of the same report."""

    def __init__(self, sheets: Mapping[str, Sheet], trainings: Mapping[tuple[str, str | None], Training]) -> None:
        """``trainings`` by id and provider of the model."""
        self._sheets = sheets
        self._trainings = trainings

    def test(self, row: Told) -> TestFootprint:
        """A test. Raises SavedError."""
        direct = row.told("direct")
        factors = direct.told("factors")
        own_energy = energy(direct.told("energy_j"), factors.factors("energy_j"))
        own_carbon = carbon(direct.told("carbon_g"), factors.factors("carbon_g"))
        energy_j, carbon_g = own_energy, own_carbon
        # Most tests bear no share of a fixture: then what is their own is all of it.
        if direct.raw("energy_j") != row.raw("energy_j"):
            energy_j = energy(row.told("energy_j"))
        if direct.raw("carbon_g") != row.raw("carbon_g"):
            carbon_g = carbon(row.told("carbon_g"))
        return TestFootprint(
            nodeid=row.text("nodeid"),
            worker=row.text("worker", ""),
            outcome=row.text("outcome"),
            ai=row.flag("ai", default=True),
            attempts=row.each("attempts", _attempt),
            calls=row.each("calls", self.call),
            energy=energy_j,
            carbon=carbon_g,
            water=Water(reported_total=Litres(row.known("water_l"))),
            avoidable_carbon_g=Grams(row.known("avoidable_carbon_g")),
            avoided_carbon_g=Grams(row.known("avoided_carbon_g")),
            direct_cpu_s=direct.number("cpu_s"),
            direct_energy=own_energy,
            direct_carbon=own_carbon,
            direct_machine_s=direct.number("machine_s"),
            direct_active_j=_joules(direct, "active_energy_j"),
            direct_cards_s=_seconds(direct),
            fixtures=row.each("fixtures", _share),
            verdicts=row.each("verdicts", verdict),
            notices=notices(row),
            direct_metered=_metered(direct),
            reported_tokens=tokens(row.told("tokens")),
        )

    def fixture(self, row: Told) -> FixtureFootprint:
        """A shared fixture as a whole. Raises SavedError."""
        factors = row.told("factors")
        return FixtureFootprint(
            id=row.text("id"),
            name=row.text("name"),
            scope=row.text("scope"),
            users=row.texts("users"),
            setups=row.whole("setups", 1),
            calls=row.each("calls", self.call),
            energy=energy(row.told("energy_j"), factors.factors("energy_j")),
            carbon=carbon(row.told("carbon_g"), factors.factors("carbon_g")),
            cpu_s=row.number("cpu_s"),
            payers=row.whole("payers"),
            machine_s=row.number("machine_s"),
            active_j=_joules(row, "active_energy_j"),
            cards_s=_seconds(row),
            avoidable_carbon_g=Grams(row.known("avoidable_carbon_g")),
            only_ai_users=row.flag("only_ai_users", default=False),
            metered=_metered(row),
            ai_payers=row.whole("ai_payers"),
        )

    def call(self, row: Told) -> CallFootprint:
        """A call and its price. Raises SavedError."""
        call = _call(row)
        carbon_g = carbon(row.told("carbon_g"), row.factors("factors"))
        sheet = row.maybe_text("sheet")
        impact = CallImpact(
            energy_j=_joules(row, "energy_j"),
            use_carbon_g=carbon_g.use,
            hardware_carbon_g=carbon_g.hardware,
            training_carbon_g=carbon_g.training,
            training_energy_j=None,
            # Only their sum is told.
            water_site_l=None,
            water_source_l=None,
            avoidable_carbon_g=_grams(row, "avoidable_carbon_g"),
            avoided_carbon_g=_grams(row, "avoided_carbon_g"),
            training=self._trainings.get((call.model or "unknown", call.provider), NOT_TOLD),
            basis=row.basis("basis"),
            source=row.text("source", ""),
            equation=row.text("equation", ""),
            priced=row.flag("priced", default=True),
            notices=notices(row),
            sheet=None if sheet is None else self._sheets.get(sheet, Sheet(sheet, (), ())),
        )
        water = row.range("water_l")
        reported = ReportedCall(carbon_g, None if water is None else Litres(water))
        return CallFootprint(call, impact, _joules(row, "local_energy_j"), reported=reported)


def energy(row: Told, factors: Factors | None = None) -> Energy:
    """Joules by domain, a domain that is null being unread; ``factors`` of the sum. Raises SavedError."""
    by_domain: dict[str, Joules] = {}
    unread: list[str] = []
    for domain in row.names():
        joules = None if domain == "total" else _joules(row, domain)
        if joules is not None:
            by_domain[domain] = joules
        elif domain != "total":
            unread.append(domain)
    whole = row.range("total", factors)
    return Energy(by_domain, None if whole is None else Joules(whole), tuple(unread))


def carbon(row: Told, factors: Factors | None = None, use_factors: Factors | None = None) -> Carbon:
    """Grams by part; ``factors`` of the sum, ``use_factors`` of use. Raises SavedError."""
    use, whole = row.range("use", use_factors), row.range("total", factors)
    return Carbon(
        None if use is None else Grams(use),
        _grams(row, "training"),
        _grams(row, "hardware"),
        None if whole is None else Grams(whole),
    )


def tokens(row: Told) -> Tokens:
    """Counts of tokens. Raises SavedError."""
    return Tokens(
        row.whole("input"), row.whole("output"), row.whole("cached_input"), row.whole("reasoning"),
        row.whole("unknown_calls"),
    )  # fmt: skip


def retries(row: Told) -> Retries:
    """What attempts cost that were run again. Raises SavedError."""
    whole = row.known("energy_j")
    return Retries(row.whole("attempts"), Energy({}, Joules(whole)), carbon(row.told("carbon_g")))


def verdict(row: Told) -> Verdict:
    """What a limit says. Raises SavedError."""
    found = row.text("verdict")
    if found not in {"pass", "fail", "undecided"}:
        raise row.error("verdict", "verdict (pass, fail, undecided)")
    return Verdict(
        row.text("scope"), row.text("limit"), row.text("unit"), row.number("limit_value"), row.range("actual"),
        row.text("bound", "central"), found, row.text("message"), row.text("reason", ""),
    )  # fmt: skip


def _joules(row: Told, key: str) -> Joules | None:
    found = row.range(key)
    return None if found is None else Joules(found)


def _grams(row: Told, key: str) -> Grams | None:
    found = row.range(key)
    return None if found is None else Grams(found)


def _seconds(row: Told) -> dict[str, float]:
    cards = row.told("cards_s")
    return {name: cards.number(name) for name in cards.names()}


def _metered(row: Told) -> MeteredParts | None:
    if not row.has("metered_j"):
        return None
    parts = row.told("metered_j")
    return MeteredParts(
        parts.number("cpu_counter"), parts.number("cpu_load_model"), parts.number("cpu_idle_model"),
        parts.maybe_number("counters_above_idle"),
    )  # fmt: skip


def _attempt(row: Told) -> Attempt:
    phases = row.raw("phases") or {}
    if type(phases) is not dict or not all(type(phase) is dict for phase in phases.values()):
        raise row.error("phases", "object of objects")
    return Attempt(row.whole("attempt", 1), row.text("outcome"), row.number("duration_s"), phases)


def _share(row: Told) -> FixtureShare:
    """Of a share, only the sums are told: its parts are unknown."""
    return FixtureShare(
        name=row.text("name"),
        scope=row.text("scope"),
        users=row.whole("users"),
        energy=Energy({}, Joules(row.known("energy_j"))),
        carbon=Carbon(None, None, None, Grams(row.known("carbon_g"))),
        setups=row.whole("setups", 1),
        trained=row.texts("trained"),
        id=row.text("id", ""),
    )


def _call(row: Told) -> AICall:
    return AICall(
        operation=_one_of(row, "operation", OPERATIONS),
        client=row.text("client", ""),
        locality=_one_of(row, "locality", LOCALITIES),
        realness=_one_of(row, "realness", REALNESSES),
        started_ns=_ns(row, "started_s"),
        duration_ns=_ns(row, "duration_s"),
        provider=row.maybe_text("provider"),
        model=row.maybe_text("model"),
        response_model=row.maybe_text("response_model"),
        streamed=row.flag("streamed", default=False),
        input_tokens=row.maybe_whole("input_tokens"),
        output_tokens=row.maybe_whole("output_tokens"),
        cached_input_tokens=row.maybe_whole("cached_input_tokens"),
        reasoning_tokens=row.maybe_whole("reasoning_tokens"),
        tokens_estimated=row.flag("tokens_estimated", default=False),
        status=_status(row),
        abandoned=row.flag("abandoned", default=False),
        phase=row.text("phase", "call"),
        inferred=row.flag("inferred", default=False),
        replayer=row.maybe_text("replayer"),
        host=row.maybe_text("host"),
        parameters=row.maybe_whole("parameters"),
        samples=row.maybe_whole("samples"),
        media_s=row.maybe_number("media_s"),
        precision=row.maybe_text("precision"),
        device=row.maybe_text("device"),
        revision=row.maybe_text("revision"),
        steps=row.maybe_whole("steps"),
        epochs=row.maybe_number("epochs"),
        cpu_ns=_ns(row, "cpu_s"),
        count=row.whole("count", 1),
        # Which server, and when it was read, is not told.
        server=(0, 0, 0, 0, 0, _ns(row, "server_cpu_s")) if row.has("server_cpu_s") else None,
    )


def _ns(row: Told, key: str) -> int:
    ns = row.number(key) * _NS
    if not math.isfinite(ns):
        raise row.error(key, "number of seconds")
    return round(ns)


def _status(row: Told) -> int | str | None:
    status: Any = row.raw("status")
    if status is not None and type(status) not in {int, str}:
        raise row.error("status", "HTTP status")
    found: int | str | None = status
    return found


def _one_of(row: Told, key: str, valid: tuple[str, ...]) -> str:
    value = row.text(key)
    if value not in valid:
        raise row.error(key, f"{key} ({', '.join(valid)})")
    return value
