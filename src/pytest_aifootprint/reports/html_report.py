"""The HTML report: one file with everything in it, for a browser that need not be online.

Written with Jinja2, with autoescape on: names of tests and models are anybody's. The page's policy (CSP) allows our own
style and script by their hashes, and nothing else: no request, no other script, no form.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_aifootprint.records.model import HERE, RunFootprint
from pytest_aifootprint.reports import facts, files, formatting, remarks
from pytest_aifootprint.reports.files import probe
from pytest_aifootprint.reports.page import data, timeline, view
from pytest_aifootprint.reports.summary import carbon_central, ranking, summarise

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

__all__ = ["NAME", "chunks", "probe", "write"]

NAME = "aifootprint.html"
SHOWN = 25
"""Tests that the page shows at once, and all that it shows without script."""
MOST_OPEN = 5
"""Verdicts that stand above the figures; the rest is opened by who wants it."""
SCRIPTS = ("sheets.js", "details.js", "table.js")


def write(run: RunFootprint, path: Path) -> None:
    """Write the page: a new file takes the place of an old one when it is complete. Raises OSError, see ``files``."""
    files.write(path, "the HTML report", chunks(run))


def chunks(run: RunFootprint) -> Iterator[str]:
    """The page in pieces: one on 100,000 tests is never in memory as a whole."""
    style = _asset("style.css")
    script = "\n".join(_asset(name) for name in SCRIPTS)
    template = _environment().get_template("page.html")
    before, after = template.render(_context(run, style, script)).split(_DATA_GOES_HERE)
    yield before
    yield from data.data(run)
    yield after


_DATA_GOES_HERE = "\0data\0"


def _asset(name: str) -> str:
    return (resources.files(__package__) / "page" / name).read_text(encoding="utf-8")


def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined  # 30 ms: when a page is written, not before

    environment = Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    environment.filters["six"] = formatting.exact
    environment.filters["breakable"] = _breakable
    return environment


def _breakable(name: str) -> Markup:
    """A name that may be broken where its words end."""
    from markupsafe import Markup

    # What joins escapes what it joins.
    return Markup("<wbr>").join(re.split(r"(?<=[_/:])(?=[^_/:])", formatting.one_line(name)))


def _harmless(value: Any) -> Any:
    """What is printed: a control character or half a surrogate in a name is made visible, what is no text is an error.

    A file in UTF-8 cannot hold the one, and no reader sees the other.
    """
    if value is None:
        raise ValueError("a template prints None")
    # Our own style and script are of a type of their own.
    return formatting.one_line(value) if type(value) is str else value


def _context(run: RunFootprint, style: str, script: str) -> dict[str, Any]:
    from markupsafe import Markup

    summary = summarise(run, SHOWN)
    tests = sorted((t for t in run.tests if t.ai or carbon_central(t)), key=lambda t: (-carbon_central(t), t.nodeid))[
        :SHOWN
    ]
    scale = view.scale_of(run.tests)
    verdicts = view.verdicts(run)
    return {
        # Made here, not by anybody's names: our own files, and a mark that is replaced by data.
        "style": Markup(style),  # noqa: S704
        "script": Markup(script),  # noqa: S704
        "data": Markup(_DATA_GOES_HERE),  # noqa: S704
        "policy": _policy(style, script),
        "summary": summary,
        "carbon": next((f for f in summary.figures if f.label == "carbon"), None),
        "figures": [f for f in summary.figures if f.label != "carbon"],
        "total_bar": view.total_bar(run),
        "basis_bar": view.basis_bar(run),
        "basis_words": facts.basis(run),
        "heaviest": view.heaviest(run, summary.ranking),
        "verdicts": verdicts,
        # A list of one more would be no shorter.
        "open": MOST_OPEN if len(verdicts) > MOST_OPEN + 1 else len(verdicts),
        "changes": view.changes(run),
        "amounts": list(view.amounts(run)),
        "factors": view.factors(run),
        "sheet": run.sheets.get(HERE),
        "timeline": timeline.timeline(run),
        "terms": timeline.TERM_NAMES,
        # Not the summary's ranking: that of a run without AI calls is empty.
        "rows": [
            (row, test, view.test_bar(test, scale)) for row, test in zip(ranking(tests, SHOWN), tests, strict=True)
        ],
        "n_rows": len(run.tests),
        "scale": scale,
        "models": view.model_rows(run),
        "fixtures": view.fixture_rows(run),
        "balance": view.balance_rows(run),
        "meters": run.meters,
        "rejected": run.rejected_meters,
        "grids": view.grid_rows(run),
        "hints": [line.text for line in remarks.hints(run, len(run.hints))],
        "notices": [line.text for line in remarks.notices(run, view.MOST_NOTICES)],
        "about": view.about(run),
        "started": run.started_at.replace("T", " ")[:16],
    }


def _policy(style: str, script: str) -> str:
    """The Content-Security-Policy of the page."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
