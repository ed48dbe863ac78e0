"""The catalogue costs nothing before it is asked, and its version tells every change."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_aifootprint.catalogue import Catalogue, default_catalogue
from pytest_aifootprint.catalogue.loader import DATA, OWN_FILES


def test_importing_reads_no_data_and_imports_nothing_heavy() -> None:
    code = (
        "import builtins, io, sys\n"
        "from pathlib import Path\n"
        "read = Path.read_text\n"
        "def refuse(self, *a, **k):\n"
        "    raise AssertionError(f'read at import: {self}')\n"
        "Path.read_text = refuse\n"
        "import pytest_aifootprint.impacts, pytest_aifootprint.catalogue\n"
        "heavy = {'codecarbon', 'ecologits', 'pydantic', 'pandas', 'pytest', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_pricing_what_needs_no_generation_imports_neither_codecarbon_nor_ecologits() -> None:
    code = (
        "import sys\n"
        "from pytest_aifootprint.detection.calls import AICall\n"
        "from pytest_aifootprint.impacts import Pricer, resolve_grid\n"
        "pricer = Pricer(resolve_grid('FRA', {}))\n"
        "call = AICall('embedding', 'httpx', 'remote', 'live', 0, 1, provider='openai', model='x', input_tokens=9)\n"
        "assert pricer.call(call).energy_j.central > 0\n"
        "assert pricer.factors_version\n"
        "assert not {'codecarbon', 'ecologits', 'pydantic'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_version_is_a_month_and_a_hash_of_the_content() -> None:
    month, _, digest = default_catalogue().factors_version.partition("+")

    assert month.count(".") == 1
    assert len(digest) == 12
    assert Catalogue().factors_version == default_catalogue().factors_version


@pytest.mark.parametrize("file", OWN_FILES)
def test_the_version_changes_with_every_file(tmp_path: Path, file: str) -> None:
    for name in OWN_FILES:
        shutil.copy(DATA / name, tmp_path / name)
    before = Catalogue(tmp_path).factors_version
    content = (tmp_path / file).read_text(encoding="utf-8")
    # One digit for another: the length stays.
    (tmp_path / file).write_text(content.replace("year = 202", "year = 201", 1), encoding="utf-8")

    assert before == default_catalogue().factors_version
    assert Catalogue(tmp_path).factors_version != before
