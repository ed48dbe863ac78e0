"""``[tool.aifootprint]`` of the project. Shape is checked here, content in the rooms that use the tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, field

from pytest_aifootprint.options import OPTIONS, option_error

KEYS = ("hardware", "marginal", "models")
WHERE = "tool.aifootprint"


class Tables(Struct, frozen=True):
    """The raw tables, the file they stand in, and its folder."""

    hardware: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    marginal: Mapping[str, Any] = field(default_factory=dict)
    origin: str = "pyproject.toml"
    folder: Path = field(default_factory=Path)


def read_tables(config: pytest.Config) -> Tables:
    """Read the tables of ``pyproject.toml`` in pytest's rootdir.

    Raises:
        pytest.UsageError: for a file that cannot be read or is no TOML, an unknown key, or something that is no table.
    """
    path = config.rootpath / "pyproject.toml"
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Tables()
    except OSError as error:
        raise option_error(f"[{WHERE}]", path.name, f"cannot be read: {error}") from None
    # Parsing costs milliseconds in a large project; most have no table of ours.
    if b"aifootprint" not in raw:
        return Tables()
    table = _parse(raw, path.name)
    for key in table:
        if key not in KEYS:
            raise option_error(f"[{WHERE}]", path.name, f"unknown key {key!r}{_meant(key)}; valid: {', '.join(KEYS)}")
    hardware = _table(table.get("hardware", {}), f"[{WHERE}.hardware]", path.name)
    models = _table(table.get("models", {}), f"[{WHERE}.models]", path.name)
    for name, content in models.items():
        if not isinstance(content, dict):
            valid = 'valid: a table, such as { params = "7B" }'
            raise option_error(f'[{WHERE}.models."{name}"]', path.name, f"{content!r} is not a table; {valid}")
    marginal = _table(table.get("marginal", {}), f"[{WHERE}.marginal]", path.name)
    return Tables(hardware, models, marginal, path.name, path.parent)


def _meant(key: str) -> str:
    """What to write instead, for one who took pytest's options to stand here."""
    for option in OPTIONS:
        if key.replace("_", "-").removeprefix("aifootprint-") == option.name:
            return f" (an option of pytest: {option.ini} in [tool.pytest.ini_options])"
    return ""


def _parse(raw: bytes, origin: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        document: Any = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise option_error(f"[{WHERE}]", origin, f"is not valid TOML: {error}") from None
    tool = _table(document.get("tool", {}), "[tool]", origin)
    return _table(tool.get("aifootprint", {}), f"[{WHERE}]", origin)


def _table(content: Any, where: str, origin: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise option_error(where, origin, f"{content!r} is not a table; valid: tables {', '.join(KEYS)} of [{WHERE}]")
    return content
