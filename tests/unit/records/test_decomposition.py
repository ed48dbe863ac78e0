"""What caused a change: parts that add up."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.records.decomposition import (
    CALLS,
    GRID,
    HARDWARE,
    HERE,
    MODELS,
    PER_CALL,
    PER_TOKEN,
    TESTS,
    TOKENS,
    TRAINING,
    Account,
    ModelUse,
    account_of,
    causes,
    log_mean,
    split,
)

positive = st.floats(1e-6, 1e6)
zero_too = st.just(0.0) | positive


@given(positive, positive)
def test_the_logarithmic_mean_lies_between_the_geometric_and_the_arithmetic_one(a: float, b: float) -> None:
    mean = log_mean(a, b)
    assert mean == pytest.approx(log_mean(b, a), rel=1e-9)
    assert math.sqrt(a * b) * (1 - 1e-9) <= mean <= (a + b) / 2 * (1 + 1e-9)


def test_the_logarithmic_mean_of_equals_is_themselves_and_with_zero_it_is_zero() -> None:
    assert log_mean(3.0, 3.0) == 3.0
    assert log_mean(3.0, 3.0 * (1 + 1e-12)) == pytest.approx(3.0, rel=1e-9)
    assert log_mean(0.0, 3.0) == log_mean(3.0, 0.0) == 0.0
    assert log_mean(math.e, 1.0) == pytest.approx(math.e - 1)


@given(st.lists(st.tuples(zero_too, zero_too), min_size=1, max_size=5))
def test_the_parts_add_up_to_the_change_of_the_product_and_turn_round_with_it(pairs: list[tuple[float, float]]) -> None:
    before = {str(n): a for n, (a, _) in enumerate(pairs)}
    after = {str(n): b for n, (_, b) in enumerate(pairs)}
    old, new = math.prod(before.values()), math.prod(after.values())
    parts = split(before, after)

    assert math.fsum(parts.values()) == pytest.approx(new - old, rel=1e-9, abs=1e-9 * max(old, new))
    back = split(after, before)
    for name, part in parts.items():
        assert back[name] == pytest.approx(-part, rel=1e-9, abs=1e-9 * max(old, new))


def test_what_did_not_change_is_blamed_for_nothing() -> None:
    parts = split({"tests": 2.0, "calls": 3.0}, {"tests": 4.0, "calls": 3.0})
    assert parts == {"tests": pytest.approx(6.0), "calls": 0.0}


def test_a_published_shape_of_the_formula() -> None:
    # V = x * y from 2 * 3 to 4 * 5: L = 14 / ln(20/6), times ln 2 and ln 5/3.
    mean = 14 / math.log(20 / 6)
    parts = split({"x": 2.0, "y": 3.0}, {"x": 4.0, "y": 5.0})
    assert parts == {"x": pytest.approx(mean * math.log(2)), "y": pytest.approx(mean * math.log(5 / 3))}


uses = st.builds(ModelUse, positive, zero_too, positive, positive)


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    models = draw(st.dictionaries(st.sampled_from([("a", "x"), ("b", "x"), ("c", "")]), uses, max_size=3))
    here = draw(st.sampled_from([(0.0, 0.0), (draw(positive), draw(positive))]))
    return Account(
        draw(st.integers(1, 1000)),
        models,
        math.fsum([*(use.energy_j for use in models.values()), here[0]]),
        math.fsum([*(use.use_g for use in models.values()), here[1]]),
        draw(zero_too),
        draw(zero_too),
    )


@given(accounts(), accounts())
def test_all_causes_add_up_to_the_change_of_the_total(before: Account, after: Account) -> None:
    found = causes(before, after)
    size = max(before.total_g, after.total_g)
    assert math.fsum(found.values()) == pytest.approx(after.total_g - before.total_g, rel=1e-9, abs=1e-9 * size)


def account(tests: int = 2, **models: ModelUse) -> Account:
    uses = {(name, ""): use for name, use in models.items()}
    remote_j, remote_g = sum(u.energy_j for u in uses.values()), sum(u.use_g for u in uses.values())
    return Account(tests, uses, remote_j + 10.0, remote_g + 1.0, 0.5, 0.25)


def felt(before: Account, after: Account) -> set[str]:
    return {cause for cause, grams in causes(before, after).items() if abs(grams) > 1e-9}


BEFORE = account(m=ModelUse(4, 400, 40.0, 4.0))


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (account(m=ModelUse(4, 800, 80.0, 8.0)), {TOKENS}),
        (account(m=ModelUse(8, 800, 80.0, 8.0)), {CALLS}),
        (account(m=ModelUse(4, 400, 80.0, 8.0)), {PER_TOKEN}),
        (account(m=ModelUse(4, 400, 40.0, 8.0)), {GRID}),
        (account(4, m=ModelUse(8, 800, 80.0, 8.0)), {TESTS, HERE}),
        (account(other=ModelUse(4, 400, 40.0, 5.0)), {MODELS}),
    ],
)
def test_each_change_is_put_down_to_what_changed(after: Account, why: set[str]) -> None:
    assert felt(BEFORE, after) == why


def test_calls_without_tokens_have_their_energy_per_call() -> None:
    assert felt(account(m=ModelUse(4, 0, 40.0, 4.0)), account(m=ModelUse(4, 0, 80.0, 8.0))) == {PER_CALL}


def test_tokens_that_were_not_told_make_no_tokens_per_call() -> None:
    assert felt(account(m=ModelUse(4, 400, 40.0, 4.0)), account(m=ModelUse(8, None, 80.0, 8.0))) == {CALLS}
    assert felt(account(m=ModelUse(4, 400, 40.0, 4.0)), account(m=ModelUse(4, None, 80.0, 8.0))) == {PER_CALL}


def test_training_and_hardware_are_causes_of_their_own() -> None:
    after = Account(2, BEFORE.models, BEFORE.energy_j, BEFORE.use_g, 1.5, 2.25)
    found = causes(BEFORE, after)
    assert (found[TRAINING], found[HARDWARE]) == (1.0, 2.0)


def test_a_call_of_a_shared_fixture_counts_as_far_as_ai_tests_bear_it() -> None:
    def row(central: float | None) -> dict[str, float] | None:
        return None if central is None else {"low": central, "central": central, "high": central}

    call = {
        "realness": "live", "locality": "remote", "model": "m", "provider": "p", "count": 2,
        "operation": "chat", "notices": [],
        "input_tokens": 10, "output_tokens": 5, "energy_j": row(8.0), "carbon_g": {"use": row(4.0)},
    }  # fmt: skip
    report = {
        "tests": [{"ai": True, "calls": [call, {**call, "realness": "replayed"}]}, {"ai": False, "calls": []}],
        "fixtures": [{"ai_payers": 1, "payers": 4, "calls": [call]}, {"ai_payers": 0, "payers": 2, "calls": [call]}],
        "totals": {
            "ai_tests": 1, "energy_j": {"total": row(10.0)}, "unpriced_calls": 1,
            "calls": {"live": 3}, "tokens": {"input": 40, "output": 20},
            "carbon_g": {"use": row(5.5), "training": None, "hardware": row(0.5)},
        },
    }  # fmt: skip
    found = account_of(report)
    assert found.models == {("m", "p"): ModelUse(2.5, 37.5, 10.0, 5.0)}
    assert (found.here_j, found.here_g, found.total_g) == (0.0, 0.5, 6.0)
    assert (found.calls, found.tokens, found.unpriced, found.unknown) == (3, 60, 1, frozenset({"training"}))
