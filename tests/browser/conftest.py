"""Pages of real runs in a real Chromium. Nothing is downloaded; without a browser, all is skipped.

Run by ``make test``, and alone by ``make browser``, which both install a Chromium where they may. The browser ends with
the module: playwright's event loop, in the thread of the tests, is in the way of tests that start one of their own.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import (  # type: ignore[import-not-found]  # pytest puts this folder on the path
    ARGS,
    JSON,
    MANY,
    MULTIPLIED,
    NAMED,
    NAMES,
    ROOT,
    SUITE_OF_HOSTILE,
    SUITE_OF_MANY,
    SUITE_OF_REMOTE,
    Show,
    Shown,
    chromium,
    run_pytest,
    run_suite,
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example suite, as ``make demo`` runs it, with a limit."""
    folder = tmp_path_factory.mktemp("demo") / "examples"
    shutil.copytree(ROOT / "docs" / "examples", folder, ignore=shutil.ignore_patterns("llm", "__pycache__"))
    page: Path = run_pytest(folder, "--aifootprint-tests", "all", "--aifootprint-budget", "50 mgCO2e", *JSON)
    return page


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10,000 tests, each with a call of its own."""
    suite = SUITE_OF_MANY.replace(f"range({MANY})", "range(30)").replace("n % 1000 == 7", "n == 7")
    page: Path = run_suite(tmp_path_factory.mktemp("many"), suite, conftest=MULTIPLIED)
    return page.with_name("many.html")


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calls to models of many kinds and providers."""
    page: Path = run_suite(tmp_path_factory.mktemp("remote"), SUITE_OF_REMOTE, *JSON)
    return page


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Names that try to be something else."""
    page: Path = run_suite(tmp_path_factory.mktemp("hostile"), SUITE_OF_HOSTILE, conftest=NAMED)
    return page


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make browser")
    path = chromium()
    if path is None:
        pytest.skip(
            f"no Chromium on this machine ({', '.join(NAMES)}, or AIFOOTPRINT_CHROMIUM); as root: make chromium"
        )
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(ARGS), headless=True)
        yield started
        started.close()


@pytest.fixture
def show(browser: Any) -> Iterator[Show]:
    """Opens a file; at the end of the test nothing may have gone wrong in any page that it opened."""
    opened: list[Shown] = []
    contexts = []

    def _show(file: Path, *, width: int = 1280, height: int = 900, **options: Any) -> Shown:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        shown = Shown(page, file)
        opened.append(shown)
        page.on("console", lambda message: shown.problems.append(f"console {message.type}: {message.text}"))
        page.on("pageerror", lambda error: shown.problems.append(f"error: {error}"))
        page.on("dialog", lambda dialog: shown.problems.append(f"dialog: {dialog.message}"))
        page.on("request", shown.requested)
        page.goto(file.as_uri())
        return shown

    yield _show
    for context in contexts:
        context.close()
    assert [problem for shown in opened for problem in shown.problems] == []
