"""Every attempt, every outcome and every kind of test: each is billed the CPU seconds that it says it used."""

import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from known_truth import imbalance, lay_out, lines_of, truth_of
from pytest_aifootprint.records.schema import report_schema

RETRIED = """
    import known, pytest

    ATTEMPTS = []

    @pytest.fixture
    def own():
        known.burn(0.03)
        yield
        known.burn(0.02)

    @pytest.mark.flaky(reruns=2)
    def test_third_time(own):
        known.burn(0.05)
        ATTEMPTS.append(1)
        assert len(ATTEMPTS) == 3

    @pytest.mark.flaky(reruns=1)
    def test_never():
        known.burn(0.04)
        assert False

    def test_once():
        known.burn(0.05)
"""

OUTCOMES = """
    import known, pytest

    @pytest.fixture
    def fails_early():
        known.burn(0.05)
        known.tell("setup", 0.05)
        raise RuntimeError

    @pytest.fixture
    def fails_late():
        yield
        known.burn(0.04)
        raise RuntimeError

    def test_fails():
        known.burn(0.05)
        assert False

    def test_errs_early(fails_early):
        pass

    def test_errs_late(fails_late):
        known.burn(0.03)

    @pytest.mark.xfail
    def test_xfails():
        known.burn(0.05)
        assert False

    @pytest.mark.xfail
    def test_xpasses():
        known.burn(0.05)

    def test_skips_after_work():
        known.burn(0.05)
        pytest.skip("seen enough")
"""

KINDS = '''
    """
    >>> import known
    >>> known.burn(0.05)
    """

    import asyncio, unittest

    import known, pytest

    class TestUnit(unittest.TestCase):
        def setUp(self):
            known.burn(0.02)

        def test_unittest(self):
            for part in range(3):
                with self.subTest(part=part):
                    known.burn(0.01)

        def tearDown(self):
            known.burn(0.02)

    class TestAsyncUnit(unittest.IsolatedAsyncioTestCase):
        async def test_isolated(self):
            await asyncio.sleep(0)
            known.burn(0.05)

    @pytest.mark.asyncio
    async def test_asyncio():
        await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.to_thread(known.burn, 0.01)
        known.burn(0.02)

    @pytest.mark.anyio
    async def test_anyio():
        import anyio
        await anyio.sleep(0)
        known.burn(0.05)

    @pytest.fixture
    def anyio_backend():
        return "asyncio"
'''

SUBTESTS = """
    import known

    def test_parts(subtests):
        known.burn(0.02)
        for part in range(3):
            with subtests.test(part=part):
                known.burn(0.02)
                assert part != 1
        known.burn(0.02)
"""


@pytest.fixture
def metered(pytester: pytest.Pytester) -> Any:
    """Runs the suite with a row for every test; rows by name of a report that is valid and conserves energy."""

    def run(suite: str, *args: str) -> dict[str, dict[str, Any]]:
        lay_out(pytester.path, conftest=True)
        pytester.makepyfile(test_suite=suite)
        path = pytester.path / "r.json"
        pytester.runpytest("--aifootprint", "--aifootprint-tests=all", f"--aifootprint-report=json:{path}", *args)
        data: dict[str, Any] = json.loads(path.read_text())
        jsonschema.validate(data, report_schema())
        assert imbalance(data) <= 1e-9
        return {t["nodeid"].rpartition("::")[2]: t for t in data["tests"]}

    return run


def close(seconds: float) -> Any:
    return pytest.approx(seconds, rel=0.02, abs=0.005)


def attempts(row: dict[str, Any], phase: str = "call") -> list[float]:
    return [attempt["phases"][phase]["cpu_s"] for attempt in row["attempts"]]


def told(folder: Path, name: str) -> list[float]:
    return [line["cpu_s"] for line in lines_of(folder) if line["test"].endswith(f"::{name}")]


def test_each_attempt_has_its_own_windows_and_the_test_their_sum(
    pytester: pytest.Pytester, metered: Any, workers: tuple[str, ...]
) -> None:
    rows = metered(RETRIED, *workers)
    retried, never, once = (rows[name] for name in ("test_third_time", "test_never", "test_once"))
    assert [(a["attempt"], a["outcome"]) for a in retried["attempts"]] == [(1, "rerun"), (2, "rerun"), (3, "passed")]
    assert [(a["attempt"], a["outcome"]) for a in never["attempts"]] == [(1, "rerun"), (2, "failed")]
    assert [row["outcome"] for row in (retried, never, once)] == ["passed", "failed", "passed"]
    for name, row in rows.items():
        own = told(pytester.path, name)
        assert attempts(row) == [close(s) for s in own]
        phases = [phase["cpu_s"] for attempt in row["attempts"] for phase in attempt["phases"].values()]
        # The set-up of a wider fixture (pytest-asyncio has one for everybody) is in the phase, but not in direct.
        assert row["direct"]["cpu_s"] == pytest.approx(math.fsum(phases), abs=0.001)
    assert attempts(retried, "setup") == [close(0.03)] * 3
    assert min(attempts(retried, "teardown")) >= 0.02


def test_whatever_its_outcome_a_test_pays_for_its_work(
    pytester: pytest.Pytester, metered: Any, workers: tuple[str, ...]
) -> None:
    rows = metered(OUTCOMES, *workers)
    assert {name: row["outcome"] for name, row in rows.items()} == {
        "test_fails": "failed",
        "test_errs_early": "error",
        "test_errs_late": "error",
        "test_xfails": "xfailed",
        "test_xpasses": "xpassed",
        "test_skips_after_work": "skipped",
    }
    for name, row in rows.items():
        own = told(pytester.path, name)
        if name == "test_errs_early":
            assert own == []
            assert attempts(row, "setup") == [close(0.05)]
        else:
            assert attempts(row) == [close(s) for s in own]
    assert attempts(rows["test_errs_late"], "teardown")[0] >= 0.04


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["alone", "n2"])
def test_every_kind_of_test_pays_for_its_work(
    pytester: pytest.Pytester, metered: Any, options: tuple[str, ...]
) -> None:
    rows = metered(KINDS, "--doctest-modules", *options)
    own = {name.rpartition("::")[2]: s for name, s in truth_of(pytester.path).items()}
    assert sorted(own) == ["test_anyio", "test_asyncio", "test_isolated", "test_suite", "test_unittest"]
    assert all(s > 0.049 for s in own.values())
    assert {name: row["outcome"] for name, row in rows.items()} == dict.fromkeys(own, "passed")
    assert {name: attempts(row) for name, row in rows.items()} == {name: [close(s)] for name, s in own.items()}


def test_a_test_with_subtests_pays_for_all_of_them(pytester: pytest.Pytester, metered: Any) -> None:
    pytest.importorskip("_pytest.subtests", reason="subtests are built into pytest 9")
    (row,) = metered(SUBTESTS).values()
    (own,) = told(pytester.path, "test_parts")
    assert own > 0.099
    # The part that fails is rendered while the test goes on: that is inside its call, for the test itself, too.
    assert attempts(row) == [close(own)]


def test_a_test_with_a_failed_subtest_is_failed_as_pytest_says(pytester: pytest.Pytester, metered: Any) -> None:
    pytest.importorskip("_pytest.subtests", reason="subtests are built into pytest 9")
    (row,) = metered(SUBTESTS).values()
    assert row["outcome"] == "failed"
