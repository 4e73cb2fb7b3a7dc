"""`python -m bench`: measure the service relative to the libraries that it is built on."""

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench import (
    enumeration,
    flood,
    half_sent,
    large_bodies,
    limits,
    oauth,
    outbox,
    report,
    status_list,
)
from bench.comparisons import Bench, Result, run
from bench.environment import start_environment
from bench.finding import Finding
from bench.report import Report
from bench.users import Users

COMPARISONS = ("login", "login-new", "verify-warm", "verify-cold", "me", "refresh")
STUDIES = (flood.NAME, half_sent.NAME, large_bodies.NAME, limits.NAME, enumeration.NAME)
STANDALONE = (status_list.NAME, oauth.NAME, outbox.NAME)
"""Measurements that need no running service."""
ALL = (*COMPARISONS, *STUDIES, *STANDALONE)

Study = Callable[[], list[Finding]]


def main() -> int:
    """Measure and report; return 1 when a threshold is missed."""
    chosen = _arguments()
    sizes = status_list.measure(chosen.rounds) if _is_wanted(status_list.NAME, chosen) else []
    found = Report(report.conditions(), sizes=sizes)
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        if not chosen.only or not set(chosen.only) <= set(STANDALONE):
            found = replace(_measure(chosen, Path(folder)), sizes=sizes)
        if _is_wanted(oauth.NAME, chosen):
            listed, version = _oauth(Path(folder), chosen.rounds)
            found = replace(found.on_postgresql(version), oauth=listed)
        if _is_wanted(outbox.NAME, chosen):
            listed, version = _outbox(Path(folder))
            found = replace(found.on_postgresql(version), outbox=listed)
    print(f"\n{found}")
    report.save(found)
    if chosen.write_docs:
        report.write_docs(found)
    return int(not found.passed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "only",
        nargs="*",
        metavar="name",
        help=f"of {', '.join(ALL)}; by default all, and then equality compares"
        f" {enumeration.FEWER_PAIRS} pairs of accounts instead of {enumeration.PAIRS}",
    )
    parser.add_argument("--rounds", type=int, default=3, help="per comparison (3)")
    parser.add_argument("--seconds", type=int, default=5, help="per round (5)")
    parser.add_argument("--write-docs", action="store_true", help="write docs/performance.md, .svg")
    chosen = parser.parse_args()
    if unknown := set(chosen.only).difference(ALL):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(ALL)}")
    return chosen


def _is_wanted(name: str, chosen: argparse.Namespace) -> bool:
    return name in chosen.only or not chosen.only


def _measure(chosen: argparse.Namespace, folder: Path) -> Report:
    print("Starting PostgreSQL, the service and a bare Flask route ...", flush=True)
    with start_environment(folder, os.environ.get("BENCH_POSTGRES_URL")) as environment:
        logging.disable(logging.WARNING)  # of the application in this process, which creates users
        about = report.conditions(environment.postgres_version)
        bench = Bench(environment, Users(environment.variables), chosen.seconds)
        compared = [c for c in bench.comparisons() if _is_wanted(c.name, chosen)]
        results = [_print_result(run(comparison, chosen.rounds)) for comparison in compared]
        studied = [study for name, study in _studies(bench, chosen) if _is_wanted(name, chosen)]
        return Report(about, results, [_print_finding(one) for study in studied for one in study()])


def _oauth(folder: Path, rounds: int) -> tuple[list[Finding], str]:
    print("Starting PostgreSQL and the authorization server ...", flush=True)
    logging.disable(logging.WARNING)
    found, version = oauth.study(folder, os.environ.get("BENCH_POSTGRES_URL"), rounds)
    return [_print_finding(one) for one in found], version


def _outbox(folder: Path) -> tuple[list[Finding], str]:
    print("Starting PostgreSQL, a mail server and two workers ...", flush=True)
    logging.disable(logging.WARNING)
    found, version = outbox.study(folder, os.environ.get("BENCH_POSTGRES_URL"))
    return [_print_finding(one) for one in found], version


def _studies(bench: Bench, chosen: argparse.Namespace) -> list[tuple[str, Study]]:
    pairs = enumeration.PAIRS if chosen.only else enumeration.FEWER_PAIRS
    return [
        (flood.NAME, partial(flood.study, bench, chosen.rounds)),
        (half_sent.NAME, partial(half_sent.study, bench, chosen.rounds)),
        (large_bodies.NAME, partial(large_bodies.study, bench, chosen.rounds)),
        (limits.NAME, partial(limits.study, bench, chosen.rounds)),
        (enumeration.NAME, partial(enumeration.study, bench, pairs)),
    ]


def _print_result(result: Result) -> Result:
    each = ", ".join(f"{ratio:.2f}" for ratio in result.ratios)
    print(f"{result.name}: {result.ratio:.2f} (bar {result.bar}; rounds {each})", flush=True)
    return result


def _print_finding(finding: Finding) -> Finding:
    bar = f" (bar {finding.threshold})" if finding.threshold else ""
    value = f"{finding.value:.2f} {finding.unit}"
    print(f"{finding.name}: {finding.subject}: {value}{bar}; {finding.details}", flush=True)
    return finding


sys.exit(main())
