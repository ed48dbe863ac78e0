"""How long the HTML report of many tests takes: to write, to open, to sort and to filter in a real Chromium.

``make bench-html``, or ``python tests/benchmarks/html_page.py --tests 10000 --rounds 5``. Each test makes a call of its
own with other tokens, so that no two rows are alike.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))

from browsing import ARGS, SUITE_OF_MANY, chromium, run_pytest  # type: ignore[import-not-found]

WRITING = """
import time
from pathlib import Path

def pytest_aifootprint_footprint(footprint):
    from pytest_aifootprint.reports import html_report
    start, cpu = time.perf_counter(), time.process_time()
    html_report.write(footprint, Path("timed.html"))
    Path("written.txt").write_text(f"{time.perf_counter() - start} {time.process_time() - cpu}")
"""
# From the press of a key to the next frame that is painted.
TIMED = """async (action) => {
    const start = performance.now();
    actions[action]();
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    return performance.now() - start;
}"""
ACTIONS = """
window.actions = {
    sort: () => document.querySelector("#table th[data-key=energy] button").click(),
    filter: () => {
        const find = document.getElementById("find");
        find.value = find.value ? "" : "99";
        find.dispatchEvent(new Event("input"));
    },
    page: () => document.getElementById("next").click(),
    explain: () => document.querySelector("#rows .open").click(),
};
"""


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    path = chromium()
    if path is None:
        sys.exit("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        (folder / "test_it.py").write_text(SUITE_OF_MANY.replace("range(10000)", f"range({arguments.tests})"))
        (folder / "conftest.py").write_text(WRITING)
        (folder / "pytest.ini").write_text("[pytest]\n")
        file = run_pytest(folder)
        written_s, cpu_s = map(float, (folder / "written.txt").read_text().split())
        size = file.stat().st_size / 1e6
        _say(f"{arguments.tests} tests: {size:.1f} MB, written in {written_s:.1f} s ({cpu_s:.1f} s of CPU)")
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGS))
        times: dict[str, list[float]] = {}
        for _ in range(arguments.rounds):
            context = browser.new_context(bypass_csp=True)
            page = context.new_page()
            page.goto(file.as_uri())
            times.setdefault("open", []).append(_opening_ms(page))
            page.evaluate(ACTIONS)
            for action in ("sort", "sort", "filter", "filter", "page", "explain"):
                times.setdefault(action, []).append(float(page.evaluate(TIMED, action)))
            context.close()
        browser.close()
    for action, found in times.items():
        _say(f"{action:8} {statistics.median(found):6.0f} ms   ({min(found):.0f} to {max(found):.0f})")


def _opening_ms(page: Any) -> float:
    """From the start of navigation until all is there and has run."""
    return float(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
