"""How many weights an ONNX file holds, and of which type, without reading them: a walk over the file's protobuf fields.

What is counted is tensors of the types that weights have: initializers, and the constants among the nodes (where the
exporter of PaddlePaddle writes weights), in subgraphs too. Tensors of int32, int64 and bool are shapes and indices (of
a quantised model also its biases, a few in a thousand). Field numbers: ``onnx.proto`` of github.com/onnx/onnx.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import prod
from typing import BinaryIO, NamedTuple

_TYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    10: "float16",
    11: "float64",
    16: "bfloat16",
    17: "float8_e4m3fn",
    18: "float8_e4m3fnuz",
    19: "float8_e5m2",
    20: "float8_e5m2fnuz",
    21: "uint4",
    22: "int4",
    23: "float4_e2m1",
}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_FIELDS = 200_000  # about half a second: a large language model of 30 layers has a tenth of that
_SMALL = 4096
# A node with one of these, as its field 4, has tensors or graphs inside.
_TELLING = (b'"\x08Constant', b'"\x02If', b'"\x04Loop', b'"\x04Scan')
# Weights that are packed several to a byte, or stand among the attributes (of classical models): no shape tells them.
_UNTOLD = (b"MatMulNBits", b"MatMulBnb4", b"GatherBlockQuantized", b"EPContext", b"ai.onnx.ml")


class OnnxSize(NamedTuple):
    """Number of weights, and the type that most of them have; None if the file does not tell."""

    parameters: int | None
    precision: str | None


NOT_TOLD = OnnxSize(None, None)


class _OddFileError(Exception):
    """Not what this can read."""


class _Told(Exception):  # noqa: N818 - ends the walk
    """The file has weights that cannot be counted."""


def onnx_size(file: BinaryIO, length: int) -> OnnxSize:
    """The size of the model in a file of ``length`` bytes.

    Raises:
        OSError: the file cannot be read.
    """
    walk = _Walk(file)
    try:
        for number, kind, end in walk.fields(length):
            if number == 7 and kind == _BYTES:
                walk.graph(end)
    except (_OddFileError, _Told):
        return NOT_TOLD
    total = sum(walk.weights.values())
    if not total:
        return NOT_TOLD
    return OnnxSize(total, _TYPES[walk.weights.most_common(1)[0][0]])


class _Walk:
    """Goes over the fields of messages that are nested in each other; seeks over what it need not read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _MAX_FIELDS
        self._value = 0
        self.weights: Counter[int] = Counter()

    def fields(self, end: int) -> Iterator[tuple[int, int, int]]:
        """Number, wire type and end of each field up to ``end``; the file stands at a field's content."""
        file = self._file
        while (at := file.tell()) < end:
            self._left -= 1
            if self._left < 0:
                raise _OddFileError
            tag = self._varint()
            kind = tag & 7
            if kind == _VARINT:
                self._value = self._varint()
                after = file.tell()
            elif kind == _BYTES:
                length = self._varint()
                after = file.tell() + length
            elif kind in (_FIXED32, _FIXED64):
                after = file.tell() + (4 if kind == _FIXED32 else 8)
            else:
                raise _OddFileError
            if not at < after <= end:
                raise _OddFileError
            yield tag >> 3, kind, after
            file.seek(after)

    def graph(self, end: int, depth: int = 0) -> None:
        """GraphProto."""
        if depth > 16:
            raise _OddFileError
        for number, kind, after in self.fields(end):
            if kind != _BYTES:
                continue
            if number == 1:
                self._node(after, depth)
            elif number == 5:
                self._tensor(after)
            elif number == 15:  # sparse: its values are a tensor
                self._sparse(after)

    def _node(self, end: int, depth: int) -> None:
        file = self._file
        start = file.tell()
        if end - start <= _SMALL:
            content = file.read(end - start)
            if not any(operator in content for operator in (*_TELLING, *_UNTOLD)):
                return
            file.seek(start)
        for number, kind, after in self.fields(end):
            if kind != _BYTES:
                continue
            if number == 5:
                self._attribute(after, depth)
            elif number in (4, 7) and after - file.tell() < 64 and file.read(after - file.tell()) in _UNTOLD:
                raise _Told

    def _attribute(self, end: int, depth: int) -> None:
        for number, kind, after in self.fields(end):
            if kind != _BYTES:
                continue
            if number in (5, 10):
                self._tensor(after)
            elif number in (6, 11):
                self.graph(after, depth + 1)
            elif number in (22, 23):
                self._sparse(after)

    def _sparse(self, end: int) -> None:
        for number, kind, after in self.fields(end):
            if number == 1 and kind == _BYTES:
                self._tensor(after)

    def _tensor(self, end: int) -> None:
        shape: list[int] = []
        data_type = 0
        for number, kind, after in self.fields(end):
            if number == 1 and kind == _VARINT:
                shape.append(self._value)
            elif number == 1 and kind == _BYTES:  # packed
                while self._file.tell() < after:
                    shape.append(self._varint())
            elif number == 2 and kind == _VARINT:
                data_type = self._value
        if data_type in _TYPES:
            if any(size >= 1 << 63 for size in shape):
                raise _OddFileError
            self.weights[data_type] += prod(shape)

    def _varint(self) -> int:
        read = self._file.read
        value = shift = 0
        while True:
            byte = read(1)
            if not byte or shift > 63:
                raise _OddFileError
            value |= (byte[0] & 0x7F) << shift
            if byte[0] < 0x80:
                return value
            shift += 7
