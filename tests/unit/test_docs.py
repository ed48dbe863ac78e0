"""What the documentation promises is there."""

import re
from pathlib import Path

from pytest_aifootprint.catalogue import lookup_zone
from pytest_aifootprint.catalogue.electricitymaps import is_live, named_zone
from pytest_aifootprint.detection.remarks import MEANINGS

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


def test_every_link_between_documents_leads_somewhere() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for document in documents:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


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
