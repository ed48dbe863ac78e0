"""Calls to a local server whose work no meter here sees: an estimate, on this machine's grid, marked as what it is."""

from typing import Any

import pytest

from pytest_aifootprint.detection import AICall
from pytest_aifootprint.detection.servers import UNSEEN
from pytest_aifootprint.impacts import Pricer, resolve_grid
from pytest_aifootprint.quantities import Basis, LitresPerKwh, Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.cost import energy_of_calls
from pytest_aifootprint.records.model import CallFootprint
from pytest_aifootprint.records.models import Placed, model_footprints
from pytest_aifootprint.records.notices import call_notices

FRANCE = resolve_grid("FRA", {})
SEEN = AICall(
    "chat", "httpx", "local", "live", 0, 1, provider="local", model="llama-3.1-8b-instant", input_tokens=100,
    output_tokens=200, status=200, host="localhost:11434",
)  # fmt: skip
HIDDEN = replace(SEEN, notices=(UNSEEN,))
REMOTE = replace(SEEN, locality="remote", provider="groq", host="api.groq.com")


def sure(value: Range | None) -> Range:
    assert value is not None
    return value


def test_the_estimate_is_twice_that_of_a_served_call_without_the_data_centre() -> None:
    pricer = Pricer(FRANCE)
    hidden = pricer.call(HIDDEN)
    # The same model, at a provider: PUE in, and the provider's own uncertainty.
    site = pricer._call_prices._site("groq")
    served = sure(pricer.call(REMOTE).energy_j).central / site.pue.central
    energy = sure(hidden.energy_j)
    assert energy.central == pytest.approx(2 * served)
    down, up = energy.factors["local-server"]
    assert (round(2.718281828459045**down, 3), round(2.718281828459045**up, 3)) == (0.1, 10.0)
    assert not any(name.startswith(("pue", "grid")) for name in energy.factors)
    assert sure(hidden.use_carbon_g).central == pytest.approx(energy.central / 3.6e6 * FRANCE.carbon_g_per_kwh.central)
    assert hidden.avoidable_carbon_g == hidden.use_carbon_g
    assert sure(hidden.water_source_l).central > 0
    assert hidden.hardware_carbon_g is None
    assert hidden.basis is Basis.ASSUMED
    assert hidden.equation.startswith("E = 2 (a server that works for one) x E_it; E_it = ")
    assert hidden.priced


def test_the_machines_own_overhead_counts() -> None:
    here = Pricer(FRANCE, pue_local=Range(1.5), wue_local_l_per_kwh=LitresPerKwh(Range(2.0))).call(HIDDEN)
    assert sure(here.use_carbon_g).central == pytest.approx(
        1.5 * sure(Pricer(FRANCE).call(HIDDEN).use_carbon_g).central
    )
    assert sure(here.water_site_l).central == pytest.approx(2.0 * sure(here.energy_j).central / 3.6e6)


def test_where_the_server_was_metered_nothing_is_estimated() -> None:
    pricer = Pricer(FRANCE)
    hidden, seen = pricer.call(HIDDEN), pricer.call(SEEN)
    assert (sure(seen.energy_j).high, sure(seen.use_carbon_g).high) == (0, 0)
    assert hidden.training_carbon_g == seen.training_carbon_g
    assert pricer.call(replace(SEEN, server=(40, 7, 0, 1, 0, 1))) == seen


def test_a_model_that_this_run_trained_has_no_training_share_but_its_use() -> None:
    pricer = Pricer(FRANCE)
    own, hidden_own = replace(SEEN, model="acme-13b"), replace(HIDDEN, model="acme-13b")
    before = sure(pricer.call(hidden_own).energy_j).central
    pricer.note_training([AICall("training", "sklearn", "local", "live", 0, 1, model=own.model)])
    hidden = pricer.call(hidden_own)
    assert sure(hidden.energy_j).central == pytest.approx(before)
    assert sure(hidden.training_carbon_g).high == 0
    assert sure(pricer.call(own).energy_j).high == 0


@pytest.mark.parametrize(
    ("host", "estimated"),
    [("localhost:11434", False), ("127.0.0.1:8000", False), ("::1:8000", False), ("ollama:11434", True), (None, True)],
)
def test_with_a_gpu_meter_a_server_on_loopback_is_metered_in_part_and_not_estimated(
    host: str | None, *, estimated: bool
) -> None:
    impact = Pricer(FRANCE, gpu_metered=True).call(replace(HIDDEN, host=host))
    assert (sure(impact.energy_j).central > 0) is estimated
    codes = [notice.code for notice in impact.notices]
    assert codes == ([] if estimated else [UNSEEN])


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_price_that_is_remembered_is_that_of_an_equal_call(order: tuple[int, ...]) -> None:
    calls = [SEEN, HIDDEN, replace(HIDDEN, host="ollama:11434")]
    pricer = Pricer(FRANCE, gpu_metered=True)
    prices = {i: replace(pricer.call(calls[i]), sheet=None) for i in order}
    assert prices == {i: replace(Pricer(FRANCE, gpu_metered=True).call(calls[i]), sheet=None) for i in order}
    assert len({(sure(price.energy_j).central, price.notices) for price in prices.values()}) == 3


@pytest.mark.parametrize(
    "change", [{"status": 500, "input_tokens": None, "output_tokens": None}, {"realness": "mocked"}]
)
def test_what_did_not_run_is_not_estimated(change: dict[str, Any]) -> None:
    assert sure(Pricer(FRANCE).call(replace(HIDDEN, **change)).energy_j).high == 0


def test_untold_tokens_and_an_unknown_model_widen_the_estimate() -> None:
    pricer = Pricer(FRANCE)
    blind = pricer.call(replace(HIDDEN, model="no-such-thing", input_tokens=None, output_tokens=None))
    codes = {notice.code for notice in blind.notices}
    assert codes == {"unknown-model", "unknown-tokens"}
    assert sure(blind.energy_j).high / sure(blind.energy_j).low > 50


def test_the_estimate_is_a_domain_of_its_own() -> None:
    pricer = Pricer(FRANCE)
    priced = [CallFootprint(call, pricer.call(call)) for call in (HIDDEN, SEEN, REMOTE)]
    energy = energy_of_calls(priced)
    assert list(energy) == ["remote", "local_server"]
    assert energy["local_server"] == priced[0].impact.energy_j
    assert energy["remote"] == priced[2].impact.energy_j
    assert list(energy_of_calls(priced[1:])) == ["remote"]
    rows = {(m.id, m.provider): m for m in model_footprints([Placed("a", call) for call in priced], [], pricer)}
    assert sure(rows["llama-3.1-8b-instant", "local"].energy_j) == priced[0].impact.energy_j


def test_a_reader_is_told_that_it_is_an_estimate_and_why() -> None:
    (notice,) = call_notices(CallFootprint(HIDDEN, Pricer(FRANCE).call(HIDDEN)))
    assert notice.code == UNSEEN
    assert notice.message.startswith("localhost:11434: ")
    assert "estimated" in notice.message


def test_with_a_gpu_meter_the_reader_is_told_what_is_metered() -> None:
    (notice,) = call_notices(CallFootprint(HIDDEN, Pricer(FRANCE, gpu_metered=True).call(HIDDEN)))
    assert notice.code == UNSEEN
    assert "its GPU is metered" in notice.message
    assert "estimated" not in notice.message
