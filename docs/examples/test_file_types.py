"""A model inside the test process: magika tells what kind of file some bytes are.

Its network (run by onnxruntime) comes with the package, so nothing is downloaded. It is loaded once, in a module-scoped
fixture, and each test that uses it bears its share of the loading.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from magika import Magika

PYTHON = b"""
import sys

def main(arguments):
    for name in arguments:
        with open(name) as file:
            print(len(file.read()))

if __name__ == "__main__":
    main(sys.argv[1:])
"""

SHELL = b"""#!/bin/bash
set -e
for file in "$@"; do
    if [ -f "$file" ]; then
        echo "$file: $(wc -l < "$file") lines"
    fi
done
"""

SQL = b"""SELECT name, COUNT(*) AS orders
FROM customers
JOIN orders ON orders.customer_id = customers.id
GROUP BY name
ORDER BY orders DESC;
"""


@pytest.fixture(scope="module")
def magika() -> Magika:
    return Magika()


def test_source_code_is_recognised(magika: Magika) -> None:
    result = magika.identify_bytes(PYTHON)
    assert result.output.label == "python"
    assert result.score > 0.9


def test_a_script_that_calls_itself_a_photo_is_found_out(magika: Magika, tmp_path: Path) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(SHELL)
    assert magika.identify_path(path).output.label == "shell"


def test_a_folder_is_classified_in_one_go(magika: Magika, tmp_path: Path) -> None:
    for name, content in {"a.txt": PYTHON, "b.txt": SHELL, "c.txt": SQL}.items():
        (tmp_path / name).write_bytes(content)
    results = magika.identify_paths(sorted(tmp_path.iterdir()))
    assert [result.output.label for result in results] == ["python", "shell", "sql"]
