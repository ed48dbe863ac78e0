"""A server that speaks the OpenAI and Anthropic protocols: in this process, or as a script in its own."""

from __future__ import annotations

import gzip
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

CHAT_USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
WORDS = ["The ", "word ", '"usage": {"completion_tokens": 999} ', "is ", "only ", "text. ", "🌍"]


def chat(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"] + "-2026",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "".join(WORDS)}},
        ],
        "usage": CHAT_USAGE,
    }


def chat_events(body: dict[str, Any]) -> list[str]:
    def chunk(choices: list[dict[str, Any]], **more: Any) -> str:
        head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": body["model"] + "-2026"}
        return "data: " + json.dumps({**head, "choices": choices, **more}) + "\n\n"

    events = [chunk([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])]
    events += [chunk([{"index": 0, "delta": {"content": word}, "finish_reason": None}]) for word in WORDS]
    events.append(chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    if (body.get("stream_options") or {}).get("include_usage"):
        events.append(chunk([], usage=CHAT_USAGE))
    return [*events, "data: [DONE]\n\n"]


def responses(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "r1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": body["model"] + "-2026",
        "output": [
            {
                "type": "message",
                "id": "m1",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "".join(WORDS), "annotations": []}],
            },
        ],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 20,
            "input_tokens_details": {"cached_tokens": 5},
            "output_tokens": 9,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 29,
        },
    }


def responses_events(body: dict[str, Any]) -> list[str]:
    whole = responses(body)
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    events: list[dict[str, Any]] = [{"type": "response.created", "sequence_number": 0, "response": begun}]
    events += [
        {
            "type": "response.output_text.delta",
            "sequence_number": 1 + number,
            "item_id": "m1",
            "output_index": 0,
            "content_index": 0,
            "delta": word,
            "logprobs": [],
        }
        for number, word in enumerate(WORDS)
    ]
    events.append({"type": "response.completed", "sequence_number": 99, "response": whole})
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "object": "list",
        "model": body["model"],
        "data": [{"object": "embedding", "index": 0, "embedding": [0.25] * 50_000}],
        "usage": {"prompt_tokens": 6, "total_tokens": 6},
    }


MESSAGE_USAGE = {"input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 30}


def messages(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "m1",
        "type": "message",
        "role": "assistant",
        "model": body["model"] + "-2026",
        "content": [{"type": "text", "text": "".join(WORDS)}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {**MESSAGE_USAGE, "output_tokens": 8},
    }


def messages_events(body: dict[str, Any]) -> list[str]:
    start = {**messages(body), "content": [], "stop_reason": None, "usage": {**MESSAGE_USAGE, "output_tokens": 1}}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
    ]
    events += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}} for word in WORDS
    ]
    events += [
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 8},
        },
        {"type": "message_stop"},
    ]
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]


ANSWERS = {
    "/v1/chat/completions": (chat, chat_events),
    "/v1/responses": (responses, responses_events),
    "/v1/embeddings": (embeddings, None),
    "/v1/messages": (messages, messages_events),
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        body: dict[str, Any] = json.loads(raw)
        if "redirect" in query:
            self.send_response(307)
            self.send_header("location", url.path)
            self.send_header("content-length", "0")
            self.end_headers()
            return
        server: Any = self.server
        if body.get("model") == "limited":
            server.limited += 1
            if server.limited % 2:
                self.answer(429, b'{"error": {"message": "slow down"}}', {"retry-after": "0", "retry-after-ms": "1"})
                return
        if url.path not in ANSWERS:
            self.answer(404, b'{"error": {"message": "no such path"}}', {})
            return
        whole, events = ANSWERS[url.path]
        if body.get("stream") and events is not None:
            self.stream(events(body), cut="cut" in query, squeeze="gzip" in query)
            return
        data = json.dumps(whole(body)).encode()
        if "garbage" in query:
            data = b"<html>no model here</html>"
        if "gzip" in query:
            self.answer(200, gzip.compress(data, mtime=0), {"content-encoding": "gzip"})
        else:
            self.answer(200, data, {})

    def answer(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def stream(self, events: list[str], *, cut: bool, squeeze: bool) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        pieces = [event.encode() for event in events]
        if squeeze:
            self.send_header("content-encoding", "gzip")
            whole = gzip.compress(b"".join(pieces), mtime=0)
            pieces = [whole[i : i + 50] for i in range(0, len(whole), 50)]
        self.end_headers()
        for number, piece in enumerate(pieces):
            if cut and number == 3:
                self.close_connection = True
                return
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # of the default 5, many threads that connect at once overflow: the kernel resets them

    daemon_threads = True
    limited = 0

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


def start() -> Server:
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server


if __name__ == "__main__":
    own = Server(("127.0.0.1", 0), Handler)
    print(own.server_address[1], flush=True)  # noqa: T201 - how the parent learns the port
    threading.Thread(target=own.serve_forever, daemon=True).start()
    sys.stdin.read()  # until the parent goes
