"""Arms the seams: patches class attributes when their library is imported, and takes them back at the end.

Which seams there are stands in ``seams.py``.

Two sessions can be armed at once (pytester runs one inside the other): each wraps over what it found, each has its own
recorder and its own idea of what is nested in what, and each takes back only what is still its own.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from functools import update_wrapper
from importlib import import_module
from inspect import signature
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from pytest_aifootprint.detection.importing import ImportWatch
from pytest_aifootprint.detection.recorder import Recorder
from pytest_aifootprint.detection.seams import ARMED, SEAMS, STANDARD_LIBRARY, UNTRIED, WAITING, Seam
from pytest_aifootprint.quantities.unfaked import REAL

if TYPE_CHECKING:
    from pytest_aifootprint.detection.http.reading import Listener
    from pytest_aifootprint.detection.http.sending import Sending


class Nesting(threading.local):
    """How deep this thread is inside a watched in-process call: only the outermost one counts.

    Attributes:
        loading: it is inside a watched load. steps, tokens: what inner seams saw of the outermost call's work since it
            began: optimizer steps or boosting rounds, input tokens.
    """

    depth = 0
    loading = False
    steps = 0
    tokens = 0


class Patch:
    """One replaced class attribute.

    Held by its wrapper only, and thereby by the patched class: test code may define, use and drop classes. (A method
    that calls ``super()`` holds its class, so we must not hold the method.)
    """

    __slots__ = ("__weakref__", "_owner", "_owns", "arming", "name", "original", "wrapper")

    def __init__(self, owner: type, name: str, original: Any, wrapper: Any, arming: Arming) -> None:
        self._owner = weakref.ref(owner)
        self._owns = name in vars(owner)
        self.name = name
        self.original = original
        self.wrapper = wrapper
        self.arming = arming

    def undo(self) -> None:
        """Put back what was there, unless somebody has wrapped over us: then our wrapper stays, inert."""
        owner = self._owner()
        if owner is None or vars(owner).get(self.name) is not self.wrapper:
            return
        if not self._owns:
            delattr(owner, self.name)
            return
        original, owns = self.original, True
        # A session that ended before us could not take its wrapper from under ours: take it off now.
        # (Whoever uses functools.wraps carries our mark without being ours.)
        while (below := getattr(original, "__aifootprint__", None)) is not None:
            if below.wrapper is not original or below.arming.active:
                break
            original, owns = below.original, below._owns  # noqa: SLF001 - of this class
        if owns:
            setattr(owner, self.name, original)
        else:  # it was inherited before that session
            delattr(owner, self.name)


class Arming:
    """What an ``install`` function works with: the recorder, the list of patches, and state shared by all seams.

    Attributes:
        active: wrappers pass straight through when it is False.
        recorder: where calls and errors go.
        nesting: of in-process calls, over all frameworks.
        sending: the HTTP request that the current context is inside of.
        readings: answers whose body the user is still reading, and who listens.
        lent: what one seam made that others use, by the seam's name.
        wired: names of the stacks whose wire seam is armed.
        serving: ports on which a model in this process answers requests itself.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.active = True
        self.recorder = recorder
        self.nesting = Nesting()
        self.sending: ContextVar[Sending | None] = ContextVar("aifootprint_sending", default=None)
        self.lent: dict[str, Any] = {}
        self.readings: weakref.WeakKeyDictionary[Any, Listener] = weakref.WeakKeyDictionary()
        self.wired: set[str] = set()
        self.serving: set[int] = set()
        self._undo: list[Callable[[], object]] = []

    def replace(self, owner: type, name: str, make: Callable[[Any], Any], *, exact: bool = False) -> None:
        """Replace a class attribute by ``make(original)``, to be taken back at the end.

        Args:
            owner: a class.
            name: of its attribute.
            make: makes the wrapper; may return any descriptor.
            exact: also for who looks at the signature without following ``__wrapped__`` (respx does). Costs 30 µs.

        Raises:
            AttributeError: the class has no such attribute: the library is not what the seam was built for.
        """
        original = vars(owner)[name] if name in vars(owner) else getattr(owner, name)
        wrapper = make(original)
        if isinstance(wrapper, FunctionType):
            update_wrapper(wrapper, original)
            if exact:
                wrapper.__signature__ = signature(original)  # type: ignore[attr-defined]
        patch = Patch(owner, name, original, wrapper, self)
        wrapper.__aifootprint__ = patch
        setattr(owner, name, wrapper)
        undo = weakref.WeakMethod(patch.undo)
        self._undo.append(lambda: (alive := undo()) and alive())

    def on_undo(self, undo: Callable[[], None]) -> None:
        """Call this when the seams are disarmed, in reverse order with the patches."""
        self._undo.append(undo)

    def mark(self) -> int:
        """Where in the list of patches we are."""
        return len(self._undo)

    def undo_to(self, mark: int) -> None:
        """Take back, backwards, all patches made since the mark."""
        while len(self._undo) > mark:
            try:
                self._undo.pop()()
            except Exception as error:  # noqa: BLE001 - one patch that cannot be undone must not keep the others
                self.recorder.error("undo", error)


class Seams:
    """All seams of one session: armed, then disarmed."""

    def __init__(self, recorder: Recorder, seams: tuple[Seam, ...]) -> None:
        self._arming = Arming(recorder)
        self._seams = seams
        self._status = {seam.name: WAITING for seam in seams}
        self._watch = ImportWatch(self._imported, self._deaf)

    @classmethod
    def arm(cls, recorder: Recorder, seams: tuple[Seam, ...] = SEAMS) -> Seams:
        """Patch what is imported already, and the rest as it is imported.

        Never raises on account of a library: see ``status``.

        Args:
            recorder: where calls and errors go.
            seams: what to arm.
        """
        self = cls(recorder, seams)
        self._watch.start(frozenset(seam.module for seam in seams))
        for seam in seams:
            if (module := sys.modules.get(seam.module)) is not None:
                self._install(seam, module)
        return self

    def follow_threads(self) -> None:
        """Carry the owner of calls into threads that a test starts."""
        from pytest_aifootprint.detection.threads import carry_owner

        carry_owner(self._arming)

    def disarm(self) -> None:
        """Take everything back, backwards. A patch that somebody has wrapped over stays, inert. May be called twice."""
        self._watch.stop()
        self._arming.active = False
        self._arming.undo_to(0)

    def status(self) -> dict[str, str]:
        """Each seam: armed (perhaps of an untried version), waiting (not imported), "failed: reason" or unsupported."""
        return dict(self._status)

    def _imported(self, name: str, module: ModuleType) -> None:
        # Whoever imports the library, often the first test that uses it, does not pay for what we do about it.
        recorder = self._arming.recorder
        booked_ns, began_ns = recorder.own_ns, REAL.thread_time_ns()
        try:
            for seam in self._seams:
                if seam.module == name:
                    self._install(seam, module)
        finally:
            # A seam may import another library that is watched: that was booked by itself.
            recorder.own_ns += REAL.thread_time_ns() - began_ns - (recorder.own_ns - booked_ns)

    def _deaf(self, name: str, error: Exception) -> None:
        for seam in self._seams:
            if seam.module == name:
                self._failed(seam.name, error)

    def _install(self, seam: Seam, module: ModuleType) -> None:
        if not self._arming.active or module.__name__ != seam.module:  # httpx may be an alias of httpx2
            return
        mark = self._arming.mark()
        try:
            version = _version(module, seam.distribution)
            numbers = _numbers(version)
            if numbers < seam.at_least or (numbers >= seam.below and not seam.tries_newer):
                self._status[seam.name] = f"unsupported version {version}"
                return
            import_module(seam.file, __package__).install(module, self._arming)
            self._status[seam.name] = ARMED if numbers < seam.below else f"{UNTRIED}{version}"
        except Exception as error:  # noqa: BLE001 - an error of ours must not break the user's import
            self._arming.undo_to(mark)
            self._failed(seam.name, error)

    def _failed(self, name: str, error: Exception) -> None:
        self._status[name] = f"failed: {type(error).__name__}: {error}"
        self._arming.recorder.error(f"seam {name}", error)


def _version(module: ModuleType, distribution: str) -> str:
    if distribution == STANDARD_LIBRARY:
        return ".".join(map(str, sys.version_info[:3]))
    if distribution:
        from importlib.metadata import PackageNotFoundError, version

        *others, last = distribution.split()
        for other in others:
            try:
                return version(other)
            except PackageNotFoundError:
                continue
        return version(last)
    return str(sys.modules[module.__name__.partition(".")[0]].__version__)


def _numbers(version: str) -> tuple[int, ...]:
    """The release numbers of a version: (2, 13, 0) of "2.13.0+cpu"."""
    numbers: list[int] = []
    for part in version.partition("+")[0].split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)
