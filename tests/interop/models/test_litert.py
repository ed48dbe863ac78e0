"""LiteRT with a model that is built here: y = x · weights + bias, 9 weights."""

from __future__ import annotations

import gc
import inspect
import weakref
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from pytest_aifootprint.detection.inprocess.tflite_sizes import NOT_TOLD, TfliteSize, tflite_size

pytest.importorskip("ai_edge_litert")
np: Any = pytest.importorskip("numpy")
flatbuffers: Any = pytest.importorskip("flatbuffers")
schema: Any = pytest.importorskip("ai_edge_litert.schema_py_generated")
library: Any = pytest.importorskip("ai_edge_litert.interpreter")
compiled: Any = pytest.importorskip("ai_edge_litert.compiled_model")

FLOAT32, INT8, INT32 = 0, 9, 2


def tensor(shape: list[int], name: str, buffer: int, kind: int = FLOAT32) -> Any:
    made = schema.TensorT()
    made.shape, made.type, made.buffer, made.name = shape, kind, buffer, name
    return made


def buffer(data: Any = None) -> Any:
    made = schema.BufferT()
    if data is not None:
        made.data = np.frombuffer(data.tobytes(), dtype=np.uint8)
    return made


def pack(*more: tuple[Any, Any]) -> bytes:
    """The model's file, with more tensors that nobody uses."""
    weights, bias = np.arange(6, dtype=np.float32).reshape(3, 2), np.ones(3, dtype=np.float32)
    x = tensor([1, 2], "x", 1)
    x.shapeSignature = [-1, 2]
    graph = schema.SubGraphT()
    graph.tensors = [x, tensor([3, 2], "w", 2), tensor([3], "b", 3), tensor([1, 3], "y", 4), *(t for t, _ in more)]
    graph.inputs, graph.outputs, graph.name = [0], [3], "main"
    operator = schema.OperatorT()
    operator.inputs, operator.outputs, operator.builtinOptions = [0, 1, 2], [3], schema.FullyConnectedOptionsT()
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    graph.operators = [operator]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    signature, into, out = schema.SignatureDefT(), schema.TensorMapT(), schema.TensorMapT()
    into.name, into.tensorIndex, out.name, out.tensorIndex = "x", 0, "y", 3
    signature.signatureKey, signature.inputs, signature.outputs = "serving_default", [into], [out]
    model = schema.ModelT()
    model.version, model.subgraphs, model.operatorCodes, model.signatureDefs = 3, [graph], [code], [signature]
    model.buffers = [buffer(), buffer(), buffer(weights), buffer(bias), buffer(), *(b for _, b in more)]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


WHOLE = pack()
X = np.ones((1, 2), dtype=np.float32)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.tflite"
    path.write_bytes(WHOLE)
    return path


def run(interpreter: Any) -> None:
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, X)
    interpreter.invoke()


class TestInterpreters:
    def test_a_model_is_named_and_sized_and_its_load_counts(self, watched: Any, file: Path) -> None:
        interpreter = library.Interpreter(str(file))
        run(interpreter)
        interpreter.invoke()
        assert interpreter.get_tensor(3).tolist() == [[2, 6, 10]]
        call = watched.only()
        assert (call.client, call.operation, call.model, call.parameters, call.precision, call.device) == (
            "litert",
            "inference",
            "tiny",
            9,
            "float32",
            "cpu",
        )
        assert (call.count, call.samples, call.file) == (2, 2, str(file))
        (load,) = watched.owner.loads
        assert (load.model, load.count, load.parameters) == ("tiny", 1, 9)
        gone = weakref.ref(interpreter)
        del interpreter
        gc.collect()
        assert gone() is None

    def test_samples_follow_the_shape(self, watched: Any, file: Path) -> None:
        interpreter = library.Interpreter(model_path=file)
        run(interpreter)
        interpreter.resize_tensor_input(0, [5, 2])
        interpreter.allocate_tensors()
        interpreter.set_tensor(0, np.ones((5, 2), dtype=np.float32))
        interpreter.invoke()
        assert (watched.only().count, watched.only().samples) == (2, 6)

    def test_signatures(self, watched: Any, file: Path) -> None:
        runner = library.Interpreter(str(file)).get_signature_runner()
        assert runner(x=np.ones((4, 2), dtype=np.float32))["y"].shape == (4, 3)
        with pytest.raises(ValueError, match="Invalid number of inputs"):
            runner()
        assert [(c.model, c.count, c.samples, c.status) for c in watched.calls] == [
            ("tiny", 1, 4, None),
            ("tiny", 1, None, "error"),
        ]

    def test_a_model_of_bytes_has_a_size_and_no_name(self, watched: Any) -> None:
        run(library.Interpreter(model_content=WHOLE))
        assert (watched.only().model, watched.only().parameters) == (None, 9)
        assert watched.only().notices == ("unknown-model",)

    def test_refusals_are_the_librarys(self, watched: Any, file: Path, tmp_path: Path) -> None:
        interpreter = library.Interpreter(str(file))
        with pytest.raises(RuntimeError):
            interpreter.invoke()  # nothing is allocated
        held = library.Interpreter(str(file))
        held.allocate_tensors()
        view = held.tensor(0)()
        with pytest.raises(RuntimeError, match="at least 1 reference"):
            held.invoke()
        del view
        held.invoke()  # what we note of it must not be such a reference
        with pytest.raises(ValueError, match="Could not open"):
            library.Interpreter(str(tmp_path / "none.tflite"))
        with pytest.raises(ValueError, match="must be specified"):
            library.Interpreter()
        assert [(c.status, c.count) for c in watched.calls] == [("error", 2), (None, 1)]
        assert [(c.model, c.status, c.count) for c in watched.owner.loads] == [
            ("tiny", None, 2),
            ("none", "error", 1),
            (None, "error", 1),
        ]

    def test_an_interpreter_that_was_made_unwatched(self, file: Path) -> None:
        from pytest_aifootprint.detection import Recorder, Seams

        interpreter = library.Interpreter(str(file))
        recorder = Recorder()
        seams = Seams.arm(recorder)
        run(interpreter)
        seams.disarm()
        assert [call.model for call in recorder.unowned] == ["ai_edge_litert.Interpreter"]
        assert recorder.errors == []


class TestCompiledModels:
    @pytest.mark.parametrize("from_file", [True, False])
    def test_each_way_to_run(self, watched: Any, file: Path, *, from_file: bool) -> None:
        make = compiled.CompiledModel
        model = make.from_file(str(file)) if from_file else make.from_buffer(model_data=WHOLE)
        into, out = model.create_input_buffers(0), model.create_output_buffers(0)
        into[0].write(X)
        model.run_by_index(0, into, out)
        model.run_by_name("serving_default", {"x": into[0]}, {"y": out[0]})
        assert out[0].read(3, np.float32).tolist() == [2, 6, 10]
        call = watched.only()
        assert (call.model, call.count, call.parameters, call.device) == ("tiny" if from_file else None, 2, 9, None)
        assert watched.owner.loads[0].count == 1

    def test_a_load_that_fails_fails_as_before(self, watched: Any, tmp_path: Path) -> None:
        with pytest.raises(RuntimeError):
            compiled.CompiledModel.from_file(str(tmp_path / "none.tflite"))
        assert [(c.model, c.status) for c in watched.owner.loads] == [("none", "error")]


def test_the_library_is_as_before_afterwards() -> None:
    from pytest_aifootprint.detection import Recorder, Seams

    classes = library.Interpreter, library.SignatureRunner, compiled.CompiledModel
    before = [dict(vars(cls)) for cls in classes]
    seams = Seams.arm(Recorder())
    assert seams.status()["litert"] == seams.status()["litert.compiled"] == "armed"
    assert [dict(vars(cls)) for cls in classes] != before
    assert next(iter(inspect.signature(compiled.CompiledModel.from_file).parameters)) == "model_path"
    assert compiled.CompiledModel.from_file.__doc__
    seams.disarm()
    assert [dict(vars(cls)) for cls in classes] == before


class TestSizes:
    def size(self, content: bytes) -> TfliteSize:
        return tflite_size(BytesIO(content), len(content))

    def test_only_tensors_with_data_of_weights_types_count_and_buffers_once(self) -> None:
        ints = tensor([4], "shape", 5, INT32), buffer(np.arange(4, dtype=np.int32))
        packed = tensor([50], "q", 6, INT8), buffer(np.zeros(50, dtype=np.int8))
        again = tensor([50], "same", 6, INT8), buffer()
        assert self.size(pack(ints)) == TfliteSize(9, "float32")
        assert self.size(pack(ints, packed, again)) == TfliteSize(59, "int8")

    def test_files_that_are_cut_off_flipped_or_of_another_format_never_raise(self) -> None:
        for length in range(len(WHOLE)):
            assert self.size(WHOLE[:length]).parameters in (None, 9, 6, 3)
        for place in range(len(WHOLE)):
            for value in (0, 1, 127, 128, 255):
                self.size(WHOLE[:place] + bytes([value]) + WHOLE[place + 1 :])
        assert self.size(b"") == NOT_TOLD
        assert self.size(b"\x08\x03\x12\x04TFL2" + bytes(64)) == NOT_TOLD
        assert self.size(WHOLE[:4] + b"ORTM" + WHOLE[8:]) == NOT_TOLD
