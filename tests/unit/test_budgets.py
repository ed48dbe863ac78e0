"""Verdicts by method section 8, against its table."""

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_aifootprint.budgets import Limit, parse_limit
from pytest_aifootprint.budgets.verdicts import judge, measure
from pytest_aifootprint.quantities import Grams, Joules, Litres, Range, UnitError
from pytest_aifootprint.records.amounts import Carbon, Energy, Tokens, Water

ACTUAL = Range.of(4, 10, 30, "x")


def limit(value: float) -> Limit:
    return Limit("carbon_g", value, f"{value} gCO2e")


@pytest.mark.parametrize(
    ("bound", "value", "verdict", "says_that_it_crosses"),
    [
        ("central", 40, "pass", False),
        ("central", 30, "pass", False),
        ("central", 20, "pass", True),
        ("central", 10, "pass", True),
        ("central", 9, "fail", True),
        ("central", 3, "fail", False),
        ("high", 40, "pass", False),
        ("high", 30, "pass", False),
        ("high", 20, "undecided", True),
        ("high", 5, "undecided", True),
        ("high", 3, "fail", False),
        ("low", 40, "pass", False),
        ("low", 20, "pass", True),
        ("low", 5, "pass", True),
        ("low", 3, "fail", False),
    ],
)
def test_the_bound_decides(bound: str, value: float, verdict: str, says_that_it_crosses: bool) -> None:  # noqa: FBT001
    found = judge(limit(value), ACTUAL, bound, "run")
    assert found.verdict == verdict
    assert ("crosses the limit" in found.reason) == says_that_it_crosses
    assert (found.scope, found.limit_value, found.actual) == ("run", value, ACTUAL)


@pytest.mark.parametrize("bound", ["low", "central", "high"])
def test_a_doubt_is_never_a_pass_and_never_saves_a_failure(bound: str) -> None:
    doubtful = judge(limit(100), ACTUAL, bound, "run", ["worker gw1 was lost"])
    assert (doubtful.verdict, doubtful.reason) == ("undecided", "worker gw1 was lost")
    assert judge(limit(3), ACTUAL, bound, "run", ["worker gw1 was lost"]).verdict == "fail"


@pytest.mark.parametrize("bound", ["low", "central", "high"])
def test_what_is_not_known_is_undecided(bound: str) -> None:
    assert judge(limit(100), None, bound, "run").verdict == "undecided"


def test_exactly_the_limit_is_within_it() -> None:
    assert judge(limit(10), Range(10.0), "high", "run").verdict == "pass"
    assert judge(Limit("calls", 0, "0 calls"), Range(0.0), "central", "run").verdict == "pass"
    assert judge(Limit("calls", 0, "0 calls"), Range(1.0), "central", "run").verdict == "fail"


def test_a_limit_on_use_is_read_and_measured_without_the_shares() -> None:
    carbon = Carbon(use=Grams(Range(1.0)), training=Grams(Range(2.0)), hardware=Grams(Range(4.0)))
    parts: dict[str, Any] = {
        "carbon": carbon,
        "energy": Energy({"cpu": Joules(Range(3.0)), "remote": Joules(Range(5.0))}),
        "water": Water(Litres(Range(1.0)), Litres(Range(0.5))),
        "tokens": Tokens(input=10, output=5),
        "calls": 7,
    }
    for text, expected in {
        "use: 5 gCO2e": 1,
        "5 gCO2e": 7,
        "5 J": 8,
        "5 L": 1.5,
        "5 tokens": 15,
        "5 calls": 7,
    }.items():
        actual = measure(parse_limit(text), **parts)
        assert actual is not None
        assert actual.central == pytest.approx(expected)


def test_unknown_tokens_and_unknown_use_are_not_zero() -> None:
    nothing: dict[str, Any] = {"energy": Energy(), "water": None, "calls": 0}
    unknown = Tokens(unknown_calls=1)
    assert measure(parse_limit("5 tokens"), carbon=Carbon(), tokens=unknown, **nothing) is None
    assert measure(parse_limit("use: 5 g"), carbon=Carbon(use=None), tokens=unknown, **nothing) is None
    assert measure(parse_limit("5 mL"), carbon=Carbon(), tokens=unknown, **nothing) is None


@pytest.mark.parametrize("text", ["use 5 g", "usage: 5 g", "use:", ": 5 g", "5", "use: 5 tokens", "use: 1 Wh"])
def test_what_is_no_limit_says_what_is_valid(text: str) -> None:
    with pytest.raises(UnitError, match="valid:"):
        parse_limit(text)


def test_a_verdict_is_one_line_however_many_doubts_there_are() -> None:
    few = judge(limit(5), Range(1.0), "central", "run", ["a", "b", "c"])
    many = judge(limit(5), Range(1.0), "central", "run", [f"row {n}" for n in range(60)])

    assert (few.verdict, few.reason) == ("undecided", "a; b; c")
    assert (many.verdict, many.reason) == ("undecided", "row 0; row 1; row 2; and 57 more")


def test_doubts_name_what_is_missing() -> None:
    from pytest_aifootprint.session.gate import doubts_of

    run: Any = SimpleNamespace(
        workers=[SimpleNamespace(id="gw0", reported=True), SimpleNamespace(id="gw1", reported=False)],
        seams={"httpx": "failed: no attribute send", "torch": "waiting", "sklearn": "armed"},
        totals=SimpleNamespace(unpriced_calls=2),
        notices=[SimpleNamespace(code="remote-calls-outside-tests", message="1 AI calls ran outside every test")],
        telling_tests=[SimpleNamespace(nodeid="t.py::a", notices=[SimpleNamespace(code="marked-without-call")])],
    )
    assert doubts_of(run) == [
        "worker gw1 was lost",
        "seam httpx: failed: no attribute send",
        "2 AI calls could not be priced",
        "1 AI calls ran outside every test",
        "t.py::a is marked but made no AI call",
    ]
