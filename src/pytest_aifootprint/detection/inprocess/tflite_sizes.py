"""How many weights a TensorFlow Lite file holds, and of which type, without reading them: a walk over its tables.

Counted are tensors that have data, each buffer once; those of int32, int64 and bool are shapes, indices and biases of
quantised models. Field numbers: ``schema.fbs`` of github.com/google-ai-edge/LiteRT; tables: the FlatBuffers format.
"""

from __future__ import annotations

from collections import Counter
from math import prod
from struct import Struct, error
from typing import BinaryIO, NamedTuple

_TYPES = {
    0: "float32",
    1: "float16",
    3: "uint8",
    7: "int16",
    9: "int8",
    10: "float64",
    17: "int4",
    18: "bfloat16",
    19: "int2",
    20: "uint4",
    21: "float8_e4m3fn",
    22: "float8_e5m2",
}
_I8, _U16, _I32, _U32, _U64 = Struct("<b"), Struct("<H"), Struct("<i"), Struct("<I"), Struct("<Q")
_MAX_ITEMS = 100_000


class TfliteSize(NamedTuple):
    """Number of weights, and the type that most of them have; None if the file does not tell."""

    parameters: int | None
    precision: str | None


NOT_TOLD = TfliteSize(None, None)


class _OddFileError(Exception):
    """Not what this can read."""


def tflite_size(file: BinaryIO, length: int) -> TfliteSize:
    """The size of the model in a file of ``length`` bytes.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        weights = _Tables(file, length).weights()
    except (_OddFileError, error):
        return NOT_TOLD
    total = sum(weights.values())
    if not 0 < total < 1 << 60:
        return NOT_TOLD
    return TfliteSize(total, _TYPES[weights.most_common(1)[0][0]])


class _Tables:
    """Looks things up in a file of tables that refer to each other."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file = file
        self._length = length
        self._left = _MAX_ITEMS

    def weights(self) -> Counter[int]:
        """Number of weights by type."""
        if self._bytes(4, 4) != b"TFL3":
            raise _OddFileError
        model = self._at(_U32, 0)
        buffers = self._vector(model, 4)
        seen: set[int] = set()
        weights: Counter[int] = Counter()
        for graph in self._tables(model, 2):
            for tensor in self._tables(graph, 0):
                number = self._number(tensor, 2, _U32)
                if number in seen or number >= buffers[1] or not self._has_data(buffers[0] + 4 * number):
                    continue
                seen.add(number)
                kind = self._number(tensor, 1, _I8)
                if kind in _TYPES:
                    shape = self._vector(tensor, 0)
                    sizes = [self._at(_I32, shape[0] + 4 * index) for index in range(min(shape[1], 16))]
                    if any(size < 0 for size in sizes):
                        raise _OddFileError
                    weights[kind] += prod(sizes)
        return weights

    def _has_data(self, place: int) -> bool:
        buffer = place + self._at(_U32, place)
        return self._vector(buffer, 0)[1] > 0 or self._number(buffer, 2, _U64) > 0

    def _tables(self, table: int, field: int) -> list[int]:
        start, count = self._vector(table, field)
        self._left -= count
        if self._left < 0:
            raise _OddFileError
        return [place + self._at(_U32, place) for place in range(start, start + 4 * count, 4)]

    def _vector(self, table: int, field: int) -> tuple[int, int]:
        place = self._field(table, field)
        if not place:
            return 0, 0
        start = place + self._at(_U32, place)
        return start + 4, self._at(_U32, start)

    def _number(self, table: int, field: int, form: Struct) -> int:
        place = self._field(table, field)
        return self._at(form, place) if place else 0

    def _field(self, table: int, field: int) -> int:
        layout = table - self._at(_I32, table)
        entry = 4 + 2 * field
        if entry + 2 > self._at(_U16, layout):
            return 0
        offset = self._at(_U16, layout + entry)
        return table + offset if offset else 0

    def _at(self, form: Struct, place: int) -> int:
        value: int = form.unpack(self._bytes(place, form.size))[0]
        return value

    def _bytes(self, place: int, size: int) -> bytes:
        if not 0 <= place <= self._length - size:
            raise _OddFileError
        self._file.seek(place)
        return self._file.read(size)
