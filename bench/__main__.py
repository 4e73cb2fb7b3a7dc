"""`python -m bench`: measure the service against what it is made of, in one run."""

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench import equality, flood, half_sent, heavy, limits, outbox, report, status_list
from bench.comparisons import Bench, Result, run
from bench.finding import Finding
from bench.people import People
from bench.report import Report
from bench.stage import staged

COMPARISONS = ("login", "login-new", "verify-warm", "verify-cold", "me", "refresh")
STUDIES = (flood.NAME, half_sent.NAME, heavy.NAME, limits.NAME, equality.NAME)
APART = (status_list.NAME, outbox.NAME)
"""What needs no service to be measured."""
ALL = (*COMPARISONS, *STUDIES, *APART)

Study = Callable[[], list[Finding]]


def main() -> int:
    """Measure, report; return 1 when a bar is missed."""
    chosen = _arguments()
    sizes = status_list.measure(chosen.rounds) if _is_wanted(status_list.NAME, chosen) else []
    found = Report(report.conditions(), sizes=sizes)
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        if not chosen.only or not set(chosen.only) <= set(APART):
            found = replace(_measure(chosen, Path(folder)), sizes=sizes)
        if _is_wanted(outbox.NAME, chosen):
            listed, version = _outbox(Path(folder))
            about = found.about | {"postgresql": version}
            found = replace(found, about=about, outbox=listed)
    print(f"\n{found}")
    report.save(found)
    if chosen.write_docs:
        report.write_docs(found)
    return int(not found.is_good)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "only",
        nargs="*",
        metavar="name",
        help=f"of {', '.join(ALL)}; without any, all of them, and then equality guesses at"
        f" {equality.FEWER_PAIRS} pairs of accounts instead of {equality.PAIRS}",
    )
    parser.add_argument("--rounds", type=int, default=3, help="of each comparison (3)")
    parser.add_argument("--seconds", type=int, default=5, help="of each round (5)")
    parser.add_argument("--write-docs", action="store_true", help="write docs/performance.md, .svg")
    chosen = parser.parse_args()
    if unknown := set(chosen.only).difference(ALL):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    return chosen


def _is_wanted(name: str, chosen: argparse.Namespace) -> bool:
    return name in chosen.only or not chosen.only


def _measure(chosen: argparse.Namespace, folder: Path) -> Report:
    print("Starting PostgreSQL, the service and a bare Flask route ...", flush=True)
    with staged(folder, os.environ.get("BENCH_POSTGRES_URL")) as stage:
        logging.disable(logging.WARNING)  # of the application in this process, which makes people
        about = report.conditions(stage.postgres)
        bench = Bench(stage, People(stage.environment), chosen.seconds)
        compared = [c for c in bench.comparisons() if _is_wanted(c.name, chosen)]
        results = [_told(run(comparison, chosen.rounds)) for comparison in compared]
        studied = [study for name, study in _studies(bench, chosen) if _is_wanted(name, chosen)]
        return Report(about, results, [_listed(one) for study in studied for one in study()])


def _outbox(folder: Path) -> tuple[list[Finding], str]:
    print("Starting PostgreSQL, a mail server and two workers ...", flush=True)
    logging.disable(logging.WARNING)
    found, version = outbox.study(folder, os.environ.get("BENCH_POSTGRES_URL"))
    return [_listed(one) for one in found], version


def _studies(bench: Bench, chosen: argparse.Namespace) -> list[tuple[str, Study]]:
    pairs = equality.PAIRS if chosen.only else equality.FEWER_PAIRS
    return [
        (flood.NAME, partial(flood.study, bench, chosen.rounds)),
        (half_sent.NAME, partial(half_sent.study, bench, chosen.rounds)),
        (heavy.NAME, partial(heavy.study, bench, chosen.rounds)),
        (limits.NAME, partial(limits.study, bench, chosen.rounds)),
        (equality.NAME, partial(equality.study, bench, pairs)),
    ]


def _told(result: Result) -> Result:
    each = ", ".join(f"{ratio:.2f}" for ratio in result.ratios)
    print(f"{result.name}: {result.ratio:.2f} (bar {result.bar}; rounds {each})", flush=True)
    return result


def _listed(finding: Finding) -> Finding:
    bar = f" (bar {finding.bar})" if finding.bar else ""
    value = f"{finding.value:.2f} {finding.unit}"
    print(f"{finding.name}: {finding.subject}: {value}{bar}; {finding.about}", flush=True)
    return finding


sys.exit(main())
