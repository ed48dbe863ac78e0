"""Columns in pytest-html's table: the direct cost of a test, sortable, in nobody's way."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest

SUITE = """
    import pytest

    @pytest.mark.parametrize("tokens", [9, 1000, 100])
    def test_asks(aifootprint, tokens):
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=10, output_tokens=tokens)

    tries = []

    @pytest.mark.flaky(reruns=1)
    def test_flaky(aifootprint):
        tries.append(1)
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=10, output_tokens=10)
        assert len(tries) == 2

    @pytest.mark.aifootprint(budget="1 ugCO2e")
    def test_over(aifootprint):
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=10, output_tokens=10)

    def test_plain():
        pass
"""


def page(pytester: pytest.Pytester) -> tuple[list[str], dict[str, list[dict[str, Any]]]]:
    """Header cells, and rows by test as the page's script gets them."""
    text = (pytester.path / "page.html").read_text()
    data = re.search(r'data-jsonblob="([^"]*)"', text)
    head = re.search(r'<tr id="results-table-head.*?</tr>|<thead id="results-table-head">.*?</thead>', text, re.DOTALL)
    assert data
    assert head
    blob: dict[str, Any] = json.loads(html.unescape(data.group(1)))
    return re.findall(r"<th.*?</th>", head.group(), re.DOTALL), blob["tests"]


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    pytester.makepyfile(test_it=SUITE)
    return pytester.runpytest("--html=page.html", "--self-contained-html", *args)


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_every_ai_test_has_its_direct_cost(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    run(pytester, "--aifootprint", "--aifootprint-report=json:r.json", *workers)
    head, tests = page(pytester)
    assert [re.sub("<.*?>", "", cell) for cell in head[-3:]] == ["AI carbon", "AI energy", "AI calls"]
    report = json.loads((pytester.path / "r.json").read_text())
    for row in report["tests"]:
        last = tests[row["nodeid"]][-1]
        carbon, energy, calls = last["resultsTableRow"][-3:]
        number = re.search(r"<span hidden>(.*?)</span>", carbon)
        assert number
        # One counts the machine's time until the call ended, the other until the test did.
        assert float(number.group(1)) == pytest.approx(row["direct"]["carbon_g"]["total"]["central"], rel=1e-3)
        assert carbon.endswith("gCO2e</td>")
        assert energy.endswith("Wh</td>")
        assert calls.endswith("</span>2</td>" if "flaky" in row["nodeid"] else "</span>1</td>")
    assert tests["test_it.py::test_plain"][0]["resultsTableRow"][-3:] == [
        f'<td class="col-aifootprint_{name}"></td>' for name in ("carbon", "energy", "calls")
    ]
    *before, last = tests["test_it.py::test_flaky"]
    assert last["result"] == "Passed"
    assert {row["result"] for row in before} == {"Rerun"}
    assert not [row for row in before if "hidden" in "".join(row["resultsTableRow"])]
    assert tests["test_it.py::test_over"][0]["result"] == "Failed"
    # What the page's script sorts by is the text of a cell.
    asked = [tests[f"test_it.py::test_asks[{n}]"][0]["aifootprint_carbon"] for n in (9, 100, 1000)]
    assert asked == sorted(asked)


def test_what_others_do_to_the_table_stays(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        def pytest_html_results_table_header(cells):
            cells.insert(1, "<th>mine</th>")
            cells.pop()

        def pytest_html_results_table_row(report, cells):
            if "plain" in report.nodeid:
                del cells[:]
            else:
                cells.insert(1, "<td>mine</td>")
                cells.pop()
    """)
    run(pytester, "--aifootprint")
    head, tests = page(pytester)
    assert len(head) == 7
    assert "AI calls" in head[-1]
    assert "test_it.py::test_plain" not in tests
    for rows in tests.values():
        assert [len(row["resultsTableRow"]) for row in rows] == [7] * len(rows)
        assert rows[0]["resultsTableRow"][1] == "<td>mine</td>"
        assert "col-aifootprint_calls" in rows[0]["resultsTableRow"][-1]


@pytest.mark.parametrize("args", [("--html=page.html",), ("--aifootprint",)])
def test_only_both_together_have_columns(pytester: pytest.Pytester, args: tuple[str, ...]) -> None:
    pytester.makepyfile(test_it="def test_plain(): pass")
    done = pytester.runpytest(*args)
    assert done.ret == 0
    assert not (pytester.path / "page.html").exists() or len(page(pytester)[0]) == 4


def test_without_pytest_html_its_hooks_are_not_asked_for(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="def test_plain(): pass")
    assert pytester.runpytest("--aifootprint", "-p", "no:html").ret == 0
