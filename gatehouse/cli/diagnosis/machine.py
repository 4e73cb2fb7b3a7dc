"""Checks of this machine: its clock against the database's, and the space on its disks."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import make_url

import config
from gatehouse.cli.diagnosis.check import Finding
from gatehouse.core import clock
from gatehouse.database.clock import DEGRADED_ABOVE, WARN_ABOVE, read_clock

MIN_FREE_BYTES = 200_000_000
MIN_FREE_SHARE = 0.05


def find_clock_skew() -> Iterator[Finding]:
    """Compare this machine's clock with the database's, which decides."""
    reading = read_clock()
    skew = clock.machine_start_time() - reading.start_time
    if abs(skew) <= WARN_ABOVE + reading.error:
        return
    seconds = abs(skew.total_seconds())
    direction = "ahead of" if skew.total_seconds() > 0 else "behind"
    yield Finding(
        f"This machine's clock is {seconds:.0f} s {direction} the database's: run NTP on both.",
        is_warning=abs(skew) <= DEGRADED_ABOVE,
    )


def find_full_disks() -> Iterator[Finding]:
    """Look for folders that we write to and whose disk is almost full."""
    for folder in sorted(_written_folders()):
        usage = shutil.disk_usage(folder)
        if usage.free < min(MIN_FREE_BYTES, MIN_FREE_SHARE * usage.total):
            megabytes = usage.free // 1_000_000
            yield Finding(
                f"The disk of {folder} has only {megabytes} MB left: free some, or writes fail."
            )


def _written_folders() -> set[Path]:
    settings = config.settings()
    folders = {Path(tempfile.gettempdir())}
    if settings.database_url.startswith("sqlite"):
        folders.add(Path(make_url(settings.database_url).database or "").absolute().parent)
    return {folder for folder in folders if folder.is_dir()}
