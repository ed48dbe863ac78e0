"""A real Chromium, the system's own, and runs whose pages it shows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
JSON = ("--aifootprint-report", "json:page.json")
MANY = 10_000
HOSTILE = """</script><script>document.title = "owned"</script><img src=x onerror=alert(1)>{{ 7 * 7 }}'"&lt;"""
NAMES_OF_HOSTILE = (
    HOSTILE, "\n<svg onload=alert(1)>\r\u2028\ud800 lone\x00\x1b]0;x\x07", "x" * 5000, "<b>" * 1700,
    "🦥 \u202eevil\ufeff", "'-alert(1)-'", "javascript:alert(1)//", "<!--", "]]>", "__proto__", "constructor", "plain",
)  # fmt: skip

SUITE_OF_MANY = f"""
import pytest

MODELS = [("gpt-4o", "openai"), ("claude-sonnet-4-5", "anthropic"), ("mistral-small", "mistral")]

@pytest.fixture(scope="session")
def shared(request):
    return request.node

@pytest.mark.parametrize("n", range({MANY}))
def test_asks(n, shared, aifootprint):
    model, provider = MODELS[n % 3]
    aifootprint.record_call(model=model, provider=provider, input_tokens=10 + n, output_tokens=10)
    if n % 1000 == 7:
        pytest.skip("now and then")
"""
# A short run's tests over and over: what the page holds counts here, the time that a run of so many takes does not.
MULTIPLIED = f"""
from pytest_aifootprint.quantities.changed import replace
from pathlib import Path

def pytest_aifootprint_footprint(footprint):
    from pytest_aifootprint.reports import html_report

    tests = footprint.tests
    def nth(n):
        test = tests[n % len(tests)]
        calls = tuple(replace(c, call=replace(c.call, input_tokens=10 + n)) for c in test.calls)
        return replace(test, nodeid=f"test_it.py::test_asks[{{n}}]", calls=calls)
    footprint = replace(footprint, tests=tuple(nth(n) for n in range({MANY})))
    html_report.write(footprint, Path("many.html"))
"""
SUITE_OF_REMOTE = """
import pytest

MODELS = [
    ("gpt-4o", "openai", "chat"), ("claude-sonnet-4-5", "anthropic", "chat"), ("mistral-small", "mistral", "chat"),
    ("nobody-knows-it", "openai", "chat"), ("text-embedding-3-small", "openai", "embedding"),
    ("dall-e-3", "openai", "image"), ("gemini-2.5-flash", "google", "chat"),
]

@pytest.mark.parametrize("realness", ["live", "replayed"])
@pytest.mark.parametrize(("model", "provider", "operation"), MODELS)
def test_asks(model, provider, operation, realness, aifootprint):
    aifootprint.record_call(
        model=model, provider=provider, operation=operation, realness=realness, input_tokens=1000, output_tokens=200
    )
"""
SUITE_OF_HOSTILE = f"""
import pytest

NAMES = {NAMES_OF_HOSTILE!r}

@pytest.fixture(scope="module", params=NAMES[:2], ids=NAMES[:2])
def shared(request):
    return request.param

@pytest.mark.parametrize("name", NAMES)
def test_named(name, shared, aifootprint):
    aifootprint.record_call(model=name, provider=name, input_tokens=100, output_tokens=10)
"""
# pytest itself makes what is no ASCII in an id visible; a collector of somebody else's need not.
NAMED = """
import pytest

class Named(pytest.Function):
    @property
    def nodeid(self):
        name = self.callspec.params["name"].replace("\\ud800", "")  # pytest puts ids into the environment
        return f"test_it.py::{name}{self.callspec.indices['shared']}"

def pytest_collection_modifyitems(items):
    for item in items:
        item.__class__ = Named
"""


def run_pytest(folder: Path, *arguments: str) -> Path:
    """A run in a process of its own; the path of its page, beside which its JSON report stands."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--aifootprint", *arguments]
    command += ["--aifootprint-report", "html:page.html"]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return folder / "page.html"


def run_suite(folder: Path, text: str, *arguments: str, conftest: str = "") -> Path:
    (folder / "test_it.py").write_text(text)
    (folder / "conftest.py").write_text(conftest)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return run_pytest(folder, *arguments)


def chromium() -> str | None:
    """The path of a browser of this machine."""
    named = os.environ.get("AIFOOTPRINT_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass
class Shown:
    """A page in the browser, and what it did that a page of ours never does."""

    page: Any
    file: Path
    problems: list[str] = field(default_factory=list)

    def requested(self, request: Any) -> None:
        """Only the file itself may be asked for."""
        if request.url.partition("#")[0] != self.file.as_uri():
            self.problems.append(f"request: {request.url[:200]}")

    @property
    def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))


Show = Callable[..., Shown]
