"""sentence-transformers: an encode is one embedding, a predict or rank one rerank, each with the tokens it has read.

Its Trainer is transformers': a training is seen there, and named and counted here. What tokenises is seen before its
result goes to a device: counting waits for no GPU.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import update_wrapper
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, Subject, class_name
from pytest_aifootprint.detection.inprocess.rows import Rows
from pytest_aifootprint.detection.inprocess.transformers import TRAINERS, Models, origin, unloaded
from pytest_aifootprint.detection.inprocess.transformers import describe as describe_transformer
from pytest_aifootprint.detection.inprocess.watching import Count, Done, loading, outermost
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.quantities.changed import replace

CLIENT = "sentence-transformers"

_MODELS = ("SentenceTransformer", "SparseEncoder", "MultiVectorEncoder", "CrossEncoder")
# What embeds or ranks, and the name of its argument that holds the texts (as of 5.0 and of 6.2).
_CALLS = {
    "encode": ("embedding", 0, ("sentences", "inputs")),
    "predict": ("rerank", 0, ("sentences", "inputs")),
    "rank": ("rerank", 1, ("documents",)),
}
_TOKENISERS = ("preprocess", "tokenize")
_SERVERS = ("_multi_process_worker", "_encode_multi_process_worker")
_PROMPT_LENGTH = "_get_prompt_length"

_TITLE = re.compile(r"^# +(\S+) *$", re.MULTILINE)
_IN_USE = re.compile(
    r"""(?:SentenceTransformer|CrossEncoder|SparseEncoder|MultiVectorEncoder)\(["']([\w.-]+/[\w.-]+)["']"""
)


class _Watch:
    """What the seams of this library share."""

    def __init__(self, arming: Arming) -> None:
        self._arming = arming
        self._sources: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
        self._unloaded: dict[str, Subject] = {}
        self.rows = Rows(arming.recorder, CLIENT)
        self.models = Models(self.describe)

    def describe(self, model: Any, facts: Facts) -> Identity:
        """Its size and placement as a network; its name from what it was loaded from, or from its model card."""
        found = describe_transformer(model, facts)
        inner = facts.get(lambda: model.transformers_model)
        config = facts.get(lambda: getattr(inner, "config", None))
        name, file = facts.get(lambda: origin(self._sources.get(model))) or (None, None)
        own = facts.get(lambda: origin(getattr(config, "_name_or_path", None))) or (None, None)
        if file is None and own != (None, None):
            name, file = own  # the resolved one: with the organisation in front
        if file is not None:
            name = facts.get(lambda: _carded(model._model_card_text)) or name  # noqa: SLF001 - kept by no public name
        return replace(found, name=name or class_name(type(model)), file=file)

    def loading(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Around a constructor: a model that is put together from modules was not loaded here."""

        def loaded(model: Any, done: Done, /) -> None:
            source = done.argument(0, "model_name_or_path") or done.kwargs.get("model_name")
            if source is None:
                return
            if done.failed:
                self.rows.load(unloaded(self._unloaded, source), done.span, failed=True)
                return
            self._sources[model] = str(source)
            self.rows.load(self.models.of(model), done.span)

        return loading(self._arming, CLIENT, original, loaded)

    def calling(self, operation: str, position: int, names: tuple[str, ...]) -> Callable[[Any], Any]:
        """Around what embeds or ranks."""
        nesting = self._arming.nesting

        def count(model: Any, done: Done, /) -> None:
            texts = next((value for name in names if (value := done.argument(position, name)) is not None), None)
            tokens = None if done.failed else nesting.tokens or None
            self.rows.add(
                operation,
                self.models.of(model),
                done.span,
                samples=_size(model, texts, single=position == 0),
                input_tokens=tokens,
                failed=done.failed,
            )

        return self._around(count)

    def training(self) -> Callable[[Any], Any]:
        """Around a training loop of its own."""
        nesting = self._arming.nesting

        def count(model: Any, done: Done, /) -> None:
            self.models.forget(model)
            self.rows.add("training", self.models.of(model), done.span, steps=nesting.steps or None, failed=done.failed)

        return self._around(count, heavy=True)

    def _around(self, count: Count, *, heavy: bool = False) -> Callable[[Any], Any]:
        return lambda original: outermost(self._arming, CLIENT, original, count, heavy=heavy)

    def reading(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Around what tokenises: adds to the tokens of the call that it runs in."""
        arming, nesting = self._arming, self._arming.nesting

        def read(model: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            before = nesting.tokens
            features = original(model, *args, **kwargs)
            if nesting.depth and arming.active:
                try:
                    nesting.tokens = before + _tokens(features)  # what tokenised within this was the same texts
                except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
                    arming.recorder.error(CLIENT, error)
            return features

        return read

    def asking(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Around what tokenises to learn a length only: those tokens are read by no model."""
        nesting = self._arming.nesting

        def ask(model: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            before = nesting.tokens
            try:
                return original(model, *args, **kwargs)
            finally:
                nesting.tokens = before

        return ask

    def serving(self, original: Any) -> Any:
        """Around what a process of a pool does: that is part of the call that handed the texts to the pool."""
        nesting, function = self._arming.nesting, original.__func__

        def serve(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            depth = nesting.depth
            try:
                nesting.depth = depth or 1
                return function(*args, **kwargs)
            finally:
                nesting.depth = depth

        return type(original)(update_wrapper(serve, function))


def _tokens(features: Any) -> int:
    """How many tokens a tokenised batch has, without its padding."""
    mask = features.get("attention_mask")
    if mask is not None and hasattr(mask, "device") and mask.device.type == "cpu":
        return int(mask.sum())
    ids = features.get("input_ids")  # several texts in one row, without padding, have no mask
    return int(ids.numel()) if hasattr(ids, "numel") else 0


def _size(model: Any, texts: Any, *, single: bool) -> int | None:
    """How many texts or pairs a call was given, where that can still be told."""
    try:
        if single:
            asked = getattr(model, "is_singular_input", None)
            if asked is not None:
                alone = asked(texts)
            elif hasattr(model, "encode"):
                alone = isinstance(texts, str)
            else:
                alone = isinstance(texts[0], str)
            if alone:
                return 1
        return len(texts)
    except Exception:  # noqa: BLE001 - an iterator is used up by now, and the user's object may raise anything
        return None


def _carded(card: Any) -> str | None:
    """What a hub calls a model that lies in a folder: what its card's title and the code that it shows agree on."""
    if not isinstance(card, str):
        return None
    title = _TITLE.search(card)
    if title is None:
        return None
    for name in _IN_USE.findall(card):
        if title[1] in (name, name.rpartition("/")[2]):
            return str(name)
    return None


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the classes of models, and the base classes that they have from this library."""
    watch = arming.lent[CLIENT] = _Watch(arming)
    kinds = tuple(vars(library)[name] for name in _MODELS if name in vars(library))
    makers: dict[str, Callable[[Any], Any]] = {name: watch.calling(*call) for name, call in _CALLS.items()}
    makers.update(dict.fromkeys(_TOKENISERS, watch.reading))
    makers.update(dict.fromkeys(_SERVERS, watch.serving))
    makers.update({_PROMPT_LENGTH: watch.asking, "old_fit": watch.training()})
    bases = dict.fromkeys(base for kind in kinds for base in kind.__mro__)
    for cls in (base for base in bases if base.__module__.startswith(library.__name__)):
        own = vars(cls)
        if cls in kinds and "__init__" in own:
            arming.replace(cls, "__init__", watch.loading)
        for name, make in makers.items():
            if isinstance(own.get(name), (FunctionType, classmethod, staticmethod)):
                arming.replace(cls, name, make)
    ranker = vars(library).get("CrossEncoder")
    if ranker is not None and not hasattr(ranker, "preprocess"):  # before 6.0 it calls the tokenizer itself
        arming.replace(sys.modules["transformers"].PreTrainedTokenizerBase, "__call__", watch.reading)
    arming.lent[TRAINERS] = (*arming.lent.get(TRAINERS, ()), (kinds, watch.rows, watch.models))
