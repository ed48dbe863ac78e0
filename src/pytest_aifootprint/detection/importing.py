"""Tells when a module has been imported, each time it is, without importing it.

``wrapt.when_imported`` does nearly this. It costs 13 ms to import (the budget for arming is 2 ms), cannot be taken
back, and fires once: after ``del sys.modules[...]`` (pytester does it around each in-process run) it stays silent.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class ImportWatch:
    """A meta path finder that finds nothing itself: it lets the others find, and hears of the import's end.

    Args:
        heard: called with the name and the module after the module's code has run. Must not raise.
        deaf: called with the name and an error if the import cannot be watched.
    """

    def __init__(self, heard: Callable[[str, ModuleType], None], deaf: Callable[[str, Exception], None]) -> None:
        self._names: frozenset[str] = frozenset()
        self._heard = heard
        self._deaf = deaf

    def start(self, names: frozenset[str]) -> None:
        """Listen for these modules from now on."""
        self._names = names
        sys.meta_path.insert(0, self)

    def stop(self) -> None:
        """Listen no more. An import under way ends unheard."""
        self._names = frozenset()
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the other finders say; the loader will tell us when it is done."""
        finders = list(sys.meta_path)
        if fullname not in self._names or self not in finders:
            return None
        # Those before us have been asked. (Two of us that ask all others would ask each other for ever.)
        for finder in finders[finders.index(self) + 1 :]:
            find = getattr(finder, "find_spec", None)
            if find is None:
                continue
            spec: ModuleSpec | None = find(fullname, path, target)
            if spec is not None:
                self._listen(fullname, spec)
                return spec
        return None

    def _listen(self, fullname: str, spec: ModuleSpec) -> None:
        """Replace ``exec_module`` on the loader instance, for this one module, for one time.

        The loader object itself stays what it is: a proxy in its place has confused importlib.resources and others.
        """
        loader: Any = spec.loader
        exec_module = getattr(loader, "exec_module", None)
        if exec_module is None:
            return
        had_own = "exec_module" in getattr(loader, "__dict__", {})

        def exec_and_tell(module: ModuleType) -> None:
            # A loader may serve many modules (pytest's assertion rewriter does).
            if module.__name__ == fullname:
                if had_own:
                    loader.exec_module = exec_module
                else:
                    del loader.exec_module
            exec_module(module)
            if module.__name__ == fullname:
                self._heard(fullname, module)

        try:
            loader.exec_module = exec_and_tell
        except (AttributeError, TypeError) as error:
            self._deaf(fullname, error)
