"""With ``-vv``: the calls of a test under its line."""

from __future__ import annotations

import sys

import pytest

from pytest_aifootprint.records.model import CallFootprint

VERBOSITY = 2


def lists_calls(config: pytest.Config) -> bool:
    """Whether the user wants to see them."""
    return config.get_verbosity(pytest.Config.VERBOSITY_TEST_CASES) >= VERBOSITY


def write_calls(config: pytest.Config, calls: tuple[CallFootprint, ...]) -> None:
    """Print the calls under the line that pytest has just written."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    from pytest_aifootprint.reports.calls import call_lines, wrapped
    from pytest_aifootprint.reports.formatting import printable
    from pytest_aifootprint.reports.terminal import knows_width

    encoding = getattr(sys.stdout, "encoding", None)
    texts = [printable(line, encoding) for line in call_lines(calls)]
    lines = wrapped(texts, config.get_terminal_writer().fullwidth if knows_width(reporter) else None)
    if type(reporter) is pytest.TerminalReporter:
        # The last line stays open, as pytest leaves its own: whatever it writes next begins with the line's end.
        reporter.write("".join(f"\n{line}" for line in lines))
        return
    for line in lines:
        reporter.write_line(line)
