"""One process, and what the kernel says it used; moments of it as its tests noted them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from overhead.environments import ROOT

_LIMIT_S = 400.0
_LAST_WORDS = 160
_SERVER = ROOT / "tests" / "unit" / "detection" / "fake_server.py"
_TELLING = re.compile(r"(Error|Exception|error): |^(FAILED|ERROR) ")


class RunFailedError(Exception):
    """A run that did not end well; the message is its most telling line."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU and wall seconds."""

    cpu_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One run.

    Attributes:
        whole: from its start to its end, with its children. before: until the first test's own code.
        tests: from there to the end of the last test's code. after: the rest. peak_kib: the most memory of any process.
        moments: (seconds, CPU seconds, peak KiB) at the first and the last test of each file of 200.
    """

    whole: Cost
    before: Cost
    tests: Cost
    after: Cost
    peak_kib: int
    moments: list[tuple[float, float, int]]


def run(command: Sequence[str], *, env: Mapping[str, str], scratch: Path) -> Sample:
    """Run it in an empty folder.

    Raises:
        RunFailedError: if it fails, or takes too long.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    moments_file, log = scratch / "moments.json", scratch / "output.txt"
    with log.open("w") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            command, cwd=scratch, env={**env, "OVERHEAD_MOMENTS": str(moments_file)}, stdout=output, stderr=output,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        watchdog = threading.Timer(_LIMIT_S, process.kill)
        watchdog.start()
        _, status, used = os.wait4(process.pid, 0)
        ended = time.monotonic()
        watchdog.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RunFailedError(_last_words(process.returncode, log.read_text(errors="replace")))
    whole = Cost(used.ru_utime + used.ru_stime, ended - began)
    moments = json.loads(moments_file.read_text()) if moments_file.exists() else []
    if not moments:
        nothing = Cost(0.0, 0.0)
        return Sample(whole, whole, nothing, nothing, used.ru_maxrss, [])
    (first_s, first_cpu_s, _), (last_s, last_cpu_s, _) = moments[0], moments[-1]
    return Sample(
        whole,
        Cost(first_cpu_s, first_s - began),
        Cost(last_cpu_s - first_cpu_s, last_s - first_s),
        Cost(whole.cpu_s - last_cpu_s, ended - last_s),
        used.ru_maxrss,
        moments,
    )


def _last_words(code: int, text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no output"]
    telling = [line for line in lines if _TELLING.search(line)]
    return f"ended with {code}: {(telling or lines)[-1][:_LAST_WORDS]}"


def environment() -> dict[str, str]:
    """For every run: nobody's settings, one thread for numerical libraries, and no way out of this machine."""
    mine = ("PYTEST_", "CODECARBON_", "PYTHON", "OTEL_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {**kept, **nowhere, **threads, "NO_PROXY": "127.0.0.1", "PYTHONHASHSEED": "0"}


@contextmanager
def server() -> Iterator[int]:
    """The loopback server, in a process of its own: its port."""
    with subprocess.Popen([sys.executable, str(_SERVER)], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield int(process.stdout.readline())
        process.stdin.close()
