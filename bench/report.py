"""The report of a run: a table on the screen, build/bench.json and docs/performance.md."""

import json
import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from bench import plot, status_list
from bench.comparisons import Result
from bench.finding import Finding
from bench.lanes import CORES, Measurement
from bench.markdown import table
from config import ROOT

JSON_FILE = ROOT / "build" / "bench.json"
PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "performance.svg"
BEGIN, END = (
    "<!-- numbers: written by `python -m bench --write-docs` -->",
    "<!-- end of numbers -->",
)
TIMES = ("a second", "p50", "p99")
HEAD = ("measured", "ratio", "of rounds", "bar", "", *TIMES, "against", *TIMES)
FOUND_HEAD = ("measured", "found", "bar", "", "how")


@dataclass(frozen=True)
class Report:
    """What a run has found; whatever was not measured is empty."""

    about: dict[str, Any]
    results: Sequence[Result] = ()
    findings: Sequence[Finding] = ()
    sizes: Sequence[status_list.Size] = ()

    @property
    def is_good(self) -> bool:
        """Whether no bar was missed."""
        ratios = all(result.ratio >= result.bar for result in self.results)
        return ratios and all(finding.met for finding in self.findings)

    def __str__(self) -> str:
        """Return it as Markdown; times in milliseconds."""
        rows = [_row(result) for result in self.results]
        found = [_found(finding) for finding in self.findings]
        sizes = table(status_list.HEAD, status_list.rows(self.sizes))
        parts = (table(HEAD, rows), table(FOUND_HEAD, found), sizes, sentence(self.about))
        return "\n\n".join(filter(None, parts))


def conditions(postgres: str = "") -> dict[str, Any]:
    """Return what the numbers depend on, before the load starts."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": CORES,
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "postgresql": postgres,
        "client": "wrk, and Python for logins" if shutil.which("wrk") else "Python",
    }


def sentence(about: dict[str, Any]) -> str:
    """Say what the numbers depend on."""
    database = f" PostgreSQL {about['postgresql']}, durable;" if about["postgresql"] else ""
    return (
        f"{about['cores']} cores, shared by service, database and client;"
        f" load average {about['load_average']} before the run; Python {about['python']};"
        f"{database} requests sent by {about['client']}."
    )


def save(report: Report) -> None:
    """Write build/bench.json."""
    JSON_FILE.parent.mkdir(exist_ok=True)
    JSON_FILE.write_text(json.dumps(asdict(report), indent=2) + "\n")


def write_docs(report: Report) -> None:
    """Put the numbers between their marks in docs/performance.md, and draw the plot."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{report}\n{END}{after}")
    PLOT.write_text(plot.draw(report.results, report.findings))


def _row(result: Result) -> tuple[str, ...]:
    met = "met" if result.ratio >= result.bar else "missed"
    return (
        result.subject + f" ({result.name.partition('-')[2]})" * ("-" in result.name),
        f"**{result.ratio:.2f}**",
        f"{min(result.ratios):.2f} to {max(result.ratios):.2f}",
        f"{result.bar:.2f}",
        met,
        *_numbers(result.service),
        result.reference,
        *_numbers(result.raw),
    )


def _found(finding: Finding) -> tuple[str, ...]:
    met = "met" if finding.met else "missed"
    value = f"**{finding.value:,.2f}** {finding.unit}".strip()
    return finding.subject, value, finding.bar, met if finding.bar else "", finding.about


def _numbers(measured: Measurement) -> tuple[str, str, str]:
    digits = 1 if measured.rate < 100 else 0
    return f"{measured.rate:,.{digits}f}", f"{measured.p50:.2f}", f"{measured.p99:.2f}"
