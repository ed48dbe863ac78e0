"""Nothing heavy is imported while a test can run, nor ever in a worker; codecarbon's code not at all."""

import json

import pytest

HEAVY = {"codecarbon", "ecologits", "pydantic", "pandas", "rich", "typer", "psutil", "pynvml"}
BASELINE: set[str] = set()
CONFTEST = """
    import json, os, sys
    from pathlib import Path

    def pytest_unconfigure(config):
        where = os.environ.get("PYTEST_XDIST_WORKER", "main")
        Path(f"end-{where}.json").write_text(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
SUITE = """
    import json, sys
    from pathlib import Path

    def test_calls(aifootprint):
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=10, output_tokens=10, realness={0!r})

    def test_looks():
        Path("seen.json").write_text(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""


def seen(pytester: pytest.Pytester, name: str) -> set[str]:
    """Heavy libraries in that process that are not there without the flag (other plugins import rich)."""
    return set(json.loads((pytester.path / f"{name}.json").read_text())) & HEAVY - BASELINE


def play(pytester: pytest.Pytester, *args: str, realness: str = "live") -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(SUITE.format(realness))
    pytester.runpytest_subprocess(*args).assert_outcomes(passed=2)
    BASELINE.clear()
    BASELINE.update(json.loads((pytester.path / "end-main.json").read_text()))
    pytester.runpytest_subprocess("--aifootprint", *args).assert_outcomes(passed=2)


def test_while_tests_run_nothing_heavy_is_there(pytester: pytest.Pytester) -> None:
    play(pytester)
    assert seen(pytester, "seen") == set()


def test_a_worker_never_imports_anything_heavy(pytester: pytest.Pytester) -> None:
    play(pytester, "-n1", "-v")
    assert seen(pytester, "seen") == set()
    assert seen(pytester, "end-gw0") == set()
    assert "ecologits" in seen(pytester, "end-main")


def test_ecologits_is_imported_for_a_remote_call_only_and_codecarbon_never(pytester: pytest.Pytester) -> None:
    play(pytester)
    assert {"ecologits", "pydantic"} <= seen(pytester, "end-main")
    assert "codecarbon" not in seen(pytester, "end-main")
    play(pytester, realness="mocked")
    assert not {"ecologits", "pydantic", "codecarbon", "pandas"} & seen(pytester, "end-main")
