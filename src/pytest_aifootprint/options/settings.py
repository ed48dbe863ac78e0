"""The settings of a run. Apart from the table of options, which a run that is off reads, too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from pytest_aifootprint.options import Value

if TYPE_CHECKING:
    from pytest_aifootprint.budgets import Limit, ScopedLimit
    from pytest_aifootprint.reports import Target


class Settings(Struct, frozen=True):
    """What the user asked for, checked.

    Attributes:
        tests: ``ai``, ``marked`` or ``all``. grid: as written, None for the default; with its origin.
        budgets: limits of the run. test_budgets: default limits of every AI test.
        scoped: limits on marks and models, and where they were given.
        bound: ``low``, ``central`` or ``high``. undecided: ``fail`` or ``warn``.
        baseline: the file, and its origin. fail_on_increase: as a share; None: only compare.
        subprocess, thread_context: whether children and threads are followed. gpu_sync: wait for the GPU at the end of
            a window.
        idle: ``none`` or ``share``. reports: kind and target. top: rows of the terminal table.
        hardware, models, marginal: the raw tables of ``[tool.aifootprint]``, with ``tables_origin``, the file they
            stand in, and ``tables_folder``, what paths in them are relative to.
        recorded_meter: a scripted meter instead of this machine's (for tests).
    """

    tests: str
    grid: Value
    budgets: tuple[Limit, ...]
    test_budgets: tuple[Limit, ...]
    bound: str
    undecided: str
    idle: str
    subprocess: bool
    thread_context: bool
    gpu_sync: bool
    reports: tuple[tuple[str, Target, Value], ...]
    top: int
    hardware: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    marginal: Mapping[str, Any] = field(default_factory=dict)
    tables_origin: str = "pyproject.toml"
    tables_folder: Path = field(default_factory=Path)
    recorded_meter: Path | None = None
    scoped: tuple[ScopedLimit, ...] = ()
    scoped_origin: Value = Value((), "", "")
    baseline: tuple[Path, Value] | None = None
    fail_on_increase: float | None = None
