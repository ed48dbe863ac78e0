"""Stands in for a language model server: speaks the OpenAI protocol on loopback and answers without a neural network.

It "summarises" by giving back the first sentence of the last message, and "embeds" by counting words. So its answers
are the same on every machine and a test can assert on them. A token is a word here. ``llm/serve.py`` has a real model.

Run ``python stand_in_server.py``: the first line it prints is its address, the port chosen by the operating system. It
ends when its standard input is closed, hence also when whoever started it dies.
"""

from __future__ import annotations

import json
import sys
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "llama-3.2-1b"  # the model that it stands in for; it goes by the name that a request asks for
EMBEDDING_SIZE = 64


def first_sentence(text: str) -> str:
    """The summary."""
    return text.strip().split(". ")[0].removesuffix(".") + "."


def chat_completion(request: dict[str, Any]) -> tuple[list[str], str, dict[str, int]]:
    """The words of the answer, why it ended, and its usage."""
    words = first_sentence(request["messages"][-1]["content"]).split()
    limit = request.get("max_tokens") or len(words)
    reason = "length" if limit < len(words) else "stop"
    prompt = sum(len(message["content"].split()) for message in request["messages"])
    words = words[:limit]
    return words, reason, _usage(prompt, len(words))


def embedding(text: str) -> list[float]:
    """Word counts, hashed into a short vector of length 1: texts that share words are close to each other."""
    vector = [0.0] * EMBEDDING_SIZE
    for word in text.lower().split():
        vector[zlib.crc32(word.encode()) % EMBEDDING_SIZE] += 1.0
    length = sum(x * x for x in vector) ** 0.5 or 1.0
    return [x / length for x in vector]


def _usage(prompt: int, completion: int = 0) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


class Handler(BaseHTTPRequestHandler):
    """The three paths of the OpenAI protocol that the examples ask for."""

    protocol_version = "HTTP/1.1"  # keeps connections open, as real servers do
    disable_nagle_algorithm = True  # else every answer waits 40 ms for the acknowledgement of its header

    def do_GET(self) -> None:
        """List the models, which runs none."""
        if self.path == "/v1/models":
            self._send_json({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "docs/examples"}]})
        else:
            self._send_json({"error": {"message": f"no such path: {self.path}"}}, status=404)

    def do_POST(self) -> None:
        """Answer a chat message or embed texts."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/v1/chat/completions":
            words, reason, usage = chat_completion(request)
            if request.get("stream"):
                self._send_events(self._chunks(request, words, reason, usage))
            else:
                choice = {
                    "index": 0,
                    "message": {"role": "assistant", "content": " ".join(words)},
                    "finish_reason": reason,
                }
                self._send_json({**_head(request, "chat.completion"), "choices": [choice], "usage": usage})
        elif self.path == "/v1/embeddings":
            texts = [request["input"]] if isinstance(request["input"], str) else request["input"]
            data = [{"object": "embedding", "index": i, "embedding": embedding(t)} for i, t in enumerate(texts)]
            usage = _usage(sum(len(t.split()) for t in texts))
            self._send_json({"object": "list", "model": request["model"], "data": data, "usage": usage})
        else:
            self._send_json({"error": {"message": f"no such path: {self.path}"}}, status=404)

    def _chunks(
        self, request: dict[str, Any], words: list[str], reason: str, usage: dict[str, int]
    ) -> Iterator[dict[str, Any]]:
        head = _head(request, "chat.completion.chunk")
        for i, word in enumerate(words):
            delta = {"role": "assistant", "content": word} if i == 0 else {"content": f" {word}"}
            yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
        if (request.get("stream_options") or {}).get("include_usage"):
            yield {**head, "choices": [], "usage": usage}

    def _send_json(self, answer: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_events(self, events: Iterator[dict[str, Any]]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in [*map(json.dumps, events), "[DONE]"]:
            data = f"data: {line}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Stay silent: the tests' output is for the tests."""


def _head(request: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-stand-in", "object": kind, "created": 0, "model": request["model"]}


def main() -> None:
    """Serve until standard input is closed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201 - the address is the output
    sys.stdin.read()


if __name__ == "__main__":
    main()
