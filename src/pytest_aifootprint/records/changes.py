"""What changed against a baseline: frozen data that every report can print."""

from __future__ import annotations

from msgspec import Struct

from pytest_aifootprint.quantities import Range

RUN = "run"


class Change(Struct, frozen=True):
    """One quantity of the run, a test or a shared fixture, beside its baseline.

    Attributes:
        scope: ``run``, a node id, or ``fixture`` and its id.
        unit: ``carbon_g``, ``energy_j``, ``tokens``, ``calls`` or ``energy_j_per_token``.
        actual: this run's central value; its range is what remains uncertain when inputs that both share have
            cancelled (method: section 8).
        before: the baseline's value. runs: how many runs it is from.
        allowed: the most that passes; None where nothing is gated.
        by_spread: ``allowed`` is what the spread of the baseline's runs allows, which is more than the threshold does.
    """

    scope: str
    unit: str
    actual: Range
    before: float
    runs: int
    allowed: float | None = None
    by_spread: bool = False

    @property
    def increase(self) -> float | None:
        """As a share of the baseline: 0.1 is 10 % more. None where the baseline had none."""
        return self.actual.central / self.before - 1 if self.before else None


class Changes(Struct, frozen=True):
    """A run beside its baseline.

    Attributes:
        file: name of the baseline's file. runs: that it holds.
        differs: why carbon and energy are not compared, one phrase each: another machine, other factors; empty if they
            are. grids: why only carbon is not.
        partial: why only a part of the suite ran; "" if all of it did. compared, absent: tests that are compared, and
            those of the baseline that did not run.
        new, vanished: tests that the baseline does not have, and that only the baseline has.
        silent: tests of the baseline that ran and made no AI call. remodelled: tests whose models changed.
        elsewhere: tests of both that the baseline has no value of on this machine.
        without_row: AI tests that have no row and are not compared.
        changes: first of the run, then of its tests, largest increase first.
    """

    file: str
    runs: int
    differs: tuple[str, ...] = ()
    grids: tuple[str, ...] = ()
    partial: str = ""
    compared: int = 0
    absent: int = 0
    new: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    remodelled: tuple[str, ...] = ()
    elsewhere: int = 0
    without_row: int = 0
    changes: tuple[Change, ...] = ()

    @property
    def of_run(self) -> tuple[Change, ...]:
        """Those of the run as a whole."""
        return tuple(change for change in self.changes if change.scope == RUN)
