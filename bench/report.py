"""The report of a run: a table on the screen, build/bench.json and docs/performance.md."""

import json
import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from bench import plot
from bench.comparisons import Result
from bench.lanes import CORES, Measurement
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


def conditions(postgres: str) -> dict[str, Any]:
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
    return (
        f"{about['cores']} cores, shared by service, database and client;"
        f" load average {about['load_average']} before the run; Python {about['python']};"
        f" PostgreSQL {about['postgresql']}, durable; requests sent by {about['client']}."
    )


def table(results: Sequence[Result]) -> str:
    """Return the results as a Markdown table; times in milliseconds."""
    rows = [HEAD, ("---",) * len(HEAD), *(_row(result) for result in results)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def save(results: Sequence[Result], about: dict[str, Any]) -> None:
    """Write build/bench.json."""
    JSON_FILE.parent.mkdir(exist_ok=True)
    document = {"conditions": about, "results": [asdict(result) for result in results]}
    JSON_FILE.write_text(json.dumps(document, indent=2) + "\n")


def write_docs(results: Sequence[Result], about: dict[str, Any]) -> None:
    """Put the numbers between their marks in docs/performance.md, and draw the plot."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    numbers = f"{BEGIN}\n{table(results)}\n\n{sentence(about)}\n{END}"
    PAGE.write_text(before + numbers + after)
    PLOT.write_text(plot.draw(results))


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


def _numbers(measured: Measurement) -> tuple[str, str, str]:
    digits = 1 if measured.rate < 100 else 0
    return f"{measured.rate:,.{digits}f}", f"{measured.p50:.2f}", f"{measured.p99:.2f}"
