"""silero-vad: a real TorchScript model in its package, called for each chunk of sound (`make interop-models`)."""

from __future__ import annotations

import json
from typing import Any

import pytest

torch = pytest.importorskip("torch")
silero_vad = pytest.importorskip("silero_vad")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_a_script_of_a_package_from_its_load_to_its_calls(watched: Any) -> None:
    model = silero_vad.load_silero_vad()
    (load,) = watched.owner.loads
    assert (load.client, load.model, load.count, load.parameters) == ("torch", "silero_vad/silero_vad", 1, 462_594)
    assert load.duration_ns > 1_000_000
    with torch.no_grad():
        for _ in range(5):
            model(torch.zeros(512), 16_000)
    call = watched.only()
    assert (call.operation, call.model, call.count, call.samples) == ("inference", "silero_vad/silero_vad", 5, 5)
    assert (call.parameters, call.precision, call.device) == (462_594, "float32", "cpu")
    assert call.file is not None
    assert call.file.endswith("silero_vad.jit")
    assert call.notices == ()


def test_each_chunk_of_a_recording_is_a_call(watched: Any) -> None:
    model = silero_vad.load_silero_vad()
    silero_vad.get_speech_timestamps(torch.zeros(16_000), model)
    assert watched.only().count == 16_000 // 512 + 1


def test_a_whole_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest, silero_vad, torch

        @pytest.fixture(scope="module")
        def model():
            return silero_vad.load_silero_vad()

        def test_silence(model):
            with torch.no_grad():
                assert model(torch.zeros(512), 16000) < 0.5

        def test_training():
            net = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
            optimizer, loss = torch.optim.Adam(net.parameters()), torch.nn.MSELoss()
            for _ in range(4):
                optimizer.zero_grad()
                loss(net(torch.ones(8, 3)), torch.zeros(8, 2)).backward()
                optimizer.step()

        def test_no_model():
            assert torch.ones(3).sum() == 3
        """
    )
    result = pytester.runpytest_subprocess(
        "--aifootprint", "--aifootprint-report=json:r.json", "-p", "no:cacheprovider"
    )
    result.assert_outcomes(passed=3)
    report = json.loads((pytester.path / "r.json").read_text())
    calls = {
        test["nodeid"].partition("::")[2]: [(call["operation"], call["model"], call["count"]) for call in test["calls"]]
        for test in report["tests"]
        if test["ai"]
    }
    assert calls == {
        "test_silence": [("inference", "silero_vad/silero_vad", 1)],
        "test_training": [("training", "torch.Sequential", 1)],
    }
