"""Speaks the protocols of all providers whose SDKs are driven here, each by its own host name, path and usage.

A script in a process of its own: prints its port, ends with its standard input. What OpenAI and Anthropic answer is
the business of ``tests/unit/detection/fake_server.py``; here is what the others do differently.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import struct
import sys
import threading
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from runpy import run_path
from typing import Any, NamedTuple

FAKE = run_path(str(Path(__file__).parents[2] / "unit" / "detection" / "fake_server.py"))
Record = dict[str, Any]
JSON, SSE, NDJSON = "application/json", "text/event-stream", "application/x-ndjson"


class Answer(NamedTuple):
    """Pieces of a body, each sent as a chunk of its own."""

    pieces: list[bytes]
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


class Asked(NamedTuple):
    host: str
    path: re.Match[str]
    body: Record

    @property
    def streamed(self) -> bool:
        return bool(self.body.get("stream"))


def one(document: object, *headers: tuple[str, str]) -> Answer:
    return Answer([json.dumps(document).encode()], JSON, headers)


def sse(events: list[Record], end: str = "", *, named: bool = False) -> Answer:
    def text(event: Record) -> str:
        return (f"event: {event['type']}\n" if named else "") + f"data: {json.dumps(event)}\n\n"

    return Answer([text(event).encode() for event in events] + ([end.encode()] if end else []), SSE)


def lines(events: list[Record], content_type: str = NDJSON) -> Answer:
    return Answer([json.dumps(event).encode() + b"\n" for event in events], content_type)


# --- OpenAI's protocol, by its many speakers ---

# The usage of a stream: only if asked for; always, in the last chunk with a choice; always, in Groq's own field.
ALWAYS_USAGE = ("api.mistral.ai", "api.together.xyz", "api.together.ai")
OWN_USAGE = ("api.groq.com",)


def words(asked: Asked) -> list[str]:
    """What dspy reads fields from; else a text that looks like usage."""
    if "[[ ## answer ## ]]" in json.dumps(asked.body.get("messages")):
        return ["[[ ## answer ## ]]", "\n", "yes", "\n\n", "[[ ## completed ## ]]"]
    return list(FAKE["WORDS"])


def tool_of(asked: Asked) -> str | None:
    """The tool to be called, before its result is there."""
    answered = any(message.get("role") == "tool" for message in asked.body["messages"])
    tools = asked.body.get("tools")
    return tools[0]["function"]["name"] if tools and not answered else None


def tool_call(name: str | None, arguments: str) -> Record:
    named = {"id": "t1", "type": "function"} if name else {}
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    return {"tool_calls": [{"index": 0, **named, "function": function}]}


def chat(asked: Asked) -> Answer:
    if asked.streamed:
        return chat_stream(asked)
    answer = FAKE["chat"](asked.body) | ({"service_tier": "on_demand"} if asked.host == "api.groq.com" else {})
    tool = tool_of(asked)
    said: Record = {"role": "assistant", "content": "".join(words(asked))}
    if tool is not None:
        said |= {"content": None, **tool_call(tool, '{"name": "Ada"}')}
    reason = "stop" if tool is None else "tool_calls"
    return one({**answer, "choices": [{"index": 0, "finish_reason": reason, "message": said}]})


def chat_stream(asked: Asked) -> Answer:
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": asked.body["model"] + "-2026"}
    tool, usage = tool_of(asked), FAKE["CHAT_USAGE"]
    if tool is None:
        deltas: list[Record] = [{"content": word} for word in words(asked)]
    else:
        deltas = [tool_call(tool, ""), tool_call(None, '{"name": '), tool_call(None, '"Ada"}')]
    choices: list[Record] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices[0]["delta"]["role"] = "assistant"
    events: list[Record] = [{**head, "choices": [choice]} for choice in choices]
    last = {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop" if tool is None else "tool_calls"}]}
    if asked.host in ALWAYS_USAGE:
        last["usage"] = usage
    if asked.host in OWN_USAGE:
        last["x_groq"] = {"id": "g", "usage": usage}
    events.append(last)
    if (asked.body.get("stream_options") or {}).get("include_usage") and asked.host not in ALWAYS_USAGE:
        events.append({**head, "choices": [], "usage": usage})
    return sse(events, "data: [DONE]\n\n")


def responses(asked: Asked) -> Answer:
    if not asked.streamed:
        return one(FAKE["responses"](asked.body))
    created, *deltas, completed = FAKE["responses_events"](asked.body)
    message = {"type": "message", "id": "m1", "role": "assistant", "status": "in_progress", "content": []}
    text = {"type": "output_text", "text": "", "annotations": []}
    place = {"output_index": 0, "item_id": "m1", "content_index": 0, "sequence_number": 1}
    opening = [
        {"type": "response.output_item.added", "output_index": 0, "sequence_number": 1, "item": message},
        {"type": "response.content_part.added", **place, "part": text},
    ]
    opened = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in opening]
    return Answer([event.encode() for event in (created, *opened, *deltas, completed)], SSE)


def embeddings(asked: Asked) -> Answer:
    given = asked.body.get("input")
    number = len(given) if isinstance(given, list) else 1
    vector: Any = [0.25] * 8
    if asked.body.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack("<8f", *vector)).decode()
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(number)]
    usage = {"total_tokens": 26} if "voyageai" in asked.host else {"prompt_tokens": 6, "total_tokens": 6}
    return one({"id": "e1", "object": "list", "model": asked.body["model"], "data": data, "usage": usage})


def messages(asked: Asked) -> Answer:
    if not asked.streamed:
        return one(FAKE["messages"](asked.body))
    return Answer([event.encode() for event in FAKE["messages_events"](asked.body)], SSE)


# --- Gemini ---

GEMINI_USAGE = {
    "promptTokenCount": 12,
    "cachedContentTokenCount": 4,
    "candidatesTokenCount": 8,
    "thoughtsTokenCount": 3,
    "totalTokenCount": 23,
}


def gemini(asked: Asked) -> Answer:
    def part(text: str, **more: Any) -> Record:
        candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, **more}
        return {"candidates": [candidate], "modelVersion": asked.path["model"] + "-2026", "responseId": "r1"}

    last = {**part("end", finishReason="STOP"), "usageMetadata": GEMINI_USAGE}
    if asked.path["verb"] == "generateContent":
        return one(last)
    early = {"promptTokenCount": 12, "candidatesTokenCount": 1, "totalTokenCount": 13}
    return sse([{**part("One "), "usageMetadata": early}, part("two "), last])


def gemini_embeddings(asked: Asked) -> Answer:
    vectors = [{"values": [0.25] * 8} for _ in asked.body.get("requests", [0])]
    return one({"embeddings": vectors} if "requests" in asked.body else {"embedding": vectors[0]})


# --- Cohere ---

COHERE_USAGE = {
    "billed_units": {"input_tokens": 5, "output_tokens": 418},
    "tokens": {"input_tokens": 71, "output_tokens": 420},
    "cached_tokens": 64,
}
COHERE_META = {"api_version": {"version": "1"}, **{key: COHERE_USAGE[key] for key in ("billed_units", "tokens")}}


def cohere_chat_2(asked: Asked) -> Answer:
    if not asked.streamed:
        said = {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]}
        return one({"id": "c1", "finish_reason": "COMPLETE", "message": said, "usage": COHERE_USAGE})
    text = [{"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": word}}}} for word in "Hi"]
    return sse(
        [
            {"id": "c1", "type": "message-start", "delta": {"message": {"role": "assistant", "content": []}}},
            {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
            *text,
            {"type": "content-end", "index": 0},
            {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": COHERE_USAGE}},
        ],
        named=True,
    )


def cohere_chat_1(asked: Asked) -> Answer:
    whole = {"response_id": "r", "text": "Hi", "generation_id": "g", "finish_reason": "COMPLETE", "meta": COHERE_META}
    if not asked.streamed:
        return one(whole)
    return lines(
        [
            {"is_finished": False, "event_type": "stream-start", "generation_id": "g"},
            {"is_finished": False, "event_type": "text-generation", "text": "H"},
            {"is_finished": False, "event_type": "text-generation", "text": "i"},
            {"is_finished": True, "event_type": "stream-end", "finish_reason": "COMPLETE", "response": whole},
        ],
        "application/stream+json",
    )


def cohere_embed(asked: Asked) -> Answer:
    texts = asked.body["texts"]
    vectors: Any = [[0.25] * 8 for _ in texts]
    kind = "embeddings_by_type" if asked.path["version"] == "v2" else "embeddings_floats"
    meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 2}}
    embedded = {"float": vectors} if kind == "embeddings_by_type" else vectors
    return one({"id": "e", "response_type": kind, "embeddings": embedded, "texts": texts, "meta": meta})


def cohere_rerank(asked: Asked) -> Answer:
    del asked
    results = [{"index": 1, "relevance_score": 0.99}, {"index": 0, "relevance_score": 0.1}]
    return one({"id": "r", "results": results, "meta": {"billed_units": {"search_units": 1}}})


# --- Ollama: a stream unless told not to ---

OLLAMA_DONE = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 5191566416,
    "load_duration": 2154458,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 383809000,
    "eval_count": 298,
    "eval_duration": 4799921000,
}


def ollama(asked: Asked) -> Answer:
    head = {"model": asked.body["model"] + ":latest", "created_at": "2026-08-04T08:52:19.385406455-07:00"}

    def piece(text: str) -> Record:
        said = {"message": {"role": "assistant", "content": text}}
        return {**head, **(said if asked.path["verb"] == "chat" else {"response": text})}

    if asked.body.get("stream") is False:
        return one({**piece("Hello"), **OLLAMA_DONE})
    return lines([{**piece("Hel"), "done": False}, {**piece("lo"), "done": False}, {**piece(""), **OLLAMA_DONE}])


def ollama_embed(asked: Asked) -> Answer:
    given = asked.body["input"]
    number = len(given) if isinstance(given, list) else 1
    return one({"model": asked.body["model"], "embeddings": [[0.25] * 8] * number, "prompt_eval_count": 9})


# --- Bedrock, with the binary form of its streams ---

BEDROCK_USAGE = {
    "inputTokens": 30,
    "outputTokens": 628,
    "totalTokens": 1758,
    "cacheReadInputTokens": 1000,
    "cacheWriteInputTokens": 100,
}
BEDROCK_HEADERS = (
    ("x-amzn-bedrock-input-token-count", "30"),
    ("x-amzn-bedrock-output-token-count", "628"),
    ("x-amzn-bedrock-cache-read-input-token-count", "1000"),
    ("x-amzn-bedrock-cache-write-input-token-count", "100"),
)
BEDROCK_METRICS = {
    "inputTokenCount": 30,
    "outputTokenCount": 628,
    "cacheReadInputTokenCount": 1000,
    "cacheWriteInputTokenCount": 100,
    "invocationLatency": 1551,
    "firstByteLatency": 421,
}
BINARY = "application/vnd.amazon.eventstream"


def message(kind: str, payload: object) -> bytes:
    """A message of the event stream encoding: lengths, checksum, headers, payload, checksum."""

    def header(name: str, value: str) -> bytes:
        return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()

    headers = header(":event-type", kind) + header(":content-type", JSON) + header(":message-type", "event")
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", len(headers) + len(body) + 16, len(headers))
    prelude += struct.pack(">I", zlib.crc32(prelude))
    return prelude + headers + body + struct.pack(">I", zlib.crc32(prelude + headers + body))


def bedrock(asked: Asked) -> Answer:
    if asked.path["verb"] == "converse":
        said = {"message": {"role": "assistant", "content": [{"text": "Hi é"}]}}
        metrics = {"latencyMs": 1275}
        return one({"output": said, "stopReason": "end_turn", "usage": BEDROCK_USAGE, "metrics": metrics})
    if asked.path["verb"] == "invoke":
        return one({"type": "message", "content": [{"type": "text", "text": "Hi"}]}, *BEDROCK_HEADERS)
    if asked.path["verb"] == "converse-stream":
        events = [
            message("messageStart", {"role": "assistant", "p": "abc"}),
            message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "H"}, "p": "ab"}),
            message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "i"}, "p": "abcd"}),
            message("contentBlockStop", {"contentBlockIndex": 0, "p": "a"}),
            message("messageStop", {"stopReason": "end_turn", "p": "a"}),
            message("metadata", {"usage": BEDROCK_USAGE, "metrics": {"latencyMs": 1275}, "p": "a"}),
        ]
        return Answer(events, BINARY)
    chunks: list[Record] = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": BEDROCK_METRICS},
    ]
    coded = [{"bytes": base64.b64encode(json.dumps(chunk).encode()).decode(), "p": "abcd"} for chunk in chunks]
    return Answer([message("chunk", chunk) for chunk in coded], BINARY)


# --- Hugging Face, Replicate, Voyage ---


def hugging_face_task(asked: Asked) -> Answer:
    if asked.path["task"] == "feature-extraction":
        return one([[0.25] * 8], ("x-compute-tokens", "9"))
    return one([{"label": "POSITIVE", "score": 0.9}])


def generate(asked: Asked) -> Answer:
    del asked
    details = {"finish_reason": "length", "generated_tokens": 20, "seed": None, "tokens": []}
    prefill = [{"id": 1, "text": "What", "logprob": None}, {"id": 2, "text": "is", "logprob": -1.5}]
    return one([{"generated_text": "Deep", "details": {**details, "prefill": prefill}}])


def prediction(asked: Asked) -> Answer:
    done = {
        "id": "p1",
        "model": "meta/meta-llama-3-8b-instruct",
        "version": "5c7d5dc6dd8b",
        "input": asked.body["input"],
        "logs": "",
        "output": ["H", "i"],
        "error": None,
        "status": "succeeded",
        "created_at": "2026-01-01T00:00:00Z",
        "started_at": "2026-01-01T00:00:00Z",
        "completed_at": "2026-01-01T00:00:01Z",
        "metrics": {"predict_time": 0.7, "input_token_count": 12, "output_token_count": 34},
        "urls": {
            "get": "http://api.replicate.com/v1/predictions/p1",
            "cancel": "http://api.replicate.com/v1/predictions/p1/cancel",
            "stream": "http://stream.replicate.com/v1/files/p1",
        },
    }
    if asked.streamed:
        return one({**done, "status": "starting", "output": None, "metrics": {}})
    return one(done)


def prediction_stream(asked: Asked) -> Answer:
    del asked
    return Answer(
        [b"event: output\nid: 1:0\ndata: H\n\n", b"event: output\nid: 2:0\ndata: i\n\n", b"event: done\ndata: {}\n\n"],
        SSE,
    )


def voyage_rerank(asked: Asked) -> Answer:
    data = [{"relevance_score": 0.4, "index": 0}]
    return one({"object": "list", "data": data, "model": asked.body["model"], "usage": {"total_tokens": 26}})


# Host, path, answer: the first that fits has the request.
ANSWERS: tuple[tuple[str, str, Callable[[Asked], Answer]], ...] = (
    (r"bedrock-runtime\..*", r"/model/(?P<model>.+)/(?P<verb>\w+(-\w+)*)", bedrock),
    (r"generativelanguage\..*", r".*/models/(?P<model>[^/]+):(?P<verb>generateContent|streamGenerateContent)", gemini),
    (r"generativelanguage\..*", r".*/models/(?P<model>[^/]+):(batchEmbedContents|embedContent)", gemini_embeddings),
    (r"api\.cohere\..*", r"/v2/chat", cohere_chat_2),
    (r"api\.cohere\..*", r"/v1/chat", cohere_chat_1),
    (r"api\.cohere\..*", r"/(?P<version>v[12])/embed", cohere_embed),
    (r"api\.cohere\..*", r"/v[12]/rerank", cohere_rerank),
    (r"api\.voyageai\.com", r"/v1/rerank", voyage_rerank),
    (r"api\.replicate\.com", r"/v1/(models/.*/)?predictions", prediction),
    (r"stream\.replicate\.com", r"/v1/files/p1", prediction_stream),
    (r"router\.huggingface\.co", r"/hf-inference/models/(?P<model>.+)/pipeline/(?P<task>[\w-]+)", hugging_face_task),
    (r".*\.endpoints\.huggingface\.cloud", r"/", generate),
    (r"localhost|127\..*", r"/api/(?P<verb>chat|generate)", ollama),
    (r"localhost|127\..*", r"/api/embed", ollama_embed),
    (r".*", r".*/chat/completions", chat),
    (r".*", r".*/responses", responses),
    (r".*", r".*/embeddings", embeddings),
    (r".*", r".*/messages", messages),
)


def answer_to(host: str, path: str, body: Record) -> Answer | None:
    for hosts, paths, answer in ANSWERS:
        match = re.fullmatch(paths, path)
        if match is not None and re.fullmatch(hosts, host):
            return answer(Asked(host, match, body))
    return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.answer({})

    def do_POST(self) -> None:
        raw = self.content()
        if self.headers.get("content-encoding") == "gzip":
            raw = gzip.decompress(raw)
        self.answer(json.loads(raw))

    def content(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def answer(self, body: Record) -> None:
        host = self.headers["host"].rpartition(":")[0] or self.headers["host"]
        answer = answer_to(host, self.path.partition("?")[0], body)
        status = 200
        if answer is None:
            print(f"no answer to {host} {self.path}", file=sys.stderr, flush=True)  # noqa: T201 - pytest shows it
            status, answer = 404, one({"error": {"message": "no such path"}})
        self.send_response(status)
        self.send_header("content-type", answer.content_type)
        for name, value in answer.headers:
            self.send_header(name, value)
        if len(answer.pieces) == 1:
            self.send_header("content-length", str(len(answer.pieces[0])))
            self.end_headers()
            self.wfile.write(answer.pieces[0])
            return
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in answer.pieces:
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)  # noqa: T201 - how the parent learns the port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()  # until the parent goes
