"""How many weights a GGUF file holds, and how they are quantised, from its header.

The format's own package does that too, but takes 9 s for a model with 262,144 words, an object for each: here they are
skipped. Layout and numbers: ``docs/gguf.md`` of github.com/ggml-org/ggml, ``llama_ftype`` in ``llama.h``.
"""

from __future__ import annotations

from collections import Counter
from math import prod
from struct import Struct, error
from typing import BinaryIO, NamedTuple

# What the whole file is called; most of its tensors may well have another type.
_FILE_TYPES = {
    0: "float32",
    1: "float16",
    2: "q4_0",
    3: "q4_1",
    7: "q8_0",
    8: "q5_0",
    9: "q5_1",
    10: "q2_k",
    11: "q3_k_s",
    12: "q3_k_m",
    13: "q3_k_l",
    14: "q4_k_s",
    15: "q4_k_m",
    16: "q5_k_s",
    17: "q5_k_m",
    18: "q6_k",
    19: "iq2_xxs",
    20: "iq2_xs",
    21: "q2_k_s",
    22: "iq3_xs",
    23: "iq3_xxs",
    24: "iq1_s",
    25: "iq4_nl",
    26: "iq3_s",
    27: "iq3_m",
    28: "iq2_s",
    29: "iq2_m",
    30: "iq4_xs",
    31: "iq1_m",
    32: "bfloat16",
    36: "tq1_0",
    37: "tq2_0",
    38: "mxfp4",
    39: "nvfp4",
    40: "q1_0",
}
# Types of tensors, for files that do not say what they are called.
_TENSOR_TYPES = {
    0: "float32",
    1: "float16",
    2: "q4_0",
    3: "q4_1",
    6: "q5_0",
    7: "q5_1",
    8: "q8_0",
    10: "q2_k",
    11: "q3_k",
    12: "q4_k",
    13: "q5_k",
    14: "q6_k",
    28: "float64",
    30: "bfloat16",
}
_U32, _U64 = Struct("<I"), Struct("<Q")
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
_FORMATS = {2: Struct("<H"), 4: _U32, 5: _U32, 10: _U64}
_MAX_TENSORS, _MAX_PAIRS, _MAX_STRINGS, _MAX_NAME = 100_000, 10_000, 4_000_000, 65_536
_CHUNK = 1 << 20


class GgufSize(NamedTuple):
    """Number of weights, and the name of their quantisation; None if the file does not tell."""

    parameters: int | None
    precision: str | None


NOT_TOLD = GgufSize(None, None)


class _OddFileError(Exception):
    """Not what this can read."""


def file_type(number: int | None) -> str | None:
    """The name of a ``general.file_type``."""
    return None if number is None else _FILE_TYPES.get(number & ~1024)  # 1024: the type was guessed


def gguf_size(file: BinaryIO, length: int) -> GgufSize:
    """The size of the model in a file of ``length`` bytes. Of one that is split, the first part tells no number.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        return _Header(file, length).size()
    except (_OddFileError, error):
        return NOT_TOLD


class _Header:
    """Reads on in a header."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file = file
        self._length = length

    def size(self) -> GgufSize:
        """What the header says."""
        if self._file.read(4) != b"GGUF" or self._number(_U32) not in (2, 3):
            raise _OddFileError
        tensors, pairs = self._count(_MAX_TENSORS), self._count(_MAX_PAIRS)
        told: dict[bytes, int] = {}
        for _ in range(pairs):
            key, kind = self._string(), self._number(_U32)
            if key in (b"general.file_type", b"split.count") and kind in _FORMATS:
                told[key] = self._number(_FORMATS[kind])
            else:
                self._skip(kind)
        weights: Counter[int] = Counter()
        for _ in range(tensors):
            self._string()
            shape = [self._number(_U64) for _ in range(self._count(8, _U32))]
            kind = self._number(_U32)
            self._number(_U64)
            weights[kind] += prod(shape)
        total = sum(weights.values())
        if total >= 1 << 60:
            raise _OddFileError
        precision = file_type(told.get(b"general.file_type"))
        if precision is None and total:
            precision = _TENSOR_TYPES.get(weights.most_common(1)[0][0])
        return GgufSize(None if told.get(b"split.count", 0) > 1 else total or None, precision)

    def _number(self, form: Struct) -> int:
        value: int = form.unpack(self._file.read(form.size))[0]
        return value

    def _count(self, most: int, form: Struct = _U64) -> int:
        count = self._number(form)
        if count > most:
            raise _OddFileError
        return count

    def _string(self) -> bytes:
        return self._file.read(self._count(_MAX_NAME))

    def _skip(self, kind: int, depth: int = 0) -> None:
        if kind in _SIZES:
            self._pass(_SIZES[kind])
        elif kind == _STRING:
            self._pass(self._number(_U64))
        elif kind == _ARRAY and depth < 4:
            inner, count = self._number(_U32), self._number(_U64)
            if inner in _SIZES:
                self._pass(count * _SIZES[inner])
            elif inner == _STRING:
                self._pass_strings(count)
            elif count <= _MAX_PAIRS:
                for _ in range(count):
                    self._skip(inner, depth + 1)
            else:
                raise _OddFileError
        else:
            raise _OddFileError

    def _pass(self, length: int) -> None:
        after = self._file.tell() + length
        if after > self._length:
            raise _OddFileError
        self._file.seek(after)

    def _pass_strings(self, count: int) -> None:
        """The words of a vocabulary, hundreds of thousands: only their lengths are looked at."""
        if count > _MAX_STRINGS:
            raise _OddFileError
        file, unpack = self._file, _U64.unpack_from
        start = file.tell()
        chunk, at = b"", 0
        for _ in range(count):
            if at + 8 > len(chunk):
                start += at
                if start > self._length:
                    raise _OddFileError
                file.seek(start)
                chunk, at = file.read(_CHUNK), 0
            at += 8 + unpack(chunk, at)[0]
        self._pass(start + at - file.tell())
