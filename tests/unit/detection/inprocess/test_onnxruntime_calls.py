"""onnxruntime: what a session is, its loads, its samples, and runs in the background. With the real library."""

from __future__ import annotations

import inspect
import pickle
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import magika
import numpy as np
import onnxruntime
import pytest
from onnxruntime.datasets import get_example

from pytest_aifootprint.detection.inprocess.names import hub_revision
from pytest_aifootprint.detection.inprocess.onnx_sizes import onnx_size

ones: Any = np.ones
MUL = get_example("mul_1.onnx")  # six weights; X is [3, 2]
FEED: dict[str, Any] = {"X": ones((3, 2), dtype=np.float32)}
MAGIKA = str(Path(magika.__file__).parent / "models/standard_v3_3/model.onnx")


@pytest.fixture
def session() -> Any:
    return onnxruntime.InferenceSession(MUL, providers=["CPUExecutionProvider"])


class TestIdentity:
    def test_a_real_model_is_named_and_sized(self, watched: Any) -> None:
        magika.Magika().identify_bytes(b"def f():\n    return 1\n" * 9)
        call = watched.only()
        assert (call.model, call.parameters, call.precision, call.device, call.file) == (
            "magika/standard_v3_3",
            784223,
            "float32",
            "cpu",
            MAGIKA,
        )
        (load,) = watched.owner.loads
        assert (load.model, load.parameters, load.count, load.status) == ("magika/standard_v3_3", 784223, 1, None)
        assert load.duration_ns > load.count
        assert watched.recorder.own_ns > 0

    def test_a_size_comes_from_bytes_too_but_no_name(self, watched: Any) -> None:
        session = onnxruntime.InferenceSession(Path(MUL).read_bytes())
        session.run(None, FEED)
        call = watched.only()
        assert (call.model, call.parameters, call.precision, call.device, call.file) == (
            None,
            6,
            "float32",
            "cpu",
            None,
        )
        assert watched.owner.loads[0].notices == ("unknown-model",)

    def test_a_hubs_name_and_revision(self, watched: Any, tmp_path: Path) -> None:
        folder = tmp_path / "hub/models--org--tiny-mul/snapshots/0a1b2c/onnx"
        folder.mkdir(parents=True)
        shutil.copy(MUL, folder / "model.onnx")
        onnxruntime.InferenceSession(folder / "model.onnx").run(None, FEED)
        call = watched.only()
        assert (call.model, call.revision, call.file) == ("org/tiny-mul", "0a1b2c", str(folder / "model.onnx"))

    def test_a_relative_path_is_absolute_in_the_row(
        self, watched: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.copy(MUL, tmp_path / "mine.onnx")
        monkeypatch.chdir(tmp_path)
        onnxruntime.InferenceSession("mine.onnx").run(None, FEED)
        call = watched.only()
        assert (call.model, call.file, call.parameters) == ("mine", str(tmp_path / "mine.onnx"), 6)

    def test_a_session_that_was_made_unwatched_is_known_too(self, session: Any, watched: Any) -> None:
        session.run(None, FEED)
        assert (watched.only().parameters, watched.owner.loads) == (6, [])

    def test_attributes_that_raise_leave_the_rest(
        self, session: Any, watched: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "get_providers", lambda: 1 // 0)
        session.run(None, FEED)
        call = watched.only()
        assert (call.parameters, call.device, call.notices) == (6, None, ("unreadable-model",))

    @pytest.mark.parametrize(
        ("providers", "device"),
        [
            (["AzureExecutionProvider", "CPUExecutionProvider"], "cpu"),
            (["CUDAExecutionProvider", "CPUExecutionProvider"], "cuda:1"),
            (["XnnpackExecutionProvider"], "cpu"),
            (["CoreMLExecutionProvider", "CPUExecutionProvider"], "coreml"),
            ([], None),
        ],
    )
    def test_devices(
        self, session: Any, watched: Any, monkeypatch: pytest.MonkeyPatch, providers: list[str], device: str | None
    ) -> None:
        # No such hardware here: only what the session says is replaced.
        monkeypatch.setattr(session, "_providers", providers)
        monkeypatch.setattr(session, "_provider_options", {"CUDAExecutionProvider": {"device_id": "1"}})
        session.run(None, FEED)
        assert watched.only().device == device


class TestLoads:
    def test_each_load_of_a_file_counts(self, watched: Any) -> None:
        sessions = [onnxruntime.InferenceSession(MUL) for _ in range(3)]
        assert watched.calls == []
        (load,) = watched.owner.loads
        assert (load.operation, load.count, load.model) == ("load", 3, "onnxruntime/mul_1")
        for session in sessions:
            session.run(None, FEED)
        assert watched.only().count == 3

    def test_a_file_that_cannot_be_loaded_fails_as_before(self, watched: Any, tmp_path: Path) -> None:
        broken = tmp_path / "broken.onnx"
        broken.write_bytes(b"no model")
        with pytest.raises(Exception, match="INVALID_PROTOBUF"):
            onnxruntime.InferenceSession(str(broken))
        with pytest.raises(TypeError, match="Unable to load from type"):
            onnxruntime.InferenceSession(12)
        assert [(load.model, load.status, load.parameters) for load in watched.owner.loads] == [
            ("broken", "error", None),
            (None, "error", None),
        ]
        assert [load.notices for load in watched.owner.loads] == [(), ("unknown-model",)]

    def test_other_providers_are_another_load(self, session: Any, watched: Any) -> None:
        session._providers = ["CoreMLExecutionProvider"]
        session.run(None, FEED)
        session.set_providers(["CPUExecutionProvider"])
        session.run(None, FEED)
        assert [call.device for call in watched.calls] == ["coreml", "cpu"]
        assert watched.owner.loads[0].count == 1


class TestSamples:
    def test_of_every_way_to_run(self, session: Any, watched: Any) -> None:
        value = onnxruntime.OrtValue.ortvalue_from_numpy(FEED["X"])
        session.run(None, FEED)
        session.run(None, {"X": value})
        session.run(None, {"X": FEED["X"].tolist()})
        session.run_with_ort_values(None, {"X": value})
        ways: tuple[Any, ...] = (
            lambda binding: binding.bind_cpu_input("X", FEED["X"]),
            lambda binding: binding.bind_ortvalue_input(name="X", ortvalue=value),
            lambda binding: binding.bind_input("X", "cpu", 0, np.float32, (3, 2), FEED["X"].ctypes.data),
        )
        for bind in ways:
            binding = session.io_binding()
            bind(binding)
            binding.bind_output("Y")
            session.run_with_iobinding(binding)
            session.run_with_iobinding(iobinding=binding)
        call = watched.only()
        assert (call.count, call.samples) == (10, 30)

    def test_of_what_was_bound_last(self, session: Any, watched: Any) -> None:
        binding = session.io_binding()
        binding.bind_cpu_input("X", ones((5, 2), dtype=np.float32))
        binding.bind_output("Y")
        binding.clear_binding_inputs()
        with pytest.raises(Exception, match="Missing Input"):
            session.run_with_iobinding(binding)
        binding.bind_cpu_input("X", FEED["X"])
        session.run_with_iobinding(binding)
        assert [(call.status, call.samples) for call in watched.calls] == [("error", None), (None, 3)]

    def test_of_a_vector_of_values(self, session: Any, watched: Any) -> None:
        from onnxruntime.capi import _pybind_state as core

        feeds, fetches = core.OrtValueVector(), core.OrtValueVector()
        feeds.push_back(onnxruntime.OrtValue.ortvalue_from_numpy(FEED["X"])._ortvalue)
        device = core.OrtDevice(core.OrtDevice.cpu(), core.OrtDevice.default_memory(), 0)
        session.run_with_ortvaluevector(onnxruntime.RunOptions(), ["X"], feeds, ["Y"], fetches, [device])
        assert (watched.only().count, watched.only().samples) == (1, 3)


class TestInTheBackground:
    def test_a_run_ends_when_the_function_is_called(self, watched: Any) -> None:
        session = onnxruntime.InferenceSession(MAGIKA)
        feed = {"bytes": np.zeros((64, 2048), dtype=np.int32)}
        done = threading.Event()
        told: list[Any] = []

        def ended(results: Any, mine: Any, error: str) -> None:
            told.extend([results[0].shape[0], mine, error])
            done.set()

        watched.owner.phase = "setup"
        session.run_async(None, feed, ended, "mine")
        watched.owner.phase = "call"
        assert done.wait(60)
        assert told == [64, "mine", ""]
        call = watched.only()
        assert (call.phase, call.count, call.samples, call.status, call.inferred) == ("setup", 1, 64, None, False)
        assert call.cpu_ns > 1_000_000
        assert call.duration_ns > 1_000_000
        assert not watched.recorder.pending

    def test_what_has_not_ended_with_its_test_is_counted_there(self, session: Any, watched: Any) -> None:
        go, done = threading.Event(), threading.Event()

        def ended(*_: Any) -> None:
            go.wait(60)
            done.set()

        blocked = onnxruntime.InferenceSession(MAGIKA)
        feed = {"bytes": np.zeros((256, 2048), dtype=np.int32)}
        blocked.run_async(None, feed, ended, None)
        watched.recorder.flush(watched.owner)
        assert watched.only().count == 1
        go.set()
        assert done.wait(60)
        assert watched.only().count == 1

    def test_names_and_refusals_are_the_librarys(self, session: Any, watched: Any) -> None:
        done = threading.Event()
        session.run_async(output_names=None, input_feed=FEED, callback=lambda *_: done.set(), user_data=None)
        assert done.wait(60)
        with pytest.raises(ValueError, match="Required inputs"):
            session.run_async(None, {}, lambda *_: None, None)
        with pytest.raises(TypeError):
            session.run_async(None, FEED, "no function", None)
        assert [(call.status, call.count) for call in watched.calls] == [(None, 1), ("error", 1)]
        assert not watched.recorder.pending


def test_an_error_of_ours_reaches_the_report_only(session: Any, watched: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched.recorder, "owner", lambda: 1 // 0)
    done = threading.Event()
    session.run_async(None, FEED, lambda *_: done.set(), None)
    assert done.wait(60)
    assert session.run(None, FEED)[0].shape == (3, 2)
    assert watched.recorder.errors == ["onnxruntime: ZeroDivisionError: integer division or modulo by zero"] * 2
    watched.recorder.errors.clear()


def test_threads_count_each(session: Any, watched: Any) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: session.run(None, FEED), range(200)))
    call = watched.only()
    assert (call.count, call.samples) == (200, 600)


def test_the_library_is_as_before_afterwards() -> None:
    from onnxruntime.capi import onnxruntime_inference_collection as library

    from pytest_aifootprint.detection import Recorder, Seams

    classes = library.Session, library.InferenceSession, library.IOBinding
    before = [dict(vars(cls)) for cls in classes]
    seams = Seams.arm(Recorder())
    assert seams.status()["onnxruntime"] == "armed"
    assert [dict(vars(cls)) for cls in classes] != before
    assert list(inspect.signature(library.InferenceSession.__init__).parameters)[:2] == ["self", "path_or_bytes"]
    assert pickle.loads(pickle.dumps(library.InferenceSession)) is library.InferenceSession
    seams.disarm()
    assert [dict(vars(cls)) for cls in classes] == before


def test_subclasses_that_override_run_and_init(watched: Any) -> None:
    class Mine(onnxruntime.InferenceSession):  # type: ignore[misc]
        def __init__(self, path: str) -> None:
            super().__init__(path)
            super().run(None, FEED)

        def run(self, *args: Any, **kwargs: Any) -> Any:
            return super().run(*args, **kwargs)

    Mine(MUL).run(None, FEED)
    assert watched.only().count == 2
    assert watched.owner.loads[0].count == 1


def test_the_size_of_the_real_file() -> None:
    with Path(MAGIKA).open("rb") as file:
        size = onnx_size(file, Path(MAGIKA).stat().st_size)
    assert size == (784223, "float32")
    assert 0.98 < size[0] * 4 / Path(MAGIKA).stat().st_size < 1


@pytest.mark.parametrize(
    ("path", "revision"),
    [
        ("/h/hub/models--org--name/snapshots/0a1b/onnx/model.onnx", "0a1b"),
        ("/h/hub/models--org--name/blobs/0a1b", None),
        ("/home/me/models/x.onnx", None),
        ("", None),
    ],
)
def test_revisions_in_paths(path: str, revision: str | None) -> None:
    assert hub_revision(path) == revision
