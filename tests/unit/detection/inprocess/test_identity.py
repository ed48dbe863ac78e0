"""Which model an object is, and how calls of one are counted."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest

from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.detection.children.callfile import CallFile
from pytest_aifootprint.detection.children.inbox import Inbox
from pytest_aifootprint.detection.inprocess.identity import NOBODY, Facts, Identity, Subjects, class_name
from pytest_aifootprint.detection.inprocess.rows import Rows, Span
from pytest_aifootprint.detection.inprocess.watching import Done, loading, outermost
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.detection.recorder import Recorder


class Net:
    size: Any = 3


def describe(net: Any, facts: Facts) -> Identity:
    return Identity(class_name(type(net)), facts.get(lambda: int(net.size)))


class TestWhatIsKnown:
    def test_an_object_is_read_once_and_equal_ones_are_one_model(self) -> None:
        reads: list[Net] = []

        def described(net: Net, facts: Facts) -> Identity:
            reads.append(net)
            return describe(net, facts)

        subjects = Subjects(described)
        one, other = Net(), Net()
        assert subjects.of(one) is subjects.of(one)
        assert subjects.of(one) is not subjects.of(other)
        assert subjects.of(one).identity is subjects.of(other).identity
        assert len(reads) == 2

    def test_no_object_is_kept_alive_and_no_id_is_mixed_up(self) -> None:
        subjects = Subjects(describe)
        for _ in range(50):
            net = Net()
            subjects.of(net)
            del net
        gc.collect()
        assert not subjects._known

    def test_an_object_that_changes_is_read_again_when_told(self) -> None:
        subjects, net = Subjects(describe), Net()
        subject = subjects.of(net)
        net.size = 7
        assert subjects.of(net).identity.parameters == 3
        subjects.forget(net)
        assert subjects.of(net) is subject
        assert subject.identity.parameters == 7

    def test_what_is_not_complete_yet_is_read_at_the_next_call(self) -> None:
        def lazy(net: Any, facts: Facts) -> Identity:
            facts.unsettled = not net.size
            return Identity("lazy", net.size)

        subjects, net = Subjects(lazy), Net()
        net.size = None
        assert subjects.of(net).identity.parameters is None
        net.size = 4
        assert subjects.of(net).identity.parameters == 4

    def test_a_fact_that_raises_leaves_the_others(self) -> None:
        class Odd(Net):
            @property
            def size(self) -> int:
                raise ZeroDivisionError

        identity = Subjects(describe).of(Odd()).identity
        assert identity.name is not None
        assert identity.name.endswith("Odd")
        assert (identity.parameters, identity.unreadable) == (None, True)

    def test_a_description_that_raises_leaves_the_class(self) -> None:
        def broken(net: Any, facts: Facts) -> Identity:
            raise RuntimeError(net, facts)

        identity = Subjects(broken).of(Net()).identity
        assert (identity.name, identity.unreadable) == ("test_identity.Net", True)

    def test_objects_that_allow_no_weak_reference_or_comparison(self) -> None:
        class Slots:
            __slots__ = ()

            def __eq__(self, other: object) -> bool:
                raise RuntimeError

            __hash__ = None  # type: ignore[assignment]

        subjects, odd = Subjects(lambda *_: Identity("odd")), Slots()
        assert subjects.of(odd).identity is subjects.of(odd).identity

    def test_a_loader_may_know_more_than_the_object(self) -> None:
        subjects, net = Subjects(describe), Net()
        subjects.tell(net, Identity("from a file", 9))
        assert subjects.of(net).identity.name == "from a file"


@pytest.fixture
def rows(watched: Any) -> Rows:
    return Rows(watched.recorder, "lib")


class TestRows:
    def test_steps_of_one_object_are_one_training(self, rows: Rows, watched: Any) -> None:
        subjects, nets = Subjects(describe), [Net(), Net()]
        for net in (*nets, *nets, nets[0]):
            rows.add("training", subjects.of(net), Span(1, 3, 5), samples=4, steps=1, count=0)
        call = watched.only()
        assert (call.count, call.steps, call.samples, call.duration_ns, call.cpu_ns) == (2, 5, 20, 10, 25)

    def test_in_the_next_phase_it_is_another_training(self, rows: Rows, watched: Any) -> None:
        subject = Subjects(describe).of(Net())
        for phase in ("setup", "call", "call"):
            watched.owner.phase = phase
            rows.add("training", subject, Span(1, 3, 5), steps=2, epochs=0.5, count=0)
        assert [(c.phase, c.count, c.steps, c.epochs) for c in watched.calls] == [
            ("setup", 1, 2, 0.5),
            ("call", 1, 4, 1),
        ]

    def test_calls_with_other_tokens_are_other_rows(self, rows: Rows, watched: Any) -> None:
        subject = Subjects(describe).of(Net())
        for tokens in (5, 7, 5):
            rows.add("chat", subject, Span(1, 3, 5), input_tokens=tokens, output_tokens=2)
        assert [(c.count, c.input_tokens, c.output_tokens) for c in watched.calls] == [(2, 5, 2), (1, 7, 2)]

    def test_a_load_is_no_call(self, rows: Rows, watched: Any) -> None:
        subject = Subjects(describe).of(Net())
        rows.load(subject, Span(1, 3, 5))
        rows.load(subject, Span(4, 9, 5))
        assert watched.calls == []
        (load,) = watched.owner.loads
        assert (load.operation, load.count, load.duration_ns, load.cpu_ns) == ("load", 2, 7, 10)

    def test_what_could_not_be_read_is_said(self, rows: Rows, watched: Any) -> None:
        rows.add("inference", NOBODY, Span(0, 0, 0))
        assert watched.only().notices == ("unknown-model",)


class TestInAChild:
    """Rows of a process that runs no tests are written as they grow."""

    def taken(self, tmp_path: Path, times: int, *, ends: bool, **counted: Any) -> tuple[list[AICall], int]:
        recorder = Recorder()
        sink = recorder.sink = CallFile(str(tmp_path), recorder.error)
        rows, subject = Rows(recorder, "lib"), Subjects(describe).of(Net())
        for _ in range(times):
            rows.add("training", subject, Span(0, 2, 3), **counted)
        if ends:
            sink.end()
        assert recorder.errors == []
        calls = Inbox(tmp_path, recorder.error).collect()
        (file,) = tmp_path.iterdir()
        return calls, len(file.read_text().splitlines())

    def test_steps_of_a_training_arrive_all(self, tmp_path: Path) -> None:
        ((call,), lines) = self.taken(tmp_path, 200, ends=True, samples=4, steps=1, count=0)
        assert (call.count, call.steps, call.samples, call.duration_ns, call.cpu_ns) == (1, 200, 800, 400, 600)
        assert lines == 9  # at 1, 2, 4, ... 128, and at the end

    def test_and_at_least_half_of_them_if_it_is_killed(self, tmp_path: Path) -> None:
        ((call,), _) = self.taken(tmp_path, 255, ends=False, steps=1, count=0)
        assert (call.count, call.steps) == (1, 128)

    def test_calls_too(self, tmp_path: Path) -> None:
        ((call,), _) = self.taken(tmp_path, 5, ends=False)
        assert (call.count, call.duration_ns) == (4, 8)


class TestLoading:
    def test_what_runs_inside_a_load_is_part_of_it(self, watched: Any) -> None:
        arming = Arming(watched.recorder)
        said: list[tuple[Any, ...]] = []

        def count(model: Any, done: Done, /) -> None:
            said.append(("call", model, done.args))

        def loaded(model: Any, done: Done, /) -> None:
            said.append(("load", model, done.args, done.kwargs, done.result, done.failed))

        predict = outermost(arming, "lib", lambda _, x: x, count)
        inner = loading(arming, "lib", lambda path: path, loaded, method=False)

        def init(model: Any, path: str, *, size: int) -> None:
            inner("part")
            predict(model, 1)

        loading(arming, "lib", init, loaded)("self", "path", size=3)
        inner("alone")
        predict("self", 2)
        assert said == [
            ("load", "self", ("path",), {"size": 3}, None, False),
            ("load", None, ("alone",), {}, "alone", False),
            ("call", "self", (2,)),
        ]

    def test_a_load_that_fails_fails_as_before(self, watched: Any) -> None:
        arming = Arming(watched.recorder)
        said: list[tuple[Any, ...]] = []

        def loaded(model: Any, done: Done, /) -> None:
            said.append((model, done.kwargs, done.failed))

        load = loading(arming, "lib", lambda **_: 1 // 0, loaded, method=False)
        with pytest.raises(ZeroDivisionError):
            load(path="x")
        assert said == [(None, {"path": "x"}, True)]
        assert (arming.nesting.depth, arming.nesting.loading) == (0, False)

    def test_an_error_of_ours_reaches_the_report_only(self, watched: Any) -> None:
        arming = Arming(watched.recorder)

        def loaded(model: Any, done: Done, /) -> None:
            raise RuntimeError(model, done)

        assert loading(arming, "lib", lambda path: path, loaded, method=False)("x") == "x"
        assert len(watched.recorder.errors) == 1
        watched.recorder.errors.clear()
        assert not arming.nesting.loading
