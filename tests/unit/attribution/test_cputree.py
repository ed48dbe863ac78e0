"""CPU seconds of real processes, compared with what each process says of itself.

Everything that forks, ignores signals or leaves orphans runs in a process of its own. Processes wait for each other on
pipes: nobody sleeps, and no clock on the wall is looked at.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_aifootprint.attribution import cputree, portable, proc
from pytest_aifootprint.attribution.cputree import CpuTree
from pytest_aifootprint.attribution.proc import Descendant, Key, Stat
from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.quantities.unfaked import REAL

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="CPU clocks of other processes are Linux's"
)

MS = 1_000_000
TICKS = 20 * MS  # user and system time of reaped grandchildren, each cut to 10 ms

PRELUDE = """
import json, os, signal, subprocess, sys, threading, time
from pytest_aifootprint.attribution.cputree import CpuTree

BURNER = '''
import sys, time
for line in sys.stdin:
    end = time.process_time() + float(line)
    while time.process_time() < end:
        pass
    print(time.process_time_ns(), flush=True)
'''

def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return time.process_time_ns()

class Burner:
    def __init__(self, *command):
        command = command or [sys.executable, "-S", "-c", BURNER]
        self.p = subprocess.Popen(command, stdin=-1, stdout=-1, text=True, close_fds=False)
    def burn(self, seconds):
        self.p.stdin.write(f"{seconds}\\n")
        self.p.stdin.flush()
        return int(self.p.stdout.readline())
    def end(self):
        self.p.stdin.close()
        return self.p.wait()

tree = CpuTree()
def others():
    'The tree without this process itself.'
    own = time.process_time_ns()
    return tree.now_ns() - own
"""


def script(body: str) -> Any:
    """What the script gave to ``result``."""
    code = PRELUDE + textwrap.dedent(body) + "\nprint(json.dumps(result))\n"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    return json.loads(done.stdout)


def near(expected: int, slack: int = MS) -> Any:
    return pytest.approx(expected, rel=0.03, abs=slack)


def test_own_cpu_is_counted() -> None:
    tree = CpuTree()
    before, own = tree.now_ns(), time.process_time_ns()
    while time.process_time_ns() < own + 50 * MS:
        pass
    assert tree.now_ns() - before == near(time.process_time_ns() - own)
    assert tree.basis is Basis.MEASURED


def test_burn_sleep_burn_of_a_living_child_is_billed_when_it_happens() -> None:
    r = script("""
        start = others()
        b = Burner()
        said = [b.burn(0.15)]
        reads = [others() - start]
        reads.append(others() - start)
        said.append(b.burn(0.15))
        reads.append(others() - start)
        b.end()
        reads.append(others() - start)
        result = {"said": said, "reads": reads, "basis": tree.basis.value, "living": tree.living()}
    """)
    first, idle, second, ended = r["reads"]
    assert first == near(r["said"][0])
    assert idle - first < MS
    assert second - idle == near(r["said"][1] - r["said"][0])
    assert 0 <= ended - second < 15 * MS  # what the interpreter takes to end; a child billed twice would be 300 ms
    assert r["basis"] == "measured"
    assert r["living"] == []


def test_a_child_started_and_reaped_inside_a_window_is_counted() -> None:
    r = script("""
        before = others()
        b = Burner()
        said = b.burn(0.3)
        b.end()
        result = {"said": said, "read": others() - before}
    """)
    assert r["read"] == near(r["said"], 15 * MS)


def test_a_child_reaped_later_is_not_billed_again() -> None:
    r = script("""
        b = Burner()
        b.burn(0.2)
        b.p.stdin.close()
        os.waitid(os.P_PID, b.p.pid, os.WEXITED | os.WNOWAIT)  # a zombie: ended, not waited for
        zombie = others()
        b.p.wait()
        result = others() - zombie
    """)
    assert abs(r) < MS


@pytest.mark.parametrize(
    "child",
    [
        "pid = os.fork()\nif not pid:\n    os.close(r); os.write(w, str(burn(0.3)).encode()); os._exit(0)",
        "import multiprocessing as m\ndef work(): os.write(w, str(burn(0.3)).encode())\n"  # noqa: ISC004 # one script
        "p = m.get_context('fork').Process(target=work); p.start(); pid = 0",
    ],
    ids=["os.fork", "multiprocessing"],
)
def test_forked_children_are_counted(child: str) -> None:
    r = script(f"r, w = os.pipe()\nbefore = others()\n{child}\n" + textwrap.dedent("""
        said = int(os.read(r, 100))
        alive = others() - before
        os.waitpid(pid, 0) if pid else p.join()
        result = {"said": said, "alive": alive, "reaped": others() - before}
    """))  # fmt: skip
    assert r["alive"] == near(r["said"])
    assert r["reaped"] == near(r["said"])


def test_multiprocessing_by_spawn_is_counted(tmp_path: Any) -> None:
    (tmp_path / "work.py").write_text(
        textwrap.dedent("""
        import time
        def work(pipe):
            end = time.process_time() + 0.3
            while time.process_time() < end:
                pass
            pipe.send(time.process_time_ns())
            pipe.recv()
    """)
    )
    r = script(f"""
        sys.path.insert(0, {str(tmp_path)!r})
        import multiprocessing, work
        c = multiprocessing.get_context("spawn")
        ours, theirs = c.Pipe()
        before = others()
        p = c.Process(target=work.work, args=(theirs,)); p.start()
        said = ours.recv()
        alive = others() - before
        ours.send(None); p.join()
        result = {{"said": said, "alive": alive, "joined": others() - before, "living": len(tree.living())}}
    """)
    # Its resource tracker, a child too, lives on and starts an interpreter.
    assert r["said"] * 0.99 < r["alive"] < r["said"] + 200 * MS
    assert r["alive"] <= r["joined"] < r["said"] + 250 * MS


def test_a_grandchild_is_counted_alive_reaped_by_its_parent_and_with_it() -> None:
    r = script("""
        parent = '''
        import subprocess, sys, time
        p = subprocess.Popen([sys.executable, "-S", "-c", sys.argv[1]], stdin=-1, stdout=-1, text=True)
        p.stdin.write("0.3\\\\n"); p.stdin.flush()
        said = int(p.stdout.readline())
        sys.stdin.readline()
        print(said + time.process_time_ns(), flush=True)
        sys.stdin.readline()
        p.stdin.close(); p.wait()
        print(said + time.process_time_ns(), flush=True)
        sys.stdin.readline()
        '''
        import textwrap
        before = others()
        b = Burner(sys.executable, "-c", textwrap.dedent(parent), BURNER)
        said, reads = [], []
        for _ in range(2):
            said.append(b.burn(0))
            reads.append(others() - before)
        living = len(tree.living())
        b.end()
        reads.append(others() - before)
        result = {"said": said, "reads": reads, "living": living}
    """)
    alive, reaped, ended = r["reads"]
    assert alive == near(r["said"][0])
    assert reaped == near(r["said"][1], TICKS)
    assert r["living"] == 1
    assert ended == near(r["said"][1], 25 * MS)
    assert alive <= reaped <= ended


def test_a_grandchild_that_came_and_went_unseen_is_counted_while_its_parent_lives() -> None:
    r = script("""
        parent = '''
        import subprocess, sys, time
        for line in sys.stdin:
            done = subprocess.run([sys.executable, "-S", "-c", sys.argv[1]], input=line, stdout=-1, text=True)
            print(int(done.stdout) + time.process_time_ns(), flush=True)
        '''
        import textwrap
        before = others()
        b = Burner(sys.executable, "-c", textwrap.dedent(parent), BURNER)
        said = b.burn(0.3)
        alive = others() - before
        b.end()
        result = {"said": said, "alive": alive, "ended": others() - before}
    """)
    assert r["alive"] == near(r["said"], TICKS)
    assert r["ended"] == near(r["said"], 25 * MS)


def test_a_child_that_nobody_waits_for_keeps_what_it_was_last_seen_with() -> None:
    r = script("""
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        before = others()
        b = Burner()
        said = b.burn(0.3)
        alive = others() - before
        b.p.stdin.close()
        b.p.stdout.read()
        try:
            os.waitid(os.P_PID, b.p.pid, os.WEXITED)
        except ChildProcessError:
            pass
        gone, again = others() - before, others() - before
        result = {"said": said, "alive": alive, "gone": gone, "again": again, "living": tree.living()}
    """)
    assert r["alive"] == near(r["said"])
    assert abs(r["gone"] - r["alive"]) < MS
    assert abs(r["again"] - r["gone"]) < MS
    assert r["living"] == []


def test_a_daemon_is_ours_until_it_is_handed_to_init() -> None:
    r = script("""
        parent = '''
        import os, sys, subprocess
        p = subprocess.Popen([sys.executable, "-S", "-c", sys.argv[1]])
        sys.stdin = open(os.devnull)
        os.read(int(sys.argv[2]), 1)
        os._exit(0)
        '''
        import textwrap
        r, w = os.pipe()
        os.set_inheritable(r, True)
        before = others()
        b = Burner(sys.executable, "-c", textwrap.dedent(parent), BURNER, str(r))
        said = b.burn(0.2)
        ours = others() - before
        os.write(w, b"x")
        b.p.wait()
        orphaned = others() - before
        b.burn(0.2)
        later = others() - before
        b.p.stdin.close()
        b.p.stdout.read()
        result = {"said": said, "ours": ours, "orphaned": orphaned, "later": later, "ended": others() - before}
    """)
    assert r["said"] <= r["ours"] < r["said"] + 150 * MS  # its parent's interpreter is in it
    assert abs(r["orphaned"] - r["ours"]) < 5 * MS
    assert abs(r["later"] - r["orphaned"]) < MS
    assert abs(r["ended"] - r["orphaned"]) < MS


def test_children_that_come_and_go_while_we_look_are_counted_once() -> None:
    r = script("""
        from resource import RUSAGE_CHILDREN, getrusage
        stop = threading.Event()
        def churn():
            while not stop.is_set():
                subprocess.run(["/bin/true"], check=True)
        threads = [threading.Thread(target=churn) for _ in range(2)]
        for t in threads: t.start()
        falls, last = [], 0
        for _ in range(1500):
            own = time.process_time_ns()
            now = tree.now_ns()
            falls.append(now - own - last)
            last = now - time.process_time_ns()
        stop.set()
        for t in threads: t.join()
        u = getrusage(RUSAGE_CHILDREN)
        result = {"fall": min(falls), "left": others() - int((u[0] + u[1]) * 1e9), "retired": tree._retired_ns}
    """)
    assert r["fall"] > -0.5 * MS
    assert abs(r["left"]) < 2 * MS
    assert r["retired"] < 2 * MS


def test_a_forked_child_of_a_metered_process_counts_itself_alone() -> None:
    r = script("""
        b = Burner()
        b.burn(0.2)
        others()
        r, w = os.pipe()
        if not (pid := os.fork()):
            os.write(w, str(others()).encode())
            os._exit(0)
        os.waitpid(pid, 0)
        result = int(os.read(r, 100))
        b.end()
    """)
    assert abs(r) < MS


def test_the_controller_of_xdist_does_not_count_its_workers() -> None:
    r = script("""
        alone = CpuTree(include_children=False)
        b = Burner(); b.burn(0.1); b.end()
        own = time.process_time_ns()
        result = alone.now_ns() - own
    """)
    assert abs(r) < MS


def test_without_children_proc_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: str) -> str:
        raise AssertionError(path)

    monkeypatch.setattr(proc, "read", forbidden)
    tree = CpuTree()
    assert tree.now_ns() <= tree.now_ns()


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    code = "import sys, time\nwhile time.process_time() < 0.1: pass\nprint(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as p:
        assert p.stdout is not None
        p.stdout.readline()
        yield p


def test_while_nobody_is_born_only_the_clocks_are_read(
    child: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[dict[Key, Descendant]] = []
    real = proc.descendants

    def descendants() -> dict[Key, Descendant]:
        listed.append(real())
        return listed[-1]

    monkeypatch.setattr(proc, "descendants", descendants)
    monkeypatch.setattr(proc, "last_pid", lambda: "77")
    monkeypatch.setattr(cputree, "_BIRTH_NS", -1)
    tree = CpuTree()
    reads = [tree.now_ns() for _ in range(5)]
    assert len(listed) == 2
    assert reads == sorted(reads)
    assert tree.living() == (child.pid,)
    monkeypatch.setattr(proc, "last_pid", lambda: "78")
    tree.now_ns()
    assert len(listed) == 3


@pytest.mark.parametrize("missing", ["clock", "children"])
def test_an_old_kernel_is_read_by_ticks_or_by_parents(
    missing: str, child: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing == "clock":
        monkeypatch.setattr(proc, "cpu_clock_ns", lambda _pid: None)
    else:
        monkeypatch.setattr(proc, "_lists_children", lambda _me: False)
    tree = CpuTree()
    assert tree.now_ns() > 0
    assert tree.living() == (child.pid,)
    assert tree._known[next(iter(tree._known))].total_ns == pytest.approx(100 * MS, abs=30 * MS)
    assert tree.basis is (Basis.MODELLED if missing == "clock" else Basis.MEASURED)


def test_elsewhere_psutil_reads_the_tree(child: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cputree, "_LINUX", False)
    monkeypatch.setattr(portable, "watch_spawns", lambda: None)  # an audit hook could not be taken out again
    tree = CpuTree()
    own = time.process_time_ns()  # first: importing psutil takes 50 ms
    before = tree.now_ns() - own
    assert tree.living() == (child.pid,)
    assert tree.basis is Basis.MODELLED
    child.communicate()
    own = time.process_time_ns()
    assert tree.now_ns() - own - before == pytest.approx(0, abs=30 * MS)
    assert tree.living() == ()


def test_without_waitid_started_children_are_noted() -> None:
    r = script("""
        from pytest_aifootprint.attribution import portable
        portable.watch_spawns(); portable.watch_spawns()
        states = [portable.may_have_children()]
        subprocess.run(["/bin/true"])
        states.append(portable.may_have_children())
        portable.all_gone()
        states.append(portable.may_have_children())
        result = states
    """)
    assert r == [False, True, False]


class Scripted:
    """A process tree by script: what /proc would say."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.living: dict[Key, tuple[int, Key | None, int, int]] = {}  # ppid, parent key, clock, reaped
        self.hidden: set[Key] = set()
        self.reaped_ns = 0
        self.born = 0
        monkeypatch.setattr(proc, "descendants", self.descendants)
        monkeypatch.setattr(proc, "look", self.look)
        monkeypatch.setattr(proc, "stat", self.stat)
        monkeypatch.setattr(proc, "last_pid", self.last_pid)
        monkeypatch.setattr(cputree, "_reaped_ns", lambda: self.reaped_ns)
        monkeypatch.setattr(REAL, "process_time_ns", lambda: 0)
        self.tree = CpuTree()
        monkeypatch.setattr(cputree, "_ask_for_children", lambda: None)

    def last_pid(self) -> str:
        self.born += 1
        return str(self.born)

    def descendants(self) -> dict[Key, Descendant]:
        found = {}
        for key, (_, parent, _, _) in self.living.items():
            if key not in self.hidden and (parent is None or parent in self.living):
                one = self.look(key[0], parent)
                assert one is not None
                found[key] = one
        return found

    def look(self, pid: int, parent: Key | None) -> Descendant | None:
        for key, (_, _, clock, reaped) in self.living.items():
            if key[0] == pid:
                return Descendant(pid, key[1], parent, clock, True, reaped, reaped)
        return None

    def stat(self, pid: int) -> Stat | None:
        for key, (ppid, _, clock, reaped) in self.living.items():
            if key[0] == pid:
                return Stat(ppid, int(key[1]), clock, reaped)
        return None


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    return Scripted(monkeypatch)


ME = os.getpid()


def test_a_pid_that_is_used_again_is_another_process(world: Scripted) -> None:
    world.living = {(7, 1.0): (ME, None, 500 * MS, 0)}
    assert world.tree.now_ns() == 500 * MS
    world.reaped_ns = 510 * MS
    world.living = {(7, 2.0): (ME, None, 20 * MS, 0)}
    assert world.tree.now_ns() == 530 * MS
    world.living = {(7, 3.0): (ME, None, 5 * MS, 0)}  # and the second one was never waited for
    assert world.tree.now_ns() == 535 * MS


def test_a_child_that_the_kernel_forgot_to_list_is_not_retired(world: Scripted) -> None:
    world.living = {(7, 1.0): (ME, None, 500 * MS, 0), (8, 1.0): (7, (7, 1.0), 40 * MS, 0)}
    assert world.tree.now_ns() == 540 * MS
    world.hidden = {(7, 1.0), (8, 1.0)}
    assert world.tree.now_ns() == 540 * MS
    world.hidden = set()
    assert world.tree.now_ns() == 540 * MS
    assert world.tree._retired_ns == 0


def test_a_grandchild_that_its_parent_reaped_is_counted_between_two_ticks(world: Scripted) -> None:
    parent = (7, 1.0)
    world.living = {parent: (ME, None, 0, 0), (8, 1.0): (7, parent, 15 * MS, 0)}
    assert world.tree.now_ns() == 15 * MS
    world.living = {parent: (ME, None, 0, 10 * MS)}  # the kernel says 10 ms of 15
    assert world.tree.now_ns() == 15 * MS
    world.living = {parent: (ME, None, 0, 30 * MS)}  # another one came and went unseen
    assert world.tree.now_ns() == 30 * MS
    world.living, world.reaped_ns = {}, 34 * MS
    assert world.tree.now_ns() == 34 * MS


def test_a_grandchild_that_nobody_waited_for_stays_when_its_parent_is_reaped(world: Scripted) -> None:
    parent = (7, 1.0)
    world.living = {parent: (ME, None, 50 * MS, 0), (8, 1.0): (7, parent, 100 * MS, 0)}
    assert world.tree.now_ns() == 150 * MS
    world.living = {parent: (ME, None, 50 * MS, 0)}
    assert world.tree.now_ns() == 150 * MS
    world.living, world.reaped_ns = {}, 50 * MS
    assert world.tree.now_ns() == 150 * MS


def test_a_branch_that_ends_below_a_living_child_is_that_childs(world: Scripted) -> None:
    a, b = (7, 1.0), (8, 1.0)
    world.living = {a: (ME, None, 10 * MS, 0), b: (7, a, 20 * MS, 0), (9, 1.0): (8, b, 30 * MS, 0)}
    assert world.tree.now_ns() == 60 * MS
    world.living = {a: (ME, None, 10 * MS, 0)}
    assert world.tree.now_ns() == 60 * MS
    world.living = {a: (ME, None, 10 * MS, 50 * MS)}
    assert world.tree.now_ns() == 60 * MS
    world.living, world.reaped_ns = {}, 60 * MS
    assert world.tree.now_ns() == 60 * MS


def test_an_unlisted_parent_keeps_what_its_children_left(world: Scripted) -> None:
    a = (7, 1.0)
    world.living = {a: (ME, None, 10 * MS, 0), (8, 1.0): (7, a, 20 * MS, 0)}
    world.tree.now_ns()
    world.living = {a: (ME, None, 10 * MS, 0)}
    assert world.tree.now_ns() == 30 * MS
    world.hidden = {a}
    assert world.tree.now_ns() == 30 * MS
    world.hidden = set()
    assert world.tree.now_ns() == 30 * MS


def test_while_nobody_is_born_a_parent_is_still_asked_what_it_reaped(
    world: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = (7, 1.0), (8, 1.0)
    monkeypatch.setattr(proc, "last_pid", lambda: "8")
    clocks = {7: 10 * MS, 8: 20 * MS}
    monkeypatch.setattr(proc, "cpu_clock_ns", clocks.get)
    monkeypatch.setattr(cputree, "_BIRTH_NS", -1)
    world.living = {a: (ME, None, 10 * MS, 0), b: (7, a, 20 * MS, 0)}
    assert [world.tree.now_ns() for _ in range(3)] == [30 * MS] * 3
    clocks[7] = 15 * MS
    del clocks[8]
    world.living = {a: (ME, None, 15 * MS, 40 * MS)}
    assert world.tree.now_ns() == 55 * MS


def test_a_whole_branch_that_ends_between_two_looks_is_counted_once(world: Scripted) -> None:
    a, b = (7, 1.0), (8, 1.0)
    world.living = {a: (ME, None, 10 * MS, 0), b: (7, a, 20 * MS, 0), (9, 1.0): (8, b, 30 * MS, 0)}
    assert world.tree.now_ns() == 60 * MS
    world.living, world.reaped_ns = {}, 75 * MS
    assert world.tree.now_ns() == 75 * MS


def test_a_daemon_is_retired_although_its_parent_used_more_than_we_had_seen(world: Scripted) -> None:
    a = (7, 1.0)
    world.living = {a: (ME, None, 10 * MS, 0), (8, 1.0): (7, a, 20 * MS, 0)}
    assert world.tree.now_ns() == 30 * MS
    world.living, world.reaped_ns = {(8, 1.0): (1, a, 900 * MS, 0)}, 500 * MS
    assert world.tree.now_ns() == 520 * MS


def test_two_threads_may_look(child: subprocess.Popen[str]) -> None:
    tree = CpuTree()
    failures: list[BaseException] = []

    def look() -> None:
        try:
            reads = [tree.now_ns() for _ in range(200)]
            assert reads == sorted(reads)
        except BaseException as failure:  # noqa: BLE001 # whatever it is, the main thread reports it
            failures.append(failure)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_quick_look_sees_a_living_child_and_what_was_reaped() -> None:
    r = script("""
        def quick():
            own = time.process_time_ns()
            return tree.quick_ns() - own
        before = quick()
        b = Burner()
        said = b.burn(0.3)
        alive = quick() - before
        b.end()
        result = {"said": said, "alive": alive, "ended": quick() - before}
    """)
    assert r["alive"] == near(r["said"], 15 * MS)
    assert r["ended"] == near(r["said"], 15 * MS)


def open_files() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


def test_a_quick_look_goes_on_without_its_file() -> None:
    tree = CpuTree()
    tree.quick_ns()
    if tree._list_fd is not None:
        os.close(tree._list_fd)  # as a test does that closes whatever is open
    assert tree.quick_ns() <= tree.now_ns() <= tree.quick_ns()
    assert tree._list_fd is None
    tree.close()


def test_the_file_of_the_quick_look_is_given_back() -> None:
    before = open_files()
    tree = CpuTree()
    assert len(open_files() - before) == 1
    tree.close()
    tree.close()
    assert open_files() == before
    assert tree.quick_ns() > 0


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="a platform without fork")
def test_what_is_called_after_a_fork_keeps_no_tests_until_the_interpreters_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module's loader is pytest's, which has the session: Python's last collections would walk over all tests."""
    hooks: list[Any] = []
    monkeypatch.setattr(cputree, "_fork_hooks", [])
    monkeypatch.setattr(os, "register_at_fork", lambda **named: hooks.append(named["after_in_child"]))
    tree = cputree.CpuTree()
    forgotten: list[bool] = []
    monkeypatch.setattr(cputree.CpuTree, "_forget", lambda self: forgotten.append(self is tree))
    (hook,) = hooks
    assert hook.__globals__ is not vars(cputree)
    assert not {"__loader__", "__spec__"} & hook.__globals__.keys()
    hook()
    assert True in forgotten
