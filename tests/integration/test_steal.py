"""A run on a virtual machine whose hypervisor gives the CPU to others."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pytest_aifootprint.quantities.unfaked import REAL


@pytest.mark.parametrize(("steal", "codes"), [(20, {"steal-time"}), (2, set())])
def test_steal_during_the_run_is_told_and_steal_before_it_is_not(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, steal: int, codes: set[str]
) -> None:
    stat = pytester.path / "stat"
    stat.write_text("cpu  1000 0 0 5000 0 0 0 9000 0 0\n")
    monkeypatch.setenv("STAT", str(stat))

    def opened(path: str | Path, flags: int) -> int:
        return os.open(stat if str(path).endswith("/proc/stat") else path, flags)

    monkeypatch.setattr(REAL, "open", opened)
    pytester.makepyfile(
        f"""
        import os, pathlib
        def test_slow():
            pathlib.Path(os.environ["STAT"]).write_text("cpu  1100 0 0 5000 0 0 0 {9000 + steal} 0 0\\n")
        """
    )
    pytester.runpytest("--aifootprint", "--aifootprint-report", "json:run.json").assert_outcomes(passed=1)
    report: dict[str, Any] = json.loads((pytester.path / "run.json").read_text())
    found = {n["code"]: n["message"] for n in report["notices"] if n["code"] == "steal-time"}
    assert set(found) == codes
    if codes:
        assert found["steal-time"].startswith("17% of the CPU time")
