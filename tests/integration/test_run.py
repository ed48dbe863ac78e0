"""What a run shows: rows, shared fixtures, suffix, balance; the same without workers, with one and with two."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_aifootprint.records.schema import report_schema

CALL = 'aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1000, output_tokens=100)'
SUITE = f"""
    import time

    import pytest

    def burn(seconds):
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    @pytest.fixture(scope="module")
    def model():
        burn(0.3)
        yield "model"
        burn(0.1)

    @pytest.mark.parametrize("n", range(3))
    def test_uses(n, model, aifootprint):
        {CALL}

    def test_burns(aifootprint):
        burn(0.3)
        {CALL}

    def test_sleeps(aifootprint):
        time.sleep(0.3)
        {CALL}

    def test_plain():
        burn(0.1)
"""


def run(pytester: pytest.Pytester, *args: str) -> tuple[pytest.RunResult, dict[str, Any]]:
    path = pytester.path / "r.json"
    result = pytester.runpytest("--aifootprint", f"--aifootprint-report=json:{path}", *args)
    data: dict[str, Any] = json.loads(path.read_text())
    jsonschema.validate(data, report_schema())
    return result, data


def unknown_keys(value: Any, schema: dict[str, Any], where: str = "report") -> Iterator[str]:
    """Keys that the schema does not have, but for maps whose keys are names of the user's."""
    if "$ref" in schema:
        schema = report_schema()["$defs"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        for one in value:
            yield from unknown_keys(one, schema.get("items", {}), f"{where}[]")
    if isinstance(value, dict):
        inner, rest = schema.get("properties", {}), schema.get("additionalProperties")
        for key, one in value.items():
            below = inner.get(key, rest)
            if isinstance(below, dict):
                yield from unknown_keys(one, below, f"{where}.{key}")
            elif inner:
                yield f"{where}.{key}"


def fixtures(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By name; those of other plugins (pytest-asyncio has one that every test uses) left out."""
    found = {f["id"].rpartition("::")[2]: f for f in data["fixtures"]}
    return {name: f for name, f in found.items() if not name.startswith("event_loop")}


def rows(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {t["nodeid"].partition("::")[2]: t for t in data["tests"]}


def test_ai_tests_have_rows_and_others_none(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(test_suite=SUITE)
    result, data = run(pytester, *workers)
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["5 of 6 tests called an AI model: 5 live calls*"])
    assert sorted(rows(data)) == ["test_burns", "test_sleeps", "test_uses[0]", "test_uses[1]", "test_uses[2]"]
    assert data["totals"]["calls"] == {"live": 5, "replayed": 0, "mocked": 0}
    assert data["totals"]["tokens"]["input"] == 5000
    assert all(w["reported"] for w in data["run"]["workers"])


def test_the_schema_has_every_key_of_a_report(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_suite=SUITE)
    _, data = run(pytester)

    assert data["sheets"]
    assert data["totals"]["sci_style"]
    assert sorted(set(unknown_keys(data, report_schema()))) == []


def test_the_host_of_a_report_has_no_name(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_plain(): pass")
    _, data = run(pytester)
    boot = Path("/proc/sys/kernel/random/boot_id")

    assert re.fullmatch(r"[0-9a-f]{16}", data["run"]["host"]["id"])
    assert not boot.exists() or boot.read_text().strip() not in json.dumps(data)


def test_a_burning_test_pays_and_a_sleeping_one_does_not(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(test_suite=SUITE)
    _, data = run(pytester, *workers)
    burns, sleeps = (rows(data)[n]["direct"]["cpu_s"] for n in ("test_burns", "test_sleeps"))
    assert burns == pytest.approx(0.3, rel=0.1)
    assert sleeps < 0.03


def test_a_shared_fixture_is_divided_among_its_users(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(test_suite=SUITE)
    _, data = run(pytester, *workers)
    fixture = fixtures(data)["model"]
    setups = fixture["setups"]
    assert 1 <= setups <= 2
    assert len(fixture["users"]) == 3
    assert fixture["cpu_s"] == pytest.approx(0.4 * setups, rel=0.15)
    users = [rows(data)[f"test_uses[{n}]"] for n in range(3)]
    for user in users:
        (share,) = (f for f in user["fixtures"] if f["name"] == "model")
        assert (share["name"], share["scope"], share["users"]) == ("model", "module", 3)
        assert share["energy_j"]["central"] == pytest.approx(fixture["energy_j"]["total"]["central"] / 3)
        # The own part has no part of the set-up, also for the test that happened to trigger it.
        assert user["direct"]["cpu_s"] < 0.1
        own = user["direct"]["energy_j"]["cpu"]["central"]
        shared = sum(f["energy_j"]["central"] for f in user["fixtures"])
        assert user["energy_j"]["cpu"]["central"] == pytest.approx(own + shared)


def test_each_domain_is_in_balance(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(test_suite=SUITE)
    _, data = run(pytester, *workers)
    assert data["balance"]
    for terms in data["balance"].values():
        parts = ("ai_tests_j", "shared_fixtures_j", "other_tests_j", "other_processes_j", "idle_j", "plugin_j")
        assert sum(terms[p] for p in parts) == pytest.approx(terms["metered_j"], rel=1e-9)
        assert all(terms[p] >= 0 for p in parts)
    cpu = data["balance"]["cpu"]
    watts = cpu["ai_tests_j"] / sum(t["direct"]["cpu_s"] for t in data["tests"])
    of_fixtures = sum(f["cpu_s"] for f in data["fixtures"])
    assert cpu["shared_fixtures_j"] == pytest.approx(watts * of_fixtures, rel=1e-6)
    # 0.1 s of the test without AI, and little else.
    assert watts * 0.09 < cpu["other_tests_j"] < watts * 0.2
    assert cpu["plugin_j"] > 0


def test_the_sum_of_the_rows_is_the_total(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(test_suite=SUITE)
    _, data = run(pytester, *workers)
    for part in ("use", "training", "hardware", "total"):
        of_rows = sum(t["carbon_g"][part]["central"] for t in data["tests"])
        assert data["totals"]["carbon_g"][part]["central"] == pytest.approx(of_rows, rel=1e-9)
    for domain in ("cpu", "remote", "total"):
        of_rows = sum(t["energy_j"][domain]["central"] for t in data["tests"])
        assert data["totals"]["energy_j"][domain]["central"] == pytest.approx(of_rows, rel=1e-9)


def test_every_order_gives_the_same_shares(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_suite=SUITE)
    pytester.makeconftest(
        """
        import os
        def pytest_collection_modifyitems(items):
            if os.environ.get("BACKWARDS"):
                items.reverse()
        """
    )
    _, forwards = run(pytester)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKWARDS", "1")
        _, backwards = run(pytester)
    for name, row in rows(forwards).items():
        other = rows(backwards)[name]
        assert row["energy_j"]["cpu"]["central"] == pytest.approx(
            other["energy_j"]["cpu"]["central"], rel=0.15, abs=0.05
        )


def test_a_child_process_is_paid_by_its_test(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(
        f"""
        import subprocess, sys
        BURN = "import time\\nend = time.process_time() + 0.3\\nwhile time.process_time() < end: pass"

        def test_child(aifootprint):
            subprocess.run([sys.executable, "-S", "-c", BURN], check=True)
            {CALL}
        """
    )
    _, data = run(pytester, *workers)
    assert rows(data)["test_child"]["direct"]["cpu_s"] == pytest.approx(0.32, rel=0.15)


def test_the_suffix_stands_behind_the_status_with_v_only(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(test_suite=SUITE)
    result, _ = run(pytester, "-v", "-rA", *workers)
    text = result.stdout.str()
    suffixed = [line for line in result.outlines if re.search(r"PASSED \([0-9.]+ \w*gCO2e\)", line)]
    assert len(suffixed) == 5
    assert "test_plain PASSED (" not in text
    summary = text[text.index("short test summary") :]
    assert "CO2e)" not in summary.partition("passed in")[0]
    quiet, _ = run(pytester, *workers)
    quiet.stdout.no_re_match_line(r".*PASSED \(.*")


def test_the_suffix_is_the_direct_figure_of_the_report(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(f"def test_it(aifootprint):\n    {CALL}\n")
    result, data = run(pytester, "-v")
    from pytest_aifootprint.reports.formatting import suffix

    (test,) = data["tests"]
    assert suffix(test["direct"]["carbon_g"]["total"]["central"]) in result.stdout.str()


def test_calls_in_set_up_and_teardown_belong_to_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.fixture
        def own(aifootprint):
            {CALL}
            yield
            {CALL}

        def test_it(own, aifootprint):
            {CALL}
        """
    )
    _, data = run(pytester)
    (test,) = data["tests"]
    assert [c["phase"] for c in test["calls"]] == ["setup", "call", "teardown"]


def test_users_of_a_fixture_that_calls_a_model_are_ai_tests_whoever_sets_it_up(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from sklearn.dummy import DummyClassifier

        @pytest.fixture(scope="module")
        def trained():
            return DummyClassifier().fit([[0], [1]], [0, 1])

        def test_first(trained): pass
        def test_second(request): request.getfixturevalue("trained")
        def test_other(): pass
        """
    )
    _, data = run(pytester, *workers)
    assert sorted(rows(data)) == ["test_first", "test_second"]
    fixture = fixtures(data)["trained"]
    assert fixture["calls"][0]["operation"] == "training"
    assert sorted(n.partition("::")[2] for n in fixture["users"]) == ["test_first", "test_second"]


def test_a_call_in_a_thread_belongs_to_the_running_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import threading
        import numpy
        from sklearn.dummy import DummyClassifier

        MODEL = DummyClassifier().fit([[0], [1]], [0, 1])

        def test_thread():
            thread = threading.Thread(target=MODEL.predict, args=([[0]],))
            thread.start()
            thread.join()
        """
    )
    result, data = run(pytester)
    (test,) = data["tests"]
    assert [(c["operation"], c["model"]) for c in test["calls"]] == [("inference", "sklearn.DummyClassifier")]
    # The fit at import is outside every test: said, not hidden.
    result.stdout.fnmatch_lines(["*1 AI calls ran outside every test*"])


def test_an_async_test_is_metered(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import asyncio, pytest

        @pytest.mark.asyncio(loop_scope="module")
        @pytest.mark.parametrize("n", range(2))
        async def test_it(n, aifootprint):
            await asyncio.sleep(0)
            {CALL}
        """
    )
    _, data = run(pytester)
    assert {t["nodeid"]: len(t["calls"]) for t in data["tests"]} == {
        "test_an_async_test_is_metered.py::test_it[0]": 1,
        "test_an_async_test_is_metered.py::test_it[1]": 1,
    }


def test_a_stream_that_nobody_reads_to_its_end_is_not_lost(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(
        """
        import httpx

        EVENTS = b'data: {"model":"m","choices":[{"delta":{"content":"a"}}]}\\n\\n' * 3
        CLIENT = httpx.Client(transport=httpx.MockTransport(
            lambda request: httpx.Response(200, headers={"content-type": "text/event-stream"}, content=iter([EVENTS]))
        ))

        def test_it():
            body = {"model": "m", "stream": True}
            request = CLIENT.build_request("POST", "https://api.openai.com/v1/chat/completions", json=body)
            CLIENT.send(request, stream=True)
        """
    )
    _, data = run(pytester, *workers)
    (test,) = data["tests"]
    assert [(c["realness"], c["streamed"]) for c in test["calls"]] == [("mocked", True)]


def test_what_a_worker_did_before_an_interrupt_is_not_lost(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(f"def test_it(aifootprint):\n    {CALL}\n    raise KeyboardInterrupt\n")
    path = pytester.path / "r.json"
    result = pytester.runpytest_subprocess("--aifootprint", f"--aifootprint-report=json:{path}", "-n1")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert json.loads(path.read_text())["totals"]["calls"]["live"] == 1


def test_unittest_and_doctest_are_metered(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        '''
        import unittest
        from sklearn.dummy import DummyClassifier

        MODEL = None

        def predict():
            """
            >>> int(predict()[0])
            0
            """
            return DummyClassifier().fit([[0]], [0]).predict([[0]])

        class TestIt(unittest.TestCase):
            def test_it(self):
                self.assertEqual(predict()[0], 0)
        '''
    )
    result, data = run(pytester, "--doctest-modules")
    result.assert_outcomes(passed=2)
    assert len(data["tests"]) == 2


@pytest.mark.parametrize(
    "body",
    ["assert False", "raise ValueError", "import pytest; pytest.skip('no')", "import pytest; pytest.xfail('known')"],
)
def test_any_outcome_is_kept_and_its_calls_counted(pytester: pytest.Pytester, body: str) -> None:
    pytester.makepyfile(f"def test_it(aifootprint):\n    {CALL}\n    {body}\n")
    without = pytester.runpytest()
    with_us, data = run(pytester)
    assert with_us.parseoutcomes() == without.parseoutcomes()
    assert with_us.ret == without.ret
    assert data["totals"]["calls"]["live"] == 1


def test_an_error_in_a_shared_fixture_is_metered_and_kept(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.fixture(scope="module")
        def broken():
            raise RuntimeError("no")

        @pytest.fixture(scope="module")
        def breaks_later():
            yield
            raise RuntimeError("late")

        def test_one(broken): pass
        def test_two(breaks_later, aifootprint):
            {CALL}
        """
    )
    result, data = run(pytester, *workers)
    result.assert_outcomes(errors=2, passed=1)
    assert sorted(fixtures(data)) == ["breaks_later", "broken"]


def test_nested_and_parametrised_fixtures_are_each_their_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import time, pytest

        def burn(seconds):
            end = time.process_time() + seconds
            while time.process_time() < end:
                pass

        @pytest.fixture(scope="session")
        def outer():
            burn(0.1)

        @pytest.fixture(scope="module", params=["a", "b"])
        def inner(request, outer):
            burn(0.2)

        @pytest.mark.parametrize("n", range(2))
        def test_it(n, inner, aifootprint):
            {CALL}
        """
    )
    _, data = run(pytester)
    seen = {name: (round(f["cpu_s"], 1), len(f["users"])) for name, f in fixtures(data).items()}
    assert seen == {"outer": (0.1, 4), "inner[a]": (0.2, 2), "inner[b]": (0.2, 2)}


def test_the_same_result_in_a_network_namespace_without_interfaces(pytester: pytest.Pytester) -> None:
    probe = subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"no network namespace can be made here: {probe.stderr.decode().strip()}")
    pytester.makepyfile(test_suite=SUITE)
    _, data = run(pytester)
    path = pytester.path / "alone.json"
    command = ["unshare", "-rn", sys.executable, "-m", "pytest", "--aifootprint", f"--aifootprint-report=json:{path}"]
    done = subprocess.run(command, cwd=pytester.path, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    alone = json.loads(path.read_text())
    assert alone["run"]["grids"] == data["run"]["grids"]
    assert alone["totals"]["calls"] == data["totals"]["calls"]
    assert alone["totals"]["energy_j"]["remote"] == data["totals"]["energy_j"]["remote"]
    assert alone["totals"]["carbon_g"]["training"] == data["totals"]["carbon_g"]["training"]


def test_the_hooks_replace_the_grid_and_receive_the_footprint(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        from pathlib import Path

        def pytest_aifootprint_grid(config):
            return "100 g/kWh"

        def pytest_aifootprint_footprint(config, footprint):
            Path("total.txt").write_text(str(footprint.totals.calls_live))
        """
    )
    pytester.makepyfile(f"def test_it(aifootprint):\n    {CALL}\n")
    _, data = run(pytester)
    assert data["run"]["grids"]["local"]["carbon_g_per_kwh"]["central"] == 100
    assert (pytester.path / "total.txt").read_text() == "1"


def test_a_hook_that_raises_changes_no_result(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_AIFOOTPRINT_RAISE")
    pytester.makeconftest("def pytest_aifootprint_footprint(footprint):\n    raise OSError('mine')\n")
    pytester.makepyfile(f"def test_it(aifootprint):\n    {CALL}\n")
    result, data = run(pytester)
    assert result.ret == 0
    assert [n["code"] for n in data["notices"] if "mine" in n["message"]] == ["hook-failed"]


def test_the_fixture_tells_what_happened_so_far(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(
        f"""
        import time, pytest

        def test_it(aifootprint):
            assert aifootprint.on
            with aifootprint.window("part") as window:
                end = time.process_time() + 0.1
                while time.process_time() < end:
                    pass
                {CALL}
            assert window.cpu_s == pytest.approx(0.1, rel=0.2)
            assert [c.model for c in window.calls] == ["gpt-4o"]
            so_far = aifootprint.so_far()
            assert (so_far.calls, so_far.live_calls, so_far.input_tokens) == (1, 1, 1000)
            assert so_far.cpu_s > 0.09
            with pytest.raises(ValueError, match="valid: live, replayed, mocked"):
                aifootprint.record_call(model="x", realness="imagined")
            with pytest.raises(ValueError, match="output_tokens=-1"):
                aifootprint.record_call(model="x", output_tokens=-1)
        """
    )
    result, _ = run(pytester, *workers)
    result.assert_outcomes(passed=1)
