"""The HTML report in a real Chromium: it sorts, filters, explains, asks for nothing, and axe finds nothing."""

# ruff: noqa: RUF001 - the dash and the sign that are printed
from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from browsing import (  # type: ignore[import-not-found]  # pytest puts this folder on the path
    HOSTILE,
    MANY,
    NAMES_OF_HOSTILE,
    Show,
)

from pytest_aifootprint.quantities import Given, Range, Sheet, Step

SHOWN = "#rows > tr > .name"
COUNT = "#count"


def names(page: Any) -> list[str]:
    return [text.strip() for text in page.locator(SHOWN).all_inner_texts()]


def column(page: Any, number: int) -> list[str]:
    return [text.strip() for text in page.locator(f"#rows > tr > :nth-child({number})").all_inner_texts()]


def report_of(file: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(file.with_suffix(".json").read_text())
    return report


def test_five_seconds_what_was_spent_how_sure_and_which_test(demo: Path, show: Show) -> None:
    page = show(demo).page
    report = report_of(demo)
    first = page.locator("header").inner_text()
    assert re.search(r"\d", page.locator("h1 .number").inner_text())
    assert "CO2e" in page.locator("h1").inner_text().replace("\n", "")
    assert "Most likely between" in first
    heaviest = max(report["tests"], key=lambda test: test["carbon_g"]["total"]["central"])
    assert heaviest["nodeid"] in first
    assert "pass" in page.locator(".verdicts").inner_text()
    # All of that stands in the first window.
    box = page.locator(".figures").bounding_box()
    assert box["y"] + box["height"] < 900


def test_a_click_on_a_heading_sorts_and_says_so(demo: Path, show: Show) -> None:
    page = show(demo).page
    tests = report_of(demo)["tests"]
    by_carbon = sorted(tests, key=lambda test: -test["carbon_g"]["total"]["central"])
    assert names(page) == [test["nodeid"] for test in by_carbon]
    head = page.locator("#table th[data-key=name]")
    head.locator("button").click()
    assert names(page) == sorted((test["nodeid"] for test in tests), key=str.lower)
    assert head.get_attribute("aria-sort") == "ascending"
    assert page.locator("#table [aria-sort]").count() == 1
    head.locator("button").click()
    assert names(page) == sorted((test["nodeid"] for test in tests), key=str.lower, reverse=True)
    for key in ("outcome", "calls", "tokens", "energy", "carbon", "high"):
        page.locator(f"#table th[data-key={key}] button").click()
        assert page.locator(f"#table th[data-key={key}]").get_attribute("aria-sort") in {"ascending", "descending"}
    page.locator("#table th[data-key=energy] button").click()
    by_energy = sorted(tests, key=lambda test: -test["energy_j"]["total"]["central"])
    assert names(page)[0] == by_energy[0]["nodeid"]


def test_filters_narrow_the_table_and_tell_how_many_are_left(demo: Path, show: Show) -> None:
    page = show(demo).page
    tests = report_of(demo)["tests"]
    assert page.locator(COUNT).get_attribute("aria-live") == "polite"
    assert page.locator(COUNT).inner_text() == f"{len(tests)} tests"
    page.fill("#find", "CLASSIFIER")
    wanted = {test["nodeid"] for test in tests if "classifier" in test["nodeid"]}
    assert set(names(page)) == wanted
    assert page.locator(COUNT).inner_text() == f"{len(wanted)} of {len(tests)} tests"
    page.fill("#find", "")
    page.select_option("#ai", "0")
    assert set(names(page)) == {test["nodeid"] for test in tests if not test["ai"]}
    page.select_option("#ai", "")
    page.select_option("#model", label="gpt-4o-mini")
    assert names(page) == ["test_replayed.py::test_a_text_is_summarised_from_the_recording"]
    page.select_option("#outcome", label="passed")
    page.fill("#find", "no test has this name")
    assert names(page) == []
    assert page.locator(COUNT).inner_text() == f"0 of {len(tests)} tests"


def test_an_explanation_has_equation_inputs_basis_and_source(demo: Path, show: Show) -> None:
    page = show(demo).page
    nodeid = "test_assistant.py::test_a_text_is_summarised"
    test = next(test for test in report_of(demo)["tests"] if test["nodeid"] == nodeid)
    page.fill("#find", "test_a_text_is_summarised")
    opener = page.locator(f'{SHOWN} button:has-text("{nodeid}")').first
    opener.click()
    assert opener.get_attribute("aria-expanded") == "true"
    detail = page.locator("#rows .explained")
    assert f'aifootprint explain "{nodeid}"' in detail.inner_text()
    windows, call = detail.locator(".parts > details").all()[:2]
    windows.locator("summary").first.click()
    said = windows.inner_text()
    assert "E_here * I_here / 3.6e6" in said
    assert "IEA 2019 world average" in said
    assert f"{test['direct']['cpu_s']:.6g} s" in said
    # Where nothing meters memory the sheet adds 0, and does not call that a measurement.
    if "ram" not in report_of(demo)["balance"]:
        assert re.search(r"E_ram\s+0 J\s+nothing was metered of it", said)
    call.locator("summary").first.click()
    said = call.inner_text()
    assert "E_it * PUE" in said
    assert "Patterson" in said
    assert "estimated" in said
    assert str(test["calls"][0]["input_tokens"]) in said
    opener.click()
    assert page.locator("#rows .explained").count() == 0


def sheet_of(row: dict[str, Any]) -> Sheet:
    given = [
        Given(
            g["symbol"], g["what"], g["unit"],
            Range(g["central"], {f["name"]: (math.log(f["low"]), math.log(f["high"])) for f in g["factors"]}),
            g["source"], g["year"], g["basis"],
        )
        for g in row["given"]
    ]  # fmt: skip
    steps = [Step(s["symbol"], s["equation"], s["unit"], s["what"], s["gathered"] or "") for s in row["steps"]]
    return Sheet("", tuple(given), tuple(steps), row["answers"])


@pytest.mark.parametrize("name", ["demo", "remote"])
def test_the_page_calculates_what_python_calculates(name: str, show: Show, request: pytest.FixtureRequest) -> None:
    file = request.getfixturevalue(name)
    page, report = show(file).page, report_of(file)
    told = {"n": 1234.0, "c": 100.0, "out": 56.0, "items": 2.0, "media_s": 3.0}
    told |= {"t": 1.5, "t_machine": 1.25, "E_ram": 0.0, "E_gpu": 7.5}
    compared = 0
    for sheet_name, row in report["sheets"].items():
        sheet = sheet_of(row)
        mine = {symbol: value for symbol, value in told.items() if not sheet.makes(symbol)}
        want = sheet.results({symbol: Range(value) for symbol, value in mine.items()})
        script = """([name, told]) => Object.fromEntries([...results(report.sheets[name], told)].map(
            ([symbol, value]) => [symbol, [value.central, ...ends(value)]]))"""
        found = page.evaluate(script, [sheet_name, mine])
        assert found.keys() >= want.keys()
        for symbol, value in want.items():
            assert found[symbol] == pytest.approx([value.central, value.low, value.high], rel=1e-9), (
                sheet_name,
                symbol,
            )
            compared += 1
    assert compared > 20


def test_equations_that_are_more_than_arithmetic_are_refused(demo: Path, show: Show) -> None:
    page = show(demo).page
    for equation in ("alert(1)", "a.b", "a[0]", "a;b", "1 +", "(1", "constructor(1)", "'x'", "a = 1", "", "1 2"):
        script = """(equation) => { try { calculate(equation, new Map([["a", {central: 1, factors: {}}]]), "");
            return "calculated"; } catch { return "refused"; } }"""
        assert page.evaluate(script, equation) == "refused", equation
    assert page.evaluate('calculate("2 ** 3 ** 2 / 4 - 1", new Map(), "").central') == 2**3**2 / 4 - 1


def test_the_keyboard_is_enough(demo: Path, show: Show) -> None:
    page = show(demo).page
    page.focus("#model")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("#table th[data-key=name]").get_attribute("aria-sort") == "ascending"
    first = names(page)[0]
    for _ in range(7):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.locator("#rows .explained").count() == 1
    assert page.evaluate("document.activeElement.innerText") == first
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("#rows .explained details[open] .sheet").count() == 2


def test_a_shared_fixture_is_explained_too(demo: Path, show: Show) -> None:
    page = show(demo).page
    page.locator("#fixtures .open").first.click()
    detail = page.locator("#fixtures .explained")
    detail.locator("summary").first.click()
    assert "E_here * I_here / 3.6e6" in detail.inner_text()


def unfold(page: Any) -> None:
    """Everything open that can be."""
    page.locator("#rows .open").first.click()
    for opener in page.locator("#fixtures .open").all()[:1]:
        opener.click()
    page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    page.wait_for_timeout(50)


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_no_page_is_wider_than_its_window(demo: Path, hostile: Path, show: Show, width: int) -> None:
    for file in (demo, hostile):
        shown = show(file, width=width, height=780)
        assert shown.overflow <= 0
        unfold(shown.page)
        assert shown.overflow <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing(demo: Path, show: Show, scheme: str, width: int) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed: make browser"
    )
    page = show(demo, width=width, color_scheme=scheme).page
    # What is seen of the page as it opens is seen of it then, too.
    unfold(page)
    found = axe.Axe().run(page).response["violations"]
    assert [(v["id"], v["impact"], [node["html"][:200] for node in v["nodes"]][:3]) for v in found] == []


def test_ten_thousand_tests_stay_usable(many: Path, show: Show) -> None:
    page = show(many).page
    assert page.locator(COUNT).inner_text() == f"{MANY:,} tests"
    assert len(names(page)) == 25
    page.fill("#find", "[9999]")
    assert names(page) == ["test_it.py::test_asks[9999]"]
    page.fill("#find", "")
    page.locator("#table th[data-key=tokens] button").click()
    assert names(page)[0] == "test_it.py::test_asks[9999]"
    page.locator("#next").click()
    assert page.locator("#page").inner_text() == f"26 – 50 of {MANY:,}"
    page.select_option("#outcome", label="skipped")
    assert page.locator(COUNT).inner_text() == f"334 of {MANY:,} tests"
    # What is not shown costs nothing: the page is as large as with a few tests.
    assert page.evaluate("document.querySelectorAll('*').length") < 3000


def test_without_script_the_totals_and_the_heaviest_tests_can_be_read(many: Path, show: Show) -> None:
    page = show(many, java_script_enabled=False).page
    assert len(names(page)) == 25
    assert page.locator("#controls").is_hidden()
    page.locator("#totals summary").first.click()
    assert "electricity × carbon of its grid" in page.locator("#totals").inner_text()


def test_names_that_want_to_be_more_stay_names(hostile: Path, show: Show) -> None:
    page = show(hostile).page
    title = page.title()
    assert title.startswith("AI footprint")
    shown = "\n".join(names(page))
    assert f"test_it.py::{HOSTILE}0" in shown
    assert "\\n<svg onload=alert(1)>\\r" in shown
    assert "x" * 5000 in shown
    assert "🦥" in shown
    assert page.locator("#model option").count() == len(NAMES_OF_HOSTILE) + 1
    page.evaluate("for (const opener of document.querySelectorAll('#table .open, #fixtures .open')) opener.click()")
    closed = "details:not([open]) > summary"
    while page.locator(closed).count():
        page.evaluate(f"for (const summary of document.querySelectorAll('{closed}')) summary.click()")
    assert page.locator("#rows .explained details[open] .sheet").count() >= len(NAMES_OF_HOSTILE)
    page.fill("#find", HOSTILE)
    assert names(page) == [f"test_it.py::{HOSTILE}{n}" for n in (0, 1)]
    for name in ("__proto__", "constructor"):
        page.fill("#find", "")
        page.select_option("#model", label=name)
        assert names(page) == [f"test_it.py::{name}{n}" for n in (0, 1)]
    assert page.locator("img, iframe, object, main script, svg[onload], main b b").count() == 0
    assert page.locator("script").count() == 2
    assert page.title() == title


def test_the_policy_stops_a_script_that_is_not_ours(demo: Path, show: Show) -> None:
    shown = show(demo)
    failed: list[str] = []
    shown.page.on("requestfailed", lambda request: failed.append(request.failure))
    shown.page.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "document.title = 'owned'";
        document.body.append(script);
        const image = new Image();
        image.src = "https://example.org/x.png";
        document.body.append(image);
    }""")
    shown.page.wait_for_function("true")
    assert shown.page.title().startswith("AI footprint")
    blocked = [problem for problem in shown.problems if "Content Security Policy" in problem]
    assert len(blocked) == 2
    # The browser tells of the image, and does not send for it.
    assert failed == ["csp"]
    shown.problems.clear()


def test_on_paper_what_matters_is_open_and_controls_are_gone(demo: Path, show: Show) -> None:
    page = show(demo).page
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#totals table").first.is_visible()
    assert not page.locator("#find").is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("main > section > details[open]").count() == 0
    assert page.pdf()[:5] == b"%PDF-"
