"""Recognising a model's file by its path or its content."""

import hashlib
import os
from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.impacts.model_files import CHUNK_BYTES, Digests, PathPattern
from pytest_aifootprint.quantities.unfaked import REAL

HERE = Path("/work [1]/project")


@pytest.mark.parametrize(
    ("pattern", "file", "fits"),
    [
        ("models/summariser.onnx", "models/summariser.onnx", True),
        ("./models//summariser.onnx", "models/summariser.onnx", True),
        ("models/../shared/x.onnx", "shared/x.onnx", True),
        ("models/summariser.onnx", "other/models/summariser.onnx", False),
        ("models/summariser*.onnx", "models/summariser.onnx", True),
        ("models/summariser*.onnx", "models/summariser-v2.onnx", True),
        ("models/summariser*.onnx", "models/summariser/v2.onnx", False),
        ("models/summariser?.onnx", "models/summariser.onnx", False),
        ("models/v[12].onnx", "models/v2.onnx", True),
        ("models/v[12].onnx", "models/v3.onnx", False),
        ("*.onnx", "models/summariser.onnx", False),
        ("**/*.onnx", "models/a/b/summariser.onnx", True),
        ("**/*.onnx", "summariser.onnx", True),
        ("**/b/**/c.onnx", "a/b/c.onnx", True),
        ("**/b/**/c.onnx", "a/b/b/x/c.onnx", True),
        ("**/b/**/c.onnx", "a/c.onnx", False),
        ("checkpoints/summariser", "checkpoints/summariser", True),
        ("checkpoints/summariser/", "checkpoints/summariser", True),
        ("checkpoints/summariser", "checkpoints/summariser/model.safetensors", False),
        ("checkpoints/*/", "checkpoints/summariser", True),
        ("checkpoints/summariser/**", "checkpoints/summariser", True),
        ("checkpoints/summariser/**", "checkpoints/summariser/onnx/model.onnx", True),
        ("../shared/*.gguf", "../shared/x.gguf", True),
        ("/opt/models/*.gguf", "/opt/models/x.gguf", True),
        ("opt/models/*.gguf", "/opt/models/x.gguf", False),
        (".", ".", True),
        ("models/summariser.onnx", "models/SUMMARISER.onnx", False),
    ],
)
def test_a_glob_is_relative_to_the_folder_and_a_star_stays_in_one_name(pattern: str, file: str, *, fits: bool) -> None:
    assert PathPattern(pattern, HERE).matches(str(HERE / file)) is fits


def test_a_folder_that_is_a_link_is_known_by_both_names(tmp_path: Path) -> None:
    (tmp_path / "disk" / "project" / "models").mkdir(parents=True)
    link = tmp_path / "project"
    link.symlink_to(tmp_path / "disk" / "project")
    pattern = PathPattern("models/*.onnx", link)

    assert pattern.matches(str(link / "models" / "x.onnx"))
    assert pattern.matches(str(tmp_path / "disk" / "project" / "models" / "x.onnx"))
    assert not pattern.matches(str(tmp_path / "disk" / "models" / "x.onnx"))


def test_the_folder_above_a_link_is_the_one_that_is_written_or_the_real_one(tmp_path: Path) -> None:
    (tmp_path / "disk" / "project").mkdir(parents=True)
    link = tmp_path / "project"
    link.symlink_to(tmp_path / "disk" / "project")
    pattern = PathPattern("../shared/*.onnx", link)

    assert pattern.matches(str(tmp_path / "shared" / "x.onnx"))
    assert pattern.matches(str(tmp_path / "disk" / "shared" / "x.onnx"))


def test_many_stars_come_to_an_end() -> None:
    deep = HERE.joinpath(*["a"] * 400, "b")

    # Trying every way to divide 400 folders among 30 "**" would not end in a lifetime.
    assert not PathPattern("/".join(["**", "a"] * 30) + "/c", HERE).matches(str(deep))


parts = st.text(st.characters(codec="utf-8", exclude_characters="/\0*?["), min_size=1, max_size=8).filter(
    lambda part: part not in {".", ".."}
)


@given(st.lists(parts, min_size=1, max_size=5), st.data())
def test_a_path_is_matched_by_itself_and_under_stars(names: list[str], data: st.DataObject) -> None:
    file = str(HERE.joinpath(*names))
    starred = [data.draw(st.sampled_from([name, "*", f"{name[:1]}*"])) for name in names]
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(names))] * 2)))

    assert PathPattern(str(PurePath(*names)), HERE).matches(file)
    assert PathPattern(str(PurePath(*starred)), HERE).matches(file)
    assert PathPattern(str(PurePath(*names[:start], "**", *names[end:])), HERE).matches(file)
    assert not PathPattern(str(PurePath(*names, "*")), HERE).matches(file)


@given(st.text(min_size=1), st.text())
def test_no_pattern_and_no_file_is_an_error(text: str, file: str) -> None:
    assert PathPattern(text.replace("\0", ""), HERE).matches(f"/{file}") in {True, False}


def test_a_file_is_hashed_in_pieces_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = os.urandom(CHUNK_BYTES * 2 + 17)
    file = tmp_path / "model.onnx"
    file.write_bytes(content)
    asked: list[int] = []

    def read(descriptor: int, size: int) -> bytes:
        asked.append(size)
        return os.read(descriptor, size)

    monkeypatch.setattr(REAL, "read", read)
    digests = Digests()
    first, again = digests.of(str(file)), digests.of(str(file))

    assert first == again == hashlib.sha256(content).hexdigest()
    assert len(asked) == 4
    assert max(asked) == CHUNK_BYTES


def test_a_file_that_changed_is_hashed_again(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"one")
    digests = Digests()
    before = digests.of(str(file))
    file.write_bytes(b"two")
    os.utime(file, ns=(1, 1))

    assert before == hashlib.sha256(b"one").hexdigest()
    assert digests.of(str(file)) == hashlib.sha256(b"two").hexdigest()


def test_what_cannot_be_read_has_no_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    digests = Digests()

    assert digests.of(str(tmp_path / "gone")) is None
    assert digests.of(str(tmp_path)) is None
    assert digests.of(str(tmp_path / "pipe")) is None
    assert digests.of("a\0b") is None

    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(REAL, "open", refuse)
    assert digests.of(str(tmp_path / "file")) is None
