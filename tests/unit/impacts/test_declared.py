"""Which of the user's own models a call is."""

import hashlib
from pathlib import Path

import pytest

from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts import ModelOverride
from pytest_aifootprint.impacts.declared import DeclaredModels
from pytest_aifootprint.impacts.model_files import PathPattern
from pytest_aifootprint.quantities.unfaked import REAL

CONTENT = b"weights"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "summariser.onnx"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path


def a_call(model: str | None = "summariser", file: Path | None = None) -> AICall:
    notices = () if model else ("unknown-model", "no-usage")
    path = None if file is None else str(file)
    return AICall("inference", "onnxruntime", "local", "live", 0, 1, model=model, file=path, notices=notices)


def tables(folder: Path, **said: dict[str, object]) -> DeclaredModels:
    return DeclaredModels({name: ModelOverride.from_table(name, table, folder) for name, table in said.items()})


@pytest.mark.parametrize(
    "table",
    [{"path": "models/*.onnx"}, {"path": ["x", "**/summariser.onnx"]}, {"sha256": ["0" * 64, DIGEST.upper()]}],
    ids=["glob", "globs", "hash"],
)
def test_a_call_of_a_declared_file_has_the_tables_name(tmp_path: Path, file: Path, table: dict[str, object]) -> None:
    declared = tables(tmp_path, other={"path": "other/*"}, ours=table)
    named, nameless, elsewhere, bare = a_call(file=file), a_call(None, file), a_call(file=tmp_path / "y"), a_call()
    calls = [named, nameless, elsewhere, bare]
    declared.identify(calls)
    declared.identify(calls)

    assert [call.model for call in calls] == ["ours", "ours", "summariser", "summariser"]
    assert nameless.notices == ("no-usage",)
    assert declared.notices(training_unknown=False) == ()


def test_a_name_is_found_and_stays_as_it_was_seen(tmp_path: Path) -> None:
    declared = tables(tmp_path, Summariser={})
    call = a_call("acme/summariser.onnx")
    declared.identify([call])

    assert call.model == "acme/summariser.onnx"
    assert declared.notices(training_unknown=True) == ()


def test_the_name_that_was_answered_counts_too(tmp_path: Path) -> None:
    declared = tables(tmp_path, summariser={})
    call = a_call("default")
    call.response_model = "summariser"
    declared.identify([call])

    assert call.model == "default"
    assert declared.notices(training_unknown=True) == ()


def test_of_several_tables_the_first_is_taken_and_it_is_said_once(tmp_path: Path, file: Path) -> None:
    declared = tables(
        tmp_path, last={"path": "*"}, first={"sha256": DIGEST}, second={"path": "models/*"}, summariser={}
    )
    calls = [a_call(file=file), a_call(file=file), a_call(None, file)]
    declared.identify(calls)
    declared.identify(calls)
    notices = declared.notices(training_unknown=False)

    assert [call.model for call in calls] == ["first"] * 3
    assert [notice.code for notice in notices] == ["declared-model-ambiguous"] * 2
    assert notices[0].message == (
        "summariser.onnx fits 3 tables of [tool.aifootprint.models]: first, second, summariser; the first is taken"
    )
    assert str(tmp_path) not in notices[0].message


def test_a_table_of_that_name_goes_first_where_it_stands_first(tmp_path: Path, file: Path) -> None:
    declared = tables(tmp_path, summariser={}, ours={"path": "models/*"})
    call = a_call("acme/summariser", file)
    declared.identify([call])

    assert call.model == "acme/summariser"
    assert [notice.code for notice in declared.notices(training_unknown=False)] == ["declared-model-ambiguous"]


def test_tables_that_met_no_call_are_named_only_where_a_training_is_unknown(tmp_path: Path, file: Path) -> None:
    declared = tables(tmp_path, a={"path": "model/*"}, ours={"path": "models/*"}, b={}, c={}, d={}, e={}, f={})
    declared.identify([a_call(file=file)])
    (notice,) = declared.notices(training_unknown=True)

    assert notice.code == "declared-model-unused"
    assert notice.message.startswith(
        "no call of this run is of a, b, c, d, e and 1 more, declared in [tool.aifootprint"
    )
    assert declared.notices(training_unknown=False) == ()


def test_no_file_is_read_for_tables_without_a_hash(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise AssertionError

    monkeypatch.setattr(REAL, "open", refuse)
    call = a_call(file=file)
    tables(tmp_path, ours={"path": "models/*"}).identify([call])
    assert call.model == "ours"
    with pytest.raises(AssertionError):
        tables(tmp_path, ours={"sha256": DIGEST}).identify([call])


def test_a_file_that_is_gone_is_still_known_by_its_path(tmp_path: Path, file: Path) -> None:
    file.unlink()
    by_path, by_hash = a_call(file=file), a_call(file=file)
    tables(tmp_path, ours={"path": "models/*"}).identify([by_path])
    tables(tmp_path, ours={"sha256": DIGEST}).identify([by_hash])

    assert (by_path.model, by_hash.model) == ("ours", "summariser")


def test_a_pattern_is_made_of_the_folder_of_the_configuration(tmp_path: Path) -> None:
    override = ModelOverride.from_table("x", {"path": "models"}, tmp_path)

    assert override.paths == (PathPattern("models", tmp_path),)
