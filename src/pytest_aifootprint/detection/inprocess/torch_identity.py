"""torch: which network a module is. Its weights are counted by their shapes; nothing is copied, unpacked or moved."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from math import prod
from typing import Any, Generic, NamedTuple, TypeVar
from weakref import ref

from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, class_name
from pytest_aifootprint.detection.inprocess.onnxruntime import model_name
from pytest_aifootprint.detection.inprocess.torch_compiler import uncompiled

T = TypeVar("T")

# What torch wraps around a network without making it another one: torch.compile, DataParallel, a moving average.
_WRAPPED = ("_orig_mod", "module")
_GATES = {"LSTM": 4, "GRU": 3}


class ById(Generic[T]):
    """What is known of objects, without keeping them alive, comparing or hashing them."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Callable[[], Any], T]] = {}

    def get(self, thing: object) -> T | None:
        """What was put for that very object."""
        found = self._known.get(id(thing))
        return found[1] if found is not None and found[0]() is thing else None

    def put(self, thing: Any, value: T) -> T:
        """Know this of an object, until it is gone. What allows no weak reference is not known."""
        key, known = id(thing), self._known

        def gone(weak: object) -> None:
            if (mine := known.get(key)) is not None and mine[0] is weak:  # the id may be somebody else's by now
                del known[key]

        try:
            known[key] = (ref(thing, gone), value)
        except TypeError:
            known.pop(key, None)
        return value


class Origin(NamedTuple):
    """Where a loader has a network from."""

    name: str | None = None
    file: str | None = None
    revision: str | None = None


def origin_of(file: object, *, named: bool) -> Origin:
    """The origin that a path, or an open file, is.

    Args:
        file: as given to a loader.
        named: the network is called what the file is called.
    """
    if not isinstance(file, (str, os.PathLike)):
        file = getattr(file, "name", None)
    if not isinstance(file, (str, os.PathLike)):
        return Origin()
    path = os.path.abspath(os.fsdecode(file))  # noqa: PTH100 - a Path would cost more, and resolve nothing either
    return Origin(model_name(path) if named else None, path)


class _Weights(NamedTuple):
    """Attributes: parameters: 0 only if it has no weights whatever: then it is a loss or an activation, no model."""

    parameters: int | None
    precision: str | None
    device: str | None


class Describe:
    """Reads networks.

    Args:
        library: torch.
    """

    def __init__(self, library: Any) -> None:
        self._module = library.nn.Module
        self._script = library.jit.ScriptModule
        self._is_lazy = library.nn.parameter.is_lazy
        self._uncompiled: Callable[[Callable[[], Identity]], Identity] = uncompiled(library)
        self.origins: ById[Origin] = ById()

    def __call__(self, network: Any, facts: Facts) -> Identity:
        """What a network tells of itself, and what its loader told."""
        return self._uncompiled(lambda: self._read(network, facts))

    def _read(self, network: Any, facts: Facts) -> Identity:
        inner = facts.get(lambda: self._unwrapped(network))
        if inner is not None:
            network = inner
        origin = self.origins.get(network) or Origin()
        hub = facts.get(lambda: _hub(network)) or Origin()
        found = facts.get(lambda: self._weigh(network, facts)) or _Weights(None, None, None)
        name = origin.name or hub.name
        parameters = found.parameters
        if parameters == 0 and (name is not None or isinstance(network, self._script)):
            parameters = None  # it has weights, but not where one can count them
        return Identity(
            name or facts.get(lambda: self._kind(network)) or class_name(type(network)),
            parameters,
            found.precision,
            found.device,
            origin.revision or hub.revision,
            origin.file or hub.file,
        )

    def _unwrapped(self, network: Any) -> Any:
        """The network that torch's own wrappers stand around."""
        while type(network).__module__.partition(".")[0] == "torch" and not isinstance(network, self._script):
            for name in _WRAPPED:
                inner = vars(network).get("_modules", {}).get(name)
                if isinstance(inner, self._module):
                    network = inner
                    break
            else:
                break
        return network

    def _kind(self, network: Any) -> str:
        """Its class; that which it was scripted or traced from."""
        kind = type(network)
        if isinstance(network, self._script):
            # __torch__.package.module.Class, with ___torch_mangle_7 in between where that is taken.
            package = network._c._type().qualified_name().split(".")[1]  # noqa: SLF001 - kept by no public name
            original = str(network.original_name)
            return original if package in (original, "") or package.startswith("___") else f"{package}.{original}"
        if "<locals>" in kind.__qualname__ and kind.__module__.startswith("torch."):  # a GraphModule has its own class
            return f"torch.{kind.__name__}"
        return class_name(kind)

    def _weigh(self, network: Any, facts: Facts) -> _Weights:
        sizes: Counter[str] = Counter()
        devices: set[str] = set()
        for weight in network.parameters():
            if self._is_lazy(weight):
                facts.unsettled = True  # it gets its shape from the first input
                return _Weights(None, None, str(weight.device))
            sizes[_precision(weight.dtype)] += weight.numel()
            devices.add(str(weight.device))
        countable = True
        for part in network.modules():
            packed = _packed(part)
            if packed is not None:
                sizes[packed[0]] += packed[1]
                devices.add("cpu")
            elif isinstance(part, self._script) and hasattr(part, "_packed_params"):
                countable = False
        if not sizes:
            buffer = next(self._buffers(network), None)
            countable = countable and buffer is None
            if buffer is not None:  # weights that nobody trains: GPTQ's, a fixed filter
                devices.add(str(buffer.device))
        precision = sizes.most_common(1)[0][0] if sizes and countable else None
        device = devices.pop() if len(devices) == 1 else "mixed" if devices else None
        return _Weights(sum(sizes.values()) if countable else None, precision, device)

    def _buffers(self, network: Any) -> Iterator[Any]:
        """Those that may be weights: torch's own layers have only statistics in them."""
        for part in network.modules():
            if isinstance(part, self._script) or not type(part).__module__.startswith("torch."):
                yield from part.buffers(recurse=False)


def _precision(dtype: object) -> str:
    """``float32``; ``int8`` of ``torch.qint8``."""
    return str(dtype).removeprefix("torch.").replace("qint", "int").replace("quint", "uint")


def _hub(network: Any) -> Origin | None:
    """What a hub calls it, by the config that transformers gives a network."""
    config = getattr(network, "config", None)
    name = getattr(config, "_name_or_path", None)
    if not isinstance(name, str) or not name:
        return None
    revision = getattr(config, "_commit_hash", None)
    file = None
    if name.startswith((".", "/", "\\", "~")) or "\\" in name or name.count("/") > 1:  # a folder of the user's
        file = os.path.abspath(name)  # noqa: PTH100 - as above
        name = model_name(f"{file}/model.bin")
    return Origin(name, file, revision if isinstance(revision, str) else None)


def _packed(part: Any) -> tuple[str, int] | None:
    """Precision and size of a quantised layer, whose weights are no parameters. Unpacking would copy them.

    A linear layer or convolution does not say whether it has a bias: counted as if, which is torch's default.
    """
    known = vars(part)
    if ".quantized" not in type(part).__module__:
        return None
    if "in_features" in known:
        dtype = part._packed_params.dtype  # noqa: SLF001 - kept by no public name, here and below
        return _precision(dtype), (part.in_features + 1) * part.out_features
    if "kernel_size" in known and "in_channels" in known:
        return "int8", (part.in_channels // part.groups * prod(part.kernel_size) + 1) * part.out_channels
    if "num_embeddings" in known:
        return _precision(part._packed_params.dtype), part.num_embeddings * part.embedding_dim  # noqa: SLF001
    if "hidden_size" in known and known.get("mode") in _GATES:
        hidden, ways = part.hidden_size, 2 if part.bidirectional else 1
        size = 0
        for layer in range(part.num_layers):
            fed = part.input_size if layer == 0 else hidden * ways
            size += ways * _GATES[part.mode] * hidden * (fed + hidden + 2 * bool(part.bias))
        return _precision(part.dtype), size
    return None
