"""Skip a test for which this machine lacks a tool; a plugin lists these tests after the run."""

from __future__ import annotations

from collections import defaultdict
from typing import NoReturn

import pytest

MISSING = "missing tool: "


def skip_without(tool: str, remedy: str) -> NoReturn:
    """Skip the running test; `remedy` says how to get the tool."""
    pytest.skip(f"{MISSING}{tool} ({remedy})")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = defaultdict(list)
    for report in terminalreporter.stats.get("skipped", []):
        _, found, tool = report.longrepr[2].partition(MISSING)
        if found:
            skipped[tool].append(report.nodeid)

    for tool, tests in sorted(skipped.items()):
        terminalreporter.section(f"NOT TESTED without {tool}", yellow=True)
        for test in sorted(tests):
            terminalreporter.write_line(test)
