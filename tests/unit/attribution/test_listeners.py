"""From a port to the process that listens on it: a machine as /proc shows it, and this one."""

import os
import socket
import sys
from pathlib import Path

import pytest

from pytest_aifootprint.attribution import listeners, proc

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.parametrize(
    "host", ["localhost", "api.localhost", "127.0.0.1", "127.8.8.8", "0.0.0.0", "::1", "[::1]", "::"]
)
def test_names_and_addresses_of_this_machine(host: str) -> None:
    assert listeners.is_here(host)


def test_the_machines_own_name_and_addresses_are_here() -> None:
    assert listeners.is_here(socket.gethostname())
    assert all(listeners.is_here(str(address)) for address in listeners._own_addresses())


class FakeProc:
    """A tree of /proc: processes with parents, names and sockets."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "self" / "net").mkdir(parents=True)
        self.tables = {"tcp": ["sl local rem st"], "tcp6": ["sl local rem st"]}

    def listens(
        self, table: str, address: str, port: int, number: int, state: str = "0A", user: int | None = None
    ) -> None:
        user = os.getuid() if user is None else user
        fields = f"0: {address}:{port:04X} 0:0 {state} 0:0 0:0 0 {user} 0 {number} 1 0 100"
        self.tables[table].append(fields)
        (self.root / "self" / "net" / table).write_text("\n".join(self.tables[table]))

    def process(self, pid: int, ppid: int = 1, name: str = "ollama", sockets: tuple[int, ...] = ()) -> None:
        folder = self.root / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "comm").write_text(f"{name}\n")
        (folder / "stat").write_text(f"{pid} ({name}) S {ppid} " + "0 " * 17 + f"{pid * 10} 0")
        for fd, number in enumerate(sockets):
            (folder / "fd" / str(fd)).symlink_to(f"socket:[{number}]")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeProc:
    monkeypatch.setattr(proc, "ROOT", str(tmp_path))
    return FakeProc(tmp_path)


LOOPBACK, ALL, OTHER = "0100007F", "00000000", "050010AC"
LOOPBACK6, ALL6 = "0" * 24 + "01000000", "0" * 32
MAPPED = "0000000000000000FFFF00000100007F"


def pids(host: str) -> list[int]:
    return [listener.pid for listener in listeners.listeners(host, 11434)]


@pytest.mark.parametrize(
    ("table", "address", "host", "seen"),
    [
        ("tcp", LOOPBACK, "127.0.0.1", True),
        ("tcp", LOOPBACK, "localhost", True),
        ("tcp", LOOPBACK, "::1", False),
        ("tcp", ALL, "127.0.0.1", True),
        ("tcp", ALL, "::1", False),
        ("tcp", OTHER, "127.0.0.1", False),
        ("tcp", OTHER, "localhost", False),
        ("tcp6", LOOPBACK6, "::1", True),
        ("tcp6", LOOPBACK6, "localhost", True),
        ("tcp6", LOOPBACK6, "127.0.0.1", False),
        ("tcp6", ALL6, "127.0.0.1", True),
        ("tcp6", ALL6, "::1", True),
        ("tcp6", MAPPED, "127.0.0.1", True),
    ],
)
def test_the_address_that_is_bound_decides_who_answers(
    fake: FakeProc, table: str, address: str, host: str, *, seen: bool
) -> None:
    fake.listens(table, address, 11434, 55)
    fake.process(40, sockets=(55,))
    assert pids(host) == ([40] if seen else [])


def test_the_socket_on_the_address_itself_comes_before_one_on_all(fake: FakeProc) -> None:
    fake.listens("tcp", ALL, 11434, 55)
    fake.listens("tcp", LOOPBACK, 11434, 56)
    fake.process(40, sockets=(55,))
    fake.process(41, sockets=(56,))
    assert pids("127.0.0.1") == [41]


def test_a_connection_on_the_port_is_no_listener(fake: FakeProc) -> None:
    fake.listens("tcp", LOOPBACK, 11434, 55, state="01")
    fake.process(40, sockets=(55,))
    assert pids("127.0.0.1") == []


def test_one_who_cannot_be_seen_beside_one_who_can_leaves_it_open_who_answers(fake: FakeProc) -> None:
    fake.listens("tcp", LOOPBACK, 11434, 55)
    fake.listens("tcp6", LOOPBACK6, 11434, 56)
    fake.process(40, sockets=(55,))
    assert pids("localhost") == []
    assert pids("127.0.0.1") == [40]


def test_only_root_looks_for_another_users_socket_in_all_processes(fake: FakeProc) -> None:
    fake.listens("tcp", LOOPBACK, 11434, 55, user=os.getuid() + 1)
    fake.process(40, sockets=(55,))
    assert pids("127.0.0.1") == ([40] if os.getuid() == 0 else [])


def test_who_forked_the_others_to_share_the_socket_stands_for_all(fake: FakeProc) -> None:
    fake.listens("tcp", ALL, 11434, 55)
    for pid, parent in ((40, 30), (41, 40), (42, 41)):
        fake.process(pid, parent, sockets=(55,))
    fake.process(30, 1, "bash")
    assert pids("127.0.0.1") == [40]


def test_several_who_bound_the_port_each_for_itself_are_all_named(fake: FakeProc) -> None:
    fake.listens("tcp", ALL, 11434, 55)
    fake.listens("tcp", ALL, 11434, 56)
    fake.process(42, sockets=(56,))
    fake.process(40, sockets=(55,))
    assert pids("127.0.0.1") == [40, 42]


@pytest.mark.parametrize("name", ["docker-proxy", "ssh", "systemd", "nginx"])
def test_who_only_passes_on_is_not_the_server(fake: FakeProc, name: str) -> None:
    fake.listens("tcp", ALL, 11434, 55)
    fake.process(40, name=name, sockets=(55,))
    assert pids("127.0.0.1") == []


def test_a_service_that_systemd_listens_for_is_found_and_systemd_is_not(fake: FakeProc) -> None:
    fake.listens("tcp", ALL, 11434, 55)
    fake.process(40, 20, sockets=(55,))
    fake.process(20, 1, "systemd", sockets=(55,))
    assert pids("127.0.0.1") == [40]


def test_an_own_address_is_found_in_the_kernels_routes(fake: FakeProc) -> None:
    routes = ("Main:", "+-- 0.0.0.0/0 3 0 5", "|-- 172.16.0.5", "/32 host LOCAL", "|-- 172.16.0.9", "/24 link UNICAST")
    (fake.root / "self" / "net" / "fib_trie").write_text("\n   ".join(routes))
    (fake.root / "self" / "net" / "if_inet6").write_text("fd000000000000000000000000000005 02 40 00 80 eth0\n")
    assert all(map(listeners.is_here, ("172.16.0.5", "fd00::5")))
    assert not any(map(listeners.is_here, ("172.16.0.9", "fd00::6")))
    fake.listens("tcp", OTHER, 11434, 55)
    fake.process(40, sockets=(55,))
    assert pids("172.16.0.5") == [40]


def test_without_proc_nobody_is_seen(fake: FakeProc) -> None:
    assert pids("127.0.0.1") == []
