"""Servers on this machine that are not our children: real processes, handed to init, that burn what they are asked."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from runpy import run_path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from pytest_aifootprint.attribution import listeners, proc
from pytest_aifootprint.attribution.servers import LINUX, PORTABLE, LocalServers, ServerClock, System, pieces_of_calls
from pytest_aifootprint.detection.servers import OURS, OWN, UNSEEN, ServerSample, ServerTimes, times_of

SCRIPT = Path(__file__).with_name("burning_server.py")
_MODULE = run_path(str(SCRIPT))
service: Callable[..., AbstractContextManager[Any]] = _MODULE["service"]
TOLERANCE_NS = 2_000_000

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def ask(url: str, seconds: float) -> int:
    """CPU ns that the server says it used."""
    body = json.dumps({"model": "gemma-3-270m", "user": str(seconds)}).encode()
    with urlopen(Request(f"{url}/chat/completions", body, {"content-type": "application/json"})) as answer:
        answer.read()
        return int(answer.headers["x-cpu-ns"])


def sample(servers: LocalServers, port: int, host: str = "127.0.0.1") -> ServerSample:
    found = servers(host, port)
    assert isinstance(found, ServerSample), found
    return found


def metered(servers: LocalServers, url: str, port: int, seconds: float) -> tuple[ServerTimes, int]:
    """A call as the server's clock saw it, and what the server says it was."""
    begin = sample(servers, port)
    said = ask(url, seconds)
    times = times_of(begin, sample(servers, port))
    assert isinstance(times, tuple)
    return times, said


def assert_close(found_ns: int, said_ns: int, ticks: int = 0) -> None:
    """Within 3 % and 2 ms, and so many of the kernel's ticks where it tells no more."""
    assert abs(found_ns - said_ns) <= 0.03 * said_ns + TOLERANCE_NS + ticks * 10_000_000, (found_ns, said_ns)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What took long is done again at once."""
    monkeypatch.setattr("pytest_aifootprint.attribution.servers._PATIENCE", 0)


@pytest.mark.parametrize("kind", [(), ("--prefork", "3"), ("--runner",)], ids=["alone", "prefork", "runner"])
@pytest.mark.parametrize("system", [LINUX, PORTABLE], ids=["proc", "psutil"])
def test_the_cpu_of_a_call_is_what_the_server_says_it_used(kind: tuple[str, ...], system: System) -> None:
    servers = LocalServers(system=system)
    with service(*kind) as (pid, port, url):
        for seconds in (0.2, 0.05):
            times, said = metered(servers, url, port, seconds)
            assert times[0] == pid
            # psutil reads the ticks of user and system time.
            assert_close(times[5] - times[4], said, ticks=2 if system is PORTABLE else 0)


def test_a_child_that_the_server_started_for_the_call_and_reaped_counts() -> None:
    with service("--once") as (_, port, url):
        times, said = metered(LocalServers(), url, port, 0.3)
    # The kernel tells the CPU of reaped children in ticks, user and system apart.
    assert_close(times[5] - times[4], said, ticks=2)


def test_two_clients_at_once_do_not_pay_twice() -> None:
    servers = LocalServers()
    found: list[tuple[ServerTimes, int]] = []
    with service() as (_, port, url):
        both = threading.Barrier(2)

        def client() -> None:
            both.wait()
            found.append(metered(servers, url, port, 0.2))

        threads = [threading.Thread(target=client) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    # Each saw the other's work, too; x-cpu-ns is of the whole process, so the longer one contains nearly all of it.
    pieces = pieces_of_calls([(f"gw{i}", 7, 1, times) for i, (times, _) in enumerate(found)]).pieces
    bills = [sum(ns for *_, ns, _ in pieces[worker]) for worker in ("gw0", "gw1")]
    whole = max(c1 for (*_, c1), _ in found) - min(c0 for (*_, c0, _), _ in found)
    assert sum(bills) == whole
    assert_close(whole, 400_000_000)
    assert max(bills) < 0.3e9


def test_a_server_started_again_on_the_port_is_another_one() -> None:
    servers = LocalServers()
    with service() as (_, port, url):
        ask(url, 0)
        before = sample(servers, port)
    with service("--port", str(port)) as (pid, _, url):
        ask(url, 0)
        after = sample(servers, port)
    assert after.pid == pid != before.pid
    assert times_of(before, after) == UNSEEN


def test_a_server_that_is_gone_is_not_seen() -> None:
    servers = LocalServers()
    with service() as (_, port, _):
        sample(servers, port)
    assert servers("127.0.0.1", port) == UNSEEN


@pytest.mark.parametrize("system", [LINUX, PORTABLE], ids=["proc", "psutil"])
def test_a_server_in_this_process_is_known_as_that(system: System) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert LocalServers(system=system)("localhost", server.getsockname()[1]) == OWN


@pytest.fixture
def child_port() -> Iterator[int]:
    """The port of a child's child."""
    script = (
        "import socket, subprocess, sys\n"
        "server = socket.create_server(('127.0.0.1', 0)); server.set_inheritable(True)\n"
        "code = 'import sys, time; print(sys.argv[1], flush=True); sys.stdin.read()'\n"
        "subprocess.run([sys.executable, '-c', code, str(server.getsockname()[1])], close_fds=False)"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        yield int(child.stdout.readline())
        child.communicate()


@pytest.mark.parametrize("system", [LINUX, PORTABLE], ids=["proc", "psutil"])
def test_a_childs_server_is_in_our_tree(child_port: int, system: System) -> None:
    assert LocalServers(system=system)("127.0.0.1", child_port) == OURS


def test_a_daemon_that_a_child_of_ours_left_behind_is_not_in_our_tree_any_more(
    monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    monkeypatch.setattr("pytest_aifootprint.attribution.servers._BELIEVED_NS", 0)
    script = (
        "import os, socket, sys\n"
        "server = socket.create_server(('127.0.0.1', 0)); gone, left = os.pipe()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os.read(gone, 1); print(os.getpid(), server.getsockname()[1], flush=True); sys.stdin.read()\n"
        "server.close(); os.write(left, b'x'); sys.stdin.readline()"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        pid, port = map(int, child.stdout.readline().split())
        servers = LocalServers()
        assert servers("127.0.0.1", port) == OURS
        child.kill()
        child.wait()
        try:
            while proc.stat(pid).ppid == child.pid:  # type: ignore[union-attr]  # it lives
                pass
            assert sample(servers, port).pid == pid
        finally:
            os.kill(pid, 9)


def test_a_forked_child_finds_its_parents_server_in_the_runs_tree() -> None:
    servers = LocalServers()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert servers("127.0.0.1", port) == OWN
        servers._lock.acquire()  # a thread that the child will not have is in the middle of it
        reads, writes = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(writes, str(servers("127.0.0.1", port) in {OURS, OWN}).encode())
            os._exit(0)
        assert os.read(reads, 10) == b"True"
        os.waitpid(pid, 0)
        os.close(reads)
        os.close(writes)


def test_a_server_that_started_us_is_metered_without_us() -> None:
    # A notebook server, an agent: this run is among what it started, and has a tree of its own.
    script = (
        "import socket, subprocess, sys\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "code = '''\n"
        "import sys, time\n"
        "from pytest_aifootprint.attribution.servers import LocalServers\n"
        "servers = LocalServers()\n"
        "before = servers('127.0.0.1', int(sys.argv[1]))\n"
        "until = time.process_time() + 0.1\n"
        "while time.process_time() < until: pass\n"
        "after = servers('127.0.0.1', int(sys.argv[1]))\n"
        "print(after.c_ns - before.c_ns)\n"
        "'''\n"
        "subprocess.run([sys.executable, '-c', code, str(server.getsockname()[1])])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) < 50_000_000, done.stderr


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can become another user")
def test_another_users_server_cannot_be_seen() -> None:
    script = (
        "import os, sys\n"
        "from pytest_aifootprint.attribution.servers import LocalServers\n"
        "seen = LocalServers()('127.0.0.1', int(sys.argv[1]))\n"
        "os.setresuid(65534, 65534, 65534)\n"
        "print(seen[0], LocalServers()('127.0.0.1', int(sys.argv[1])))"
    )
    with service() as (pid, port, _):
        command = [sys.executable, "-c", script, str(port)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [str(pid), UNSEEN]


@pytest.mark.parametrize("host", ["192.0.2.1", "192.168.255.254", "ollama", "2001:db8::1", ""])
def test_a_server_of_another_machine_cannot_be_seen_whatever_listens_on_the_port_here(host: str) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        assert LocalServers()(host, server.getsockname()[1]) == UNSEEN


def test_a_server_at_a_file_is_found(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with service("--path", path) as (pid, _, _):
        assert sample(LocalServers(), 0, path).pid == pid
        assert LocalServers()(str(tmp_path / "t"), 0) == UNSEEN


def scripted(lines: dict[int, list[int]], commands: dict[int, list[str]], listener: int) -> System:
    """Processes that are told, for who belongs to the run."""
    owner = listeners.Listener(listener, 1, "", "socket:[1]")
    return LINUX._replace(
        listeners=lambda _host, _port: [owner],
        still_listens=lambda _: True,
        ancestors=lambda pid: lines.get(pid, []),
        command=lambda pid: commands.get(pid, []),
        trees=lambda pids: {(pid, 1): proc.Descendant(pid, 1, None, 5, True, 0, 0) for pid in pids},
    )


class Family:
    """Processes whose clocks are told, and what the operating system would say of them."""

    def __init__(self) -> None:
        self.parents: dict[int, int | None] = {700: None}
        self.clocks: dict[int, int] = {700: 0}
        self.reaped: dict[int, int] = {}
        self.last_pid = "700"
        self.listings = 0

    def clock(self) -> ServerClock:
        system = scripted({}, {}, 700)._replace(
            trees=self.trees, look=self.look, clock_ns=self.clocks.get, last_pid=lambda: self.last_pid
        )
        return ServerClock(system, [listeners.Listener(700, 1, "", "socket:[1]")])

    def look(self, pid: int, parent: proc.Key | None) -> proc.Descendant | None:
        if pid not in self.clocks:
            return None
        reaped = self.reaped.get(pid, 0)
        return proc.Descendant(pid, 1, parent, self.clocks[pid], True, reaped, reaped)

    def trees(self, _pids: Iterable[int]) -> dict[proc.Key, proc.Descendant]:
        self.listings += 1
        keys = {pid: None if parent is None else (parent, 1) for pid, parent in self.parents.items()}
        return {(pid, 1): one for pid, key in keys.items() if (one := self.look(pid, key)) is not None}

    def born(self, pid: int, parent: int) -> None:
        self.parents[pid] = parent
        self.clocks[pid] = 0
        self.last_pid = str(pid)

    def ended(self, pid: int) -> None:
        del self.parents[pid], self.clocks[pid]


def test_a_child_that_ends_takes_nothing_with_it_whenever_the_kernel_says_it_was_reaped(impatient: None) -> None:
    family = Family()
    clock = family.clock()
    family.clocks[700] = 100
    assert clock.now_ns() == 100
    family.born(701, 700)
    family.born(702, 701)
    family.clocks |= {701: 30, 702: 7}
    assert clock.now_ns() == 137
    family.ended(702)
    assert [clock.now_ns(), clock.now_ns()] == [137, 137]
    family.reaped[701] = 8  # with what it ran after it was last seen
    assert clock.now_ns() == 138
    family.ended(701)
    assert clock.now_ns() == 138
    family.reaped[700] = 40
    family.clocks[700] = 105
    assert clock.now_ns() == 145


def test_children_of_an_ended_child_are_kept_by_the_next_above(impatient: None) -> None:
    family = Family()
    clock = family.clock()
    family.born(701, 700)
    family.born(702, 701)
    family.clocks |= {701: 30, 702: 7}
    assert clock.now_ns() == 37
    family.ended(702)
    family.ended(701)
    assert clock.now_ns() == 37


def test_a_server_that_ended_has_no_clock(impatient: None) -> None:
    family = Family()
    clock = family.clock()
    assert clock.now_ns() == 0
    family.ended(700)
    assert clock.now_ns() is None


def test_children_are_looked_for_again_only_when_somebody_was_born(
    monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    monkeypatch.setattr("pytest_aifootprint.attribution.servers._BIRTH_NS", -1)
    family = Family()
    clock = family.clock()
    clock.now_ns()
    clock.now_ns()
    assert family.listings == 1
    family.born(701, 700)
    family.clocks |= {700: 3, 701: 5}
    assert clock.now_ns() == 8
    assert family.listings == 2
    family.clocks |= {700: 4, 701: 6}
    assert clock.now_ns() == 10
    assert family.listings == 2


def test_looking_for_children_waits_in_proportion_to_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_aifootprint.attribution.servers._PATIENCE", 10**9)
    family = Family()
    clock = family.clock()
    clock.now_ns()
    family.born(701, 700)
    family.clocks |= {700: 3, 701: 5}
    family.reaped[700] = 4
    assert clock.now_ns() == 3  # the child, and what others left behind, are seen with the next listing
    assert family.listings == 1


BOOT = ["python3", "-u", "-c", "import sys;exec(eval(sys.stdin.readline()))"]


@pytest.mark.parametrize(
    ("line", "command", "ours"),
    [
        ([600, 500, 1], BOOT, True),
        ([600, 500, 1], ["python3.13", *BOOT[1:]], True),
        ([600, 500, 1], ["[pytest-xdist idle]"], True),
        ([600, 500, 1], ["python3", "-m", "vllm"], False),
        ([600, 500, 1], ["ollama"], False),
        ([600, 500, 1], [], False),
        ([600, 500, 1], [""], False),
        ([1], BOOT, False),
    ],
)
def test_what_a_worker_started_is_in_its_tree_and_what_the_controller_started_is_not(
    line: list[int], command: list[str], *, ours: bool
) -> None:
    me = os.getpid()
    system = scripted({700: line, me: [500, 1]}, {me: BOOT, 600: command}, 700)
    found = LocalServers(500, system)("localhost", 1)
    assert (found == OURS) is ours


def test_the_controllers_own_server_is_metered_without_its_workers() -> None:
    me = os.getpid()
    system = scripted({me: [500, 1], 500: [1]}, {me: BOOT}, 500)
    alone = proc.Descendant(500, 1, None, 77, True, 0, 0)
    found = LocalServers(500, system._replace(look=lambda _pid, _parent: alone))("localhost", 1)
    assert isinstance(found, ServerSample)
    assert found.c_ns == 77


def test_servers_hosts_and_workers_are_kept_apart() -> None:
    calls = [
        ("gw0", 1, 0, (40, 7, 0, 10, 0, 100)),
        ("gw1", 2, 1, (40, 7, 0, 10, 0, 100)),
        ("gw0", 3, 1, (41, 7, 0, 10, 0, 100)),
        ("gw2", 4, 2, (40, 7, 0, 10, 0, 100)),
    ]
    bill = pieces_of_calls(calls, {"gw0": "a", "gw1": "a", "gw2": "b"})
    assert bill.pieces == {
        "gw0": [(1, 0, 0, 10, 50, 0), (3, 1, 0, 10, 100, 0)],
        "gw1": [(2, 1, 0, 10, 50, 0)],
        "gw2": [(4, 2, 0, 10, 100, 0)],
    }


def test_a_call_outside_every_window_bears_its_part_for_nobody() -> None:
    bill = pieces_of_calls([("main", None, 0, (40, 7, 0, 10, 0, 100)), ("main", 5, 1, (40, 7, 0, 10, 0, 100))])
    assert bill.pieces == {"main": [(5, 1, 0, 10, 50, 0)]}


def test_calls_with_readings_that_went_backwards_are_named() -> None:
    sane, broken = (40, 7, 0, 10, 0, 100), (41, 7, 0, 10, 100, 0)
    bill = pieces_of_calls([("main", 4, 1, sane), ("main", 5, 1, broken), ("main", 6, 1, sane), ("main", 7, 1, broken)])
    assert [piece[0] for piece in bill.pieces["main"]] == [4, 6]
    assert bill.ignored == [1, 3]
