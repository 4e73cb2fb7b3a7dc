"""Report how many tests verify each row of docs/security-requirements.md.

A row that no test verifies is either not built yet, as the document says, or built and unproven.
`pytest --collect-only -q --requirements` prints the report. A marker that names an unknown row is a
collection error, so tests and document cannot diverge.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parent.parent / "docs" / "security-requirements.md"
_ROW = re.compile(r"^\| ([A-Z]{2}-\d{2}) \|.*$", re.MULTILINE)
_NOT_BUILT = re.compile(r"^Not built yet: ([^.]+)\.$", re.MULTILINE)
_ASVS = re.compile(r"V(\d+\.\d+\.\d+)/([123])")
_TEST_COUNTS = pytest.StashKey[Counter[str]]()


def requirement_ids(document: str) -> list[str]:
    """Return the ids of the requirements in a document, in its order."""
    return [row[1] for row in _ROW.finditer(document)]


def unbuilt_ids(document: str) -> list[str]:
    """Return the ids of the requirements whose features are not built yet, as a document says."""
    return re.findall(r"[A-Z]{2}-\d{2}", " ".join(_NOT_BUILT.findall(document)))


def asvs_ids(document: str) -> dict[str, set[tuple[str, str]]]:
    """Return the ASVS requirements of each row: number and level."""
    return {row[1]: set(_ASVS.findall(row[0])) for row in _ROW.finditer(document)}


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
    terminalreporter.section("security requirements")
    for line in report_lines(DOCUMENT.read_text(encoding="utf-8"), counts):
        terminalreporter.write_line(line)


def report_lines(document: str, counts: Counter[str]) -> Iterator[str]:
    """Yield the report of a document, with the number of tests of each row."""
    ids, unbuilt = requirement_ids(document), unbuilt_ids(document)
    for row in ids:
        if counts[row]:
            yield f"{row}  {counts[row]} test{'s'[: counts[row] > 1]}"
    verified = [row for row in ids if counts[row]]
    yield f"verified: {len(verified)} of {len(ids)}"
    unproven = [row for row in ids if not counts[row] and row not in unbuilt]
    yield from _paragraph("built and unproven", unproven)
    yield from _paragraph("not built yet", [row for row in unbuilt if not counts[row]])
    yield from _paragraph("verified, but still listed as not built", [*{*unbuilt} & {*verified}])
    yield _count_asvs(asvs_ids(document), verified)


def _paragraph(title: str, rows: Sequence[str]) -> Iterator[str]:
    if rows:
        yield f"{title}: {len(rows)}"
        yield textwrap.fill(" ".join(rows), width=100)


def _count_asvs(by_row: Mapping[str, set[tuple[str, str]]], verified: Sequence[str]) -> str:
    """Return how many ASVS requirements are a source of a verified row, by level."""
    known = {each for row in by_row.values() for each in row}
    proven = {each for row in verified for each in by_row[row]}
    levels = (
        f"level {level}: {sum(each[1] == level for each in proven)}"
        f" of {sum(each[1] == level for each in known)}"
        for level in "123"
    )
    return f"ASVS 5.0: {len(proven)} of {len(known)} requirements ({', '.join(levels)})"


def _marked_ids(item: pytest.Item) -> list[str]:
    return [row for marker in item.iter_markers("requirement") for row in marker.args]


def _function_id(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]
