"""Report of a run: printed, and written to build/bench.json and docs/performance.md."""

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
from bench.markdown import table
from bench.workers import CORES, Measurement
from config import ROOT

JSON_FILE = ROOT / "build" / "bench.json"
PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "performance.svg"
BEGIN_MARKER, END_MARKER = (
    "<!-- numbers: written by `python -m bench --write-docs` -->",
    "<!-- end of numbers -->",
)
TIME_COLUMNS = ("a second", "p50", "p99")
HEAD = ("measured", "ratio", "of rounds", "bar", "", *TIME_COLUMNS, "against", *TIME_COLUMNS)
FINDINGS_MARKERS = (
    "<!-- {0}: written by `python -m bench {0} --write-docs` -->",
    "<!-- end of {0} -->",
)
FINDING_HEAD = ("measured", "found", "bar", "", "how")


@dataclass(frozen=True)
class Report:
    """Results of a run; empty for what was not measured."""

    conditions: dict[str, Any]
    results: Sequence[Result] = ()
    findings: Sequence[Finding] = ()
    sizes: Sequence[status_list.ListSize] = ()
    outbox: Sequence[Finding] = ()
    """Findings of the outbox, which have their own table in the docs."""
    oauth: Sequence[Finding] = ()
    """Findings of the authorization server, which have their own table, too."""

    def on_postgresql(self, version: str) -> "Report":
        """Return this report with the version of PostgreSQL."""
        return replace(self, conditions=self.conditions | {"postgresql": version})

    @property
    def passed(self) -> bool:
        """Whether every threshold was met."""
        ratios = all(result.ratio >= result.bar for result in self.results)
        return ratios and all(
            finding.passed for finding in (*self.findings, *self.oauth, *self.outbox)
        )

    def __str__(self) -> str:
        """Return the report in Markdown; times are in milliseconds."""
        rows = [_result_row(result) for result in self.results]
        sizes = table(status_list.HEAD, status_list.rows(self.sizes))
        parts = (
            table(HEAD, rows),
            _finding_table(self.findings),
            sizes,
            describe_conditions(self.conditions),
        )
        own = (_finding_table(self.oauth), _finding_table(self.outbox))
        return "\n\n".join(filter(None, (*parts, *own)))


def conditions(postgres: str = "") -> dict[str, Any]:
    """Return the conditions of the measurement, before the load starts."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": CORES,
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "postgresql": postgres,
        "client": "wrk, and Python for logins" if shutil.which("wrk") else "Python",
    }


def describe_conditions(about: dict[str, Any]) -> str:
    """Return the conditions of a measurement as a sentence."""
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
    """Write the numbers between their markers in docs/performance.md, and the plot."""
    if report.results or report.findings or report.sizes:
        _replace_section(BEGIN_MARKER, str(replace(report, outbox=(), oauth=())), END_MARKER)
        PLOT.write_text(plot.draw(report.results, report.findings))
    _write_findings(report, "outbox", report.outbox, "the workers")
    _write_findings(report, "oauth", report.oauth, "one process, which is also the service")


def _write_findings(report: Report, name: str, found: Sequence[Finding], client: str) -> None:
    if found:
        about = describe_conditions(report.conditions | {"client": client})
        begin, end = (marker.format(name) for marker in FINDINGS_MARKERS)
        _replace_section(begin, f"{_finding_table(found)}\n\n{about}", end)


def _replace_section(begin: str, text: str, end: str) -> None:
    before, _, rest = PAGE.read_text().partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def _finding_table(findings: Sequence[Finding]) -> str:
    return table(FINDING_HEAD, [_finding_row(finding) for finding in findings])


def _result_row(result: Result) -> tuple[str, ...]:
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


def _finding_row(finding: Finding) -> tuple[str, ...]:
    met = "met" if finding.passed else "missed"
    value = f"**{finding.value:,.2f}** {finding.unit}".strip()
    return (
        finding.subject,
        value,
        finding.threshold,
        met if finding.threshold else "",
        finding.details,
    )


def _numbers(measured: Measurement) -> tuple[str, str, str]:
    digits = 1 if measured.rate < 100 else 0
    return f"{measured.rate:,.{digits}f}", f"{measured.p50:.2f}", f"{measured.p99:.2f}"
