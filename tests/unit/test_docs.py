"""What the documentation promises is there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_aifootprint.catalogue import lookup_zone
from pytest_aifootprint.catalogue.electricitymaps import is_live, named_zone
from pytest_aifootprint.detection.remarks import MEANINGS
from pytest_aifootprint.records.schema import report_schema

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))


def codes_in_source() -> set[str]:
    text = "\n".join(path.read_text() for path in SOURCES)
    return set(re.findall(r'Notice\(\s*"([a-z-]+)"', text)) | set(re.findall(r'\.notice\("([a-z-]+)"', text))


def test_every_notice_is_explained_and_every_explanation_is_of_a_notice() -> None:
    page = (ROOT / "docs" / "reference" / "notices.md").read_text()
    explained = set(re.findall(r"^### ([a-z-]+)$", page, re.MULTILINE))
    assert codes_in_source() | set(MEANINGS) == explained


def test_every_code_of_the_seams_has_a_meaning() -> None:
    text = "\n".join(path.read_text() for path in SOURCES if "detection" in path.parts)
    used = set(re.findall(r'\.notice\("([a-z-]+)"', text)) | set(re.findall(r'notices\.append\("([a-z-]+)"', text))
    used |= set(re.findall(r'_give_up\("([a-z-]+)"', text))
    assert len(used) > 5
    assert used <= set(MEANINGS)


def pages() -> list[Path]:
    written = sorted(page for page in (ROOT / "docs").rglob("*.md") if ".pytest_cache" not in page.parts)
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *written]


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    texts = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-") for text in texts}


def links(page: Path) -> list[tuple[Path, str]]:
    """The files that a page links to, and the heading in them."""
    targets = re.findall(r"\]\(([^)\s:]+)\)", prose(page))
    parts = [target.partition("#") for target in targets]
    return [((page.parent / file).resolve() if file else page, anchor) for file, _, anchor in parts]


def test_every_link_between_documents_leads_somewhere() -> None:
    for page in pages():
        for target, anchor in links(page):
            assert target.exists(), f"{page.name} links to {target}"
            assert not anchor or anchor in anchors(target), f"{page.name} links to {target.name}#{anchor}"


def test_every_page_can_be_reached_from_the_first() -> None:
    seen, todo = set[Path](), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        seen.add(page)
        todo += [target for target, _ in links(page) if target.suffix == ".md" and target not in seen]
    assert [page for page in pages() if page not in seen] == []


def test_every_grid_that_the_documentation_names_is_one() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    text = "\n".join(document.read_text() for document in documents)
    page = (ROOT / "docs" / "how-to" / "name-your-grid.md").read_text()
    named = re.findall(r"(?:--aifootprint-grid|PYTEST_AIFOOTPRINT_GRID:) ([A-Za-z][\w/-]*)", text)
    named += [name for row in re.findall(r"^\| [^|]*\| (`[^|]*`) \|", page, re.MULTILINE) for name in row.split(", ")]
    grids = {name.strip('`"') for name in named} - {"ZONE"}

    assert {"FRA", "azure/westus3", "electricitymaps/FR", "0.056 kg/kWh"} <= grids
    for grid in grids:
        assert named_zone(grid, None) if is_live(grid) else lookup_zone(grid)


def test_the_first_page_and_the_tutorial_show_the_same_run_and_it_fits_80_columns() -> None:
    readme = (ROOT / "README.md").read_text()
    run = "collected 15 items\n" + readme.partition("```\ncollected 15 items\n")[2].partition("\n```")[0]
    tutorial = (ROOT / "docs" / "tutorial" / "first-run.md").read_text()

    assert " AI footprint =" in run
    assert "\ntraining  " in run
    assert run in tutorial
    # A notice, a hint or a verdict is one line, to be found by a search for its code.
    told = ("notice  ", "hint    ", "budget  ")
    assert [line for line in run.splitlines() if len(line) > 80 and not line.startswith(told)] == []


# --- the JSON report --------------------------------------------------------------------------------------------------

REPORT_PAGE = (ROOT / "docs" / "reference" / "json-report.md").read_text()
SECTIONS = {
    "Top level": (),
    "`run`": ("run",),
    "`hardware[]`": ("run", "hardware"),
    "`totals`": ("totals",),
    "`balance`": ("balance",),
    "`tests[]`": ("tests",),
    "`calls[]`": ("tests", "calls"),
    "`fixtures[]`": ("fixtures",),
    "`models[]`": ("models",),
    "`hints[]`": ("hints",),
    "`verdicts[]`": ("verdicts",),
    "`notices[]`": ("notices",),
    "`sheets`": ("sheets",),
}


def section_of(page: str, title: str) -> str:
    return re.split(r"^##+ ", page.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def told(text: str) -> set[str]:
    return {word for code in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text) for word in re.findall(r"\w+", code)}


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """The object that a schema is about: behind references, lists and maps of names."""
    if "$ref" in schema:
        return resolved(report_schema()["$defs"][schema["$ref"].rpartition("/")[2]])
    if "items" in schema:
        return resolved(schema["items"])
    if "properties" not in schema and isinstance(schema.get("additionalProperties"), dict):
        return resolved(schema["additionalProperties"])
    return schema


def keys_of(path: tuple[str, ...]) -> dict[str, Any]:
    schema = resolved(report_schema())
    for key in path:
        schema = resolved(schema["properties"][key])
    properties: dict[str, Any] = schema["properties"]
    return properties


def keys_below(properties: dict[str, Any]) -> Iterator[str]:
    for key, schema in properties.items():
        yield key
        yield from keys_below(resolved(schema).get("properties", {}))


def is_told(key: str, words: set[str]) -> bool:
    """By itself, or by the end that is told once for a family of keys (``_per_token``)."""
    return key in words or any(word.startswith("_per_") and key.endswith(word) for word in words)


@pytest.mark.parametrize("title", SECTIONS)
def test_every_key_of_the_report_is_described_and_every_key_described_is_one(title: str) -> None:
    section = section_of(REPORT_PAGE, title)
    keys = keys_of(SECTIONS[title])
    listed = {
        word for row in re.findall(r"^\| (`[^|]*`) \|", section, re.MULTILINE) for word in re.findall(r"`(\w+)`", row)
    }

    assert section, "the section is gone"
    assert [key for key in keys if key not in told(section)] == []
    assert listed - set(keys) == set()


def test_every_key_inside_a_key_is_described_somewhere_on_the_page() -> None:
    words = told(REPORT_PAGE)
    keys = set(keys_below(keys_of(())))

    assert {"low", "phi", "gathered", "n_cpu", "provider_g_per_token"} <= keys
    assert sorted(key for key in keys if not is_told(key, words)) == []
