"""The folder that stands first on the children's PYTHONPATH, and the ``sitecustomize`` in it.

Nothing of this lies in the wheel as a start-up file: that would cost every interpreter of the environment half a
millisecond, whether anything is metered or not.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

UNWATCHED = ".unwatched"
"""How the file's name ends that a child leaves in the folder when it cannot be watched; in it, its name and why."""

FOLDER = "PYTEST_AIFOOTPRINT_CHILDREN"
"""Environment variable that names the folder. Without it the start-up file does nothing but chain."""

# Runs in any Python, also one that has no pytest-aifootprint, or an old one: it must be plain, and must not raise.
_SITECUSTOMIZE = '''\
"""Lets pytest-aifootprint see the AI calls of this process. Made for one run, deleted after it."""
import os
import sys


def _start():
    here = os.path.dirname(os.path.abspath(__file__))
    # The user's own sitecustomize comes next on the path; ours must not hide it.
    ours = sys.modules.pop("sitecustomize", None)
    path = list(sys.path)
    sys.path[:] = [entry for entry in path if os.path.abspath(entry) != here]
    try:
        import sitecustomize
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
        if ours is not None:
            sys.modules["sitecustomize"] = ours
    finally:
        sys.path[:] = path
    if os.environ.get("PYTEST_AIFOOTPRINT_CHILDREN") != here:
        return
    try:
        from pytest_aifootprint.detection.children.child import watch

        watch(here)
    except Exception as error:  # another environment, without this plugin, say: the run counts it as not watched
        try:
            with open(os.path.join(here, "%d.unwatched" % os.getpid()), "w") as note:
                note.write("%s: %s" % (os.path.basename(sys.executable), type(error).__name__))
        except OSError:
            pass


_start()
del _start
'''


def make_folder(folder: Path) -> None:
    """Write the start-up file. Raises OSError."""
    (folder / "sitecustomize.py").write_text(_SITECUSTOMIZE, encoding="utf-8")


def put_first(environ: MutableMapping[str, str], folder: Path) -> dict[str, str | None]:
    """Put the folder first on the PYTHONPATH of children.

    Returns:
        What the variables were before, for ``restore``.
    """
    before = {name: environ.get(name) for name in ("PYTHONPATH", FOLDER)}
    rest = before["PYTHONPATH"]
    environ["PYTHONPATH"] = f"{folder}{os.pathsep}{rest}" if rest else str(folder)
    environ[FOLDER] = str(folder)
    return before


def restore(environ: MutableMapping[str, str], folder: Path, before: dict[str, str | None]) -> None:
    """Take the folder out again; what a test set meanwhile stays."""
    path = environ.get("PYTHONPATH")
    if path is not None:
        left = [entry for entry in path.split(os.pathsep) if entry != str(folder)]
        if left or before["PYTHONPATH"] is not None:
            environ["PYTHONPATH"] = os.pathsep.join(left)
        else:
            del environ["PYTHONPATH"]
    if environ.get(FOLDER) == str(folder):
        environ.pop(FOLDER)
        outer = before[FOLDER]
        if outer is not None:
            environ[FOLDER] = outer
