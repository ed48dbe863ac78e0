"""``aifootprint_gpu_sync`` with the real JAX, whose CPU backend returns before it has computed, and the real torch."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip("jax")

SUITE = """
import threading

import jax
import pytest

STEPS = 300


@jax.jit
def work(x):
    return jax.lax.fori_loop(0, STEPS, lambda i, a: a @ a * 1e-3, x)


@pytest.fixture(scope="session")
def x():
    x = jax.numpy.ones((500, 500))
    work(x).block_until_ready()
    jax.numpy.zeros(())
    return x


def finish():
    jax.numpy.zeros(()).block_until_ready()


def in_a_thread(x):
    kept = []
    thread = threading.Thread(target=lambda: kept.append(work(x)))
    thread.start()
    thread.join()
    return kept


KEPT = []
START = {
    "kept": lambda x: KEPT.append(work(x)),
    "dropped": lambda x: (work(x), None)[1],
    "thread": lambda x: KEPT.extend(in_a_thread(x)),
    "donated": lambda x: KEPT.append(jax.jit(work, donate_argnums=0)(x + 0)),
}


def test_warm(x):
    for start in START.values():
        start(x)
    jax.block_until_ready(KEPT)
    finish()


@pytest.mark.parametrize("what", [f"{what}-{how}" for how in START for what in ("launch", "next")])
def test_work(x, what):
    what, how = what.split("-")
    if what == "launch":
        START[how](x)
    else:
        jax.block_until_ready(KEPT)
        finish()
"""
HOW = ("kept", "dropped", "thread", "donated")


def run(pytester: pytest.Pytester, *arguments: str, passed: int) -> dict[str, Any]:
    result = pytester.runpytest_subprocess(
        "--aifootprint", "--aifootprint-tests=all", "--aifootprint-report=json:r.json", "-pno:cacheprovider", *arguments
    )
    result.assert_outcomes(passed=passed)
    report: dict[str, Any] = json.loads((pytester.path / "r.json").read_text())
    assert not [notice for notice in report["notices"] if notice["code"] == "internal-error"]
    return report


def cpu_s(report: dict[str, Any], name: str) -> float:
    (test,) = (test for test in report["tests"] if test["nodeid"].endswith(f"::{name}"))
    seconds: float = test["attempts"][0]["phases"]["call"]["cpu_s"]
    return seconds


@pytest.mark.parametrize("workers", [(), ("-n2", "--dist=loadfile")], ids=["alone", "n2"])
def test_jax_is_done_with_a_test_when_its_window_ends(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(SUITE)
    report = run(pytester, "--aifootprint-gpu-sync=true", *workers, passed=9)
    for how in HOW:
        own, following = (cpu_s(report, f"test_work[{what}-{how}]") for what in ("launch", "next"))
        assert own > 10 * following, how


def test_without_it_the_next_test_pays(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    report = run(pytester, passed=9)
    for how in HOW:
        own, following = (cpu_s(report, f"test_work[{what}-{how}]") for what in ("launch", "next"))
        assert own < following, how


def test_the_window_of_a_fixture_holds_what_the_fixture_gave_jax(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        SUITE.partition("def test_warm")[0]
        + """
@pytest.fixture(scope="module")
def begun(x):
    work(x)

def test_uses(begun):
    finish()
"""
    )
    report = run(pytester, "--aifootprint-gpu-sync=true", passed=1)
    (begun,) = (fixture for fixture in report["fixtures"] if fixture["name"] == "begun")
    assert begun["cpu_s"] > 10 * cpu_s(report, "test_uses")


def test_what_a_fixture_left_set_in_jax_does_not_stop_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    pytester.makepyfile("""
import jax
import pytest


@jax.jit
def work(x):
    return jax.lax.fori_loop(0, 300, lambda i, a: a @ a * 1e-3, x)


@pytest.fixture
def compiled():
    x = jax.device_put(jax.numpy.ones((500, 500)), jax.devices()[1])
    work(x).block_until_ready()
    with jax.default_device(jax.devices()[1]):
        finish()
    yield x


def finish():
    jax.numpy.zeros(()).block_until_ready()


@pytest.fixture
def odd():
    with jax.set_mesh(jax.make_mesh((2,), ("x",))), jax.disable_jit(), jax.transfer_guard("disallow_explicit"):
        yield


def test_odd(odd):  # nobody has used JAX before: what we need of it is compiled now
    pass


def test_first(compiled):
    pass


def test_launch(compiled):
    work(compiled)


def test_next(compiled):
    with jax.default_device(jax.devices()[1]):
        finish()


def test_nothing_of_ours_is_left():
    assert jax.live_arrays() == []
""")
    report = run(pytester, "--aifootprint-gpu-sync=true", passed=5)
    assert cpu_s(report, "test_launch") > 10 * cpu_s(report, "test_next")


ALONE = """
import sys
{code}
from pytest_aifootprint.detection.recorder import Recorder
from pytest_aifootprint.session.gpu_sync import GpuSync
recorder = Recorder()
sync = GpuSync(recorder)
sync()
assert not recorder.errors, recorder.errors
{then}
"""


def alone(code: str, then: str) -> None:
    """In a process of its own: what is set up stays so."""
    program = ALONE.format(code=code, then=then)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_jax_that_was_only_imported_is_not_set_up() -> None:
    alone("import jax", "assert not sys.modules['jax._src.xla_bridge'].backends_are_initialized()")


def test_backends_that_the_user_took_down_and_set_up_again() -> None:
    alone(
        "import jax; jax.numpy.ones(1)",
        "from jax.extend.backend import clear_backends\nclear_backends()\nsync()\n"
        "assert not sys.modules['jax._src.xla_bridge'].backends_are_initialized()\n"
        "jax.numpy.ones(1)\nsync()\nassert not recorder.errors, recorder.errors",
    )


def test_our_own_compilation_is_the_plugins() -> None:
    alone(
        "import jax; jax.numpy.ones(1)",
        "first = recorder.own_ns\nassert first > 0\nsync()\nassert recorder.own_ns == first",
    )


def test_jax_that_may_not_compile_is_waited_for_all_the_same() -> None:
    alone(
        "import os\nos.environ['JAX_DISABLE_JIT'] = '1'\nimport jax; jax.numpy.ones(1)",
        "assert jax.config.jax_disable_jit",
    )


def test_torch_without_a_card_is_asked_and_sets_nothing_up() -> None:
    pytest.importorskip("torch")
    alone("import torch", "assert not torch.cuda.is_initialized() and not torch.xpu.is_initialized()")


TORCH = """
import torch
waits = []
torch.version.hip = "7.0"
torch.cuda._initialized = True
torch.cuda.device_count = lambda: 1
torch.cuda.memory_reserved = lambda device: 1
torch.cuda.synchronize = lambda device: waits.append(f"rocm {device}")
torch.xpu._initialized = True
torch.xpu.device_count = lambda: 1
torch._C._xpu_synchronize = lambda device: waits.append(f"xpu {device}")
torch.backends.mps.is_available = lambda: True
torch._C._mps_driverAllocatedMemory = lambda: 1
torch._C._mps_deviceSynchronize = lambda: waits.append("mps")
"""


def test_the_names_that_torch_is_asked_by_are_those_it_has() -> None:
    """No such card is here: what would ask one is replaced."""
    pytest.importorskip("torch")
    alone(TORCH, "assert waits == ['rocm 0', 'xpu 0', 'mps'], waits")
