"""The gate on simulated runs: how often it cries wolf, and whether it sees one."""

import random

import pytest

from pytest_aifootprint.budgets.baseline import Baseline, updated
from pytest_aifootprint.budgets.regression import compare
from pytest_aifootprint.budgets.spread import FALSE_ALARM
from pytest_aifootprint.quantities import Range
from pytest_aifootprint.records.changes import RUN
from pytest_aifootprint.records.snapshot import Setting, Snapshot, Spent

HERE = Setting({"cpu": "A"}, "1")
TESTS = 20
RUNS = 300


def run_of(rng: random.Random, sd_log: float, doubled: int | None = None) -> Snapshot:
    spent = {}
    for n in range(TESTS):
        joules = (n + 1) * rng.lognormvariate(0.0, sd_log) * (2 if n == doubled else 1)
        spent[f"t{n}"] = Spent(1, 100, Range(joules), Range(joules / 1000), joules, 100, ("m",), "passed")
    return Snapshot(None, HERE, spent, "")


def failed(now: Snapshot, before: Baseline) -> set[str]:
    changes = compare(now, before, "b.json", frozenset(), 0.1).changes
    return {c.scope for c in changes if c.allowed is not None and c.actual.central > c.allowed}


def history(rng: random.Random, sd_log: float, n: int) -> Baseline:
    made = Baseline(None)
    for number in range(n):
        made = updated(made, run_of(rng, sd_log), str(number)).baseline
    return made


@pytest.mark.parametrize(("sd_log", "n"), [(0.1, 3), (0.1, 10), (0.3, 5), (0.3, 10)])
def test_noise_alone_fails_at_most_one_run_in_twenty(sd_log: float, n: int) -> None:
    rng = random.Random(7)
    alarms = sum(bool(failed(run_of(rng, sd_log), history(rng, sd_log, n))) for _ in range(RUNS))
    # 0.05 of 300 is 15; three standard deviations of a binomial above it is 26.
    assert alarms <= RUNS * FALSE_ALARM + 3 * (RUNS * FALSE_ALARM * (1 - FALSE_ALARM)) ** 0.5


def test_the_threshold_alone_would_fail_nearly_every_run_of_noisy_tests() -> None:
    rng = random.Random(7)
    alarms = sum(bool(failed(run_of(rng, 0.1), history(rng, 0.1, 1))) for _ in range(50))
    assert alarms > 45


def test_a_doubled_test_is_found_by_its_name() -> None:
    rng = random.Random(7)
    found = 0
    for number in range(100):
        which = 4 + number % (TESTS - 4)  # a smaller one is a hundredth of the run, and judged with it
        found += f"t{which}" in failed(run_of(rng, 0.1, which), history(rng, 0.1, 10))
    assert found >= 95


def test_a_rise_of_all_tests_is_found_by_the_total() -> None:
    rng = random.Random(7)
    found = 0
    for _ in range(50):
        now = run_of(rng, 0.2)
        risen = {
            name: Spent(1, 100, s.energy_j.scale(1.6), s.carbon_g.scale(1.6), 1.0, 100, ("m",), "passed")
            for name, s in now.spent.items()
        }
        found += RUN in failed(Snapshot(None, HERE, risen, ""), history(rng, 0.2, 10))
    assert found >= 45
