"""Real models that run in onnxruntime, from the package index: text recognition and voice detection."""

from __future__ import annotations

from typing import Any

import pytest

np: Any = pytest.importorskip("numpy")


def test_three_models_of_one_tool_are_told_apart(watched: Any) -> None:
    rapidocr: Any = pytest.importorskip("rapidocr_onnxruntime")
    cv2: Any = pytest.importorskip("cv2")
    image = np.full((64, 320, 3), 255, dtype=np.uint8)
    cv2.putText(image, "HELLO", (20, 44), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 2)
    reader = rapidocr.RapidOCR()
    known = {
        "rapidocr_onnxruntime/ch_PP-OCRv4_det_infer": 1_171_841,
        "rapidocr_onnxruntime/ch_ppocr_mobile_v2.0_cls_infer": 133_700,
        "rapidocr_onnxruntime/ch_PP-OCRv4_rec_infer": 2_690_352,
    }
    assert {load.model: load.parameters for load in watched.owner.loads} == known
    assert sum(load.count for load in watched.owner.loads) == 3
    found, _ = reader(image)
    assert [text for _, text, _ in found] == ["HELLO"]
    assert {call.model: call.parameters for call in watched.calls} == known
    assert {(call.client, call.precision, call.device) for call in watched.calls} == {("onnxruntime", "float32", "cpu")}


def test_a_voice_detector_without_its_torch_network(watched: Any) -> None:
    silero: Any = pytest.importorskip("silero_vad")
    torch: Any = pytest.importorskip("torch")
    model = silero.load_silero_vad(onnx=True)
    assert [(load.client, load.model) for load in watched.owner.loads] == [("onnxruntime", "silero_vad/silero_vad")]
    for _ in range(3):
        model(torch.zeros(512), 16000)
    (call,) = [call for call in watched.calls if call.client == "onnxruntime"]
    assert (call.model, call.parameters, call.count, call.samples) == ("silero_vad/silero_vad", 545_286, 3, 3)
