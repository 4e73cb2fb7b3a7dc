"""What was not tested because this machine lacks a tool is told by name when the run ends."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tests.skips import MISSING


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
