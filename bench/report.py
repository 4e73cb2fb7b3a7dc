"""The report of a run: a table on the screen, build/bench.json and docs/performance.md."""

import json
import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
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
BEGIN_OUTBOX, END_OUTBOX = (
    "<!-- outbox: written by `python -m bench outbox --write-docs` -->",
    "<!-- end of outbox -->",
)
FOUND_HEAD = ("measured", "found", "bar", "", "how")


@dataclass(frozen=True)
class Report:
    """What a run has found; whatever was not measured is empty."""

    about: dict[str, Any]
    results: Sequence[Result] = ()
    findings: Sequence[Finding] = ()
    sizes: Sequence[status_list.Size] = ()
    outbox: Sequence[Finding] = ()
    """Of the outbox, which has a table of its own in the docs."""

    @property
    def is_good(self) -> bool:
        """Whether no bar was missed."""
        ratios = all(result.ratio >= result.bar for result in self.results)
        return ratios and all(finding.met for finding in (*self.findings, *self.outbox))

    def __str__(self) -> str:
        """Return it as Markdown; times in milliseconds."""
        rows = [_row(result) for result in self.results]
        sizes = table(status_list.HEAD, status_list.rows(self.sizes))
        parts = (table(HEAD, rows), _listed(self.findings), sizes, sentence(self.about))
        return "\n\n".join(filter(None, (*parts, _listed(self.outbox))))


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
    if report.results or report.findings or report.sizes:
        _put(BEGIN, str(replace(report, outbox=())), END)
        PLOT.write_text(plot.draw(report.results, report.findings))
    if report.outbox:
        about = sentence(report.about | {"client": "the workers"})
        _put(BEGIN_OUTBOX, f"{_listed(report.outbox)}\n\n{about}", END_OUTBOX)


def _put(begin: str, text: str, end: str) -> None:
    before, _, rest = PAGE.read_text().partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def _listed(findings: Sequence[Finding]) -> str:
    return table(FOUND_HEAD, [_found(finding) for finding in findings])


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
