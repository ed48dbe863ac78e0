"""The JSON Schema of a saved report (draft 2020-12), as it ships with the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("report.schema.json")


def report_schema() -> dict[str, Any]:
    """The schema that every report of schema_version 1 is valid under."""
    schema: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return schema
