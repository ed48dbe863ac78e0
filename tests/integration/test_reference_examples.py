"""The examples of docs/reference/options.md and fixture.md do what the pages say."""

import re
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
OPTIONS, FIXTURE = ((REFERENCE / page).read_text() for page in ("options.md", "fixture.md"))
ONE_CALL = """
    def test_one(aifootprint):
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1000, output_tokens=100)
"""
APPLICATION = """
    from types import SimpleNamespace
    import pytest
    import test_page

    @pytest.fixture(autouse=True)
    def application(monkeypatch, aifootprint):
        def ask(question, passages):
            aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=9, output_tokens=5)
            return "Within 14 days."

        reply = SimpleNamespace(read=9, written=5)
        monkeypatch.setattr(test_page, "search", lambda words: [], raising=False)
        monkeypatch.setattr(test_page, "ask", ask, raising=False)
        monkeypatch.setattr(test_page, "my_client", SimpleNamespace(ask=lambda question: reply), raising=False)
"""


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("language", "name"), [("ini", "pytest.ini"), ("toml", "pyproject.toml")])
def test_the_options_can_be_copied_into_an_ini_file(pytester: pytest.Pytester, language: str, name: str) -> None:
    (block,) = blocks(OPTIONS, language)
    assert block.startswith(f"# {name}\n")
    pytester.makepyfile(test_one=ONE_CALL)
    (pytester.path / name).write_text(block)
    result = pytester.runpytest()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["grid *local FRA *", "budget * of 5 g *: pass", "budget * of 50000 tokens *: pass"])
    assert (pytester.path / "aifootprint.json").is_file()
    assert (pytester.path / "reports" / "footprint.html").is_file()


def test_the_same_lines_stand_in_the_table_of_pytest_9(pytester: pytest.Pytester) -> None:
    if pytest.version_tuple < (9, 0):
        pytest.skip("pytest 9 brought the table [tool.pytest]")
    (block,) = blocks(OPTIONS, "toml")
    (number,) = re.findall(r"`(aifootprint_top = \d+)`", OPTIONS)
    pytester.makepyfile(test_one=ONE_CALL)
    pytester.makepyprojecttoml(block.replace("[tool.pytest.ini_options]", "[tool.pytest]") + number)
    result = pytester.runpytest()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["grid *local FRA *", "budget * of 5 g *: pass", "budget * of 50000 tokens *: pass"])
    result.stdout.no_fnmatch_line("most carbon*")


@pytest.mark.parametrize("switch", [(), ("--aifootprint",)], ids=["off", "on"])
def test_the_tests_of_the_fixtures_page_pass_with_and_without_the_switch(
    pytester: pytest.Pytester, switch: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_page="\n\n".join(blocks(FIXTURE, "python")))
    pytester.makeconftest(APPLICATION)
    result = pytester.runpytest(*switch)
    result.assert_outcomes(passed=2)
    if switch:
        result.stdout.fnmatch_lines(["2 of 2 tests called an AI model: 2 live calls, *28 tokens"])


def test_an_option_in_our_table_is_told_where_it_belongs(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_one=ONE_CALL)
    for key in ("grid", "test-budget", "aifootprint_test_budget"):
        pytester.makepyprojecttoml(f'[tool.aifootprint]\n{key} = "FRA"\n')
        result = pytester.runpytest("--aifootprint")
        ini = "aifootprint_grid" if key == "grid" else "aifootprint_test_budget"
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            [f"ERROR: [[]tool.aifootprint[]] (pyproject.toml): unknown key '{key}' (an option of pytest: {ini} in *"]
        )
