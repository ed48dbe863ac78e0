"""What stands under our names in the ini file and the environment, beyond what pytest itself reads.

A name that is no option would be a limit that is not there, and pytest only warns of it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_aifootprint.options import OPTIONS, PREFIX, option_error

_ENVIRONMENT = f"PYTEST_{PREFIX.upper()}_"
# Not for users: our own test suite, and what a test process tells its children.
_INTERNAL = tuple(
    f"{_ENVIRONMENT}{name}" for name in ("CHILDREN", "ELECTRICITYMAPS_URL", "RAISE", "RECORDED_METER", "SO_FAR_EVERY_S")
)
_SECTIONS = ("[pytest]", "[tool:pytest]")
_KEY = re.compile(rf"({PREFIX}[\w-]*)\s*[=:]")


def refuse_unknown(config: pytest.Config, environ: Mapping[str, str]) -> None:
    """Look at every name that begins like ours.

    Raises:
        pytest.UsageError: for the first that is no option, with the one that is meant.
    """
    variables = [option.env for option in OPTIONS]
    for name in sorted(environ):
        if name.startswith(_ENVIRONMENT) and name not in variables and name not in _INTERNAL:
            raise _unknown(name, "environment", variables)
    keys = [PREFIX, *(option.ini for option in OPTIONS)]
    given = [(text.partition("=")[0].strip(), "command line: -o") for text in config.getoption("override_ini") or ()]
    path = config.inipath
    if path is not None:
        given += [(name, path.name) for name in _keys(path)]
    for name, origin in given:
        if name.startswith(PREFIX) and name not in keys and not _is_of_another(config, name):
            raise _unknown(name, origin, keys)


def native(config: pytest.Config, name: str) -> Any:
    """A value of ``[tool.pytest]`` that is no text, such as ``true`` or ``3``, as text; None if there is none.

    pytest knows options of one type only, and of ours ini files and the environment give the text.
    """
    path = config.inipath
    if path is None or path.suffix != ".toml":
        return None
    content = _tables(path)[0].get(name)
    is_list = any(option.ini == name and option.many for option in OPTIONS)
    if isinstance(content, list) and is_list:
        return [str(one) for one in content]
    if not isinstance(content, (bool, int, float, str)):
        return None
    text = str(content).lower() if isinstance(content, bool) else str(content)
    return text.splitlines() if is_list else text


def _unknown(name: str, origin: str, valid: Iterable[str]) -> pytest.UsageError:
    import difflib  # for an error alone

    close = difflib.get_close_matches(name, valid, n=1)
    guess = f", did you mean {close[0]}?" if close else ""
    return option_error(name, origin, f"there is no such option{guess}; valid: {', '.join(valid)}")


def _is_of_another(config: pytest.Config, name: str) -> bool:
    try:
        config.getini(name)
    except ValueError:
        return False
    except pytest.UsageError:
        return True
    return True


def _keys(path: Path) -> Iterator[str]:
    """Keys of the file's pytest tables that begin like ours."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return  # pytest has read it; what there is to say, it said
    known = {PREFIX, *(option.ini for option in OPTIONS)}
    # Parsing costs milliseconds in a large project, and most have no other word like ours.
    if not {found[1] for found in _KEY.finditer(text)} - known:
        return
    if path.suffix == ".toml":
        for table in _tables(path):
            yield from (name for name in table if name.startswith(PREFIX))
        return
    ours = False
    for line in text.splitlines():
        if line.startswith("["):
            ours = re.split("[#;]", line, maxsplit=1)[0].strip() in _SECTIONS
        elif ours and (found := _KEY.match(line)):
            yield found[1]


def _tables(path: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Those of pytest 9, with values of any type, and those of before, with text."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    document: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    table = document.get("pytest") or document.get("tool", {}).get("pytest", {})
    return table, table.get("ini_options", {})
