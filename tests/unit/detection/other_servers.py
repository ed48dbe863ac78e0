"""Servers that speak other protocols than HTTP/1.1, each in a process of its own: ``python other_servers.py KIND``."""

from __future__ import annotations

import json
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from runpy import run_path
from typing import Any

HERE = Path(__file__).parent


def websocket_server() -> int:
    from http import HTTPStatus

    from websockets.sync.server import serve

    def refuse(connection: Any, request: Any) -> Any:
        return connection.respond(HTTPStatus.UNAUTHORIZED, "no") if "refused" in request.path else None

    def echo(connection: Any) -> None:
        for message in connection:
            connection.send(message)

    server = serve(echo, "127.0.0.1", 0, process_request=refuse)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.socket.getsockname()[1])


def grpc_server(keep: list[Any]) -> int:
    import grpc

    def one(request: bytes, context: Any) -> bytes:
        if request == b"fail":
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "slow down")
        return request if len(request) < 10 else b""  # an empty message answers a real client

    def many(request: bytes, context: Any) -> Any:
        yield one(request, context)
        yield request

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # it has no types
        def service(self, handler_call_details: Any) -> Any:
            if "Stream" in handler_call_details.method:
                return grpc.unary_stream_rpc_method_handler(many)
            return grpc.unary_unary_rpc_method_handler(one)

    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Handler(),))
    port: int = server.add_insecure_port("127.0.0.1:0")
    server.start()
    keep.append(server)
    return port


def http2_server() -> int:
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=speak_http2, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return int(listener.getsockname()[1])


def speak_http2(connection: socket.socket) -> None:
    """Answer chat requests, with prior knowledge that they come by HTTP/2."""
    import h2.config
    import h2.connection
    import h2.events

    fake = run_path(str(HERE / "fake_server.py"))
    protocol = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    protocol.initiate_connection()
    connection.sendall(protocol.data_to_send())
    bodies: dict[int, bytes] = {}
    while data := connection.recv(65536):
        for event in protocol.receive_data(data):
            if isinstance(event, h2.events.DataReceived):
                assert event.stream_id is not None
                bodies[event.stream_id] = bodies.get(event.stream_id, b"") + (event.data or b"")
            elif isinstance(event, h2.events.StreamEnded):
                assert event.stream_id is not None
                body = json.loads(bodies.pop(event.stream_id))
                stream = body.get("stream")
                kind = "text/event-stream" if stream else "application/json"
                pieces = fake["chat_events"](body) if stream else [json.dumps(fake["chat"](body))]
                protocol.send_headers(event.stream_id, [(":status", "200"), ("content-type", kind)])
                for piece in pieces:
                    protocol.send_data(event.stream_id, piece.encode())
                protocol.end_stream(event.stream_id)
        connection.sendall(protocol.data_to_send())


if __name__ == "__main__":
    kept: list[Any] = []
    start = {"websocket": websocket_server, "grpc": lambda: grpc_server(kept), "http2": http2_server}[sys.argv[1]]
    print(start(), flush=True)  # noqa: T201 - how the parent learns the port
    sys.stdin.read()  # until the parent goes
