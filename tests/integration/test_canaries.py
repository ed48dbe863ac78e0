"""No prompt, reply, header or key leaves the process that had it: words are planted everywhere and looked for after."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CANARY = "canary-7f3a"

SUITE = f"""
import json, os, subprocess, sys
import httpx, pytest

C = "{CANARY}"
HEADERS = {{"authorization": "Bearer " + C, "x-api-key": C, "x-" + C: C}}
BODY = {{
    "model": "gpt-4o-mini", "user": C, "metadata": {{C: C}}, "messages": [{{"role": "user", "content": C}}],
    "tools": [{{"type": "function", "function": {{"name": C}}}}],
}}

def ask(answer, body=BODY, url="https://api.openai.com/v1/chat/completions?key=" + C, **options):
    transport = httpx.MockTransport(lambda request: answer)
    with httpx.Client(transport=transport, headers=HEADERS) as client:
        client.post(url, json=body, **options)

def test_answers():
    usage = {{"prompt_tokens": 3, "completion_tokens": 5}}
    choices = [{{"message": {{"role": "assistant", "content": C}}}}]
    whole = {{"id": C, "model": "gpt-4o-mini", "choices": choices, "usage": usage}}
    ask(httpx.Response(200, json=whole, headers=HEADERS))
    ask(httpx.Response(200, text="data: " + json.dumps({{"choices": [{{"delta": {{"content": C}}}}]}}) + "\\n\\n",
        headers={{"content-type": "text/event-stream"}}))

def test_answers_that_cannot_be_read():
    ask(httpx.Response(200, text=C + " is not JSON", headers={{"content-type": "application/json"}}))
    ask(httpx.Response(200, content=b"\\x1f\\x8b" + C.encode(), headers={{"content-encoding": "x-" + C}}))
    ask(httpx.Response(200, json={{"model": ["no name", C], "usage": {{"prompt_tokens": C}}}}))
    ask(httpx.Response(500, text=C))

def test_requests_that_cannot_be_read():
    ask(httpx.Response(200), body=[C])
    ask(httpx.Response(200), body={{"model": {{"not": C}}, "messages": [C]}})
    with pytest.raises(httpx.ConnectError):
        httpx.post("http://127.0.0.1:1/v1/chat/completions?" + C, json=BODY, headers=HEADERS)

@pytest.mark.aifootprint(calls=0, tokens=1)
def test_over_its_limit(aifootprint):
    aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=9, output_tokens=9)
    ask(httpx.Response(200, json={{"model": "m", "choices": [{{"message": {{"content": C}}}}]}}))

def test_a_child():
    code = "import os, httpx; C = os.environ['SAID']; " + (
        "httpx.Client(transport=httpx.MockTransport(lambda r: httpx.Response(200, text=C)), headers={{'x-api-key': C}})"
        ".post('https://api.openai.com/v1/chat/completions?k=' + C, json={{'model': 'm', 'messages': [C]}})"
    )
    subprocess.run([sys.executable, "-c", code, C], check=True, env=os.environ | {{"SAID": C}})
    subprocess.run([sys.executable, "-I", "-c", "pass", C], check=True)
    subprocess.run(["true", "https://api.openai.com/v1?key=" + C, "-H", C], check=True)
    folder = os.environ["PYTEST_AIFOOTPRINT_CHILDREN"]
    for name in os.listdir(folder):
        with open(os.path.join(folder, name)) as file:
            assert C not in name + file.read()
"""


def test_no_output_has_a_word_of_what_was_said(
    pytester: pytest.Pytester, workers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(pytester.mkdir("tmp")))
    pytester.makeini("[pytest]\naifootprint_subprocess = true")
    pytester.makepyfile(test_talk=SUITE)
    result = pytester.runpytest_subprocess(
        "--aifootprint", "--aifootprint-report=json:out.json", "--aifootprint-budget=1 mgCO2e", "-v", "-rA",
        "--junitxml=junit.xml", "-o", "junit_logging=all", *workers,
    )  # fmt: skip
    result.assert_outcomes(passed=4, failed=1)
    said = result.stdout.str() + result.stderr.str()
    # The suite's own source stands in the traceback of a failed test; ours fails without one.
    assert CANARY not in said
    outputs = [path for path in _files(pytester.path) if path.name != "test_talk.py" and path.suffix != ".pyc"]
    assert {"out.json", "junit.xml"} <= {path.name for path in outputs}
    assert not [path for path in outputs if CANARY.encode() in path.read_bytes()]


def _files(folder: Path) -> list[Path]:
    return [Path(root) / name for root, _, names in os.walk(folder) for name in names]
