"""Off means off: installed without the flag, nothing is imported, patched, started, written or changed."""

import json

import pytest

ALLOWED = {
    "pytest_aifootprint",
    "pytest_aifootprint.plugin",
    "pytest_aifootprint.options",
    "pytest_aifootprint.hookspecs",
}
HEAVY = {"codecarbon", "ecologits", "pydantic", "psutil", "rich", "typer", "wrapt", "pynvml", "pandas", "tomli"}

LOOK = """
    import json, sys, threading
    from pathlib import Path

    import httpx

    def test_look():
        Path("seen.json").write_text(json.dumps({
            "modules": sorted(sys.modules),
            "threads": [t.name for t in threading.enumerate()],
            "send": [httpx.Client.send.__module__, httpx.AsyncClient.send.__module__],
            "hooks": len(sys.meta_path),
        }))
"""


def _look(pytester: pytest.Pytester, *args: str) -> dict[str, list[str]]:
    pytester.makepyfile(test_look=LOOK)
    result = pytester.runpytest_subprocess(*args, "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
    seen: dict[str, list[str]] = json.loads((pytester.path / "seen.json").read_text())
    return seen


def test_nothing_is_imported_but_the_entry_point(pytester: pytest.Pytester) -> None:
    seen = _look(pytester)
    ours = {name for name in seen["modules"] if name.split(".")[0] == "pytest_aifootprint"}
    assert ours == ALLOWED


def test_nothing_heavy_is_imported_on_our_account(pytester: pytest.Pytester) -> None:
    without = _look(pytester, "-p", "no:aifootprint")
    with_us = _look(pytester)
    assert set(with_us["modules"]) - set(without["modules"]) == ALLOWED
    assert not HEAVY & {name.split(".")[0] for name in set(with_us["modules"]) - set(without["modules"])}


def test_nothing_is_patched_started_or_written(pytester: pytest.Pytester) -> None:
    without = _look(pytester, "-p", "no:aifootprint")
    files = {p.name for p in pytester.path.iterdir() if not p.name.startswith("runpytest-")}
    seen = _look(pytester)
    assert seen["send"] == ["httpx._client", "httpx._client"]
    assert seen["threads"] == without["threads"]
    assert seen["hooks"] == without["hooks"]
    assert {p.name for p in pytester.path.iterdir() if not p.name.startswith("runpytest-")} == files


def test_the_switch_in_ini_can_be_turned_off_on_the_command_line(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\naifootprint = true\n")
    seen = _look(pytester, "--no-aifootprint")
    assert {name for name in seen["modules"] if name.split(".")[0] == "pytest_aifootprint"} == ALLOWED


def test_the_fixture_and_the_mark_work_without_the_flag(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.aifootprint(budget="1 ugCO2e", live=False)
        def test_uses_it(aifootprint):
            aifootprint.record_call(model="gpt-4o", input_tokens=10, output_tokens=10)
            with aifootprint.window("part") as window:
                pass
            assert aifootprint.calls == []
            assert aifootprint.so_far().calls == 0
            assert window.cpu_s == 0
            assert not aifootprint.on
        """
    )
    pytester.makeconftest(
        """
        def pytest_aifootprint_grid(config):
            return "FRA"
        """
    )
    result = pytester.runpytest("--strict-markers")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*AI footprint*")


def test_the_mark_is_explained(pytester: pytest.Pytester) -> None:
    pytester.runpytest("--markers").stdout.fnmatch_lines(["@pytest.mark.aifootprint(budget=*live=False)*"])
