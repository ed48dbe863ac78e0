"""What project a run is of: a name that is the same in every checkout."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

_URL = re.compile(r"(?:[\w+.-]+://[^/]*|[^/:]+(?=:)):?/?(?P<path>.*)")


def project_of(rootpath: Path) -> dict[str, str]:
    """``name`` of the project, and where it is ``from``.

    As declared (``pyproject.toml``, ``setup.cfg``); else of the repository that git fetched it from, with the folder in
    it, because a checkout may be called anything; else of the folder. Never more of an address than its last part.
    """
    for name, origin in (
        (_pyproject(rootpath / "pyproject.toml"), "pyproject.toml"),
        (_setup_cfg(rootpath / "setup.cfg"), "setup.cfg"),
        (_git(rootpath), "git"),
    ):
        if name:
            return {"name": name, "from": origin}
    return {"name": rootpath.resolve().name, "from": "folder"}


def _pyproject(path: Path) -> str:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        raw = path.read_bytes()
        if b"name" not in raw:
            return ""
        document: Any = tomllib.loads(raw.decode())
    except (OSError, ValueError):
        return ""
    for keys in (("project",), ("tool", "poetry")):
        table = document
        for key in keys:
            table = table.get(key, {}) if isinstance(table, dict) else {}
        name = table.get("name") if isinstance(table, dict) else None
        if isinstance(name, str) and name.strip():
            return name.strip()
    return ""


def _setup_cfg(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    import configparser  # few projects have such a file

    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
        return parser.get("metadata", "name", fallback="").strip()
    except (ValueError, configparser.Error):
        return ""


def _git(rootpath: Path) -> str:
    root = rootpath.resolve()
    for folder in (root, *root.parents):
        git = folder / ".git"
        if git.exists():
            name = _origin(git)
            inside = root.relative_to(folder).as_posix()
            return name if not name or inside == "." else f"{name}/{inside}"
    return ""


def _origin(git: Path) -> str:
    """Name of the repository that ``origin`` is."""
    try:
        if git.is_file():  # a worktree: its own folder names the common one
            git = git.parent / git.read_text(encoding="utf-8").partition("gitdir:")[2].strip()
            common = git / "commondir"
            git = git / common.read_text(encoding="utf-8").strip() if common.is_file() else git
        text = (git / "config").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    section = re.search(r'^\[remote "origin"\]\s*$(?P<body>(?:\n(?!\[).*)*)', text, re.MULTILINE)
    url = re.search(r"^\s*url\s*=\s*(?P<url>\S+)", section["body"], re.MULTILINE) if section else None
    return _last_part(url["url"]) if url else ""


def _last_part(url: str) -> str:
    match = _URL.fullmatch(url)
    path = match["path"] if match else url
    return path.rstrip("/").rpartition("/")[2].removesuffix(".git")
