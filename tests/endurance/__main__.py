"""Run the endurance programs one after the other: `python -m tests.endurance`."""

from __future__ import annotations

import subprocess
import sys

PROGRAMS = (
    *("changes_in_force", "rolling_restart", "sigterm_under_load", "clock_step_back"),
    *("key_rotation", "webhooks", "random_kills"),
)


def main() -> int:
    """Run all programs; return 1 if something did not hold."""
    commands = [[sys.executable, "-m", f"tests.endurance.{program}"] for program in PROGRAMS]
    statuses = [subprocess.run(command, check=False).returncode for command in commands]
    return int(any(statuses))


if __name__ == "__main__":
    sys.exit(main())
