"""The number and type of an ONNX file's weights."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from math import prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.detection.inprocess.onnx_sizes import NOT_TOLD, OnnxSize, onnx_size

FLOAT, UINT8, INT8, INT64, FLOAT16 = 1, 2, 3, 7, 10


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return varint(field << 3 | 2) + varint(len(content)) + content


def tensor(shape: tuple[int, ...], kind: int = FLOAT, *, packed: bool = False, data: bytes = b"") -> bytes:
    shapes = message(1, *map(varint, shape)) if packed else b"".join(number(1, size) for size in shape)
    return shapes + number(2, kind) + message(8, b"weight") + message(9, data)


def initializer(*args: Any, **kwargs: Any) -> bytes:
    return message(5, tensor(*args, **kwargs))


def node(operator: bytes, *attributes: bytes) -> bytes:
    return message(1, message(1, b"in"), message(2, b"out"), message(4, operator), *(message(5, a) for a in attributes))


def constant(*args: Any, **kwargs: Any) -> bytes:
    return node(b"Constant", message(1, b"value") + message(5, tensor(*args, **kwargs)))


def model(*graph: bytes) -> bytes:
    return number(1, 9) + message(2, b"exporter") + message(7, *graph) + message(8, number(2, 18))


def size_of(content: bytes) -> OnnxSize:
    return onnx_size(BytesIO(content), len(content))


shapes = st.lists(st.integers(0, 3000), max_size=4).map(tuple)
tensors = st.tuples(
    shapes, st.sampled_from([FLOAT, UINT8, INT8, INT64, FLOAT16]), st.booleans(), st.binary(max_size=99)
)
makers: list[Callable[..., bytes]] = [
    initializer,
    constant,
    lambda *args, **kwargs: message(15, message(1, tensor(*args, **kwargs)), message(2, tensor((5,), INT64))),
    lambda *args, **kwargs: node(b"If", message(1, b"else_branch") + message(6, initializer(*args, **kwargs))),
    lambda *args, **kwargs: node(b"Loop", message(11, constant(*args, **kwargs))),
    lambda *args, **kwargs: node(b"Constant", message(10, tensor(*args, **kwargs))),
]


@given(st.lists(st.tuples(tensors, st.sampled_from(makers)), max_size=8), st.binary(max_size=60))
def test_the_sum_of_what_was_written(written: list[Any], junk: bytes) -> None:
    parts = [make(shape, kind, packed=packed, data=data) for (shape, kind, packed, data), make in written]
    counted: dict[int, int] = {}
    for (shape, kind, _, _), _ in written:
        if kind != INT64:
            counted[kind] = counted.get(kind, 0) + prod(shape)
    total = sum(counted.values())
    found = size_of(model(node(b"Gemm"), *parts, message(2, junk), message(99, junk)))
    assert found.parameters == (total or None)
    names = {FLOAT: "float32", UINT8: "uint8", INT8: "int8", FLOAT16: "float16"}
    most = max(counted.values(), default=0)
    assert found.precision in ([names[kind] for kind, n in counted.items() if n == most] if total else [None])


WHOLE = model(initializer((30, 4), data=b"x" * 480), constant((7,)), node(b"Relu"), initializer((2,), INT64))


@given(st.integers(0, len(WHOLE) - 1))
def test_a_file_that_was_cut_off(length: int) -> None:
    found = size_of(WHOLE[:length])
    assert found == NOT_TOLD or length > len(WHOLE) - 10  # cut after the graph


@given(st.binary(max_size=300))
def test_any_bytes(content: bytes) -> None:
    found = size_of(content)
    assert found.parameters is None or found.parameters > 0


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_a_byte_that_was_flipped(place: int, value: int) -> None:
    size_of(WHOLE[:place] + bytes([value]) + WHOLE[place + 1 :])


def test_weights_themselves_are_not_read() -> None:
    class Counting(BytesIO):
        taken = 0

        def read(self, size: int | None = -1, /) -> bytes:
            got = super().read(size)
            self.taken += len(got)
            return got

    content = model(initializer((1000, 1000), data=bytes(4_000_000)))
    file = Counting(content)
    assert onnx_size(file, len(content)) == OnnxSize(1_000_000, "float32")
    assert file.taken < 200


@pytest.mark.parametrize(
    "graph",
    [
        node(b"MatMulNBits") + initializer((8, 4), UINT8),
        message(1, message(4, b"TreeEnsembleClassifier"), message(7, b"ai.onnx.ml")) + initializer((8,)),
        message(1, message(4, b"MatMulNBits"), message(6, b"doc" * 3000)) + initializer((8, 4), UINT8),
        b"",
        initializer((5,), INT64),
        initializer((2**64 - 1, 2)),
    ],
)
def test_what_shapes_do_not_tell_is_unknown(graph: bytes) -> None:
    assert size_of(model(graph)) == NOT_TOLD


def test_a_large_node_is_walked_too() -> None:
    large = node(b"Constant", message(5, tensor((2000,), data=bytes(8000))))
    assert size_of(model(large)) == OnnxSize(2000, "float32")


def test_a_file_of_another_format() -> None:
    assert size_of(b"\x1c\x00\x00\x00ORTM" + bytes(200)) == NOT_TOLD


def test_a_part_that_is_longer_than_the_whole() -> None:
    graph = initializer((2,)) + message(2, b"name" + number(2, 18))
    short = varint(7 << 3 | 2) + varint(len(graph) - 2) + graph  # what is left over would pass for the next field
    assert size_of(short + message(8, number(2, 18))) == NOT_TOLD


def test_endless_nesting_and_endless_fields_end() -> None:
    graph = initializer((2,))
    for _ in range(40):
        graph = node(b"If", message(6, graph))
    assert size_of(model(graph)) == NOT_TOLD
    assert size_of(number(1, 1) * 300_000 + model(initializer((2,)))) == NOT_TOLD
