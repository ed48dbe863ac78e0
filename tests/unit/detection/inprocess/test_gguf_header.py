"""The number and quantisation of a GGUF file's weights."""

from __future__ import annotations

from io import BytesIO
from math import prod
from struct import pack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.detection.inprocess.gguf_header import NOT_TOLD, GgufSize, file_type, gguf_size

U32, STRING, ARRAY, U16 = 4, 8, 9, 2


def text(value: bytes) -> bytes:
    return pack("<Q", len(value)) + value


def pair(key: bytes, kind: int, value: bytes) -> bytes:
    return text(key) + pack("<I", kind) + value


def strings(*values: bytes) -> bytes:
    return pack("<IQ", STRING, len(values)) + b"".join(map(text, values))


def tensor(shape: tuple[int, ...], kind: int) -> bytes:
    return text(b"blk.0") + pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, 0)


def header(pairs: list[bytes], tensors: list[bytes], version: int = 3) -> bytes:
    return b"GGUF" + pack("<IQQ", version, len(tensors), len(pairs)) + b"".join(pairs) + b"".join(tensors)


def size_of(content: bytes) -> GgufSize:
    return gguf_size(BytesIO(content), len(content))


Q4_K_M = pair(b"general.file_type", U32, pack("<I", 15))
ODDS = [
    pair(b"tokenizer.ggml.tokens", ARRAY, strings(b"one", b"", b"two" * 50)),
    pair(b"tokenizer.ggml.scores", ARRAY, pack("<IQ3f", 6, 3, 1, 2, 3)),
    pair(b"nested", ARRAY, pack("<IQ", ARRAY, 2) + strings(b"a") + strings(b"b", b"c")),
    pair(b"general.name", STRING, text(b"a name")),
    pair(b"some.bool", 7, b"\1"),
    pair(b"some.float", 12, pack("<d", 1.5)),
]


@given(
    st.lists(st.sampled_from(ODDS), max_size=6),
    st.lists(st.tuples(st.lists(st.integers(1, 9000), max_size=4).map(tuple), st.sampled_from([0, 1, 12])), max_size=9),
    st.booleans(),
)
def test_the_sum_of_what_was_written(pairs: list[bytes], tensors: list[Any], told: bool) -> None:  # noqa: FBT001
    found = size_of(header(pairs + [Q4_K_M] * told, [tensor(*each) for each in tensors]))
    counted: dict[str, int] = {}
    for shape, kind in tensors:
        name = {0: "float32", 1: "float16", 12: "q4_k"}[kind]
        counted[name] = counted.get(name, 0) + prod(shape)
    assert found.parameters == (sum(counted.values()) or None)
    if told:
        assert found.precision == "q4_k_m"
    else:
        assert counted.get(found.precision or "", 0) == max(counted.values(), default=0)


WHOLE = header([*ODDS, Q4_K_M], [tensor((8, 4), 12), tensor((3,), 0)])


@given(st.integers(0, len(WHOLE) - 1))
def test_a_file_that_was_cut_off(length: int) -> None:
    assert size_of(WHOLE[:length]) == NOT_TOLD


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_a_byte_that_was_flipped(place: int, value: int) -> None:
    size_of(WHOLE[:place] + bytes([value]) + WHOLE[place + 1 :])


@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    assert size_of(b"GGUF\3\0\0\0" + content).parameters is None or len(content) > 16


def test_a_large_vocabulary_is_passed_over() -> None:
    words = pack("<IQ", STRING, 200_000) + (text(b"word") + text(b"another word")) * 100_000
    assert size_of(header([pair(b"tokens", ARRAY, words), Q4_K_M], [tensor((5, 2), 12)])) == GgufSize(10, "q4_k_m")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GGML" + WHOLE[4:],
        header([], [tensor((2,), 0)], version=1),
        header([], [tensor((2,), 0)], version=3 << 24),  # of a machine of the other byte order
        b"GGUF" + pack("<IQQ", 3, 1 << 40, 0),
        b"GGUF" + pack("<IQQ", 3, 0, 1 << 40),
        header([pair(b"words", ARRAY, pack("<IQ", STRING, 1 << 40))], []),
        header([pair(b"words", ARRAY, pack("<IQ", STRING, 5))], []),
        header([pair(b"numbers", ARRAY, pack("<IQ", 6, 1 << 60))], []),
        header([Q4_K_M, pair(b"numbers", ARRAY, pack("<IQ", 6, 1 << 30))], []),
        header([pair(b"odd", 99, b"")], []),
        header([], [tensor((1 << 40, 1 << 40), 0)]),
    ],
)
def test_what_is_odd_is_unknown(content: bytes) -> None:
    assert size_of(content) == NOT_TOLD


def test_a_part_of_a_split_file_tells_no_number() -> None:
    pairs = [pair(b"split.count", U16, pack("<H", 3)), Q4_K_M]
    assert size_of(header(pairs, [tensor((2,), 12)])) == GgufSize(None, "q4_k_m")


def test_names_of_file_types() -> None:
    assert [file_type(number) for number in (0, 15, 1 | 1024, 12345, None)] == [
        "float32",
        "q4_k_m",
        "float16",
        None,
        None,
    ]
