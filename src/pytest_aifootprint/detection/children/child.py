"""Inside a child process: arms the seams. A child that was forked has them armed already, and only changes the sink."""

from __future__ import annotations

import atexit
import os
import sys

from pytest_aifootprint.detection.children.callfile import CallFile
from pytest_aifootprint.detection.patching import Seams
from pytest_aifootprint.detection.recorder import Recorder


def watch(folder: str) -> None:
    """Watch this process from its start; what goes wrong is caught by the start-up file that calls this."""
    recorder = Recorder()
    sink = recorder.sink = CallFile(folder, recorder.error)
    seams = Seams.arm(recorder)

    def end() -> None:
        recorder.flush(None)
        sink.end()
        seams.disarm()

    atexit.register(end)


def watch_forks(recorder: Recorder, folder: str) -> None:
    """From now on a fork of this process writes its calls to the folder. Stays for the life of the process."""

    def in_child() -> None:
        if recorder.forks_to != folder:
            return
        recorder.forget()
        sink = recorder.sink = CallFile(folder, recorder.error)
        atexit.register(sink.end)
        # Children of multiprocessing end by os._exit: only its own finalizers run.
        util = sys.modules.get("multiprocessing.util")
        if util is not None:
            util.Finalize(None, sink.end, exitpriority=100)

    recorder.forks_to = folder
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=in_child)
