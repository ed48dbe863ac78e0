"""``aifootprint_gpu_sync``: a window ends when the work that it gave the GPU does, not when Python returns.

Off by default, because it is a synchronisation that the user's test does not have. Asked of the CUDA driver itself, so
that it holds for torch, CuPy, JAX and whoever else works on a card in this process.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any

_LIBRARY = "libcuda.so.1"
_SUCCESS, _NOT_INITIALIZED = 0, 3


class CudaSync:
    """Waits for every card on which this process has a context.

    The driver is never loaded and no context is ever made here: a process that does not use a card is left alone. An
    error of a kernel stays with its context (they are sticky), so the test still hears of it from its own next call.
    """

    def __init__(self, error: Callable[[str, BaseException], None]) -> None:
        """``error`` hears of what went wrong here, once."""
        self._error = error
        self._driver: Any = None
        self._broken = False

    def __call__(self) -> None:
        """Wait. Never raises."""
        if self._broken:
            return
        try:
            driver = self._driver = self._driver or _loaded()
            if driver is not None:
                _synchronise(driver)
        except Exception as error:  # noqa: BLE001 - runs between the phases of a test
            self._broken = True
            self._error("gpu-sync", error)


def _loaded() -> Any:
    """The driver library, if somebody has loaded it; else None."""
    no_load = getattr(os, "RTLD_NOLOAD", None)
    if no_load is None:
        return None
    try:
        return ctypes.CDLL(_LIBRARY, mode=no_load | os.RTLD_NOW)
    except OSError:
        return None


def _synchronise(driver: Any) -> None:
    count = ctypes.c_int()
    if driver.cuDeviceGetCount(ctypes.byref(count)) == _NOT_INITIALIZED:
        return
    for device in range(count.value):
        flags, active = ctypes.c_uint(), ctypes.c_int()
        driver.cuDevicePrimaryCtxGetState(device, ctypes.byref(flags), ctypes.byref(active))
        context = ctypes.c_void_p()
        if not active.value or driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) != _SUCCESS:
            continue
        try:
            if driver.cuCtxPushCurrent_v2(context) == _SUCCESS:
                driver.cuCtxSynchronize()
                driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
        finally:
            driver.cuDevicePrimaryCtxRelease_v2(device)
