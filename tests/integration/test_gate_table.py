"""Every kind of limit, on every scope, with every verdict, without workers and with two: exit status and message.

One pytest run judges many cells that all have the same verdict: its exit status is theirs, and each cell has a message
of its own. ``test_one_limit_alone_decides_the_exit_status`` runs single cells by themselves.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

import pytest

KINDS = {
    "carbon": ("carbon_g", "{} gCO2e"),
    "use": ("carbon_g", "use: {} gCO2e"),
    "energy": ("energy_j", "{} J"),
    "water": ("water_l", "{} L"),
    "tokens": ("tokens", "{} tokens"),
    "calls": ("calls", "{} calls"),
}
RANGED = ("carbon", "use", "energy", "water")
PARTS = {"run": "run", "marker": "marker: slow and not nightly", "model": "model: gpt-4*"}
OF_TESTS = ("default", "mark", "each")
SCOPES = (*PARTS, *OF_TESTS)
VERDICTS = ("pass", "fail", "crossing", "doubtful")
WORD = {"pass": "pass", "fail": "fail", "crossing": "undecided", "doubtful": "undecided"}
SAID = {"pass": "within", "fail": "over", "crossing": "undecided against", "doubtful": "undecided against"}
WHY = {"crossing": "the range crosses the limit", "doubtful": "AI calls could not be priced"}
STATUS = {"pass": 0, "fail": 1, "undecided": 1}
CELLS = [
    (scope, kind, verdict)
    for scope in SCOPES
    for kind in KINDS
    for verdict in VERDICTS
    if verdict != "crossing" or kind in RANGED  # a count is exact
]

SUITE = """
    import json
    import pytest
    from pathlib import Path

    PLAN = json.loads(Path("plan.json").read_text())
    KINDS = PLAN["kinds"]

    def ask(aifootprint, model="gpt-4o"):
        aifootprint.record_call(model=model, provider="openai", input_tokens=1000, output_tokens=500)
        if PLAN["doubtful"]:
            aifootprint.record_call(model=model, provider="openai", operation="training")

    @pytest.mark.parametrize("kind", KINDS)
    def test_default(kind, aifootprint):
        ask(aifootprint)

    def marked(kind):
        return pytest.param(kind, marks=pytest.mark.aifootprint(**PLAN["marks"][kind]))

    @pytest.mark.parametrize("kind", [marked(kind) for kind in KINDS])
    def test_mark(kind, aifootprint):
        ask(aifootprint)

    @pytest.mark.like
    @pytest.mark.parametrize("kind", KINDS)
    def test_each(kind, aifootprint):
        ask(aifootprint)

    @pytest.mark.slow
    def test_slow(aifootprint):
        ask(aifootprint)

    @pytest.mark.slow
    @pytest.mark.nightly
    def test_night(aifootprint):
        aifootprint.record_call(model="mistral-small", provider="mistral", input_tokens=1000, output_tokens=500)
"""
INI = """
    [pytest]
    markers =
        slow: long answers
        nightly: at night
        like: have a limit each
"""


@dataclass(frozen=True)
class Run:
    status: int
    lines: list[str]
    report: dict[str, Any]

    def verdict(self, scope: str, kind: str, limit: str) -> dict[str, Any]:
        if scope in PARTS:
            found = [v for v in self.report["verdicts"] if v["scope"] == PARTS[scope] and v["limit"] == limit]
        else:
            (test,) = [t for t in self.report["tests"] if t["nodeid"] == f"test_table.py::test_{scope}[{kind}]"]
            found = [v for v in test["verdicts"] if v["limit"] == limit]
        (verdict,) = found
        return dict(verdict)


Limits = dict[tuple[str, str], str]


def written(scope: str, text: str) -> str:
    """The limit as it stands in a verdict."""
    return f"like: {text} each" if scope == "each" else text


def arguments(limits: Limits) -> list[str]:
    heads = {
        "run": "--aifootprint-budget={}",
        "marker": "--aifootprint-budgets=slow and not nightly: {}",
        "model": "--aifootprint-budgets=model gpt-4*: {}",
        "default": "--aifootprint-test-budget={}",
        "each": "--aifootprint-budgets=like: {} each",
    }
    return [heads[scope].format(text) for (scope, _), text in limits.items() if scope in heads]


def marks(limits: Limits) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for kind in KINDS:
        key = kind if kind in {"energy", "tokens", "calls"} else "budget"
        found[kind] = {key: limits["mark", kind]} if ("mark", kind) in limits else {}
    return found


def run(pytester: pytest.Pytester, limits: Limits, *args: str, doubtful: bool = False) -> Run:
    plan = {"kinds": list(KINDS), "marks": marks(limits), "doubtful": doubtful}
    (pytester.path / "plan.json").write_text(json.dumps(plan))
    pytester.makeini(INI)
    pytester.makepyfile(test_table=SUITE)
    path = pytester.path / "out.json"
    result = pytester.runpytest(
        "--aifootprint", f"--aifootprint-report=json:{path}", "--aifootprint-top=0", *arguments(limits), *args
    )
    return Run(int(result.ret), result.outlines, json.loads(path.read_text()))


_RUNS: dict[tuple[str, ...], tuple[Run, Limits]] = {}


def actuals(pytester: pytest.Pytester) -> dict[tuple[str, str], dict[str, float]]:
    """What each cell is held against, from a run with limits that are far off."""
    if ("reference",) not in _RUNS:
        far = {(scope, kind): text.format(1e6) for scope in SCOPES for kind, (_, text) in KINDS.items()}
        _RUNS["reference",] = run(pytester, far), far
    reference, far = _RUNS["reference",]
    return {
        (scope, kind): reference.verdict(scope, kind, written(scope, text))["actual"]
        for (scope, kind), text in far.items()
    }


def limit_for(kind: str, verdict: str, actual: dict[str, float]) -> str:
    if kind in RANGED:
        value = {
            "pass": actual["high"] * 2,
            "doubtful": actual["high"] * 2,
            "fail": actual["low"] / 2,
            "crossing": math.sqrt(actual["central"] * actual["high"]),
        }[verdict]
    else:
        value = actual["central"] + {"pass": 0, "doubtful": 100_000, "fail": -1}[verdict]
    return KINDS[kind][1].format(value)


def ran(pytester: pytest.Pytester, scope: str, verdict: str, workers: tuple[str, ...]) -> tuple[Run, Limits]:
    """The run that judges this cell, and all limits of it."""
    level = tuple(PARTS) if scope in PARTS else OF_TESTS
    key = (level[0], verdict, *workers)
    if key not in _RUNS:
        found = actuals(pytester)
        limits = {(s, k): limit_for(k, v, found[s, k]) for s, k, v in CELLS if s in level and v == verdict}
        bound = ["--aifootprint-bound=high"] if verdict == "crossing" else []
        _RUNS[key] = run(pytester, limits, "-rA", *bound, *workers, doubtful=verdict == "doubtful"), limits
    return _RUNS[key]


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
@pytest.mark.parametrize(("scope", "kind", "verdict"), CELLS)
def test_limit(pytester: pytest.Pytester, scope: str, kind: str, verdict: str, workers: tuple[str, ...]) -> None:
    judged, limits = ran(pytester, scope, verdict, workers)
    limit = written(scope, limits[scope, kind])

    assert judged.status == STATUS[WORD[verdict]]
    found = judged.verdict(scope, kind, limit)
    assert (found["verdict"], found["unit"]) == (WORD[verdict], KINDS[kind][0])
    assert f" {SAID[verdict]} the limit {limit}" in found["message"]
    assert WHY.get(verdict, "") in found["message"]
    budget_lines = [line for line in judged.lines if line.startswith("budget")]
    if scope == "run":
        assert len([line for line in budget_lines if ": fail" in line]) == (len(limits) if verdict == "fail" else 0)
    elif scope in PARTS:
        mine = [line for line in budget_lines if line.startswith(f"budget  {PARTS[scope]}: ")]
        assert len(mine) == sum(s == scope for s, _ in limits)
        assert all(f": {WORD[verdict]}" in line for line in mine)
    elif verdict == "pass":
        assert f"PASSED test_table.py::test_{scope}[{kind}]" in judged.lines
    else:
        assert f"FAILED test_table.py::test_{scope}[{kind}]" in [line.split(" - ")[0] for line in judged.lines]
        assert f"aifootprint: {found['message']}" in judged.lines


@pytest.mark.parametrize("verdict", ["fail", "crossing"])
@pytest.mark.parametrize("scope", SCOPES)
def test_one_limit_alone_decides_the_exit_status(pytester: pytest.Pytester, scope: str, verdict: str) -> None:
    found = actuals(pytester)
    kind = RANGED[SCOPES.index(scope) % len(RANGED)]
    limits = {(scope, kind): limit_for(kind, verdict, found[scope, kind])}
    judged = run(pytester, limits, *(["--aifootprint-bound=high"] if verdict == "crossing" else []))

    assert judged.status == 1
    assert judged.verdict(scope, kind, written(scope, limits[scope, kind]))["verdict"] == WORD[verdict]


@pytest.mark.parametrize("scope", ["run", "each"])
def test_an_undecided_limit_that_only_warns_leaves_the_exit_status(pytester: pytest.Pytester, scope: str) -> None:
    found = actuals(pytester)
    limits = {(scope, "carbon"): limit_for("carbon", "crossing", found[scope, "carbon"])}
    judged = run(pytester, limits, "--aifootprint-bound=high", "--aifootprint-undecided=warn")

    assert judged.status == 0
    assert judged.verdict(scope, "carbon", written(scope, limits[scope, "carbon"]))["verdict"] == "undecided"
    assert any(
        line.startswith("budget") and ": undecided (the range crosses the limit)" in line for line in judged.lines
    )
