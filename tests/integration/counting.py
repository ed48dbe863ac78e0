"""A pytest plugin that counts what a run does in the middle of it, and at its end. Loaded into inner runs by ``-p``.

Counted, never timed: the same run gives the same numbers on a busy machine. Writes ``counted-<process>.json``, where a
process is ``main`` or the name of an xdist worker:

- ``modules``: names of all modules once the first tests have run.
- ``growth``: what is left of each test between two moments: memory blocks, and objects that the collector walks, of the
  whole process; bytes that this package allocated, or what it called (0 without the flag).
- ``each``: what this package does for each test, from each hook of ours that is called until it returns, in all that it
  calls but pytest's own functions, which differ by version: entries (such hooks), calls (of Python functions), c_calls
  (of C functions), system (of those, the ones that ask the system: clocks, files, processes), lines (of the package).
- ``asked``: those that ask the system, by name. ``where``: the lines, by function.
- ``end``: the package's lines from the end of the last test to the end of the run, by function.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Generator
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

WARM, GROWN, COUNTED = 30, 230, 250
"""Numbers of tests: growth is from the first to the second, calls are those from the second to the third."""

MEET = "meet-{}"
"""A named pipe, if it is there: by it a worker waits until the controller has seen so many tests. Otherwise there would
be more or less in the controller of what the worker has sent since."""

MARK = "counted-test-"
"""Begins the name of a file that is asked for, in vain, at each of these moments: who traces the process sees it."""

_PYTEST = f"{os.sep}_pytest{os.sep}"
_FRAMES = 4  # of whoever allocates: as deep as libraries are that we call
_ASK = {"time", "posix", "nt", "resource", "fcntl", "select", "signal", "_signal", "_socket", "_io", "io", "_thread"}
_ASK_BY_METHOD = {"_io", "_socket", "select", "mmap"}


def _folder_of_the_package() -> str:
    # Not imported for that: without the flag it must not be.
    spec = find_spec("pytest_aifootprint")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent) + os.sep


class Calls:
    """Counts between ``start`` and ``stop``, on the thread that starts."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self._lines: Counter[CodeType] = Counter()
        self._folder = _folder_of_the_package()
        self._own: dict[CodeType, bool] = {}
        self._theirs: dict[CodeType, bool] = {}
        self._outermost: FrameType | None = None

    def start(self, *, lines_only: bool = False) -> None:
        # A collection runs the finalizers of whatever is there.
        gc.collect()
        gc.disable()
        sys.settrace(self._trace)
        if not lines_only:
            sys.setprofile(self._profile)

    def stop(self) -> None:
        sys.setprofile(None)
        sys.settrace(None)
        gc.enable()
        self.counts["lines"] = sum(self._lines.values())

    def lines(self) -> dict[str, int]:
        """By function."""
        by_name: Counter[str] = Counter()
        for code, n in self._lines.most_common():
            by_name[f"{code.co_filename[len(self._folder) :]}:{code.co_firstlineno} {code.co_name}"] += n
        return dict(by_name)

    def _is_own(self, code: CodeType) -> bool:
        known = self._own.get(code)
        if known is None:
            known = self._own[code] = code.co_filename.startswith(self._folder)
        return known

    def _is_theirs(self, code: CodeType) -> bool:
        known = self._theirs.get(code)
        if known is None:
            known = self._theirs[code] = _PYTEST in code.co_filename
        return known

    def _profile(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "call":
            if self._outermost is None:
                if not self._is_own(frame.f_code):
                    return
                self._outermost = frame
                self.counts["entries"] += 1
            self.counts["calls"] += not self._is_theirs(frame.f_code)
        elif self._outermost is None:
            return
        elif event == "return":
            if frame is self._outermost:
                self._outermost = None
        elif event == "c_call" and not self._is_theirs(frame.f_code):
            self.counts["c_calls"] += 1
            if arg.__module__ in _ASK or type(arg.__self__).__module__ in _ASK_BY_METHOD:
                self.counts["system"] += 1
                self.asked[arg.__qualname__] += 1

    def _trace(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any] | None:
        return self._line if self._is_own(frame.f_code) else None

    def _line(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any]:
        if event == "line":
            self._lines[frame.f_code] += 1
        return self._line


def _left() -> dict[str, int]:
    # First, as this itself leaves something behind the first time.
    bytes_ = _own_bytes() if tracemalloc.is_tracing() else 0
    gc.collect()
    return {"blocks": sys.getallocatedblocks(), "bytes": bytes_, "tracked": len(gc.get_objects())}


def _own_bytes() -> int:
    """Not of the whole process: in some run or other, a table of Python's own doubles between two moments."""
    gc.collect()
    ours = tracemalloc.Filter(inclusive=True, filename_pattern=f"{_folder_of_the_package()}*", all_frames=True)
    # What pytest works out when we ask it, such as a test's name, it keeps for itself.
    theirs = tracemalloc.Filter(inclusive=False, filename_pattern=f"*{_PYTEST}*")
    traces = tracemalloc.take_snapshot().filter_traces([ours, theirs]).traces
    return sum(trace.size for trace in traces)


class Counting:
    """Looks when so many tests are over."""

    def __init__(self) -> None:
        self._over = 0
        self._before: dict[str, int] = {}
        self._calls = Calls()
        self._end = Calls()
        self._found: dict[str, Any] = {}
        self._worker = os.environ.get("PYTEST_XDIST_WORKER")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        # A wrapper: who implements it plainly may run tests himself, and then more hooks are there.
        if "pytest_aifootprint.session" in sys.modules:
            tracemalloc.start(_FRAMES)
        return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        pipe = Path(MEET.format(self._over))
        if self._worker is not None and pipe.exists():
            pipe.read_text()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logfinish(self) -> None:
        self._over += 1
        if self._over not in {WARM, GROWN, COUNTED}:
            return
        os.access(f"{MARK}{self._over}", os.F_OK)
        if self._over == WARM:
            self._found["modules"] = sorted(sys.modules)
            self._before = _left()
        elif self._over == GROWN:
            after = _left()
            tracemalloc.stop()
            self._found["growth"] = {name: (after[name] - n) / (GROWN - WARM) for name, n in self._before.items()}
            self._calls.start()
        else:
            self._calls.stop()
            for name, counts in (
                ("each", self._calls.counts),
                ("asked", self._calls.asked),
                ("where", self._calls.lines()),
            ):
                self._found[name] = {what: n / (COUNTED - GROWN) for what, n in counts.items()}
        pipe = Path(MEET.format(self._over))
        if self._worker is None and pipe.exists():
            pipe.write_text("seen")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        self._end.start(lines_only=True)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        self._end.stop()
        self._found["end"] = self._end.lines()
        Path(f"counted-{self._worker or 'main'}.json").write_text(json.dumps(self._found))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Counting())
