from __future__ import annotations

import math

import pytest

from pytest_aifootprint.attribution.balance import TOLERANCE, Balance, Kind, balance, check, notices
from pytest_aifootprint.attribution.shares import DomainShares
from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.quantities.changed import replace

TERMS = ("ai_tests_j", "shared_fixtures_j", "other_tests_j", "other_processes_j", "idle_j", "plugin_j")

SHARES = DomainShares(
    domain="cpu",
    meter="recorded",
    basis=Basis.MEASURED,
    metered_j=46_000.0,
    owners={("gw0", 0): 15_000.0, ("gw0", 1): 4_000.0, ("gw1", 0): 3_000.0, ("gw1", 1): 2_000.0},
    other_processes_j=1_900.0,
    idle_j=20_000.0,
    plugin_j=100.0,
)


def kind_of(worker: str, owner: int) -> Kind:
    kinds: dict[tuple[str, int], Kind] = {("gw0", 0): "ai", ("gw0", 1): "fixture", ("gw1", 0): "ai"}
    return kinds.get((worker, owner), "other")


def test_every_owner_stands_in_one_term() -> None:
    result = balance(SHARES, kind_of)
    assert result.terms_j == (18_000.0, 4_000.0, 2_000.0, 1_900.0, 20_000.0, 100.0)
    assert check(result) == 0.0
    assert notices(result) == ()


@pytest.mark.parametrize("term", TERMS)
def test_a_joule_too_much_or_too_little_in_any_term_is_seen(term: str) -> None:
    good = balance(SHARES, kind_of)
    for joule in (1.0, -1.0, 1e-4):
        wrong = replace(good, **{term: getattr(good, term) + joule})
        assert check(wrong) > TOLERANCE
        assert [n.code for n in notices(wrong)] == ["unbalanced"]


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_a_term_that_cannot_be_is_never_balanced(value: float) -> None:
    assert check(replace(balance(SHARES, kind_of), idle_j=value)) == math.inf


def test_nothing_metered_balances_only_with_nothing_billed() -> None:
    nothing = Balance("cpu", "m", Basis.MEASURED, *(0.0,) * 8)
    assert check(nothing) == 0.0
    assert check(replace(nothing, idle_j=1e-30)) == math.inf


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="owner 0 of gw0 is 'tests'; valid: ai, fixture, other"):
        balance(SHARES, lambda _worker, _owner: "tests")  # type: ignore[arg-type,return-value] # that is the point


def test_more_than_one_percent_clamped_is_said() -> None:
    result = balance(replace(SHARES, clamped_j=500.0), kind_of)
    assert [(n.code, n.message) for n in notices(result)] == [
        ("clamped", "cpu: terms below zero were set to 0, 1.1% of it")
    ]
    assert notices(balance(replace(SHARES, clamped_j=400.0), kind_of)) == ()
