"""Threads, loops and processes of every kind: CPU seconds per test as the processes themselves report them."""

import json
import os
from collections import defaultdict
from typing import Any

import jsonschema
import pytest

from known_truth import imbalance, lay_out, lines_of
from pytest_aifootprint.records.schema import report_schema

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")

# What the tests of these suites share: every process tells its own CPU seconds, for the test that it worked for.
HELPERS = """
import os, subprocess, sys, time

import known


def work(seconds):
    # Task of a pool: the CPU seconds of this process so far, its start included, and who it is.
    known.burn(seconds)
    return os.getpid(), time.process_time()


def tell_pool(name, results):
    for pid in {pid for pid, _ in results}:
        known.tell(name, max(s for p, s in results if p == pid))


def own(name, before):
    known.tell(name, time.process_time() - before)


GRANDCHILD = '''
import sys, time
sys.path[:0] = [sys.argv[1]]
import known
known.burn(0.1)
known.tell(sys.argv[2], time.process_time())
'''
CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', sys.argv[3], *sys.argv[1:3]])" + GRANDCHILD
SERVER = '''
import sys, time
sys.path[:0] = [sys.argv[1]]
import known
for line in sys.stdin:
    before = time.process_time()
    known.burn(float(line))
    print(time.process_time() - before, flush=True)
'''
"""

THREADS = """
    import asyncio, threading, time
    from concurrent.futures import ThreadPoolExecutor

    import helpers

    def until(seconds):
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            sum(range(10_000))

    def test_threads():
        before = time.process_time()
        threads = [threading.Thread(target=until, args=(0.04,)) for _ in range(3)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        helpers.own("test_threads", before)

    def test_thread_pool():
        before = time.process_time()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(until, [0.03] * 4))
        helpers.own("test_thread_pool", before)

    def test_event_loop():
        before = time.process_time()
        async def part():
            for _ in range(4):
                await asyncio.sleep(0)
                until(0.01)
        async def main():
            await asyncio.gather(*(part() for _ in range(3)))
        asyncio.run(main())
        helpers.own("test_event_loop", before)

    def test_other():
        before = time.process_time()
        until(0.05)
        helpers.own("test_other", before)
"""

# The first test starts what stays: the fork server and the resource tracker.
POOLS = """
    import multiprocessing, time

    import helpers, known, pytest

    METHODS = ("fork", "spawn", "forkserver")

    def test_first():
        for method in METHODS:
            with multiprocessing.get_context(method).Pool(1) as pool:
                pool.apply(helpers.work, (0.0,))
                pool.close()
                pool.join()

    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
    @pytest.mark.parametrize("method", METHODS)
    def test_pool(method):
        before, before_all = time.process_time(), known.cpu_s()
        with multiprocessing.get_context(method).Pool(2) as pool:
            results = pool.map(helpers.work, [0.1] * 4, chunksize=1)
            pool.close()
            pool.join()
        if method == "forkserver":  # they are not our children but the server's, and speak for themselves
            helpers.tell_pool(f"test_pool[{method}]", results)
            helpers.own(f"test_pool[{method}]", before)
        else:
            known.tell(f"test_pool[{method}]", known.cpu_s() - before_all)
"""

FAMILIES = """
    import os, signal, subprocess, sys, time
    from pathlib import Path

    import helpers, known, pytest

    HERE = str(Path(__file__).parent)

    def python(code, *args, **options):
        return subprocess.Popen([sys.executable, "-S", "-c", code, HERE, *args], **options)

    @pytest.fixture(scope="session")
    def server():
        process = python(helpers.SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process.stdin.write("0\\n")  # its start is the fixture's
        process.stdin.flush()
        process.stdout.readline()
        yield process
        process.stdin.close()
        process.wait()

    def ask(server, name, seconds):
        before = time.process_time()
        server.stdin.write(f"{seconds}\\n")
        server.stdin.flush()
        known.tell(name, float(server.stdout.readline()))
        helpers.own(name, before)

    def test_child_of_a_child():
        before = known.cpu_s()  # the kernel adds what the child waited for
        assert python(helpers.CHILD, "grandchild", helpers.GRANDCHILD).wait() == 0
        known.tell("test_child_of_a_child", known.cpu_s() - before)

    def test_asks_a_server(server):
        ask(server, "test_asks_a_server", 0.1)

    def test_between():
        before = time.process_time()
        known.burn(0.05)
        helpers.own("test_between", before)

    def test_asks_again(server):
        ask(server, "test_asks_again", 0.2)

    @pytest.mark.parametrize("n", range(3))
    def test_of_three(n):
        # A child that lives over all three and works in each.
        global CHILD
        before = time.process_time()
        if n == 0:
            CHILD = python(helpers.SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            CHILD.stdin.write("0\\n")
            CHILD.stdin.flush()
            CHILD.stdout.readline()
            known.tell("test_of_three[0]", time.clock_gettime((~CHILD.pid << 3) | 2))
        helpers.own(f"test_of_three[{n}]", before)
        ask(CHILD, f"test_of_three[{n}]", 0.05 * (n + 1))
        if n == 2:
            CHILD.stdin.close()
            CHILD.wait()

    def test_nobody_waits():
        before = time.process_time()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        read, write = os.pipe()
        global ALONE
        if (ALONE := os.fork()) == 0:
            known.burn(0.1)
            os.write(write, str(time.process_time()).encode())
            time.sleep(0.05)  # the tree is to see it alive with all its work done
            os._exit(0)
        known.tell("test_nobody_waits", float(os.read(read, 99)))
        helpers.own("test_nobody_waits", before)

    def test_somebody_else():
        with pytest.raises(ProcessLookupError):
            while True:
                os.kill(ALONE, 0)
                time.sleep(0.001)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        before = time.process_time()
        known.burn(0.05)
        helpers.own("test_somebody_else", before)

    def test_last():
        before = time.process_time()
        known.burn(0.02)
        helpers.own("test_last", before)
"""

DAEMON = """
    import os, time

    import known

    def test_starts_a_daemon():
        read, write = os.pipe()
        if (pid := os.fork()) == 0:
            if os.fork() == 0:
                os.setsid()
                os.read(read, 1)  # until nobody of this run is its parent
                known.burn(0.3)
                with open("daemon.txt", "w"):
                    os._exit(0)
            os._exit(0)
        os.waitpid(pid, 0)
        os.write(write, b"x")

    def test_meanwhile():
        while not os.path.exists("daemon.txt"):
            time.sleep(0.01)
"""


@pytest.fixture
def metered(pytester: pytest.Pytester) -> Any:
    """Runs the suite with a row for every test; the report, which is valid and conserves energy."""

    def run(suite: str, *args: str) -> dict[str, Any]:
        lay_out(pytester.path)
        pytester.makepyfile(test_suite=suite, helpers=HELPERS)
        path = pytester.path / "r.json"
        report = ("--aifootprint-tests=all", f"--aifootprint-report=json:{path}")
        result = pytester.runpytest_subprocess("--aifootprint", *report, *args, timeout=60)
        assert result.ret == 0
        data: dict[str, Any] = json.loads(path.read_text())
        jsonschema.validate(data, report_schema())
        assert imbalance(data) <= 1e-9
        return data

    return run


def booked(data: dict[str, Any]) -> dict[str, float]:
    return {t["nodeid"].rpartition("::")[2]: t["direct"]["cpu_s"] for t in data["tests"]}


def own_of(pytester: pytest.Pytester) -> dict[str, float]:
    seconds: defaultdict[str, float] = defaultdict(float)
    for line in lines_of(pytester.path):
        seconds[line["test"]] += line["cpu_s"]
    return dict(seconds)


def close(seconds: float) -> Any:
    """3 % or 20 ms: what pytest does around a test, and the last breath of a child after it has told.

    On a crowded machine caches are cold: a child's end took 16 ms of its CPU there. A burn is 50 ms at least.
    """
    return pytest.approx(seconds, rel=0.03, abs=0.02)


@pytest.fixture(params=[(), ("-n1", "--dist=loadfile")], ids=["alone", "n1"])
def one_process(request: pytest.FixtureRequest) -> tuple[str, ...]:
    param: tuple[str, ...] = request.param
    return param


def test_threads_and_loops_are_their_tests(pytester: pytest.Pytester, metered: Any) -> None:
    data = metered(THREADS)
    own = own_of(pytester)
    assert all(s >= 0.12 for name, s in own.items() if name != "test_other")
    assert booked(data) == {name: close(s) for name, s in own.items()}


def test_pools_of_processes_are_their_tests(
    pytester: pytest.Pytester, metered: Any, one_process: tuple[str, ...]
) -> None:
    rows = booked(metered(POOLS, *one_process))
    own = own_of(pytester)
    assert sorted(own) == ["test_pool[fork]", "test_pool[forkserver]", "test_pool[spawn]"]
    assert all(s > 0.39 for s in own.values())
    # The fork server's children tell only what they use at work: two starts and two ends are missing there, 20.3 and
    # 20.5 ms more were seen. Of the others everything is told.
    ended = {name: 0.02 * (2 if "forkserver" in name else 1) for name in own}
    assert {name: rows[name] for name in own} == {n: pytest.approx(s, rel=0.03, abs=ended[n]) for n, s in own.items()}


def test_a_family_of_processes_is_billed_by_who_it_works_for(
    pytester: pytest.Pytester, metered: Any, one_process: tuple[str, ...]
) -> None:
    data = metered(FAMILIES, *one_process)
    own = own_of(pytester)
    assert own.pop("grandchild") > 0.19  # it and its child, each by itself
    assert own["test_child_of_a_child"] > 0.2
    assert booked(data) == {name: close(s) for name, s in own.items()}
    (server,) = (f for f in data["fixtures"] if f["name"] == "server")
    # Its set-up and teardown; what it did for the tests is theirs.
    assert server["cpu_s"] < 0.1


def test_a_daemon_is_no_longer_ours(metered: Any, one_process: tuple[str, ...]) -> None:
    data = metered(DAEMON, *one_process)
    rows = booked(data)
    assert max(rows.values()) < 0.1
    cpu = data["balance"]["cpu"]
    watts = cpu["other_tests_j"] / sum(rows.values())
    assert cpu["other_processes_j"] > watts * 0.28
