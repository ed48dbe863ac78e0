"""What the project that a command stands in declares."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer


def project_table(project: Path, name: str) -> Mapping[str, Any]:
    """The table ``[tool.aifootprint.NAME]`` of a ``pyproject.toml``; empty if there is none.

    A file that a run would stop at is told on stderr, in one line, and left out.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        document: Any = tomllib.loads(project.read_text(encoding="utf-8"))
        table = document["tool"]["aifootprint"][name]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        typer.echo(f"{project}: left out, a run would stop here: {error}", err=True)
        return {}
    except (KeyError, TypeError):
        return {}
    return table if isinstance(table, dict) else {}
