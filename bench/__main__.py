"""`python -m bench`: measure the service against what it is made of, in one run."""

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import report, status_list
from bench.comparisons import Bench, Result, run
from bench.people import People
from bench.stage import staged


def main() -> int:
    """Measure, report; return 1 when a ratio is below its bar."""
    chosen = _arguments()
    if status_list.NAME in chosen.only or not chosen.only:
        sizes = status_list.measure(chosen.rounds)
        print(f"Status list of a million sessions:\n{status_list.table(sizes)}\n", flush=True)
    if chosen.only == [status_list.NAME]:
        return 0
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        results, about = _measure(chosen, Path(folder))
    print(f"\n{report.table(results)}\n\n{report.sentence(about)}")
    report.save(results, about)
    if chosen.write_docs:
        report.write_docs(results, about)
    return int(any(result.ratio < result.bar for result in results))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "only", nargs="*", help="names of comparisons, or status-list; without any, all of them"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of each comparison (3)")
    parser.add_argument("--seconds", type=int, default=5, help="of each round (5)")
    parser.add_argument("--write-docs", action="store_true", help="write docs/performance.md, .svg")
    return parser.parse_args()


def _measure(
    chosen: argparse.Namespace, folder: Path
) -> tuple[Sequence[Result], dict[str, object]]:
    print("Starting PostgreSQL, the service and a bare Flask route ...", flush=True)
    with staged(folder, os.environ.get("BENCH_POSTGRES_URL")) as stage:
        logging.disable(logging.WARNING)  # of the application in this process, which makes people
        about = report.conditions(stage.postgres)
        bench = Bench(stage, People(stage.environment), chosen.seconds)
        wanted = [c for c in bench.comparisons() if c.name in chosen.only or not chosen.only]
        return [_told(run(comparison, chosen.rounds)) for comparison in wanted], about


def _told(result: Result) -> Result:
    each = ", ".join(f"{ratio:.2f}" for ratio in result.ratios)
    print(f"{result.name}: {result.ratio:.2f} (bar {result.bar}; rounds {each})", flush=True)
    return result


sys.exit(main())
