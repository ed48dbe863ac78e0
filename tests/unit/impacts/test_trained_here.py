"""Training that the run did itself is never a share as well; what a model had learned before still is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts import ModelOverride, Pricer, resolve_grid
from pytest_aifootprint.impacts.model_files import CHEAP_BYTES, Digests, tell_revisions
from pytest_aifootprint.quantities.changed import replace

FRANCE = resolve_grid("FRA", {})
FIT = AICall("training", "torch", "local", "live", 0, 1, model="lib.Net", parameters=300)
PREDICT = replace(FIT, operation="inference")
CHAT = replace(FIT, operation="completion", input_tokens=10, output_tokens=20)


def method(call: AICall, *trained: AICall, **tables: Any) -> str:
    models = {name: ModelOverride.from_table(name, table, Path()) for name, table in tables.items()}
    pricer = Pricer(FRANCE, models)
    pricer.call(call)  # a price from before must not stay
    pricer.note_training(trained)
    price = pricer.call(call)
    share = price.training_carbon_g
    assert (price.training.method == "measured") == (share is not None and share.high == 0)
    return price.training.method


def test_inference_with_a_model_that_was_trained_here_bears_no_share() -> None:
    assert method(PREDICT) == "unknown"
    assert method(PREDICT, FIT) == "measured"
    assert method(CHAT, FIT) == "measured"


@pytest.mark.parametrize(
    ("trained", "known"),
    [
        ({"parameters": 301}, "unknown"),
        ({"model": "lib.Other"}, "unknown"),
        ({"locality": "remote"}, "unknown"),
        ({"operation": "inference"}, "unknown"),
        ({"parameters": None}, "measured"),
    ],
)
def test_another_model_is_another(trained: dict[str, Any], known: str) -> None:
    assert method(PREDICT, replace(FIT, **trained)) == known


def test_a_model_whose_size_a_call_does_not_tell_is_known_by_its_name() -> None:
    assert method(replace(PREDICT, parameters=None), FIT) == "measured"


@pytest.mark.parametrize(
    "facts",
    [
        {"model": "bigscience/bloom"},
        {"model": "org/small", "revision": "0a1b2c3d"},
    ],
    ids=["in the catalogue", "of a hub"],
)
def test_tuning_a_model_here_does_not_take_away_the_share_of_what_came_before(facts: dict[str, Any]) -> None:
    assert method(replace(CHAT, **facts), replace(FIT, **facts)) == "share"


def test_nor_does_it_of_one_that_the_user_declared() -> None:
    facts: dict[str, Any] = {"model": "acme/net"}
    table = {"training_kwh": 3.0, "expected_uses": 1000}
    assert method(replace(CHAT, **facts), replace(FIT, **facts), **{"acme/net": table}) == "count"


@pytest.mark.parametrize(
    ("facts", "known"),
    [
        ({}, "unknown"),
        ({"model": "org/net"}, "share"),
        ({"file": "/m/net.gguf"}, "share"),
        ({"revision": "0a1b2c3d"}, "share"),
        ({"revision": "sha256:0a1b2c3d4e5f"}, "unknown"),
        ({"model": "bloom-176b"}, "share"),
        ({"provider": "local"}, "share"),
    ],
)
def test_a_model_of_which_only_its_class_is_known_has_no_share_that_could_be_told(
    facts: dict[str, Any], known: str
) -> None:
    assert method(replace(CHAT, **facts)) == known


class TestRevisions:
    def told(self, *files: Path, **facts: Any) -> list[str | None]:
        calls = [replace(PREDICT, file=str(file), **facts) for file in files]
        tell_revisions(calls, Digests())
        return [call.revision for call in calls]

    def test_the_same_weights_in_two_places_are_one_and_others_of_that_name_are_two(self, tmp_path: Path) -> None:
        files = [tmp_path / folder / "model.onnx" for folder in "abc"]
        for file, content in zip(files, (b"weights", b"weights", b"others"), strict=True):
            file.parent.mkdir()
            file.write_bytes(content)
        first, second, third = self.told(*files)
        assert first == second != third
        # sha256sum of "weights"
        assert first == "sha256:9a129038d9a0"

    def test_a_revision_that_the_hub_told_stays(self, tmp_path: Path) -> None:
        (tmp_path / "model.onnx").write_bytes(b"weights")
        assert self.told(tmp_path / "model.onnx", revision="main") == ["main"]

    def test_what_is_gone_a_folder_or_large_has_none(self, tmp_path: Path) -> None:
        large = tmp_path / "large.gguf"
        with large.open("wb") as file:
            file.truncate(CHEAP_BYTES + 1)
        assert self.told(tmp_path / "gone.onnx", tmp_path, large) == [None, None, None]
