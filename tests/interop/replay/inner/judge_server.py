"""A judge for deepeval, as a script in its own process; prints what each answer took: case, tokens in, tokens out."""

from __future__ import annotations

import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Each of deepeval's schemas finds its own keys in it.
VERDICT = {
    "steps": ["Read both.", "Compare them."],
    "statements": ["One statement.", "Another one."],
    "verdicts": [{"verdict": "yes", "reason": "It is."}, {"verdict": "yes", "reason": "It is, too."}],
    "reason": "All of it is to the point.",
    "score": 9,
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        asked: dict[str, Any] = json.loads(raw)
        case = re.search(r"case-[a-z]+-\d", str(asked["messages"]))
        # No two prompts of different lengths take the same.
        taken = len(raw), 5 + len(raw) % 7
        message = {"role": "assistant", "content": json.dumps(VERDICT), "refusal": None}
        data = json.dumps(
            {
                "id": "c1",
                "object": "chat.completion",
                "created": 1,
                "model": asked["model"] + "-2024-07-18",
                "choices": [{"index": 0, "finish_reason": "stop", "message": message, "logprobs": None}],
                "usage": {"prompt_tokens": taken[0], "completion_tokens": taken[1], "total_tokens": sum(taken)},
            }
        ).encode()
        line = f"{case[0] if case else '?'} {taken[0]} {taken[1]} {self.path}\n"
        sys.stdout.write(line)
        sys.stdout.flush()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)  # noqa: T201 - how the parent learns the port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()  # until the parent goes
