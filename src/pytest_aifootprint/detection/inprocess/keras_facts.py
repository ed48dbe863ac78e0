"""What objects of keras tell: a model's identity, the size of its inputs, the name of its file."""

from __future__ import annotations

import math
import re
from typing import Any

from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, class_name
from pytest_aifootprint.detection.inprocess.names import model_name
from pytest_aifootprint.detection.inprocess.rows import batch


def describe(model: Any, facts: Facts) -> Identity:
    """What a model or layer tells of itself. Its number of parameters is 0 if there is nothing in it to be learned."""
    weights = facts.get(lambda: list(model.weights)) or []
    size = None
    if facts.get(lambda: bool(model.built)):
        learns = hasattr(model, "fit") or facts.get(lambda: bool(model.trainable_variables)) is not False
        size = facts.get(lambda: int(model.count_params())) if learns else 0
    else:
        facts.unsettled = True
    return Identity(
        facts.get(lambda: given_name(model)) or class_name(type(model)),
        size,
        precision=facts.get(lambda: _precision(weights)),
        device=facts.get(lambda: _device(weights)),
    )


def given_name(model: Any) -> str | None:
    """The name that the user gave. One that keras made up (``sequential_3``) counts the models made before."""
    name = str(model.name)
    made_up = re.sub(r"\W+", "", type(model).__name__).replace("_", "").lower()
    return None if re.sub(r"_\d+$", "", name).replace("_", "") == made_up else name


def _precision(weights: list[Any]) -> str | None:
    """The type of most of the numbers."""
    sizes: dict[str, int] = {}
    for weight in weights:
        sizes[str(weight.dtype)] = sizes.get(str(weight.dtype), 0) + math.prod(weight.shape)
    return max(sizes, key=sizes.__getitem__) if sizes else None


def _device(weights: list[Any]) -> str | None:
    """``cpu``, ``cuda:0``, from what each backend calls it."""
    device: Any = getattr(weights[0].value, "device", None) if weights else None
    if device is None:
        return None
    platform = getattr(device, "platform", None)
    if platform is not None:  # of jax
        return "cpu" if platform == "cpu" else f"{'cuda' if platform == 'gpu' else platform}:{device.id}"
    # "cuda:0" of torch; "/job:localhost/replica:0/task:0/device:GPU:0" of tensorflow
    text = str(device).rpartition("device:")[2].lower().replace("gpu", "cuda")
    return "cpu" if text.startswith("cpu") else text or None


def first(data: Any) -> Any:
    """The first of possibly many inputs."""
    while isinstance(data, (list, tuple, dict)) and data:
        data = next(iter(data.values())) if isinstance(data, dict) else data[0]
    return data


def size_of(data: Any) -> int | None:
    """The number of samples in the inputs of a model."""
    return batch(first(data))


def file_name(path: str) -> str:
    """``digits`` of ``digits.weights.h5``; ``org/name`` of ``hf://org/name``."""
    if "://" in path:
        return path.partition("://")[2]
    return model_name(re.sub(r"\.weights\.(h5|json)$", ".h5", path))
