"""Clocks and system calls as they were before any test ran.

Tests replace ``time.monotonic_ns`` and ``os.listdir``, freezegun rewrites the attributes of every module, pyfakefs
swaps ``os`` in them. None of them reaches into a namespace object, so our hooks read the real clocks there, and consume
none of the values that a test has prepared for itself.
"""

from __future__ import annotations

import os
import time
from types import SimpleNamespace
from typing import Any

# Any: the members differ by platform; each is what its module documents.
REAL: Any = SimpleNamespace(
    monotonic_ns=time.monotonic_ns,
    process_time_ns=time.process_time_ns,
    thread_time_ns=time.thread_time_ns,
    clock_gettime_ns=getattr(time, "clock_gettime_ns", None),
    access=os.access,
    close=os.close,
    getpid=os.getpid,
    getppid=os.getppid,
    getuid=getattr(os, "getuid", None),
    listdir=os.listdir,
    open=os.open,
    pread=getattr(os, "pread", None),
    read=os.read,
    write=os.write,
    readlink=os.readlink,
    stat=os.stat,
    sysconf=getattr(os, "sysconf", None),
)
