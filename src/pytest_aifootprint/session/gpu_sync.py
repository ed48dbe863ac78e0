"""``aifootprint_gpu_sync``: a window ends when the work that it gave an accelerator does, not when Python returns.

Off by default, because it is a synchronisation that the user's test does not have. Who is asked stands in ``GpuSync``,
one row each; a framework only if the user's code has imported it and set it up. Nothing is imported, initialised or
loaded to find out.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.recorder import Recorder
from pytest_aifootprint.quantities.unfaked import REAL

_LIBRARY = "libcuda.so.1"
_SUCCESS, _NOT_INITIALIZED = 0, 3


class GpuSync:
    """Waits for all that this process has given to accelerators.

    An error of the user's own computation is left where it is: the user's next look at the result raises it.
    """

    def __init__(self, recorder: Recorder) -> None:
        """``recorder`` hears once of each row that went wrong, and of our own CPU time."""
        self._recorder = recorder
        self._pid = os.getpid()
        # What the threads of JAX have yet to launch must be the driver's before that is asked.
        self._rows: list[tuple[str, str, Callable[[Any], None]]] = [
            ("jax", "jax", _Jax(recorder)),
            ("torch on ROCm", "torch", _torch_rocm),
            ("torch on XPU", "torch", _torch_xpu),
            ("torch on MPS", "torch", _torch_mps),
            ("CUDA driver", "ctypes", _CudaDriver()),
        ]
        self._told: set[str] = set()

    def __call__(self) -> None:
        """Wait. Never raises."""
        if os.getpid() != self._pid:
            return  # a fork has none of the threads that would do the work: it would wait for ever
        for row in tuple(self._rows):
            name, needs, wait = row
            module = sys.modules.get(needs)
            # Neither a mock in its place, nor one that would be loaded by looking at it, nor one half imported.
            spec = getattr(module, "__spec__", None) if type(module) is ModuleType else None
            if spec is None or getattr(spec, "_initializing", False):
                continue
            try:
                wait(module)
            except Exception as error:  # noqa: BLE001 - runs between the phases of a test
                if not isinstance(error, RuntimeError):  # that is a device's word, and may pass
                    self._rows = [other for other in self._rows if other is not row]  # tests may run in threads
                if name not in self._told:
                    self._told.add(name)
                    self._recorder.error(f"gpu-sync, {name}", error)


class _Jax:
    """JAX on whatever backends it has set up: for every result that is still there, then a computation of ours.

    A result that was dropped is in no list, but a device starts nothing before what it was given earlier.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._last: dict[Any, Callable[[], Any]] = {}  # what is computed last, by device
        self._backends: Callable[[], dict[str, Any]] | None = None

    def __call__(self, jax: Any) -> None:
        # Nothing public says it, and all that is public would set the backends up.
        if not sys.modules["jax._src.xla_bridge"].backends_are_initialized():
            return
        if self._backends is None:
            self._apart(self._find_backends)
        assert self._backends is not None
        clients = self._backends().values()
        for client in clients:
            with suppress(RuntimeError):  # the user's computation failed, or another thread gave the array away
                jax.block_until_ready(client.live_arrays())
        devices = [device for client in clients for device in client.local_devices()]
        if any(device not in self._last for device in devices):
            self._apart(lambda: self._compile(jax, devices))
        with jax.disable_jit(False):
            for result in [self._last[device]() for device in devices]:
                result.block_until_ready()

    def _find_backends(self) -> None:
        from jax.extend.backend import backends

        self._backends = backends

    def _compile(self, jax: Any, devices: list[Any]) -> None:
        def aifootprint_last() -> Any:
            return jax.numpy.zeros((), jax.numpy.int8)

        self._last = {
            device: jax.jit(aifootprint_last, out_shardings=jax.sharding.SingleDeviceSharding(device)).lower().compile()
            for device in devices
        }

    def _apart(self, work: Callable[[], None]) -> None:
        """Do it in a thread, where the user's mesh and configuration do not hold. Its CPU is the plugin's."""
        errors: list[Exception] = []

        def booked() -> None:
            started_ns = REAL.thread_time_ns()
            try:
                work()
            except Exception as error:  # noqa: BLE001 - raised below, in the thread that waits
                errors.append(error)
            self._recorder.own_ns += REAL.thread_time_ns() - started_ns

        thread = threading.Thread(target=booked)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]


def _torch_rocm(torch: Any) -> None:
    if torch.version.hip is None or not torch.cuda.is_initialized():
        return
    for device in range(torch.cuda.device_count()):
        # Asking a card that was never used would set it up.
        if torch.cuda.memory_reserved(device):
            with suppress(RuntimeError):
                torch.cuda.synchronize(device)


def _torch_xpu(torch: Any) -> None:
    xpu = getattr(torch, "xpu", None)  # since 2.3
    if xpu is not None and xpu.is_initialized():
        for device in range(xpu.device_count()):
            with suppress(RuntimeError):
                xpu.synchronize(device)


def _torch_mps(torch: Any) -> None:
    if not hasattr(torch, "mps"):  # since 2.0
        return
    # There is no is_initialized: work needs memory.
    if torch.backends.mps.is_available() and torch.mps.driver_allocated_memory():
        with suppress(RuntimeError):
            torch.mps.synchronize()


class _CudaDriver:
    """Every card on which this process has a context: torch, CuPy, JAX, numba, whoever works there.

    An error of a kernel stays with its context (they are sticky).
    """

    def __init__(self) -> None:
        self._driver: Any = None

    def __call__(self, _: Any) -> None:
        driver = self._driver = self._driver or _loaded()
        if driver is None:
            return
        count = ctypes.c_int()
        if driver.cuDeviceGetCount(ctypes.byref(count)) == _NOT_INITIALIZED:
            return
        driver.cuCtxSynchronize()  # the current one may be of its owner's own making
        for device in range(count.value):
            _synchronise(driver, device)


def _loaded() -> Any:
    """The driver library, if somebody has loaded it; else None."""
    no_load = getattr(os, "RTLD_NOLOAD", None)
    if no_load is None:
        return None
    try:
        return ctypes.CDLL(_LIBRARY, mode=no_load | os.RTLD_NOW)
    except OSError:
        return None


def _synchronise(driver: Any, device: int) -> None:
    flags, active = ctypes.c_uint(), ctypes.c_int()
    driver.cuDevicePrimaryCtxGetState(device, ctypes.byref(flags), ctypes.byref(active))
    context = ctypes.c_void_p()
    if not active.value or driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) != _SUCCESS:
        return
    try:
        if driver.cuCtxPushCurrent_v2(context) == _SUCCESS:
            driver.cuCtxSynchronize()
            driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
    finally:
        driver.cuDevicePrimaryCtxRelease_v2(device)
