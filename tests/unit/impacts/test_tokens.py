"""Tokens that nobody told, or nobody can believe."""

import json
import math
from typing import Any

import pytest

from pytest_aifootprint.catalogue import default_catalogue
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.detection.providers.asking import asked, could_ask
from pytest_aifootprint.detection.providers.body import Body
from pytest_aifootprint.impacts import CallImpact, Pricer, resolve_grid
from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.quantities.units import J_PER_KWH, J_PER_WH
from pytest_aifootprint.records.model import CallFootprint, count_tokens

PRICER = Pricer(resolve_grid("WOR", {}))


def a_call(operation: str = "chat", **told: Any) -> AICall:
    known: dict[str, Any] = {"client": "httpx", "locality": "remote", "realness": "live"}
    known |= {"started_ns": 0, "duration_ns": 0, "provider": "openai", "model": "gpt-4o", "host": "gateway.example"}
    return AICall(operation, **{**known, **told})


def energy_j(impact: CallImpact) -> float:
    assert impact.energy_j is not None
    return impact.energy_j.high


@pytest.mark.parametrize(
    "told", [10**12, -1, math.nan, math.inf, 1.5, True, "12", pytest.param(10**5000, id="very long")]
)
@pytest.mark.parametrize("field", ["input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens"])
@pytest.mark.parametrize("locality", ["remote", "local"])
def test_a_count_that_cannot_be_never_crashes_and_never_prints_a_power_station(
    told: Any, field: str, locality: str
) -> None:
    call = a_call(locality=locality, **{"input_tokens": 100, "output_tokens": 100, field: told})
    impact = PRICER.call(call)
    said = [notice.message for notice in impact.notices if notice.code == "implausible-tokens"]

    assert getattr(call, field) is None
    assert len(said) == 1
    assert "gpt-4o at gateway.example" in said[0]
    assert field in said[0]
    if locality == "remote":
        assert 0 < energy_j(impact) < J_PER_KWH
    assert count_tokens([CallFootprint(call, impact)]).unknown_calls == 1


def test_the_class_range_stands_in_for_a_count_that_cannot_be() -> None:
    broken, untold = PRICER.call(a_call(input_tokens=10, output_tokens=10**12)), PRICER.call(a_call(input_tokens=10))

    assert broken.energy_j == untold.energy_j
    assert broken.basis is Basis.ASSUMED
    assert {notice.code for notice in broken.notices} == {"implausible-tokens", "unknown-tokens"}
    assert {notice.code for notice in untold.notices} == {"unknown-tokens"}


def test_each_call_s_notice_has_its_own_count_and_host() -> None:
    first, second = (PRICER.call(a_call(host=host, output_tokens=n)) for host, n in (("a", 10**12), ("b", 10**13)))

    assert "at a: output_tokens 1000000000000 " in first.notices[-1].message
    assert "at b: output_tokens 10000000000000 " in second.notices[-1].message


@pytest.mark.parametrize(
    "count", ["1000000000000", "1e30", "-3", "NaN", "1.5", "true", '"12"', "null", "[1]", "9" * 5000]
)
def test_a_count_on_the_wire_that_cannot_be_is_unknown(count: str) -> None:
    match = could_ask(b"/v1/chat/completions")
    assert match is not None
    found = asked(match, "api.openai.com", json.dumps({"model": "gpt-4o", "messages": []}).encode())
    assert found is not None
    interpreter = found.interpreter()
    body = Body(interpreter, "application/json")
    body.feed(b'{"model": "gpt-4o", "usage": {"prompt_tokens": 7, "completion_tokens": %s}}' % count.encode())
    body.end()
    usage = interpreter.usage()
    call = a_call(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
    impact = PRICER.call(call)

    assert call.output_tokens is None
    assert 0 < energy_j(impact) < J_PER_KWH
    assert any(notice.code in {"implausible-tokens", "unknown-tokens"} for notice in impact.notices)


def test_a_thousand_million_images_are_priced_as_one() -> None:
    impact, one = PRICER.call(a_call("image", samples=10**9)), PRICER.call(a_call("image"))

    assert impact.energy_j == one.energy_j
    assert {notice.code for notice in impact.notices} == {"unknown-model", "implausible-tokens"}


def test_a_clip_is_priced_by_its_seconds_where_they_are_told_else_as_one() -> None:
    row = default_catalogue().classes["video"]
    assert row.energy_wh is not None
    assert row.energy_wh_per_s is not None
    pue = default_catalogue().provider("openai").pue[1]
    untold, short, three = (
        PRICER.call(a_call("video", model="sora-2", **told))
        for told in ({}, {"media_s": 4.0}, {"media_s": 4.0, "samples": 3})
    )

    assert untold.energy_j is not None
    assert short.energy_j is not None
    assert three.energy_j is not None
    assert untold.energy_j.central == pytest.approx(row.energy_wh[1] * J_PER_WH * pue)
    assert short.energy_j.central == pytest.approx(4 * row.energy_wh_per_s[1] * J_PER_WH * pue)
    assert three.energy_j.central == pytest.approx(3 * short.energy_j.central)
    assert "3 x 4 s x 6.6 Wh/s" in three.equation
    assert untold.basis is Basis.ASSUMED


PIECES = {"image": 0, "audio": 0, "video": 0, "chat": 3, "embedding": 3}


@pytest.mark.parametrize(("operation", "unknown"), PIECES.items())
def test_what_goes_by_the_piece_has_no_tokens_to_tell(operation: str, unknown: int) -> None:
    call = a_call(operation, count=3)
    assert count_tokens([CallFootprint(call, PRICER.call(call))]).unknown_calls == unknown
