"""What one ``generate`` of transformers has read and written, in tokens: from shapes, and from ids where it must."""

from __future__ import annotations

from typing import Any, NamedTuple

from pytest_aifootprint.detection.inprocess.rows import batch
from pytest_aifootprint.detection.inprocess.watching import Done

_WITHOUT_TEXT = ("pixel_values", "input_features", "input_values")


class Work(NamedTuple):
    """What one ``generate`` has read and written; None where the library does not know it.

    Attributes:
        read, written: tokens. samples: rows of the batch. of_text: text went in, and text came out or was to come.
    """

    read: int | None
    written: int | None
    samples: int | None
    of_text: bool


def work_of(model: Any, done: Done) -> Work:
    """The work of one ``GenerationMixin.generate``; unknown where a result or an input is of the user's own kind.

    Ids are read only where rows may have ended early. On a GPU the loop of ``generate`` waits for each step before it
    goes on, so that its queue is empty when it returns: the copy of a few ids waits for nothing that the test would
    not have waited for. Where somebody else's loop ran (``custom_generate``) only shapes are read there.
    """
    try:
        return _work(model, done)
    except Exception:  # noqa: BLE001 - it is not what generate is documented to take and give
        return Work(None, None, None, of_text=False)


def sum_of(inner: tuple[Work, ...], outer: Work, done: Done) -> Work:
    """The work of a ``generate`` that overrides the library's: that of those it has called."""
    if done.failed or not inner:
        return Work(None, None, outer.samples, of_text=False)
    reads, writes = [work.read for work in inner], [work.written for work in inner]
    text = all(work.of_text for work in inner) and is_ids(getattr(done.result, "sequences", done.result))
    return Work(_sum(reads) if text else None, _sum(writes), outer.samples, text)


def _work(model: Any, done: Done) -> Work:
    inputs, ids = done.argument(0, "inputs"), done.kwargs.get("input_ids")
    if ids is None and inputs is not None and is_ids(inputs):
        ids = inputs
    embeds = done.kwargs.get("inputs_embeds")
    others = [value for name in _WITHOUT_TEXT if (value := done.kwargs.get(name)) is not None]
    encodes = bool(getattr(model.config, "is_encoder_decoder", False))
    begins = done.kwargs.get("decoder_input_ids")
    if encodes and begins is None and (others or (inputs is not None and inputs is not ids)):
        # It encodes images or sound: ids are what its answer begins with.
        ids, begins = None, ids
    text = ids if embeds is None else embeds
    # Without any input it starts from the token that begins all texts.
    alone = text is None and inputs is None and not others and not encodes
    samples = 1 if alone else batch(next((value for value in (text, inputs, *others) if value is not None), None))
    of_text = text is not None or alone
    if done.failed:
        return Work(None, None, samples, of_text)
    result = getattr(done.result, "sequences", done.result)
    known = done.kwargs.get("custom_generate") is None or result.device.type == "cpu"
    read = int(alone) or None if text is None else _read(text, done.kwargs.get("attention_mask") if known else None)
    if not is_ids(result):
        return Work(read, None, samples, of_text=False)
    if encodes:
        skip = _decoder_prompt(begins, result, known=known)
    else:
        skip = ids.shape[1] if ids is not None else int(embeds is None)
    return Work(read, _written(model, done, result[:, skip:], known=known), samples, of_text)


def is_ids(values: Any) -> bool:
    """Whether it is rows of token ids."""
    return len(getattr(values, "shape", ())) == 2 and not values.is_floating_point()


def _read(text: Any, mask: Any) -> int:
    rows, length = text.shape[:2]
    if mask is not None and tuple(mask.shape) == (rows, length):
        return int(mask.sum())
    return int(rows * length)


def _decoder_prompt(prompt: Any, result: Any, *, known: bool) -> int:
    """How many ids in front of an encoder-decoder's result were given to it: the one that begins, or the user's."""
    if prompt is None:
        return 1
    length: int = prompt.shape[1]
    begun = known and bool((result[0, 0] != prompt[0, 0]).item())  # it has put the beginning in front
    return length + begun


def _written(model: Any, done: Done, ids: Any, *, known: bool) -> int:
    """Generated ids, without what fills up a row that ended early."""
    rows, length = ids.shape
    # A row alone is as long as it is; without an end, rows that were stopped are written on.
    if rows == 1 or not known or (ends := _setting(model, done, "eos_token_id")) is None:
        return int(rows * length)
    strings = done.argument(3, "stopping_criteria") or _setting(model, done, "stop_strings")
    endings = _ints(ends)
    pads = _ints(_setting(model, done, "pad_token_id"))[:1] or endings[:1]
    count = 0
    for row in ids.tolist():
        used = min((row.index(end) + 1 for end in endings if end in row), default=length)
        if used == length and strings:
            while used and row[used - 1] in pads:
                used -= 1
        count += used
    return count


def _setting(model: Any, done: Done, name: str) -> Any:
    """A setting of ``generate``: as given, else the given configuration's, else the model's."""
    if name in done.kwargs:
        return done.kwargs[name]
    given = getattr(done.argument(1, "generation_config"), name, None)
    return given if given is not None else getattr(getattr(model, "generation_config", None), name, None)


def _ints(value: Any) -> list[int]:
    if value is None:
        return []
    value = value.tolist() if hasattr(value, "tolist") else value
    return [value] if isinstance(value, int) else list(value)


def _sum(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
