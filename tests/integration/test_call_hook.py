"""Other plugins hear of each call, and may say what the wire did not."""

from __future__ import annotations

import json

import pytest

SUITE = """
import pytest

@pytest.fixture(scope="module")
def shared(request):
    from sklearn.dummy import DummyClassifier
    DummyClassifier().fit([[0], [1]], [0, 1])

def test_it(aifootprint, shared):
    aifootprint.record_call(model="alias", provider="openai")
    aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1, output_tokens=1)
"""


def test_a_plugin_amends_what_was_seen(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makeconftest(
        """
def pytest_aifootprint_call(config, nodeid, call):
    with open(config.rootpath / "heard.txt", "a") as file:
        file.write(f"{nodeid.rpartition('::')[2]} {call.model}\\n")
    if call.model == "alias":
        call.model, call.input_tokens, call.output_tokens = "gpt-4o-mini", 70, 7
"""
    )
    pytester.makepyfile(SUITE)
    result = pytester.runpytest("--aifootprint", "--aifootprint-report=json:out.json", *workers)
    result.assert_outcomes(passed=1)
    (test,) = json.loads((pytester.path / "out.json").read_text())["tests"]
    assert [(c["model"], c["input_tokens"]) for c in test["calls"]] == [("gpt-4o-mini", 70), ("gpt-4o", 1)]
    heard = (pytester.path / "heard.txt").read_text().splitlines()
    assert heard == ["test_it sklearn.DummyClassifier", "test_it alias", "test_it gpt-4o"]


def test_an_error_of_a_plugin_changes_no_result(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_AIFOOTPRINT_RAISE")
    pytester.makeconftest("def pytest_aifootprint_call(call):\n    raise RuntimeError('broken ' + call.model)")
    pytester.makepyfile(SUITE)
    result = pytester.runpytest("--aifootprint")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["notice  pytest_aifootprint_call: RuntimeError: broken alias; the rest of the call stands (hook-failed)"]
    )
    result.stdout.no_fnmatch_line("*error of this plugin*")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("call.model = 5", "model must be a text or None, got int"),
        ("call.provider = b'openai'", "provider must be a text or None, got bytes"),
        ("call.response_model = ['gpt-4o']", "response_model must be a text or None, got list"),
        ("call.operation = 'talk'", "operation must be one of chat, completion, "),
        ("call.realness = None", "realness must be one of live, replayed, mocked, got None"),
        ("call.locality = 'moon'; raise ValueError('and so on')", "and so on"),
        ("call.count = 0", "count must be a whole number above 0, got 0"),
        ("call.parameters = '7B'", "parameters must be a whole number of 0 or more, or None, got '7B'"),
    ],
)
def test_what_a_plugin_makes_of_a_call_and_no_call_can_be_loses_nothing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...], line: str, says: str
) -> None:
    monkeypatch.delenv("PYTEST_AIFOOTPRINT_RAISE")
    pytester.makeconftest(f"def pytest_aifootprint_call(call):\n    {line}")
    pytester.makepyfile(SUITE)
    result = pytester.runpytest("--aifootprint", "--aifootprint-report=json:out.json", *workers)
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    report = json.loads((pytester.path / "out.json").read_text())
    called = [(c["provider"], c["model"], c["realness"]) for c in report["tests"][0]["calls"]]
    assert called == [("openai", "alias", "live"), ("openai", "gpt-4o", "live")]
    (notice,) = {n["message"] for n in report["notices"] if n["code"] == "hook-failed"}
    assert notice.startswith("pytest_aifootprint_call: ValueError: ")
    assert says in notice
    assert report["totals"]["carbon_g"]["total"]["central"] > 0
