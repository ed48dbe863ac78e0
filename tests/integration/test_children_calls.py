"""Python processes that tests start: with aifootprint_subprocess their calls reach the report, for the right test."""

from __future__ import annotations

import json
from typing import Any

import pytest

TOOL = """
import sys
import httpx

def ask(model):
    def answer(request):
        usage = {"prompt_tokens": 3, "completion_tokens": 5}
        return httpx.Response(200, json={"object": "chat.completion", "model": model, "choices": [], "usage": usage})

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        client.post("https://api.openai.com/v1/chat/completions", json={"model": model, "messages": []})

if __name__ == "__main__":
    ask(sys.argv[1])
    print("done")
"""
ON = "[pytest]\naifootprint_subprocess = true"


@pytest.fixture(autouse=True)
def tool(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(tool=TOOL)
    pytester.makeini(ON)


def run(pytester: pytest.Pytester, *args: str, status: int = 0) -> tuple[dict[str, Any], pytest.RunResult]:
    result = pytester.runpytest_subprocess(
        "--aifootprint",
        "--aifootprint-tests",
        "all",
        "--aifootprint-report",
        "json:out.json",
        "-p",
        "no:asyncio",
        *args,
    )
    assert result.ret == status, result.stdout.str()
    report: dict[str, Any] = json.loads((pytester.path / "out.json").read_text())
    return report, result


def models(report: dict[str, Any]) -> dict[str, list[str]]:
    return {t["nodeid"].rpartition("::")[2]: [c["model"] for c in t["calls"]] for t in report["tests"]}


def codes(report: dict[str, Any]) -> set[str]:
    return {n["code"] for n in report["notices"]}


def test_a_call_of_a_child_belongs_to_the_test_that_started_it(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        """
import subprocess, sys

def test_one():
    subprocess.run([sys.executable, "tool.py", "model-one"], check=True)

def test_two():
    subprocess.run([sys.executable, "tool.py", "model-two"], check=True)
    subprocess.run([sys.executable, "-c", "import tool; tool.ask('model-three')"], check=True)

def test_none():
    pass
"""
    )
    report, _ = run(pytester, *workers)
    assert models(report) == {"test_one": ["model-one"], "test_two": ["model-two", "model-three"], "test_none": []}
    (call,) = next(t["calls"] for t in report["tests"] if t["nodeid"].endswith("one"))
    assert (call["input_tokens"], call["output_tokens"], call["realness"]) == (3, 5, "mocked")
    assert (call["phase"], call["inferred"]) == ("call", False)
    assert not {"unwatched-children", "internal-error"} & codes(report)


def test_without_the_option_nothing_of_ours_reaches_a_child(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]")
    pytester.makepyfile(
        """
import os, subprocess, sys

def test_it():
    code = "import sys; print([m for m in sys.modules if 'aifootprint' in m])"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out == "[]\\n"
    assert "PYTEST_AIFOOTPRINT_CHILDREN" not in os.environ
"""
    )
    report, _ = run(pytester)
    assert models(report) == {"test_it": []}


def test_forks_and_pools_are_children_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import multiprocessing, os
import tool

def test_fork():
    pid = os.fork()
    if not pid:
        tool.ask("forked")
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0

def test_pool_of_forks():
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.map(tool.ask, ["pool-fork"])

def test_spawned():
    process = multiprocessing.get_context("spawn").Process(target=tool.ask, args=("spawned",))
    process.start()
    process.join()
    assert process.exitcode == 0
"""
    )
    report, _ = run(pytester)
    assert models(report) == {
        "test_fork": ["forked"], "test_pool_of_forks": ["pool-fork"], "test_spawned": ["spawned"]
    }  # fmt: skip


def test_a_killed_child_loses_no_call_that_was_over_and_not_the_one_under_way(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        child="""
import os, signal
import httpx
import tool

class Endless(httpx.SyncByteStream):
    def __iter__(self):
        yield b'data: {"object": "chat.completion.chunk", "choices": [{"delta": {"content": "a"}}]}\\n\\n'
        os.kill(os.getpid(), signal.SIGKILL)

def answer(request):
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Endless())

tool.ask("finished")
with httpx.Client(transport=httpx.MockTransport(answer)) as client:
    body = {"model": "under-way", "messages": [], "stream": True}
    with client.stream("POST", "https://api.openai.com/v1/chat/completions", json=body) as response:
        for _ in response.iter_lines():
            pass
""",
        test_it="""
import signal, subprocess, sys

def test_killed():
    assert subprocess.run([sys.executable, "child.py"]).returncode == -signal.SIGKILL
""",
    )
    report, _ = run(pytester)
    assert models(report) == {"test_killed": ["finished", "under-way"]}
    calls = report["tests"][0]["calls"]
    assert [call["abandoned"] for call in calls] == [False, True]
    assert calls[1]["status"] == 200


def test_in_process_calls_of_a_child_are_counted(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        child="""
import os, sys
from sklearn.dummy import DummyClassifier
model = DummyClassifier().fit([[0], [1]], [0, 1])
for _ in range(100):
    model.predict([[0]])
if sys.argv[1] == "killed":
    os._exit(9)
""",
        test_it="""
import subprocess, sys

def test_ends():
    subprocess.run([sys.executable, "child.py", "ends"], check=True)

def test_killed():
    subprocess.run([sys.executable, "child.py", "killed"])
""",
    )
    report, _ = run(pytester)
    counts = {
        t["nodeid"].rpartition("::")[2]: {c["operation"]: c["count"] for c in t["calls"]} for t in report["tests"]
    }
    assert counts["test_ends"] == {"training": 1, "inference": 100}
    assert counts["test_killed"]["inference"] >= 64  # written whenever the count has doubled


def test_a_server_of_a_fixture_calls_for_the_test_that_asks_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        server="""
import sys
import tool
tool.ask("warm-up")
print("up", flush=True)
for line in sys.stdin:
    tool.ask(line.strip())
    print("ok", flush=True)
""",
        test_it="""
import subprocess, sys
import pytest

@pytest.fixture(scope="session")
def server():
    process = subprocess.Popen([sys.executable, "server.py"], stdin=-1, stdout=-1, text=True)
    process.stdout.readline()
    yield process
    process.stdin.close()
    process.wait()
    process.stdout.close()

def ask(server, model):
    server.stdin.write(model + "\\n")
    server.stdin.flush()
    server.stdout.readline()

def test_a(server):
    ask(server, "for-a")

def test_b(server):
    ask(server, "for-b")
""",
    )
    report, _ = run(pytester)
    assert models(report) == {"test_a": ["for-a"], "test_b": ["for-b"]}
    (fixture,) = report["fixtures"]
    assert [call["model"] for call in fixture["calls"]] == ["warm-up"]


def test_the_users_own_sitecustomize_still_runs(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pytester.mkdir("site")
    (folder / "sitecustomize.py").write_text("import builtins\nbuiltins.MINE = 'yes'\n")
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")
    pytester.makepyfile(
        """
import subprocess, sys

def test_it():
    code = "import tool, sitecustomize; tool.ask('seen'); print(MINE, sitecustomize.__file__)"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.startswith("yes ") and "aifootprint" not in out, out
"""
    )
    report, _ = run(pytester)
    assert models(report) == {"test_it": ["seen"]}


def test_children_that_cannot_be_watched_are_counted_and_named(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import os, subprocess, sys

def test_deaf():
    for option in ("-I", "-E", "-sS"):
        subprocess.run([sys.executable, option, "-c", "secret = 'do not tell'"], check=True)
    subprocess.run([sys.executable, "tool.py", "prompt-text"], env={}, check=False, stderr=-3)
    subprocess.run(["true", "https://api.openai.com/v1/chat/completions", "secret-key"], check=True)
"""
    )
    report, _ = run(pytester, "--aifootprint-budget", "1 kgCO2e", status=1)
    (unwatched,) = (n["message"] for n in report["notices"] if n["code"] == "unwatched-children")
    for option in ("-I -c", "-E -c", "-sS -c", "tool.py"):
        assert option in unwatched
    (foreign,) = (n["message"] for n in report["notices"] if n["code"] == "foreign-children")
    assert "true (openai)" in foreign
    assert not [word for word in ("secret", "prompt-text", "do not tell") if word in json.dumps(report)]
    assert report["verdicts"][0]["verdict"] == "undecided"


def test_a_child_in_an_environment_without_this_plugin_is_counted(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import os, subprocess, sys

def test_it():
    code = "import sys; print('ran')"
    folder = os.path.join(os.getcwd(), "empty")
    os.makedirs(os.path.join(folder, "pytest_aifootprint"))
    with open(os.path.join(folder, "pytest_aifootprint", "__init__.py"), "w"):
        pass  # hides the real one
    path = os.environ["PYTHONPATH"].split(os.pathsep)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([path[0], folder, *path[1:]])}
    out = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True)
    assert (out.stdout, out.stderr) == ("ran\\n", "")
"""
    )
    report, _ = run(pytester)
    (unwatched,) = (n["message"] for n in report["notices"] if n["code"] == "unwatched-children")
    assert "ModuleNotFoundError" in unwatched


def test_the_environment_and_the_folder_are_gone_at_the_end(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
import os
pytest_plugins = ["pytester"]

def test_inner(pytester):
    before = dict(os.environ)
    pytester.makeini({ON!r})
    pytester.makepyfile("import os\\ndef test_it(): print('FOLDER', os.environ['PYTEST_AIFOOTPRINT_CHILDREN'])")
    result = pytester.runpytest_inprocess("--aifootprint", "-s", "-p", "no:asyncio")
    result.assert_outcomes(passed=1)
    folder = next(line.split()[-1] for line in result.outlines if "FOLDER" in line)
    assert folder and not os.path.exists(folder)
    assert {{k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}} == {{
        k: v for k, v in before.items() if k != "PYTEST_CURRENT_TEST"
    }}
"""
    )
    result = pytester.runpytest_subprocess("-p", "no:asyncio")
    result.assert_outcomes(passed=1)


def test_thread_context_keeps_a_call_with_the_test_that_started_the_thread(pytester: pytest.Pytester) -> None:
    suite = """
import threading
from concurrent.futures import ThreadPoolExecutor
import tool

LATE = threading.Event()
HELPERS = []

def later(model):
    assert LATE.wait(20)
    tool.ask(model)

def test_first():
    HELPERS.append(threading.Thread(target=later, args=("of-first",)))
    HELPERS[0].start()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(tool.ask, "pooled").result()

def test_second():
    LATE.set()
    HELPERS[0].join()
"""
    pytester.makeini("[pytest]\naifootprint_thread_context = true")
    pytester.makepyfile(suite)
    report, _ = run(pytester)
    calls = {t["nodeid"].rpartition("::")[2]: t["calls"] for t in report["tests"]}
    (pooled,) = calls["test_first"]
    assert (pooled["model"], pooled["inferred"]) == ("pooled", False)
    # Its own test is over and on its way to the report: the one that runs gets it, and says so.
    (late,) = calls["test_second"]
    assert (late["model"], late["inferred"]) == ("of-first", True)
