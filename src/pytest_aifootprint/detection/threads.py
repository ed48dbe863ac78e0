"""Carries the owner of calls into threads that a test starts: on demand only, because it touches users' threads.

Without it a call in such a thread belongs to the test that is running, which is right unless the thread outlives its
test or tests run at the same time; it is then marked ``inferred``. Only our own context variable is carried: a copy of
the whole context would change what the user's own variables say.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pytest_aifootprint.detection.patching import Arming


def _start(arming: Arming, original: Callable[..., Any]) -> Callable[..., Any]:
    context = arming.recorder.context

    def start(thread: threading.Thread, /) -> Any:
        __tracebackhide__ = True
        owner = context.get() if arming.active else None
        if owner is None:
            return original(thread)
        run = thread.run

        def run_for_owner() -> None:
            vars(thread).pop("run", None)
            context.set(owner)
            run()

        thread.run = run_for_owner  # type: ignore[method-assign]
        try:
            return original(thread)
        except BaseException:
            vars(thread).pop("run", None)
            raise

    return start


def _submit(arming: Arming, original: Callable[..., Any]) -> Callable[..., Any]:
    context = arming.recorder.context

    def submit(pool: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        owner = context.get() if arming.active else None
        if owner is None:
            return original(pool, fn, *args, **kwargs)

        def for_owner(*args: Any, **kwargs: Any) -> Any:
            token = context.set(owner)
            try:
                return fn(*args, **kwargs)
            finally:
                context.reset(token)

        return original(pool, for_owner, *args, **kwargs)

    return submit


def carry_owner(arming: Arming) -> None:
    """Patch ``Thread.start`` and ``ThreadPoolExecutor.submit`` (which ``run_in_executor`` and ``to_thread`` use)."""
    arming.replace(threading.Thread, "start", lambda original: _start(arming, original))
    arming.replace(ThreadPoolExecutor, "submit", lambda original: _submit(arming, original))
