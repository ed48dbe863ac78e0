"""Expressions of marks, against Python's own logic; against pytest's -m in tests/integration/test_scoped_limits.py."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.budgets.expressions import ExpressionError, MarkExpression

NAMES = ["slow", "nightly", "m0", "slow-llm", "a.b", "None", "lambda"]
Tree = tuple[str, Callable[[set[str]], bool]]
names = st.sampled_from(NAMES)


def mark(name: str) -> Tree:
    return name, lambda marks: name in marks


def negated(one: Tree) -> Tree:
    return f"not ({one[0]})", lambda marks: not one[1](marks)


def both(two: tuple[Tree, Tree]) -> Tree:
    (a, a_holds), (b, b_holds) = two
    return f"({a}) and ({b})", lambda marks: a_holds(marks) and b_holds(marks)


def either(two: tuple[Tree, Tree]) -> Tree:
    (a, a_holds), (b, b_holds) = two
    return f"({a})or({b})", lambda marks: a_holds(marks) or b_holds(marks)


def larger(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.one_of(inner.map(negated), st.tuples(inner, inner).map(both), st.tuples(inner, inner).map(either))


@given(st.recursive(names.map(mark), larger, max_leaves=8), st.sets(names))
def test_an_expression_holds_as_its_parts_do(tree: Tree, marks: set[str]) -> None:
    text, holds = tree
    assert MarkExpression(text).matches(marks) == holds(marks)


@pytest.mark.parametrize(
    ("text", "matching"),
    [
        ("slow", {"a", "b"}),
        ("not slow", {"c", "d"}),
        ("slow and not nightly", {"a"}),
        ("slow or nightly", {"a", "b", "c"}),
        ("not slow or nightly", {"b", "c", "d"}),
        ("not (slow or nightly)", {"d"}),
        ("nightly or slow and not nightly", {"a", "b", "c"}),
        ("  slow\tand\n nightly ", {"b"}),
    ],
)
def test_not_binds_more_than_and_more_than_or(text: str, matching: set[str]) -> None:
    tests = {"a": {"slow"}, "b": {"slow", "nightly"}, "c": {"nightly"}, "d": set()}
    assert {name for name, marks in tests.items() if MarkExpression(text).matches(marks)} == matching


def test_the_names_of_an_expression_are_told_once_each() -> None:
    assert MarkExpression("slow and not (nightly or slow)").names == ("slow", "nightly")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "and",
            "slow nightly",
            "slow AND nightly",
            "slow and",
            "(slow",
            "slow)",
            "not",
            "slow(a)",
            "()",
            "((",
            "or or",
        ),
        *("not " * 5000 + "x", "(" * 500 + "x" + ")" * 500, "slow() and x"),
    ],
)
def test_what_is_no_expression_says_what_is_valid_in_one_line(text: str) -> None:
    with pytest.raises(ExpressionError, match="valid: names of marks with and, or, not") as caught:
        MarkExpression(text)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=30))
def test_no_text_is_more_than_a_question_about_marks(text: str) -> None:
    try:
        expression = MarkExpression(text)
    except ExpressionError:
        return
    assert expression.matches(set()) in {True, False}
