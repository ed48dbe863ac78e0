"""The blocks of docs/how-to/gate-in-ci.md do what the page says: their commands are run, as the CI would run them.

Left out are the lines that install: what they would install is here already.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "gate-in-ci.md").read_text()
INSTALLS = "pip install "

KEPT = """
    def test_asks(aifootprint):
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=500, output_tokens=100)
"""
BROKEN = KEPT.replace("500", "30_000")


def block(heading: str) -> dict[str, Any]:
    found = re.search(rf"^### {heading}$.*?^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found, heading
    parsed: dict[str, Any] = yaml.safe_load(found[1])
    return parsed


def github() -> list[str]:
    return [step["run"] for step in block("GitHub Actions")["jobs"]["tests"]["steps"] if "run" in step]


def gitlab() -> list[str]:
    return list(block("GitLab CI")["tests"]["script"])


def run(commands: list[str], folder: Path) -> tuple[int, str]:
    """Run them as a CI does: each only if the one before was right. Returns the exit status of the last."""
    binaries = Path(sys.executable).parent
    environ = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
    environ["GITHUB_STEP_SUMMARY"] = str(folder / "summary.md")
    output = ""
    for command in commands:
        if command.startswith(INSTALLS):
            continue
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", command],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        output += done.stdout + done.stderr
        if done.returncode:
            return done.returncode, output
    return 0, output


@pytest.mark.parametrize(("commands", "summary"), [(github, "summary.md"), (gitlab, "footprint.md")])
@pytest.mark.parametrize("kept", [True, False])
def test_the_block_of_the_page_is_a_gate(pytester: pytest.Pytester, commands: Any, summary: str, kept: bool) -> None:  # noqa: FBT001
    pytester.makepyfile(test_suite=KEPT if kept else BROKEN)
    lines = commands()
    assert [line.startswith(INSTALLS) for line in lines] == [True, False]

    status, output = run(lines, pytester.path)

    assert status == (0 if kept else 1), output
    assert "1 passed" in output
    report = json.loads((pytester.path / "footprint.json").read_text())
    by_unit = {verdict["unit"]: verdict["verdict"] for verdict in report["verdicts"]}
    assert by_unit == {"tokens": "pass" if kept else "fail", "calls": "pass", "carbon_g": "pass"}
    shown = (pytester.path / summary).read_text()
    assert "20000 tokens" in shown
    assert ("fail" in shown) != kept


def test_the_artifacts_are_kept_when_the_gate_fails() -> None:
    upload = block("GitHub Actions")["jobs"]["tests"]["steps"][-1]
    assert upload["if"] == "always()"
    assert upload["with"]["path"] == "footprint.json"
    artifacts = block("GitLab CI")["tests"]["artifacts"]
    assert artifacts["when"] == "always"
    assert set(artifacts["paths"]) == {"footprint.md", "footprint.json"}


def test_both_blocks_have_the_same_limits() -> None:
    def limits(commands: list[str]) -> list[str]:
        return re.findall(r'--aifootprint-budget "([^"]+)"', " ".join(commands))

    assert limits(github()) == limits(gitlab()) == ["20k tokens", "100 calls", "20 gCO2e"]
