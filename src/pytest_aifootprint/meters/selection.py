"""Which meters work on this machine: tried in order, each rejected one with its reason and remedy."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pytest_aifootprint.meters.contract import CounterMeter, RejectedMeter, Selection
from pytest_aifootprint.meters.hardware import Hardware, validate_hardware
from pytest_aifootprint.meters.host import Facts, recognise
from pytest_aifootprint.meters.load_model import PUE_LOCAL, load_model
from pytest_aifootprint.meters.memory import memory_model
from pytest_aifootprint.meters.nvml import find_nvml
from pytest_aifootprint.meters.powercap import find_powercap
from pytest_aifootprint.meters.recorded import load_recording
from pytest_aifootprint.quantities import LitresPerKwh, Range

_AMD_DRIVER = ("dev/kfd", "sys/module/amdgpu")


def select(  # noqa: PLR0913 - everything that a test must be able to replace
    *,
    root: Path = Path("/"),
    environ: Mapping[str, str] = os.environ,
    hardware: Mapping[str, object] | Hardware | None = None,
    clock: Callable[[], int] = time.monotonic_ns,
    recorded: Path | None = None,
    pause: Callable[[float], None] = time.sleep,
    system: tuple[str, str] | None = None,
) -> Selection:
    """Choose the meters of this machine. Starts no process, asks no network.

    Args:
        root: of the file system that is looked at.
        environ: the environment.
        hardware: what the user declares, as a table (``HARDWARE_KEYS``) or validated.
        clock: CLOCK_MONOTONIC in ns.
        recorded: the script of a recorded meter, which then is the only counter.
        pause: sleep; called only where counters stand, to see them move.
        system: ``sys.platform`` and ``platform.machine()``, looked at where ``root`` is not Linux's; None: of this
            process.

    Raises:
        ValueError: ``hardware`` or the script is not valid: one line. OSError: the script cannot be read.
    """
    declared = hardware if isinstance(hardware, Hardware) else validate_hardware(hardware)
    recording = load_recording(recorded, clock=clock) if recorded is not None else None
    facts = recognise(root, environ)
    cpu = load_model(facts, declared)
    if recording is not None:
        counters: list[CounterMeter] = list(recording.meters)
        rejected: list[RejectedMeter] = []
    else:
        counters, rejected = _counters(root, environ, facts, clock, pause, system)
    domains = {meter.domain for meter in counters}
    return Selection(
        host=facts.host,
        counters=tuple(counters),
        cpu_model=cpu,
        memory_model=memory_model(facts.host, cpu, cpu_counter="cpu" in domains, ram_counter="ram" in domains),
        rejected=tuple(rejected),
        recorded_busy=recording.busy_s if recording else None,
        pue=Range.of(*declared.pue, PUE_LOCAL) if declared.pue else None,
        wue_l_per_kwh=LitresPerKwh(Range.of(*declared.wue_l_per_kwh, "wue:local")) if declared.wue_l_per_kwh else None,
        declared=declared,
    )


def _counters(  # noqa: PLR0913 - as above
    root: Path,
    environ: Mapping[str, str],
    facts: Facts,
    clock: Callable[[], int],
    pause: Callable[[float], None],
    system: tuple[str, str] | None,
) -> tuple[list[CounterMeter], list[RejectedMeter]]:
    counters: list[CounterMeter] = []
    rejected: list[RejectedMeter] = []
    if facts.linux:
        rapl, why_not = find_powercap(root, virtual=facts.host.virtual, clock=clock, pause=pause)
        counters += rapl
        rejected += why_not
        missing = {"cpu", "ram"} - {meter.domain for meter in rapl}
        if missing:
            # Not at the top: fcntl, which it needs, is not on every platform.
            from pytest_aifootprint.meters.perf_events import find_perf_events

            perf, why_not = find_perf_events(
                root, missing, vendor=facts.vendor, virtual=facts.host.virtual, clock=clock, pause=pause
            )
            counters += perf
            rejected += why_not
    else:
        found, why_not = _elsewhere(*(system or _this_system()), clock)
        counters += found
        rejected += why_not
    cards, why_not = find_nvml(root, environ, clock=clock)
    counters += cards
    rejected += why_not
    if facts.linux and any((root / name).exists() for name in _AMD_DRIVER):
        from pytest_aifootprint.meters.amd import find_amd

        taken = [int(card.domain.removeprefix("gpu")) for card in cards]
        others, why_not = find_amd(root, environ, first=max(taken, default=-1) + 1, clock=clock)
        counters += others
        rejected += why_not
    return counters, rejected


def _this_system() -> tuple[str, str]:
    # The machine is asked for on macOS alone; importing platform would cost milliseconds.
    return sys.platform, os.uname().machine if hasattr(os, "uname") else ""


def _elsewhere(name: str, machine: str, clock: Callable[[], int]) -> tuple[Sequence[CounterMeter], list[RejectedMeter]]:
    """The counters of systems other than Linux."""
    if name == "darwin":
        from pytest_aifootprint.meters.apple import find_apple

        return find_apple(machine, clock=clock)
    if name == "win32":
        from pytest_aifootprint.meters.windows_emi import find_emi

        return find_emi(clock=clock)
    reason = f"no counter is read on {name}: the load model is used"
    return [], [RejectedMeter("rapl", reason, "declare watts_per_cpu_second if you have measured it")]
