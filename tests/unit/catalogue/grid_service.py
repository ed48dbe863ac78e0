"""A server on this machine that answers in place of Electricity Maps, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER: dict[str, Any] = {
    "zone": "FR", "carbonIntensity": 41, "datetime": "2026-11-23T10:00:00.000Z",
    "updatedAt": "2026-11-23T09:48:12.110Z", "emissionFactorType": "lifecycle", "isEstimated": False,
}  # fmt: skip


@dataclass
class GridService:
    """What it answers, and what it was asked.

    Attributes:
        asked: path and token of every request. silent: it takes the request and never answers. dripping: it sends a
            header line at a time, without end.
    """

    url: str
    status: int = 200
    body: bytes = b""
    location: str | None = None
    silent: bool = False
    dripping: bool = False
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def says(self, **changed: Any) -> None:
        """Answer like Electricity Maps, with these fields changed."""
        self.body = json.dumps(ANSWER | changed).encode()


@contextmanager
def grid_service() -> Iterator[GridService]:
    """Listens on a free port until it is left."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.asked.append((self.path, self.headers["auth-token"]))
            if service.silent:
                service.over.wait()
                return
            self.send_response(service.status)
            if service.location is not None:
                self.send_header("Location", service.location)
            self.flush_headers()
            while service.dripping and not service.over.wait(0.02):
                self.wfile.write(b"X-Drip: 1\r\n")
                self.wfile.flush()
            self.send_header("Content-Length", str(len(service.body)))
            self.end_headers()
            self.wfile.write(service.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def handle(self) -> None:
            with suppress(OSError):  # whoever asked has gone
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service = GridService(f"http://127.0.0.1:{server.server_port}/v3")
    service.says()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield service
    finally:
        service.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
