"""A card split by MIG: its instances, how large each is, and which of them cannot be seen from here.

Its energy counter and its power are of the whole card, its utilisation is not to be had; of an instance the driver
tells its multiprocessors and its processes (NVML API reference, "Multi Instance GPU Management",
nvmlDeviceGetAttributes_v2, nvmlDeviceGetComputeRunningProcesses_v3). Asked for the processes of the whole card, it
answers only who has the privilege to monitor MIG.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from msgspec import Struct

from pytest_aifootprint.meters.gpu import Mig

_ENABLED = 1
NO_INSTANCE = "the card is split by MIG, and no instance of it is to be seen from here", "see nvidia-smi mig -lgi"


class Instance(Struct, frozen=True):
    """One MIG device: a compute instance.

    Attributes:
        names: its UUID, and what drivers before 470 call it (``MIG-GPU-<uuid>/<GPU instance>/<compute instance>``).
        slices, multiprocessors: of its own; 0 where the driver does not tell.
    """

    handle: Any
    names: tuple[str, ...]
    slices: int
    multiprocessors: int


def split_by_mig(nvml: Any, handle: Any) -> bool:
    """Whether MIG mode is on; a card or a driver without MIG answers "not supported" or "function not found"."""
    try:
        current, _ = nvml.nvmlDeviceGetMigMode(handle)
    except nvml.NVMLError:
        return False
    return bool(current == _ENABLED)


def instances(nvml: Any, handle: Any, uuid: str) -> list[Instance]:
    """Those of a card that this process may see; none of a card that is not split."""
    if not split_by_mig(nvml, handle):
        return []
    return [_instance(nvml, mig, uuid) for mig in _handles(nvml, handle)]


def layout(nvml: Any, handle: Any, seen: Sequence[Instance], named: AbstractSet[str], *, sees_all: bool) -> Mig:
    """How a card is split.

    Args:
        nvml: the module.
        handle: of the card.
        seen: its instances.
        named: names of those that CUDA_VISIBLE_DEVICES leaves to this process; none: it names none.
        sees_all: whether the driver answers for the whole card, which it does to the privileged alone: then there are
            no other instances. Else those that the card has room for may be there.

    Returns:
        The instances' multiprocessors, or slices where the driver tells no multiprocessors of one of them.
    """
    by_slices = any(not i.multiprocessors for i in seen)
    weights = tuple(float((i.slices or 1) if by_slices else i.multiprocessors) for i in seen)
    slices = sum(i.slices or 1 for i in seen)
    unseen = 0 if sees_all else max(_slices(nvml, handle) - slices, 0)
    mine = frozenset(n for n, i in enumerate(seen) if not named.isdisjoint(i.names)) if named else frozenset()
    return Mig(weights, unseen * math.fsum(weights) / slices, mine)


def _handles(nvml: Any, handle: Any) -> Iterator[Any]:
    for n in range(_slices(nvml, handle)):
        try:
            yield nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, n)
        except nvml.NVMLError:
            continue  # There is none of this number, or it is not for us.


def _slices(nvml: Any, handle: Any) -> int:
    """The most instances that the card can have: its compute slices."""
    try:
        return int(nvml.nvmlDeviceGetMaxMigDeviceCount(handle))
    except nvml.NVMLError:
        return 0


def _instance(nvml: Any, mig: Any, uuid: str) -> Instance:
    names: list[str] = []
    slices = multiprocessors = 0
    try:
        names.append(str(nvml.nvmlDeviceGetUUID(mig)))
        numbers = nvml.nvmlDeviceGetGpuInstanceId(mig), nvml.nvmlDeviceGetComputeInstanceId(mig)
        names.append("MIG-{}/{}/{}".format(uuid, *numbers))
    except nvml.NVMLError:
        pass  # It has the names that it told; without any it cannot be asked for by name.
    try:
        told = nvml.nvmlDeviceGetAttributes(mig)
        slices, multiprocessors = int(told.computeInstanceSliceCount), int(told.multiprocessorCount)
    except (nvml.NVMLError, AttributeError):
        pass  # 0: not told
    return Instance(mig, tuple(names), slices, multiprocessors)
