"""spaCy: blank pipelines, trained here."""

from __future__ import annotations

import copy
import gc
import inspect
import pickle
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

spacy = pytest.importorskip("spacy")
Example = pytest.importorskip("spacy.training").Example

pytestmark = pytest.mark.filterwarnings("default")

TEXTS = [
    ("a good film", {"cats": {"POS": 1.0, "NEG": 0.0}, "entities": [(7, 11, "ART")]}),
    ("a bad film", {"cats": {"POS": 0.0, "NEG": 1.0}, "entities": [(6, 10, "ART")]}),
]


def examples(nlp: Any) -> list[Any]:
    return [Example.from_dict(nlp.make_doc(text), truth) for text, truth in TEXTS]


def trained(*pipes: str) -> Any:
    nlp = spacy.blank("en")
    for name in pipes:
        pipe = nlp.add_pipe(name)
        for label in {"textcat": ["POS", "NEG"], "ner": ["ART"]}[name]:
            pipe.add_label(label)
    nlp.initialize(lambda: examples(nlp))
    return nlp


def size(nlp: Any) -> int:
    """As many numbers as are in what spaCy would save."""
    found = {}
    for _, pipe in nlp.pipeline:
        for node in pipe.model.walk() if hasattr(pipe, "model") else ():
            found.update({(node.id, name): int(node.get_param(name).size) for name in node.param_names})
    return sum(found.values())


@pytest.fixture
def nlp() -> Any:
    return trained("textcat")


@pytest.fixture
def rows(watched: Any) -> Callable[[], list[tuple[str, str | None, int, int | None]]]:
    def read() -> list[tuple[str, str | None, int, int | None]]:
        watched.recorder.flush(watched.owner)
        return [(call.operation, call.model, call.count, call.samples) for call in watched.calls]

    return read


class TestInference:
    def test_a_pipeline_is_named_and_measured(self, watched: Any) -> None:
        nlp = trained("textcat", "ner")
        nlp.add_pipe("sentencizer")
        nlp("a good film")
        call = watched.only()
        assert (call.client, call.operation, call.model) == ("spacy", "inference", "spacy.blank.en(textcat, ner)")
        assert call.parameters == size(nlp) > 1_000_000
        assert (call.precision, call.device, call.samples, call.notices) == ("float32", "cpu", 1, ())
        assert (call.locality, call.realness, call.revision) == ("local", "live", None)

    def test_weights_that_two_components_share_count_once(self, watched: Any, nlp: Any) -> None:
        nlp.add_pipe("textcat", name="again").model = nlp.get_pipe("textcat").model
        nlp("a film")
        assert watched.only().parameters == size(trained("textcat"))

    def test_the_ways_to_run_one(self, rows: Any, nlp: Any) -> None:
        nlp("a film")
        list(nlp.pipe(["a film"] * 30))
        list(nlp.pipe([("a film", 1)] * 7, as_tuples=True))
        nlp.evaluate(examples(nlp))
        assert sum(row[3] for row in rows()) == 1 + 30 + 7 + 2
        assert sum(row[2] for row in rows()) == 4
        assert {row[:2] for row in rows()} == {("inference", "spacy.blank.en(textcat)")}

    def test_rules_are_no_model(self, rows: Any, nlp: Any) -> None:
        rules = spacy.blank("en")
        rules("a film")
        rules.add_pipe("sentencizer")
        rules.add_pipe("entity_ruler").add_patterns([{"label": "ART", "pattern": "film"}])
        rules("a film")
        list(rules.pipe(["a film"]))
        with nlp.select_pipes(disable="textcat"):
            nlp("a film")
        assert rows() == []
        nlp("a film")
        assert len(rows()) == 1

    def test_a_model_of_another_library_among_rules_is_the_outermost(self, watched: Any) -> None:
        from sklearn.linear_model import LogisticRegression

        @spacy.Language.component("other")  # type: ignore[untyped-decorator]
        def other(doc: Any) -> Any:
            model.predict([[1.0]])
            return doc

        model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
        rules = spacy.blank("en")
        rules.add_pipe("other")
        rules("a film")
        list(rules.pipe(["a film"]))
        assert [(call.client, call.operation, call.count) for call in watched.calls] == [
            ("sklearn", "training", 1),
            ("sklearn", "inference", 2),
        ]

    def test_threads_count_each(self, rows: Any, nlp: Any) -> None:
        threads = [threading.Thread(target=lambda: [nlp("a film") for _ in range(20)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert rows() == [("inference", "spacy.blank.en(textcat)", 80, 80)]


class TestStreams:
    def test_documents_count_in_the_phase_that_asks_for_them(self, watched: Any, nlp: Any) -> None:
        docs = nlp.pipe(["a film"] * 10, batch_size=2)
        assert inspect.isgenerator(docs)
        assert watched.calls == []
        next(docs)
        next(docs)
        next(docs)
        watched.owner.phase = "teardown"
        next(docs)
        docs.close()
        assert [(call.phase, call.count, call.samples) for call in watched.calls] == [
            ("call", 1, 3),
            ("teardown", 1, 1),
        ]

    def test_it_is_as_lazy_as_before(self, nlp: Any, watched: Any) -> None:
        taken = []

        def texts() -> Iterator[str]:
            for number in range(10):
                taken.append(number)
                yield "a film"

        docs = nlp.pipe(texts(), batch_size=2)
        assert taken == []
        next(docs)
        lazy = len(taken)
        plain = type(nlp).pipe.__wrapped__(nlp, texts(), batch_size=2)
        taken.clear()
        next(plain)
        assert lazy == len(taken) < 10

    def test_what_is_consumed_by_half_is_counted_by_half(self, rows: Any, nlp: Any) -> None:
        docs = nlp.pipe(["a film"] * 10, batch_size=2)
        next(docs)
        assert rows() == [("inference", "spacy.blank.en(textcat)", 1, 1)]
        next(docs)
        del docs
        assert rows() == [("inference", "spacy.blank.en(textcat)", 2, 2)]

    def test_what_makes_the_texts_is_not_its_work(self, watched: Any, nlp: Any) -> None:
        other = trained("ner")

        def texts() -> Iterator[str]:
            for _ in range(3):
                time.sleep(0.1)
                yield other("a film").text

        assert len(list(nlp.pipe(texts()))) == 3
        by_model = {call.model: call for call in watched.calls}
        assert by_model["spacy.blank.en(ner)"].count == 3
        assert by_model["spacy.blank.en(textcat)"].samples == 3
        assert by_model["spacy.blank.en(textcat)"].duration_ns < 0.2e9

    def test_other_processes(self, rows: Any, nlp: Any) -> None:
        assert len(list(nlp.pipe(["a film"] * 20, n_process=2, batch_size=5))) == 20
        assert rows() == [("inference", "spacy.blank.en(textcat)", 1, 20)]

    def test_wrong_arguments_are_refused_as_before(self, watched: Any, nlp: Any) -> None:
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            nlp.pipe(["a film"], nonsense=1)
        with pytest.raises(TypeError, match="not iterable"):
            next(nlp.pipe(7))


class TestTraining:
    def test_updates_are_one_training(self, watched: Any, rows: Any) -> None:
        nlp = trained("textcat", "ner")
        losses: dict[str, float] = {}
        for _ in range(5):
            nlp.update(examples(nlp), losses=losses)
        assert rows() == [("training", "spacy.blank.en(textcat, ner)", 1, 10)]
        assert watched.only().steps == 5
        assert losses.keys() == {"textcat", "ner"}
        nlp("a good film")
        assert [row[0] for row in rows()] == ["training", "inference"]

    def test_gradients_gathered_over_updates_are_one_step(self, watched: Any, rows: Any, nlp: Any) -> None:
        optimizer = nlp.create_optimizer()
        for _ in range(4):
            nlp.update(examples(nlp), sgd=False)
        for _, pipe in nlp.pipeline:
            pipe.finish_update(optimizer)
        optimizer.step_schedules()
        optimizer.step_schedules()
        assert rows() == [("training", "spacy.blank.en(textcat)", 1, 8)]
        assert watched.only().steps == 1

    def test_rehearsing_is_training(self, watched: Any, rows: Any, nlp: Any) -> None:
        nlp.resume_training()
        nlp.rehearse(examples(nlp))
        assert rows() == [("training", "spacy.blank.en(textcat)", 1, 2)]

    def test_making_weights_is_neither_training_nor_load(self, watched: Any, rows: Any) -> None:
        trained("textcat", "ner")
        assert rows() == []
        assert watched.owner.loads == []

    def test_a_pipeline_that_grows_is_measured_again(self, watched: Any, rows: Any, nlp: Any) -> None:
        nlp("a film")
        nlp.add_pipe("ner").add_label("ART")
        nlp.initialize(lambda: examples(nlp))
        nlp("a film")
        assert [row[1] for row in rows()] == ["spacy.blank.en(textcat)", "spacy.blank.en(textcat, ner)"]
        assert watched.calls[1].parameters == size(nlp)


class TestLoads:
    def test_loads_are_apart_and_name_the_model(self, watched: Any, rows: Any, nlp: Any, tmp_path: Path) -> None:
        nlp.to_disk(tmp_path / "films")
        for _ in range(2):
            spacy.load(tmp_path / "films")("a film")
        (load,) = watched.owner.loads
        assert (load.operation, load.model, load.count, load.parameters) == ("load", "films", 2, size(nlp))
        assert (load.file, watched.only().file) == (str(tmp_path / "films"),) * 2
        assert rows() == [("inference", "films", 2, 2)]

    def test_a_name_and_version_are_preferred(self, watched: Any, rows: Any, nlp: Any, tmp_path: Path) -> None:
        nlp.meta["name"], nlp.meta["version"] = "films_sm", "1.2.0"
        nlp.to_disk(tmp_path / "model-best")
        spacy.load(tmp_path / "model-best")("a film")
        assert (rows()[0][1], watched.only().revision) == ("en_films_sm", "1.2.0")

    def test_from_disk_and_from_bytes(self, watched: Any, nlp: Any, tmp_path: Path) -> None:
        nlp.to_disk(tmp_path / "model-last")
        other = spacy.blank("en")
        other.add_pipe("textcat")
        other.from_bytes(nlp.to_bytes())
        other.from_disk(tmp_path / "model-last")
        assert [(load.model, load.count) for load in watched.owner.loads] == [
            ("spacy.blank.en(textcat)", 1),
            ("spacy.blank.en(textcat)", 1),
        ]

    def test_what_is_blank_or_of_rules_is_no_load(self, watched: Any, rows: Any, tmp_path: Path) -> None:
        rules = spacy.blank("en")
        rules.add_pipe("sentencizer")
        rules.to_disk(tmp_path / "rules")
        spacy.load(tmp_path / "rules")("a film")
        assert (rows(), watched.owner.loads) == ([], [])

    def test_a_load_that_fails_fails_as_before(self, watched: Any) -> None:
        with pytest.raises(OSError, match="no_such_model"):
            spacy.load("no_such_model")
        assert [(load.model, load.status) for load in watched.owner.loads] == [("no_such_model", "error")]


class TestBadInput:
    def test_a_component_that_raises(self, watched: Any, rows: Any, nlp: Any) -> None:
        @spacy.Language.component("boom")  # type: ignore[untyped-decorator]
        def boom(doc: Any) -> Any:
            if doc.text == "boom":
                raise ZeroDivisionError("mine")
            return doc

        nlp.add_pipe("boom", last=True)
        with pytest.raises(ZeroDivisionError, match="mine"):
            nlp("boom")
        with pytest.raises(ZeroDivisionError, match="mine"):
            list(nlp.pipe(["a film", "boom"], batch_size=1))
        nlp("a film")
        rows()
        assert [(call.status, call.count) for call in watched.calls] == [("error", 2), (None, 1)]

    def test_a_pipeline_without_weights_yet(self, watched: Any) -> None:
        nlp = spacy.blank("en")
        nlp.add_pipe("textcat").add_label("POS")
        with pytest.raises(ValueError, match="nO"):
            nlp("a film")
        call = watched.only()
        assert (call.model, call.parameters, call.status) == ("spacy.blank.en(textcat)", None, "error")

    def test_a_component_that_cannot_be_read(self, watched: Any, nlp: Any) -> None:
        class Odd:
            @property
            def model(self) -> Any:
                raise ZeroDivisionError

            def __call__(self, doc: Any) -> Any:
                return doc

        @spacy.Language.factory("odd")  # type: ignore[untyped-decorator]
        def make(nlp: Any, name: str) -> Any:
            return Odd()

        nlp.add_pipe("odd")
        nlp("a film")
        call = watched.only()
        assert (call.model, call.notices) == ("spacy.blank.en(textcat)", ("unreadable-model",))
        assert call.parameters == size(trained("textcat"))


def test_pipelines_are_copied_pickled_and_called_as_before(watched: Any, nlp: Any) -> None:
    expected = nlp("a good film").cats
    assert copy.deepcopy(nlp)("a good film").cats == expected
    assert pickle.loads(pickle.dumps(nlp))("a good film").cats == expected
    assert next(iter(inspect.signature(nlp.pipe).parameters)) == "texts"


def test_pipelines_are_not_kept_alive(watched: Any) -> None:
    nlp = trained("textcat")
    nlp.update(examples(nlp))
    nlp("a film")
    list(nlp.pipe(["a film"]))
    gone = weakref.ref(nlp)
    del nlp
    gc.collect()
    assert gone() is None


def test_undoing_leaves_the_library_as_it_was() -> None:
    from pytest_aifootprint.detection import Recorder, Seams

    def state() -> list[Any]:
        return [dict(vars(kind)) for kind in (spacy.Language, spacy.util, spacy.training.Example, type(optimizer))]

    optimizer = spacy.blank("en").create_optimizer()
    before = state()
    seams = Seams.arm(Recorder())
    assert seams.status()["spacy"] == "armed"
    assert state() != before
    seams.disarm()
    assert state() == before
