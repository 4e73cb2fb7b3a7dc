"""Which rows of docs/security-requirements.md are proved by which number of tests.

`pytest --collect-only -q --requirements` prints the report. A marker that names a row the document
does not have is a collection error, so neither can drift from the other.
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
_PROOFS = pytest.StashKey[Counter[str]]()


def rows(document: str) -> list[str]:
    """Return the ids of the requirements in a document, in its order."""
    return _ROW.findall(document)


@cache
def documented() -> frozenset[str]:
    """Return the ids in the document of this repository."""
    return frozenset(rows(DOCUMENT.read_text(encoding="utf-8")))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--requirements",
        action="store_true",
        help="print how many of the collected tests prove each security requirement",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for row in _claimed(metafunc.definition):
        if row not in documented():
            raise pytest.UsageError(
                f"{metafunc.definition.nodeid} proves {row}, which is no row of {DOCUMENT.name}"
            )


def pytest_collection_finish(session: pytest.Session) -> None:
    claims = {(_without_parameters(item), row) for item in session.items for row in _claimed(item)}
    session.config.stash[_PROOFS] = Counter(row for _, row in claims)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if not config.getoption("requirements"):
        return
    proofs = config.stash[_PROOFS]
    known = rows(DOCUMENT.read_text(encoding="utf-8"))
    unproven = [row for row in known if not proofs[row]]

    terminalreporter.section("security requirements")
    for row in known:
        if proofs[row]:
            terminalreporter.write_line(f"{row}  {proofs[row]} {_tests(proofs[row])}")
    terminalreporter.write_line(f"proven: {len(known) - len(unproven)} of {len(known)}")
    terminalreporter.write_line("not proven by any test:")
    terminalreporter.write_line(textwrap.fill(" ".join(unproven), width=100))


def _claimed(item: pytest.Item) -> list[str]:
    return [row for marker in item.iter_markers("requirement") for row in marker.args]


def _without_parameters(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]


def _tests(number: int) -> str:
    return "test" if number == 1 else "tests"
