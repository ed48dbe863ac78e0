"""An inference server as a service: nobody's child, burns the CPU that it is asked for and says how much it was.

As a program it writes "pid port" and ends, while what it started goes on in a session of its own, handed to init. Each
answer is OpenAI's, with the CPU ns that the server's processes used since the request came in ``x-cpu-ns``.

--prefork N: N forked processes share the socket. --runner: a child does the work, kept for
all requests (as Ollama's runner). --once: a child of its own for every request, reaped. --path P: listen at a file.
--name N: what the kernel calls it. --stay: no service after all, but a child of whoever started it.
"""

import argparse
import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple


def burn(seconds: float) -> None:
    until = time.thread_time_ns() + int(seconds * 1e9)
    while time.thread_time_ns() < until:
        sum(range(500))


class Runner:
    """A child that burns on demand and tells its own process time."""

    def __init__(self) -> None:
        self.asks, self.answers = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            while message := self.answers.recv(100):
                started = time.process_time_ns()
                burn(float(message))
                self.answers.sendall(str(time.process_time_ns() - started).encode())
            os._exit(0)

    def burn(self, seconds: float) -> int:
        self.asks.sendall(str(seconds).encode())
        return int(self.asks.recv(100))


def burn_once(seconds: float) -> int:
    """In a child of its own, which is waited for; its CPU as the kernel tells it."""
    pid = os.fork()
    if pid == 0:
        burn(seconds)
        os._exit(0)
    usage = os.wait4(pid, 0)[2]
    return int((usage.ru_utime + usage.ru_stime) * 1e9)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # one request a connection: the next one may go to another process
    options: argparse.Namespace
    runner: Runner | None = None

    def do_POST(self) -> None:
        server: Any = self.server
        started: int = server.began_ns
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        seconds = float(asked.get("user", 0))
        elsewhere = 0
        if self.runner is not None:
            elsewhere = self.runner.burn(seconds)
        elif self.options.once:
            elsewhere = burn_once(seconds)
        else:
            burn(seconds)
        answer = {
            "id": "1", "object": "chat.completion", "created": 1, "model": "gemma-3-270m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19},
        }  # fmt: skip
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-pid", str(os.getpid()))
        self.send_header("x-cpu-ns", str(time.process_time_ns() - started + elsewhere))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass

    def address_string(self) -> str:
        return ""


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64
    began_ns = 0

    def get_request(self) -> tuple[socket.socket, Any]:
        self.began_ns = time.process_time_ns()
        return super().get_request()


class FileServer(Server):
    address_family = socket.AF_UNIX
    allow_reuse_address = False


def serve(options: argparse.Namespace) -> Any:
    """A server that listens, not yet serving."""
    handler = type("OptionedHandler", (Handler,), {"options": options})
    if options.path:
        return FileServer(options.path, handler)
    return Server((options.host, options.port), handler)


def _run(server: Any, options: argparse.Namespace) -> None:
    for _ in range(options.prefork):
        if os.fork() == 0:
            break
    else:
        if options.prefork:
            signal.pause()  # the first one only watches over the others
    if options.runner:
        server.RequestHandlerClass.runner = Runner()
    server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--prefork", type=int, default=0)
    parser.add_argument("--runner", action="store_true")
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--path", default="")
    parser.add_argument("--name", default="")
    parser.add_argument("--stay", action="store_true")
    options = parser.parse_args()
    server = serve(options)
    port = server.server_address[1] if not options.path else 0
    pid = 0 if options.stay else os.fork()
    if pid or options.stay:
        os.write(1, f"{pid or os.getpid()} {port}\n".encode())
    if pid:
        os._exit(0)  # whoever started us waited for this process only
    if not options.stay:
        os.setsid()
    if options.name:
        Path("/proc/self/comm").write_text(options.name)
    for stream in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), stream)
    _run(server, options)


class Service(NamedTuple):
    """One that runs. ``url`` of its API."""

    pid: int
    port: int
    url: str


@contextmanager
def service(*arguments: str) -> Iterator[Service]:
    """The server as a service, ended afterwards with all that it started."""
    command = [sys.executable, str(Path(__file__).resolve()), *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True, timeout=30)
    pid, port = map(int, done.stdout.split())
    try:
        yield Service(pid, port, f"http://127.0.0.1:{port}/v1")
    finally:
        os.killpg(pid, signal.SIGKILL)
        while port and _answers(port):
            pass


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
