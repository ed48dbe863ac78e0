"""Which tests use which shared fixtures: the one place that reads a private name of pytest."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_aifootprint.attribution.fixtures import FixtureKey

_PARAM_LENGTH = 60


class FixtureUsers:
    """Fixtures of wider than function scope that were set up, and what each of them took from others.

    A cached fixture taken by ``getfixturevalue`` fires no hook: users are found in the request when the test ends. What
    a fixture took by ``getfixturevalue`` during its own set-up is not asked for again when a later test takes the
    cached fixture, so it is remembered; not seen is what the test had taken already before that set-up.

    Attributes:
        keys: the fixtures that were set up.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.keys: dict[Any, FixtureKey] = {}
        self._took: dict[Any, tuple[Any, ...]] = {}

    def setting_up(
        self, definition: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> tuple[FixtureKey, frozenset[str]]:
        """A shared fixture is about to be set up.

        Returns:
            Its key, and the names that are active already, for ``set_up``.
        """
        key = FixtureKey(definition.baseid, definition.argname, _param_of(request))
        self.keys[definition] = key
        return key, frozenset(_active(request))

    def set_up(
        self, definition: pytest.FixtureDef[Any], request: pytest.FixtureRequest, before: frozenset[str]
    ) -> None:
        """A shared fixture was set up."""
        took = (other for name, other in _active(request).items() if name not in before)
        self._took[definition] = tuple(other for other in took if other in self.keys and other is not definition)

    def note(self, request: object, users_of: list[FixtureKey]) -> None:
        """Add the shared fixtures that a test used, by its request, directly or through others."""
        keys = self.keys
        waiting = [definition for definition in _active(request).values() if definition in keys]
        if not waiting:
            return
        seen: set[Any] = set()
        while waiting:
            definition = waiting.pop(0)
            if definition in seen:
                continue
            seen.add(definition)
            if (key := keys[definition]) not in users_of:
                users_of.append(key)
            waiting += self._took.get(definition, ())


def _active(request: object) -> dict[str, Any]:
    found = getattr(request, "_fixture_defs", None)
    return found if isinstance(found, dict) else {}


def _param_of(request: pytest.FixtureRequest) -> str:
    """What tells the instances of a parametrised fixture apart, the same on every worker; "" without a parameter.

    The index alone does not: two modules may each give a session fixture their own first parameter.
    """
    if not hasattr(request, "param"):
        return ""
    index = getattr(request, "param_index", 0)
    if isinstance(request.param, (str, int, float, bool, bytes, type(None))):
        text = str(request.param)
        return text if len(text) <= _PARAM_LENGTH else f"{text[:_PARAM_LENGTH]}…{index}"
    return str(index)
