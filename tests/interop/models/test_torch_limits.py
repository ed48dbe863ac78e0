"""Forwards that may yet be training are known in time: for limits on a test, and for whoever asks."""

from __future__ import annotations

import pytest

SUITE = """
    import pytest, torch

    NET = torch.nn.Linear(3, 2)

    @pytest.mark.aifootprint(calls=2)
    def test_calls_too_often():
        for _ in range(3):
            NET(torch.ones(4, 3))

    def test_asks(aifootprint):
        NET(torch.ones(4, 3))
        assert [(c.operation, c.count) for c in aifootprint.calls] == [("inference", 1)]
        assert aifootprint.so_far().live_calls == 1

    @pytest.fixture
    def forwarded():
        return NET(torch.ones(4, 3))

    def test_phases(forwarded, aifootprint):
        assert [(c.operation, c.phase) for c in aifootprint.calls] == [("inference", "setup")]
"""


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "n1"])
def test_a_limit_on_calls_counts_forwards_with_gradients(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_subprocess("--aifootprint", "-p", "no:cacheprovider", *workers)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["aifootprint: live calls 3 over the limit 2 calls"])
