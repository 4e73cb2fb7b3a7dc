"""An old version, of a git reference, and this one serve one database under load.

    python -m tests.endurance.side_by_side v0.2.0

The old version is started first; this one migrates while users act, and then both serve them. At
the end the old one is started again on the migrated database. It runs on today's libraries.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.endurance.load import under_load
from tests.endurance.services import database
from tests.live_server import LiveServer, running_server
from tests.servers import free_port

SECONDS = 10
FOLLOWED = 1
"""Seconds within which each server knows which sessions have ended."""


class OldServer(LiveServer):
    """A server of another working tree, with the same database."""

    def __init__(self, environment: dict[str, str], log: Path, tree: Path) -> None:
        super().__init__(environment, log)
        self._tree = tree

    def _launch(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "flask", "serve"],
                cwd=self._tree,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that kill() reaches the workers
            )


def check_out(reference: str, folder: Path) -> Path:
    """Write the files of a git reference into a folder."""
    tree = folder / "old"
    tree.mkdir()
    archive = subprocess.run(["git", "archive", reference], capture_output=True, check=False)
    if archive.returncode:
        raise SystemExit(f"side_by_side needs a git reference: {archive.stderr.decode()}")
    subprocess.run(["tar", "-x", "-C", tree], input=archive.stdout, check=True)
    return tree


def main(reference: str) -> int:
    """Serve with both versions, and count."""
    with database() as (environ, folder):
        tree, public = check_out(reference, folder), f"http://localhost:{free_port()}"
        environ |= {"GATEHOUSE_PUBLIC_URL": public, "GATEHOUSE_THREADS": "8"}
        old = OldServer(environ, folder / "old.log", tree)
        new = LiveServer(environ, folder / "new.log")
        urls = [old.url]
        with running_server(old), under_load(urls) as load:
            time.sleep(SECONDS)
            with running_server(new):
                urls.append(new.url)
                time.sleep(SECONDS)
                urls.remove(old.url)
                time.sleep(1)
                old.stop()
                old.start()
                urls.append(old.url)
                time.sleep(SECONDS)
                load.stop()
                time.sleep(FOLLOWED)  # the other server has read what ended last
                return load.report(f"side_by_side ({reference} and this version)", set())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Usage: python -m tests.endurance.side_by_side GIT_REFERENCE")
    sys.exit(main(sys.argv[1]))
