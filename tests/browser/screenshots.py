"""Screenshots of the HTML report of the example suite for docs/images: ``make screenshots``."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from browsing import ARGS, ROOT, chromium, run_pytest  # type: ignore[import-not-found]

IMAGES = ROOT / "docs" / "images"
LARGEST_BYTES = 300_000
SIZES = {360: 1400, 1280: 1100}


def main() -> None:
    """A real run of the examples, its page at phone and desktop width, light and dark, and an explanation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, help="of a run that there is already")
    named = parser.parse_args().page
    from playwright.sync_api import sync_playwright

    path = chromium()
    if path is None:
        sys.exit("no Chromium on this machine")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = named or _demo(Path(folder))
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGS))
        for width, height in SIZES.items():
            for scheme in ("light", "dark"):
                page = _opened(browser, page_file, width, height, scheme)
                _save(page, IMAGES / f"html-report-{width}-{scheme}.png")
        page = _opened(browser, page_file, 900, 1000, "light")
        page.fill("#find", "test_a_text_is_summarised")
        page.locator("#rows .open").first.click()
        page.locator("#rows .explained summary").first.click()
        _save(page.locator("#rows .parts > details[open]"), IMAGES / "html-report-explained.png")
        browser.close()


def _demo(folder: Path) -> Path:
    examples = folder / "examples"
    shutil.copytree(ROOT / "docs" / "examples", examples, ignore=shutil.ignore_patterns("llm", "__pycache__"))
    page: Path = run_pytest(examples, "--aifootprint-tests", "all", "--aifootprint-budget", "50 mgCO2e")
    return page


def _opened(browser: Any, file: Path, width: int, height: int, scheme: str) -> Any:
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(file.as_uri())
    return page


def _save(shown: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shown.screenshot(path=path)
    size = path.stat().st_size
    assert size < LARGEST_BYTES, f"{path.name} has {size} bytes"
    sys.stdout.write(f"{path.relative_to(ROOT)} {size // 1000} kB\n")


if __name__ == "__main__":
    main()
