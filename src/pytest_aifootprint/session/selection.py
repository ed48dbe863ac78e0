"""Whether all of the suite ran, and what of it was asked for."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest


class LeftOut:
    """Counts the tests that were collected and taken away again: by -k, by a plugin that shards, by anybody.

    Attributes:
        tests: how many.
    """

    def __init__(self) -> None:
        """Nothing so far."""
        self.tests = 0

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, object, object]:
        """Before and after everybody else."""
        before = len(items)
        try:
            return (yield)
        finally:
            self.tests = max(before - len(items), 0)


def asked_for(config: pytest.Config) -> tuple[str, ...]:
    """What was asked for, each as the beginning of node ids; ``""`` is the whole of rootdir."""
    root, here = config.rootpath, config.invocation_params.dir
    found = []
    for argument in config.args:
        path, colons, rest = argument.partition("::")
        relative = os.path.relpath(here / path, root).replace(os.sep, "/")
        found.append(("" if relative == "." else relative) + colons + rest)
    return tuple(found) or ("",)


STOPPED = "it was stopped early"
BROKEN_OFF = (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)


def why_partial(session: pytest.Session, left_out: int, *, stopped: bool = False) -> str:
    """Why not all that was asked for ran, in a few words; "" if it did. ``stopped``: somebody told pytest to exit."""
    option = session.config.option
    if stopped or session.exitstatus in BROKEN_OFF or session.shouldstop or session.shouldfail:
        return STOPPED
    if left_out:
        return f"{left_out} {'test was' if left_out == 1 else 'tests were'} deselected"
    for name, flag in (
        ("lf", "--lf"),
        ("ignore", "--ignore"),
        ("ignore_glob", "--ignore-glob"),
        ("pyargs", "--pyargs"),
    ):
        if getattr(option, name, None):
            return flag
    return ""
