"""How a plugin is named in a report, and what is asked of it when nobody has a hook."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_aifootprint.session.extensions import Extensions, plugin_name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("pytest_other", "pytest_other"),
        ("/home/somebody/project/conftest.py", "conftest.py"),
        ("/home/somebody/project/tests/conftest.py", "tests/conftest.py"),
        ("/home/else/conftest.py", "conftest.py"),
        ("140737488355328", "object"),
    ],
)
def test_a_plugin_is_named_without_folders_of_somebodys_machine(name: str, shown: str) -> None:
    assert plugin_name(name, object(), Path("/home/somebody/project")) == shown


def test_without_a_hook_nothing_is_read(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    extensions = Extensions(pytestconfig, {}, tmp_path)
    extensions.change_rows()
    extensions.change_provider_grids()

    assert (extensions.any, extensions.knows_models) == (False, False)
    assert (extensions.catalogue, extensions.grids, extensions.notices, extensions.doubts) == (None, {}, (), [])
    extensions.not_heard(ValueError("broken"))
    assert extensions.doubts == []
