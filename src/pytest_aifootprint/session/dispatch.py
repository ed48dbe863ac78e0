"""What a hook call of pytest takes because we are in it: pluggy's way to our implementations, and back.

No hook can measure that from inside. So the same call is made twice, where nobody else hears it: with a plugin of
somebody's that does nothing, and with ours beside it, which find nothing to do. The difference is what pluggy does for
us and what our hooks do besides their work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pluggy
import pytest

from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.records.raw import TestRun
from pytest_aifootprint.session.clock import EdgeClock
from pytest_aifootprint.session.own_cost import FIRST, OUTLIER
from pytest_aifootprint.session.runner import TestRunner
from pytest_aifootprint.session.windows import OpenTest, Windows

_spec = pluggy.HookspecMarker("pytest")


class _Specs:
    @_spec(firstresult=True)
    def pytest_runtest_protocol(self, item: Any) -> Any: ...

    @_spec(firstresult=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Any: ...

    @_spec
    def pytest_runtest_logreport(self, report: Any) -> None: ...


class _Others:
    @pytest.hookimpl
    def pytest_runtest_protocol(self, item: Any) -> bool:
        del item
        return True

    @pytest.hookimpl
    def pytest_runtest_makereport(self, item: Any, call: Any) -> bool:
        del item, call
        return True

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: Any) -> None:
        del report


class Unreported:
    """A report of nobody's."""

    when = ""


class HookCall:
    """The mean CPU ns that our implementations add to one call of a hook, without their work."""

    def __init__(self, with_us: Callable[..., Any], without: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
        """Take the hook with us and without us."""
        self._with_us = with_us
        self._without = without
        self._arguments = arguments
        self._n = 0
        self._sum_ns = 0
        self.mean_ns = 0

    def weigh(self) -> None:
        """Call both, and note the difference."""
        now, arguments = REAL.thread_time_ns, self._arguments
        self._without(**arguments)
        self._with_us(**arguments)  # these are idle for long between two measurements; the hooks they stand for are not
        began_ns = now()
        self._without(**arguments)
        between_ns = now()
        self._with_us(**arguments)
        self._note(now() - between_ns - (between_ns - began_ns))

    def _note(self, more_ns: int) -> None:
        self._n += 1
        if self._n == 1:
            return  # it ran code for the first time
        most_ns = OUTLIER * self.mean_ns
        self._sum_ns += max(-most_ns, min(more_ns, most_ns)) if most_ns else more_ns
        self.mean_ns = max(self._sum_ns // (self._n - 1), 0)


def hook_calls(ours: Iterable[object], arguments: Mapping[str, Mapping[str, Any]]) -> list[HookCall]:
    """One for each hook named in ``arguments``; ``ours`` have nothing to do when they are called with those."""
    hooks = []
    for plugins in (ours, ()):
        manager = pluggy.PluginManager("pytest")
        manager.add_hookspecs(_Specs)
        for plugin in (_Others(), *plugins):
            manager.register(plugin)
        hooks.append(manager.hook)
    return [HookCall(getattr(hooks[0], name), getattr(hooks[1], name), given) for name, given in arguments.items()]


def runners_calls() -> list[HookCall]:
    """Of the hooks of a process that runs tests: of a test's protocol, of a report made, of a report told."""
    given: dict[str, dict[str, Any]] = {
        "pytest_runtest_protocol": {"item": None},
        "pytest_runtest_makereport": {"item": None, "call": None},
        "pytest_runtest_logreport": {"report": Unreported()},
    }
    return hook_calls([_NothingToDo()], given)


class _NothingToDo(TestRunner):
    """The same hooks, around no work: that is weighed where it is done."""

    def __init__(self) -> None:
        clock = EdgeClock(lambda: 0)
        self._test = OpenTest(TestRun(0, "", ""), 0)
        windows = Windows(clock, lambda: 0)
        windows.only = self._test
        running = cast("Any", SimpleNamespace(recorder=None, windows=windows, clock=clock))
        super().__init__(running, lambda _: None)

    def _enter(self, item: pytest.Item) -> OpenTest:
        del item
        self._n_tests = FIRST + 1  # always as in a test that is not weighed
        return self._test

    def _end_phase(self, test: OpenTest, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        pass

    def _note(self, report: pytest.TestReport) -> None:
        pass

    def _leave(self, test: OpenTest) -> None:
        pass
