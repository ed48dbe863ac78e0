"""A receiver of OTLP metrics over HTTP and gRPC, made of OpenTelemetry's own service definitions. A process of its own.

Prints its two ports, then appends what it receives to a file, one JSON object a request: {"over", "path", "headers",
"request"}. A path that begins with /status/503 is answered with that status, 307 sends on to the path that takes
metrics; /slow is answered a byte at a time, in three seconds.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as messages
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as service

RECEIVED = Path(sys.argv[1])


def note(over: str, path: str, headers: dict[str, str], request: Any) -> None:
    said = {"over": over, "path": path, "headers": headers, "request": MessageToDict(request)}
    with RECEIVED.open("a") as file:
        file.write(json.dumps(said) + "\n")


class Grpc(service.MetricsServiceServicer):  # type: ignore[misc]
    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the service's name for it
        note("grpc", "", dict(context.invocation_metadata()), request)
        return messages.ExportMetricsServiceResponse()


class Http(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        status = int(self.path.split("/")[2]) if self.path.startswith("/status/") else 200
        if status == 200:
            request = messages.ExportMetricsServiceRequest.FromString(body)
            note("http", self.path, dict(self.headers), request)
        if self.path.startswith("/slow"):
            for byte in b"HTTP/1.1 200 OK":
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(0.2)
            self.wfile.write(b"\r\nContent-Length: 0\r\n\r\n")
            return
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/v1/metrics")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    over_grpc = grpc.server(futures.ThreadPoolExecutor(2))
    service.add_MetricsServiceServicer_to_server(Grpc(), over_grpc)
    grpc_port = over_grpc.add_insecure_port("127.0.0.1:0")
    over_grpc.start()
    over_http = ThreadingHTTPServer(("127.0.0.1", 0), Http)
    sys.stdout.write(f"{over_http.server_port} {grpc_port}\n")
    sys.stdout.flush()
    over_http.serve_forever()


if __name__ == "__main__":
    main()
