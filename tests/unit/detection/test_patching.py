"""Arming and disarming: reversible, nested, guarded, lazy."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpcore
import httpcore2
import httpx
import httpx2
import pytest
import sklearn.base
import sklearn.linear_model
import sklearn.pipeline
import vcr.cassette
from onnxruntime.capi import onnxruntime_inference_collection as ort

from pytest_aifootprint.detection import Recorder, Seams
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.detection.seams import SEAMS, Seam, sees

BODY = {"model": "gpt-5-mini", "messages": []}
PATCHED: list[tuple[type, str]] = [
    (httpx.Client, "send"),
    (httpx.AsyncClient, "send"),
    (httpx2.Client, "send"),
    (httpx2.AsyncClient, "send"),
    (httpcore.HTTPConnection, "handle_request"),
    (httpcore.AsyncHTTP11Connection, "handle_async_request"),
    (httpcore2.HTTP11Connection, "handle_request"),
    (vcr.cassette.Cassette, "play_response"),
    (ort.Session, "run"),
    (sklearn.linear_model.LogisticRegression, "fit"),
    (sklearn.base.ClassifierMixin, "score"),
    (sklearn.pipeline.Pipeline, "predict"),
]


def chat(address: str) -> None:
    assert httpx.post(f"{address}/v1/chat/completions", json=BODY).status_code == 200


class Session:
    """A session, as far as detection knows it."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.seams = Seams.arm(self.recorder)

    @property
    def count(self) -> int:
        assert self.recorder.errors == []
        return len(self.recorder.unowned)


def test_disarming_puts_the_originals_back() -> None:
    before = [vars(owner)[name] for owner, name in PATCHED]
    had_hook = "__init_subclass__" in vars(sklearn.base.BaseEstimator)
    session = Session()
    assert all(vars(owner)[name] is not old for (owner, name), old in zip(PATCHED, before, strict=True))
    session.seams.disarm()
    assert [vars(owner)[name] for owner, name in PATCHED] == before
    assert ("__init_subclass__" in vars(sklearn.base.BaseEstimator)) == had_hook
    session.seams.disarm()
    assert [vars(owner)[name] for owner, name in PATCHED] == before


@pytest.mark.parametrize("inner_first", [True, False])
def test_sessions_can_be_nested(inner_first: bool, local: str) -> None:  # noqa: FBT001
    before = [vars(owner)[name] for owner, name in PATCHED]
    outer = Session()
    chat(local)
    inner = Session()
    chat(local)
    first, second = (inner, outer) if inner_first else (outer, inner)
    first.seams.disarm()
    chat(local)
    second.seams.disarm()
    chat(local)
    assert (outer.count, inner.count) == ((3, 1) if inner_first else (2, 2))
    assert [vars(owner)[name] for owner, name in PATCHED] == before


def test_a_stream_seen_by_two_sessions_is_still_a_stream(local: str) -> None:
    outer, inner = Session(), Session()
    with httpx.stream("POST", f"{local}/v1/chat/completions", json={**BODY, "stream": True}) as response:
        assert isinstance(response.stream, httpx.SyncByteStream)
        assert b"[DONE]" in response.read()
    inner.seams.disarm()
    outer.seams.disarm()
    assert [session.recorder.unowned[0].output_tokens for session in (outer, inner)] == [7, 7]


@pytest.mark.parametrize("inner_first", [True, False])
def test_what_was_inherited_is_inherited_again(inner_first: bool) -> None:  # noqa: FBT001
    class Base:
        def work(self) -> int:
            return 1

    class Works(Base):
        pass

    armings = [Arming(Recorder()), Arming(Recorder())]
    for arming in armings:
        arming.replace(Works, "work", lambda original: lambda self: 1 * original(self))
    for arming in reversed(armings) if inner_first else armings:
        arming.active = False
        arming.undo_to(0)
    assert Works().work() == 1
    assert "work" not in vars(Works)


def test_models_in_this_process_are_seen_by_both_sessions() -> None:
    outer, inner = Session(), Session()
    sklearn.linear_model.LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
    inner.seams.disarm()
    outer.seams.disarm()
    assert (outer.count, inner.count) == (1, 1)


def test_what_somebody_wrapped_over_us_stays_and_ours_is_inert(local: str) -> None:
    original = httpx.Client.send
    session = Session()
    ours = httpx.Client.send
    seen: list[str] = []

    def theirs(client: httpx.Client, *args: Any, **kwargs: Any) -> Any:
        seen.append("theirs")
        return ours(client, *args, **kwargs)

    httpx.Client.send = theirs  # type: ignore[method-assign,assignment]
    try:
        chat(local)
        session.seams.disarm()
        assert httpx.Client.send is theirs
        chat(local)
        assert (session.count, seen) == (1, ["theirs", "theirs"])
        # A later session that ends keeps theirs, too.
        later = Session()
        chat(local)
        later.seams.disarm()
        assert httpx.Client.send is theirs
        assert (later.count, session.count) == (1, 1)
    finally:
        httpx.Client.send = original  # type: ignore[method-assign]


def test_a_wrapper_that_carries_our_mark_is_not_taken_for_ours(local: str) -> None:
    from functools import wraps

    original = httpx.Client.send
    session = Session()
    ours = httpx.Client.send

    @wraps(ours)  # copies attributes
    def theirs(client: httpx.Client, *args: Any, **kwargs: Any) -> Any:
        return ours(client, *args, **kwargs)

    httpx.Client.send = theirs  # type: ignore[method-assign,assignment]
    try:
        later = Session()
        session.seams.disarm()
        later.seams.disarm()
        assert httpx.Client.send is theirs
        chat(local)
        assert (session.count, later.count) == (0, 0)
    finally:
        httpx.Client.send = original  # type: ignore[method-assign]


def seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install: str, **more: Any) -> Seam:
    """A seam of a library of one class, with this ``install``."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "some_library.py").write_text(
        "__version__ = '2.1.dev0+cpu'\nclass Thing:\n    def run(self): return 1\n"
    )
    (tmp_path / "some_seam.py").write_text(f"def install(library, arming):\n{textwrap.indent(install, '    ')}")
    for name in ("some_library", "some_seam"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return Seam(
        **{"name": "some", "module": "some_library", "file": "some_seam", "at_least": (2,), "below": (3,), **more}
    )


@pytest.fixture
def some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., tuple[Recorder, Seams, ModuleType]]]:
    def arm(install: str, **more: Any) -> tuple[Recorder, Seams, Any]:
        recorder = Recorder()
        seams = Seams.arm(recorder, (seam(tmp_path, monkeypatch, install, **more),))
        armed.append(seams)
        assert seams.status() == {"some": "waiting"}
        import some_library  # type: ignore[import-not-found]

        return recorder, seams, some_library

    armed: list[Seams] = []
    yield arm
    for seams in armed:
        seams.disarm()


WRAP = "arming.replace(library.Thing, 'run', lambda run: lambda self: run(self) + 1)\n"


def test_a_library_is_patched_when_it_is_imported_and_each_time(some: Any) -> None:
    recorder, seams, library = some(WRAP)
    assert seams.status() == {"some": "armed"}
    assert library.Thing().run() == 2
    del sys.modules["some_library"]
    import some_library

    assert some_library is not library
    assert some_library.Thing().run() == 2
    seams.disarm()
    assert (library.Thing().run(), some_library.Thing().run()) == (1, 1)
    del sys.modules["some_library"]
    import some_library

    assert some_library.Thing().run() == 1
    assert recorder.errors == []
    assert type(some_library.__loader__).__name__ == "SourceFileLoader"
    assert "exec_module" not in vars(some_library.__loader__)


def test_an_error_of_ours_does_not_break_the_import_and_is_seen(some: Any) -> None:
    recorder, seams, library = some(WRAP + "raise KeyError('ours')")
    assert seams.status() == {"some": "failed: KeyError: 'ours'"}
    assert recorder.errors == ["seam some: KeyError: 'ours'"]
    assert library.Thing().run() == 1, "half a seam was left behind"


def test_a_library_that_lacks_what_we_patch_is_a_failed_seam(some: Any) -> None:
    _, seams, _ = some("arming.replace(library.Thing, 'gone', lambda run: run)")
    assert seams.status()["some"].startswith("failed: AttributeError")


def test_a_seam_that_cannot_be_imported_is_a_failed_seam(some: Any) -> None:
    _, seams, _ = some(WRAP, file="no_such_seam")
    assert seams.status()["some"].startswith("failed: ModuleNotFoundError")


@pytest.mark.parametrize("limits", [{"at_least": (2, 2)}, {"below": (2,)}])
def test_an_unsupported_version_is_left_alone_and_named(some: Any, limits: Any) -> None:
    _, seams, library = some(WRAP, **limits)
    assert seams.status() == {"some": "unsupported version 2.1.dev0+cpu"}
    assert library.Thing().run() == 1


@pytest.mark.parametrize(
    ("at_least", "below", "status"),
    [((1,), (99,), "armed"), ((1,), (1, 1), "armed, untried version "), ((99,), (100,), "unsupported version ")],
)
def test_a_framework_newer_than_any_that_was_tried_is_watched_and_named(
    at_least: tuple[int, ...], below: tuple[int, ...], status: str
) -> None:
    recorder = Recorder()
    row = Seam("sklearn", "sklearn.base", ".inprocess.sklearn", at_least, below)
    seams = Seams.arm(recorder, (row,))
    sklearn.linear_model.LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
    seams.disarm()
    assert seams.status()["sklearn"].startswith(status)
    assert sees(seams.status()["sklearn"]) == (len(recorder.unowned) == 1) == status.startswith("armed")


def test_a_failing_import_fails_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = seam(tmp_path, monkeypatch, WRAP)
    (tmp_path / "some_library.py").write_text("raise ZeroDivisionError('theirs')")
    seams = Seams.arm(Recorder(), (row,))
    with pytest.raises(ZeroDivisionError, match="theirs"):
        import some_library  # noqa: F401
    assert seams.status() == {"some": "waiting"}
    seams.disarm()


def test_classes_are_not_kept_alive(watched: Any) -> None:
    import gc
    import weakref

    class Mine(sklearn.linear_model.LinearRegression):  # type: ignore[misc]
        def predict(self, data: Any) -> Any:
            return super().predict(data)

    Mine().fit([[1.0], [2.0]], [1.0, 2.0]).predict([[1.0]])
    assert {call.model for call in watched.calls} == {"test_patching.Mine"}
    gone = weakref.ref(Mine)
    del Mine
    gc.collect()
    assert gone() is None


def test_two_sessions_can_wait_for_the_same_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = seam(tmp_path, monkeypatch, WRAP)
    outer, inner = Seams.arm(Recorder(), (row,)), Seams.arm(Recorder(), (row,))
    import some_library

    assert outer.status() == inner.status() == {"some": "armed"}
    assert some_library.Thing().run() == 3
    inner.disarm()
    assert some_library.Thing().run() == 2
    outer.disarm()
    assert some_library.Thing().run() == 1
    assert "exec_module" not in vars(some_library.__loader__)


def run_script(text: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(text)], check=True, capture_output=True, text=True
    ).stdout


def test_importing_and_arming_import_no_library_of_the_user() -> None:
    assert run_script("""
        import sys
        before = set(sys.modules)  # with what an environment's own start-up files import
        from pytest_aifootprint.detection import Recorder, Seams
        seams = Seams.arm(Recorder())
        foreign = {name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
        ours = {"pytest_aifootprint", "msgspec", "typing_extensions"}  # msgspec for our records; neither is watched
        print(foreign - ours)
        print(set(seams.status().values()))
        """).replace("set()", "").split() == ["{'waiting'}"]


ORDERS = [
    ["arm", "httpx", "httpx2", "vcr"],
    ["arm", "vcr", "httpx2", "httpx"],
    ["vcr", "arm", "httpx", "httpx2"],
    ["httpx", "arm", "vcr", "httpx2"],
    ["httpx2", "vcr", "httpx", "arm"],
]


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_the_order_of_imports_does_not_matter(order: list[str], local: str, tmp_path: Path) -> None:
    steps = "\n".join("arm()" if step == "arm" else f"import {step}" for step in order)
    out = run_script(f"""
from pytest_aifootprint.detection import Recorder, Seams
recorder = Recorder()
seams = None
def arm():
    global seams
    seams = Seams.arm(recorder)
{steps}
for library in httpx, httpx2:
    for _ in range(2):
        with vcr.use_cassette(r"{tmp_path}/" + library.__name__ + ".yaml"):
            library.post("{local}/v1/chat/completions", json={{"model": "m", "messages": []}})
assert recorder.errors == [], recorder.errors
print([(call.client, call.realness, call.input_tokens) for call in recorder.unowned])
print({{seams.status()[name] for name in ("httpx", "httpx2", "httpcore", "httpcore2", "vcrpy")}})
""")
    rows = [(client, how, 11) for client in ("httpx", "httpx2") for how in ("live", "replayed")]
    assert out.splitlines() == [str(rows), "{'armed'}"]


def test_an_alias_is_not_patched_twice(local: str) -> None:
    out = run_script(f"""
import httpx2
from pytest_aifootprint.detection import Recorder, Seams
httpx2.alias_httpx()
recorder = Recorder()
seams = Seams.arm(recorder)
import httpx
httpx.post("{local}/v1/chat/completions", json={{"model": "m", "messages": []}})
print(len(recorder.unowned), seams.status()["httpx"], seams.status()["httpx2"])
""")
    assert out.split() == ["1", "waiting", "armed"]


def test_every_seam_has_a_name_of_its_own() -> None:
    assert len({row.name for row in SEAMS}) == len(SEAMS)
