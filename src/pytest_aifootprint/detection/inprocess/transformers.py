"""transformers: a ``generate`` is one completion, a ``from_pretrained`` a load, a ``Trainer.train`` a training.

A plain forward call is torch's (``torch.py``). ``pipeline`` loads and generates through the methods seen here.
"""

from __future__ import annotations

import os
import re
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial, update_wrapper
from pathlib import Path, PurePath
from types import FunctionType, ModuleType
from typing import Any, NamedTuple
from weakref import WeakSet, ref

from pytest_aifootprint.detection.inprocess.generation import Work, sum_of, work_of
from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, Subject, Subjects, class_name
from pytest_aifootprint.detection.inprocess.names import model_name
from pytest_aifootprint.detection.inprocess.rows import Rows
from pytest_aifootprint.detection.inprocess.watching import Done, loading, outermost
from pytest_aifootprint.detection.patching import Arming

CLIENT = "transformers"
TRAINERS = "transformers.trainer"
"""Where a library that builds on the Trainer lends its own way to name models: (its class, rows, subjects)."""

_QUANTISATION = ("load_in_4bit", "load_in_8bit", "bits", "quant_method")
_SAYS_NOTHING = re.compile(
    r"(model|models|output|outputs|out|final|best|last|save|saved|saved_model|data|[0-9a-f]{40}"
    r"|(tmp|temp|checkpoint|step|epoch|run)[-_]?\w*)",
    re.IGNORECASE,
)


def describe(model: Any, facts: Facts) -> Identity:
    """What a hub calls it, else the folder or package that it came from, else its class; the rest from its weights."""
    config = facts.get(lambda: getattr(model, "config", None))
    name, file = facts.get(lambda: origin(getattr(config, "_name_or_path", None))) or (None, None)
    how = facts.get(lambda: getattr(config, "quantization_config", None))
    bits = facts.get(lambda: _bits(how))
    weights = facts.get(lambda: _weigh(model, bits)) or _Weights(None, None, None)
    revision = facts.get(lambda: getattr(config, "_commit_hash", None))
    return Identity(
        name or class_name(type(model)),
        weights.parameters,
        weights.precision,
        weights.device,
        revision if isinstance(revision, str) else None,
        file,
    )


def origin(source: object) -> tuple[str | None, str | None]:
    """What a model is called that was loaded from a hub's repository or from a folder, and that folder's path."""
    if not isinstance(source, str) or not source:
        return None, None
    folder = Path(source).is_dir()
    if not folder and not source.startswith(("/", ".", "~")) and "\\" not in source:
        return source, None
    path = os.path.abspath(source)  # noqa: PTH100 - a path that is compared, not followed
    parts = PurePath(source.replace("\\", "/")).parts
    if any(part.startswith("models--") or part in ("site-packages", "dist-packages") for part in parts):
        name: str | None = model_name(f"{path}/model.safetensors")
    else:
        name = None if not parts or _SAYS_NOTHING.fullmatch(parts[-1]) else parts[-1]
    return name, path if folder else None


class _Weights(NamedTuple):
    parameters: int | None
    precision: str | None
    device: str | None


def _weigh(model: Any, bits: int | str | None) -> _Weights:
    """By shapes: no value is read. Weights that are tied are counted once, those that share an integer each."""
    sizes: Counter[str] = Counter()
    devices: set[str] = set()
    for weights in model.parameters():
        in_one = 1
        if isinstance(bits, int) and type(weights).__name__ == "Params4bit":
            in_one = max(weights.element_size() * 8 // bits, 1)
        sizes[str(weights.dtype).rpartition(".")[2]] += weights.numel() * in_one
        devices.add(str(weights.device))
    if isinstance(bits, int):
        for name, values in model.named_buffers():
            if name.endswith("qweight") and not values.is_floating_point():  # GPTQ, AWQ: no parameters at all
                sizes[f"int{bits}"] += values.numel() * values.element_size() * 8 // bits
                devices.add(str(values.device))
    if not sizes:
        return _Weights(None, None, None)
    told = f"int{bits}" if isinstance(bits, int) else bits
    device = devices.pop() if len(devices) == 1 else "mixed"
    return _Weights(sum(sizes.values()), told or sizes.most_common(1)[0][0], device)


class Models(Subjects):
    """Models as subjects, looked at again after they were moved to another device or precision."""

    def __init__(self, describe: Callable[[Any, Facts], Identity]) -> None:
        super().__init__(describe)
        self._first: dict[int, tuple[Callable[[], Any], object, object]] = {}

    def of(self, model: Any) -> Subject:
        """What is known of a model."""
        subject, key = super().of(model), id(model)
        seen, found = self._first.get(key), None
        if seen is not None:
            found = seen[0]()
            if found is not None and found.dtype is seen[2] and found.device == seen[1]:
                return subject
        try:
            first = next(iter(model.parameters()), None)
            if first is not None:
                gone = partial(self._first.pop, key)
                self._first[key] = (ref(first, gone), first.device, first.dtype)
            if seen is not None:
                self.forget(model)
        except Exception:  # noqa: BLE001 - the identity says already that it could not be read
            return subject
        return subject


def unloaded(known: dict[str, Subject], source: object) -> Subject:
    """A model that could not be loaded: all that is known of it is what was asked for."""
    name, file = origin(str(source))
    return known.setdefault(str(source), Subject(Identity(name, file=file), lambda: None))


def _bits(how: Any) -> int | str | None:
    """Bits of quantised weights, else the name of the method."""
    told = how if isinstance(how, dict) else {name: getattr(how, name, None) for name in _QUANTISATION}
    for name, bits in (("load_in_4bit", 4), ("load_in_8bit", 8), ("bits", told.get("bits"))):
        if told.get(name) and isinstance(bits, int):
            return bits
    method = told.get("quant_method")
    method = getattr(method, "value", method)
    return {"fp8": "float8", "fbgemm_fp8": "float8"}.get(method, method) if isinstance(method, str) else None


class _Inner(threading.local):
    """What ``GenerationMixin.generate`` did for a model with a ``generate`` of its own, in this thread."""

    open = False
    works: tuple[Work, ...] = ()


class _Watch:
    """What the seams of this library share."""

    def __init__(self, arming: Arming) -> None:
        self._arming = arming
        self._inner = _Inner()
        self._seen: WeakSet[type] = WeakSet()
        self._unloaded: dict[str, Subject] = {}
        self.rows = Rows(arming.recorder, CLIENT)
        self.models = Models(describe)

    def generate(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Around ``GenerationMixin.generate``."""
        arming, inner = self._arming, self._inner

        def count(model: Any, done: Done, /) -> None:
            self._count(model, done, work_of(model, done))

        root = outermost(arming, CLIENT, original, count)

        def generate(model: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            if not inner.open or not arming.active:
                return root(model, *args, **kwargs)
            result = original(model, *args, **kwargs)
            inner.works += (work_of(model, Done(args, kwargs, result, None, failed=False)),)  # type: ignore[arg-type]
            return result

        return generate

    def generate_of_its_own(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Around a ``generate`` that overrides it (Whisper, BLIP): its work is that of the ones it calls."""
        arming, inner = self._arming, self._inner

        def count(model: Any, done: Done, /) -> None:
            self._count(model, done, sum_of(inner.works, work_of(model, done), done))

        root = outermost(arming, CLIENT, original, count)

        def generate(model: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            if arming.nesting.depth or not arming.active:
                return original(model, *args, **kwargs)
            inner.open, inner.works = True, ()
            try:
                return root(model, *args, **kwargs)
            finally:
                inner.open, inner.works = False, ()

        return generate

    def _count(self, model: Any, done: Done, work: Work) -> None:
        self.rows.add(
            "completion" if work.of_text else "inference",
            self.models.of(model),
            done.span,
            samples=work.samples,
            input_tokens=work.read,
            output_tokens=work.written,
            failed=done.failed,
        )

    def watch(self, model_class: type) -> None:
        """A class of models, and what it inherits from mixins: does it override ``generate``?"""
        for base in model_class.__mro__:
            if base in self._seen or base is object:
                continue
            self._seen.add(base)
            if isinstance(vars(base).get("generate"), FunctionType) and not _is_mixin(base):
                self._arming.replace(base, "generate", self.generate_of_its_own)

    def watch_all(self, base: type) -> None:
        """All subclasses that exist."""
        todo = [base]
        while todo:
            cls = todo.pop()
            todo += cls.__subclasses__()
            self.watch(cls)

    def subclass_hook(self, base: type) -> Callable[[Any], Any]:
        """For ``__init_subclass__``: classes to come are watched too."""

        def make(original: Any) -> Any:
            chained = original.__func__ if isinstance(original, classmethod) else None

            def __init_subclass__(cls: type, /, **kwargs: Any) -> None:  # noqa: N807 - its name is the language's
                if chained is not None:
                    chained(cls, **kwargs)
                else:
                    super(base, cls).__init_subclass__(**kwargs)  # type: ignore[arg-type]
                if self._arming.active:
                    try:
                        self.watch(cls)
                    except Exception as error:  # noqa: BLE001 - an error of ours must not break the user's class
                        self._arming.recorder.error(CLIENT, error)

            return classmethod(__init_subclass__)

        return make

    def from_pretrained(self, original: Any) -> Any:
        """Around the class method that loads."""

        def loaded(_: object, done: Done, /) -> None:
            model = done.result[0] if isinstance(done.result, tuple) else done.result
            if model is not None:
                subject = self.models.of(model)
            else:
                subject = unloaded(self._unloaded, done.argument(0, "pretrained_model_name_or_path"))
            self.rows.load(subject, done.span, failed=done.failed)

        function = original.__func__
        return classmethod(update_wrapper(loading(self._arming, CLIENT, function, loaded), function))

    def train(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Around ``Trainer.train``."""
        return outermost(self._arming, CLIENT, original, self._trained, heavy=True)

    def _trained(self, trainer: Any, done: Done, /) -> None:
        rows, models, model = self.rows, self.models, trainer.model
        for kind, its_rows, its_models in self._arming.lent.get(TRAINERS, ()):
            if isinstance(model, kind):
                rows, models = its_rows, its_models
        steps, epochs, samples = _progress(trainer, done, self._arming.nesting.steps)
        seen = None if done.argument(0, "resume_from_checkpoint") else trainer.state.num_input_tokens_seen or None
        models.forget(model)
        rows.add(
            "training",
            models.of(model),
            done.span,
            samples=samples,
            steps=steps,
            epochs=epochs,
            input_tokens=seen,
            failed=done.failed,
        )


def _is_mixin(cls: type) -> bool:
    return (cls.__module__, cls.__name__) == ("transformers.generation.utils", "GenerationMixin")


def _progress(trainer: Any, done: Done, stepped: int) -> tuple[int | None, float | None, int | None]:
    """Steps, epochs and samples of a training that is over; one that was resumed counts what it did itself."""
    state, args = trainer.state, trainer.args
    reached: int = state.global_step
    if not stepped:
        resumed = done.argument(0, "resume_from_checkpoint") or done.kwargs.get("model_path")
        stepped = 0 if resumed else reached
    if not stepped:
        return None, None, None
    epochs = float(state.epoch) * stepped / reached if state.epoch and reached else None
    samples: int = stepped * args.train_batch_size * args.gradient_accumulation_steps
    try:
        size = len(trainer.train_dataset)
    except Exception:  # noqa: BLE001 - a stream has no length, and the user's object may raise anything
        return stepped, epochs, samples
    if epochs is not None and not args.dataloader_drop_last:
        whole = round(epochs)
        # The last batch of an epoch may be smaller.
        samples = whole * size if abs(epochs - whole) < 1e-6 else min(samples, round((int(epochs) + 1) * size))
    return stepped, epochs, samples


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the one class that this module of the library has."""
    watch = arming.lent.get(CLIENT)
    if watch is None:
        watch = arming.lent[CLIENT] = _Watch(arming)
    part = library.__name__.rpartition(".")[2]
    if part == "trainer":
        arming.replace(library.Trainer, "train", watch.train)
    elif part == "utils":
        arming.replace(library.GenerationMixin, "generate", watch.generate)
    else:
        base = library.PreTrainedModel
        arming.replace(base, "from_pretrained", watch.from_pretrained)
        watch.watch_all(base)
        arming.replace(base, "__init_subclass__", watch.subclass_hook(base))
