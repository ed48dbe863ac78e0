"""Who is asked to wait, and what is left alone. The frameworks are modules of ours; tests/interop has real ones."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from pytest_aifootprint.detection.recorder import Recorder
from pytest_aifootprint.session.gpu_sync import GpuSync

AMD = {"hip": "7.0", "cuda": None}
NVIDIA = {"hip": None, "cuda": "13.0"}


class Device:
    """One kind of accelerator as torch shows it: three cards, of which the first was never used."""

    def __init__(self, *, initialised: bool = False, error: Exception | None = None) -> None:
        self.initialised = initialised
        self.error = error
        self.waits: list[int] = []

    def is_initialized(self) -> bool:
        return self.initialised

    def device_count(self) -> int:
        assert self.initialised
        return 3

    def memory_reserved(self, device: int) -> int:
        assert self.initialised
        return 1024 * device

    def driver_allocated_memory(self) -> int:
        return 1024 * self.initialised

    def synchronize(self, device: int = 0) -> None:
        assert self.initialised
        self.waits.append(device)
        if self.error is not None:
            raise self.error


class Torch(SimpleNamespace):
    """What there is of torch, and what was asked of it."""

    cuda: Device
    xpu: Device
    mps: Device


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def sync(recorder: Recorder) -> GpuSync:
    return GpuSync(recorder)


def torch(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str | None] | None = None, **kinds: Device) -> Torch:
    mps = kinds.get("mps")
    parts: dict[str, Any] = {
        "cuda": Device(),
        "xpu": Device(),
        "mps": Device(),
        "version": SimpleNamespace(**(versions or NVIDIA)),
        "backends": SimpleNamespace(mps=SimpleNamespace(is_available=lambda: mps is not None)),
        **kinds,
    }
    module = ModuleType("torch")
    vars(module).update(parts, __spec__=ModuleSpec("torch", None))
    monkeypatch.setitem(sys.modules, "torch", module)
    return Torch(**parts)


def test_torch_on_rocm_waits_on_the_cards_that_it_used(
    monkeypatch: pytest.MonkeyPatch, sync: GpuSync, recorder: Recorder
) -> None:
    found = torch(monkeypatch, AMD, cuda=Device(initialised=True))
    sync()
    assert (found.cuda.waits, recorder.errors) == ([1, 2], [])


def test_torch_on_nvidia_is_left_to_the_driver(
    monkeypatch: pytest.MonkeyPatch, sync: GpuSync, recorder: Recorder
) -> None:
    found = torch(monkeypatch, NVIDIA, cuda=Device(initialised=True))
    sync()
    assert (found.cuda.waits, recorder.errors) == ([], [])


def test_torch_on_xpu(monkeypatch: pytest.MonkeyPatch, sync: GpuSync, recorder: Recorder) -> None:
    found = torch(monkeypatch, xpu=Device(initialised=True))
    sync()
    assert (found.xpu.waits, recorder.errors) == ([0, 1, 2], [])


def test_torch_on_mps(monkeypatch: pytest.MonkeyPatch, sync: GpuSync, recorder: Recorder) -> None:
    found = torch(monkeypatch, mps=Device(initialised=True))
    sync()
    assert (found.mps.waits, recorder.errors) == ([0], [])


def test_what_was_not_set_up_stays_so(monkeypatch: pytest.MonkeyPatch, sync: GpuSync, recorder: Recorder) -> None:
    found = torch(monkeypatch, AMD, mps=Device())
    sync()
    assert found.cuda.waits == found.xpu.waits == found.mps.waits == []
    assert recorder.errors == []


def test_an_error_of_the_users_kernel_is_no_notice_and_the_other_cards_are_waited_for(
    monkeypatch: pytest.MonkeyPatch, sync: GpuSync, recorder: Recorder
) -> None:
    lost = RuntimeError("an illegal memory access was encountered")
    found = torch(monkeypatch, AMD, cuda=Device(initialised=True, error=lost))
    sync()
    sync()
    assert (found.cuda.waits, recorder.errors) == ([1, 2, 1, 2], [])


def test_a_row_that_fails_is_told_once_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, sync: GpuSync, recorder: Recorder
) -> None:
    broken = Device(initialised=True, error=TypeError("synchronize() takes no argument"))
    found = torch(monkeypatch, AMD, cuda=broken, xpu=Device(initialised=True))
    sync()
    sync()
    assert found.cuda.waits == [1]
    assert found.xpu.waits == [0, 1, 2, 0, 1, 2]
    assert recorder.errors == ["gpu-sync, torch on ROCm: TypeError: synchronize() takes no argument"]


def test_what_a_device_says_in_between_is_told_once_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, sync: GpuSync, recorder: Recorder
) -> None:
    found = torch(monkeypatch, mps=Device(initialised=True))
    memory = MagicMock(side_effect=[RuntimeError("busy"), RuntimeError("busy, too"), 1024])
    monkeypatch.setattr(found.mps, "driver_allocated_memory", memory)
    for _ in range(3):
        sync()
    assert found.mps.waits == [0]
    assert recorder.errors == ["gpu-sync, torch on MPS: RuntimeError: busy"]


@pytest.mark.parametrize("name", ["jax", "torch"])
def test_a_mock_in_the_place_of_a_framework_is_not_called(
    monkeypatch: pytest.MonkeyPatch, sync: GpuSync, recorder: Recorder, name: str
) -> None:
    mock = MagicMock()
    monkeypatch.setitem(sys.modules, name, mock)
    sync()
    assert (mock.mock_calls, recorder.errors) == ([], [])


@pytest.mark.parametrize("name", ["jax", "torch"])
def test_an_empty_module_that_a_test_put_in_its_place_is_no_error(
    monkeypatch: pytest.MonkeyPatch, sync: GpuSync, recorder: Recorder, name: str
) -> None:
    monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sync()
    assert recorder.errors == []


def test_a_torch_from_before_there_were_such_cards(
    monkeypatch: pytest.MonkeyPatch, sync: GpuSync, recorder: Recorder
) -> None:
    torch(monkeypatch, mps=Device(initialised=True))
    monkeypatch.delattr(sys.modules["torch"], "xpu")
    monkeypatch.delattr(sys.modules["torch"], "mps")
    sync()
    assert recorder.errors == []


def test_two_threads_may_fail_at_once(monkeypatch: pytest.MonkeyPatch, sync: GpuSync, recorder: Recorder) -> None:
    both = threading.Barrier(2)
    broken = Device(initialised=True)

    def fail() -> int:
        both.wait(10)
        raise TypeError("both")

    monkeypatch.setattr(broken, "device_count", fail)
    torch(monkeypatch, AMD, cuda=broken)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(sync), pool.submit(sync)]:
            done.result()
    assert len(recorder.errors) >= 1
    assert all("torch on ROCm: TypeError" in error for error in recorder.errors)


@pytest.mark.parametrize("name", ["jax", "torch"])
def test_a_framework_that_would_be_loaded_by_looking_at_it_is_not(
    monkeypatch: pytest.MonkeyPatch, sync: GpuSync, recorder: Recorder, tmp_path: Path, name: str
) -> None:
    (tmp_path / f"{name}.py").write_text("raise SystemExit('loaded')")
    spec = importlib.util.spec_from_file_location(name, tmp_path / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, name, module)
    sync()
    assert recorder.errors == []


@pytest.mark.parametrize("name", ["jax", "torch"])
def test_a_framework_that_is_still_being_imported_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, sync: GpuSync, recorder: Recorder, name: str
) -> None:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    module.__spec__._initializing = True  # type: ignore[attr-defined] # as importlib does
    monkeypatch.setitem(sys.modules, name, module)
    sync()
    assert recorder.errors == []


def test_a_jax_that_does_not_say_whether_it_is_set_up_is_told_and_left_alone(
    monkeypatch: pytest.MonkeyPatch, sync: GpuSync, recorder: Recorder
) -> None:
    module = ModuleType("jax")
    module.__spec__ = ModuleSpec("jax", None)
    monkeypatch.setitem(sys.modules, "jax", module)
    monkeypatch.delitem(sys.modules, "jax._src.xla_bridge", raising=False)
    sync()
    sync()
    assert recorder.errors == ["gpu-sync, jax: KeyError: 'jax._src.xla_bridge'"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_does_not_wait_for_threads_that_it_does_not_have(monkeypatch: pytest.MonkeyPatch, sync: GpuSync) -> None:
    found = torch(monkeypatch, AMD, cuda=Device(initialised=True))
    pid = os.fork()
    if pid == 0:
        sync()
        os._exit(len(found.cuda.waits))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    sync()
    assert found.cuda.waits == [1, 2]
