"""The folder that children write to is its maker's."""

import os
from pathlib import Path

import pytest

from pytest_aifootprint.detection import Recorder
from pytest_aifootprint.detection.children.site import FOLDER
from pytest_aifootprint.session.subprocesses import Subprocesses


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_that_comes_to_the_end_leaves_the_folder_to_its_parent() -> None:
    children = Subprocesses(Recorder())
    folder = Path(os.environ[FOLDER])
    pid = os.fork()
    if not pid:
        children.stop()
        os._exit(0)
    os.waitpid(pid, 0)
    still_there = folder.is_dir()
    children.stop()
    assert still_there
    assert not folder.exists()
    assert FOLDER not in os.environ
