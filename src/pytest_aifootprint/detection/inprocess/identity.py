"""Which model an object is: name, size, precision, device. Looked up once per object, outside the watched call."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct
from msgspec.structs import astuple

from pytest_aifootprint.quantities.changed import replace

if TYPE_CHECKING:
    from pytest_aifootprint.detection.calls import AICall

T = TypeVar("T")


class Identity(Struct, frozen=True, eq=False):
    """What a model is, as far as its object tells. One object for equal ones: compared and hashed as itself.

    Attributes:
        name: what a hub calls it, its file or its class; None if nothing does. parameters: their number.
        precision: of the weights: ``float32``, ``int8``, ``q4_k_m``. device: ``cpu``, ``cuda:0``.
        revision: of the hub's repository. file: path of its file or folder; in no report.
        unreadable: reading some of it raised.
    """

    name: str | None
    parameters: int | None = None
    precision: str | None = None
    device: str | None = None
    revision: str | None = None
    file: str | None = None
    unreadable: bool = False


class Facts:
    """Reads facts of a user's object: whatever one of them raises, the others are still known.

    Attributes:
        failed: reading one raised. unsettled: the object is not complete yet: look again at its next call.
    """

    def __init__(self) -> None:
        """Nothing was read yet."""
        self.failed = False
        self.unsettled = False

    def get(self, read: Callable[[], T]) -> T | None:
        """What ``read`` gives, None if it raises."""
        try:
            return read()
        except Exception:  # noqa: BLE001 - a property of the user's may raise anything
            self.failed = True
            return None


class Subject:
    """One model object. Its weights may be those of other objects: then they share the identity.

    Attributes:
        identity: which model it is. trained_in: the row of calls that its training was last counted in.
    """

    __slots__ = ("_ref", "identity", "trained_in")

    def __init__(self, identity: Identity, ref: Callable[[], Any]) -> None:
        """``ref`` gives the object as long as it lives."""
        self.identity = identity
        self.trained_in: AICall | None = None
        self._ref = ref

    def is_of(self, model: object) -> bool:
        """Whether this is about that very object (ids are used again)."""
        return self._ref() is model


NOBODY = Subject(Identity(None), lambda: None)
"""For work of which no object is known."""


class Subjects:
    """The model objects of one framework, without keeping them alive.

    Args:
        describe: reads an object: ``describe(model, facts)``. May raise: then only its class is known.
    """

    def __init__(self, describe: Callable[[Any, Facts], Identity]) -> None:
        self._describe = describe
        self._known: dict[int, Subject] = {}
        self._identities: dict[tuple[object, ...], Identity] = {}

    def of(self, model: Any) -> Subject:
        """What is known of an object."""
        found = self._known.get(id(model))
        if found is not None and found.is_of(model):
            return found
        return self._look(model)

    def forget(self, model: object) -> None:
        """The object has changed (trained, moved, quantised): look again at its next call."""
        found = self._known.get(id(model))
        if found is not None and found.is_of(model):
            found.identity = self._identify(model)[0]

    def tell(self, model: object, identity: Identity) -> Subject:
        """Somebody else knows which model an object is: a loader that saw its file, say."""
        return self._keep(model, self._intern(identity))

    def _look(self, model: Any) -> Subject:
        identity, facts = self._identify(model)
        return Subject(identity, lambda: None) if facts.unsettled else self._keep(model, identity)

    def _identify(self, model: Any) -> tuple[Identity, Facts]:
        facts = Facts()
        found = facts.get(lambda: self._describe(model, facts))
        if found is None:
            found = Identity(class_name(type(model)))
        if facts.failed:
            found = replace(found, unreadable=True)
        return self._intern(found), facts

    def _intern(self, identity: Identity) -> Identity:
        return self._identities.setdefault(astuple(identity), identity)

    def _keep(self, model: Any, identity: Identity) -> Subject:
        key, known = id(model), self._known

        def gone(ref: object) -> None:
            # The id may be somebody else's by now.
            if (mine := known.get(key)) is not None and mine._ref is ref:  # noqa: SLF001 - of this module
                del known[key]

        try:
            subject = Subject(identity, weakref.ref(model, gone))
        except TypeError:  # a class of an extension that allows no weak references: looked at each time
            return Subject(identity, lambda: None)
        known[key] = subject
        return subject


def class_name(kind: type) -> str:
    """``package.Class``."""
    return f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}"
