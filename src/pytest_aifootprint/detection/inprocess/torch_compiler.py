"""Keeps torch's compiler away from our code, which runs between frames that it compiles."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any, TypeVar

T = TypeVar("T")

_OURS = ("pytest_aifootprint.detection.", "pytest_aifootprint.quantities.unfaked")


def is_compiling(torch: Any) -> Callable[[], bool]:
    """The function that says so: a constant to the compiler, which then sees nothing of what is behind it."""
    found: Callable[[], bool] | None = getattr(getattr(torch, "compiler", None), "is_compiling", None)  # since 2.1
    return found if found is not None else lambda: False


def leave_alone(torch: Any) -> None:
    """Have our functions run as they are, where the compiler would take them for more of the user's to compile.

    Without importing the compiler: that takes a second, which no user of plain torch should pay.
    """
    frames = torch._C._dynamo.eval_frame  # noqa: SLF001 - the public way imports the compiler
    skip = getattr(frames, "skip_code", None)
    if skip is None:  # newer ones
        action = frames._FrameAction  # noqa: SLF001 - as above
        strategy = frames._FrameExecStrategy(action.SKIP, action.DEFAULT)  # noqa: SLF001 - as above
        for code in _codes():
            frames.set_code_exec_strategy(code, strategy)
        return
    for code in _codes():
        skip(code)


def uncompiled(torch: Any) -> Callable[[Callable[[], T]], T]:
    """What runs a function with the compiler off: one of ours that calls the user's, which would be compiled."""
    switch = torch._C._dynamo.eval_frame.set_eval_frame  # noqa: SLF001 - as above

    def run(function: Callable[[], T]) -> T:
        before = switch(None)
        try:
            return function()
        finally:
            switch(before)

    return run


def _codes() -> Iterator[CodeType]:
    for name, module in list(sys.modules.items()):
        if name.startswith(_OURS):
            for thing in vars(module).values():
                yield from _codes_of(thing, name)


def _codes_of(thing: object, module: str) -> Iterator[CodeType]:
    if isinstance(thing, FunctionType):
        if thing.__module__ == module:
            yield from _nested(thing.__code__)
    elif isinstance(thing, type) and thing.__module__ == module:
        for member in vars(thing).values():
            yield from _codes_of(getattr(member, "__func__", getattr(member, "fget", member)), module)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)
