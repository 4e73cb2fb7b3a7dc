"""Report how many tests verify each row of docs/security-requirements.md.

`pytest --collect-only -q --requirements` prints the report. A marker that names an unknown row is a
collection error, so tests and document cannot diverge.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parent.parent / "docs" / "security-requirements.md"
_ROW = re.compile(r"^\| ([A-Z]{2}-\d{2}) \|", re.MULTILINE)
_TEST_COUNTS = pytest.StashKey[Counter[str]]()


def requirement_ids(document: str) -> list[str]:
    """Return the ids of the requirements in a document, in its order."""
    return _ROW.findall(document)


@cache
def documented_ids() -> frozenset[str]:
    """Return the ids in the document of this repository."""
    return frozenset(requirement_ids(DOCUMENT.read_text(encoding="utf-8")))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--requirements",
        action="store_true",
        help="print how many of the collected tests verify each security requirement",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for row in _marked_ids(metafunc.definition):
        if row not in documented_ids():
            test = metafunc.definition.nodeid
            raise pytest.UsageError(f"{test} verifies {row}, which is no row of {DOCUMENT.name}")


def pytest_collection_finish(session: pytest.Session) -> None:
    tests = {(_function_id(item), row) for item in session.items for row in _marked_ids(item)}
    session.config.stash[_TEST_COUNTS] = Counter(row for _, row in tests)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if not config.getoption("requirements"):
        return
    counts = config.stash[_TEST_COUNTS]
    ids = requirement_ids(DOCUMENT.read_text(encoding="utf-8"))
    unverified = [row for row in ids if not counts[row]]

    terminalreporter.section("security requirements")
    for row in ids:
        if counts[row]:
            terminalreporter.write_line(f"{row}  {counts[row]} test{'s'[: counts[row] > 1]}")
    terminalreporter.write_line(f"verified: {len(ids) - len(unverified)} of {len(ids)}")
    terminalreporter.write_line("not verified by any test:")
    terminalreporter.write_line(textwrap.fill(" ".join(unverified), width=100))


def _marked_ids(item: pytest.Item) -> list[str]:
    return [row for marker in item.iter_markers("requirement") for row in marker.args]


def _function_id(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]
