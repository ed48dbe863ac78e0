"""Counts that cannot be are taken back, whoever told them."""

import json
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.detection.believed import COUNTS, MOST_MEDIA_S, MOST_PIECES, MOST_TOKENS, disbelieve
from pytest_aifootprint.detection.calls import AICall


def a_call(operation: str = "chat", **told: Any) -> AICall:
    return AICall(operation, "test", "remote", "live", 0, 0, **told)


@pytest.mark.parametrize("field", COUNTS)
@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (10**12, "1000000000000"),
        (MOST_TOKENS + 1, "1000000001"),
        (-1, "-1"),
        (1.5, "1.5"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-2.0, "-2.0"),
        (True, "(bool)"),
        ("12", "(str)"),
        (b"12", "(bytes)"),
        ([12], "(list)"),
        (Decimal(12), "(Decimal)"),
        (Fraction(1, 2), "(Fraction)"),
        pytest.param(10**5000, "(more than 40 digits)", id="longer than Python writes"),
    ],
)
def test_what_is_no_count_is_unknown_and_what_was_told_is_kept(field: str, told: object, shown: str) -> None:
    told_of: dict[str, Any] = {field: told}
    call = a_call(**told_of)

    disbelieve(call)
    disbelieve(call)

    assert getattr(call, field) is None
    assert call.disbelieved == (f"{field} {shown}",)


@given(count=st.integers(0, MOST_TOKENS))
def test_any_count_that_may_be_is_left_alone(count: int) -> None:
    call = a_call(input_tokens=count, output_tokens=float(count) if count < 2**53 else count)

    disbelieve(call)

    assert (call.input_tokens, call.output_tokens, call.disbelieved) == (count, count, ())
    assert type(call.output_tokens) is int


@pytest.mark.parametrize("operation", ["image", "audio", "video"])
def test_more_pieces_than_anybody_makes_at_once_are_not_believed(operation: str) -> None:
    many, most = a_call(operation, samples=10**12), a_call(operation, samples=MOST_PIECES)

    disbelieve(many)
    disbelieve(most)

    assert (many.samples, many.disbelieved) == (None, ("samples 1000000000000",))
    assert (most.samples, most.disbelieved) == (MOST_PIECES, ())


def test_a_table_of_a_million_rows_may_be() -> None:
    call = a_call("inference", samples=10**6)

    disbelieve(call)

    assert call.samples == 10**6


@pytest.mark.parametrize(
    "told", [0, -4, MOST_MEDIA_S * 2, math.nan, math.inf, True, "8", pytest.param(10**400, id="no float")]
)
def test_a_clip_without_a_length_that_may_be_has_none(told: Any) -> None:
    call = a_call("video", media_s=told)

    disbelieve(call)

    assert call.media_s is None
    assert len(call.disbelieved) == 1


def test_what_is_not_believed_crosses_between_workers() -> None:
    call = a_call(input_tokens=-1, media_s=4.0)
    disbelieve(call)

    assert AICall.from_wire(json.loads(json.dumps(call.to_wire()))) == call
