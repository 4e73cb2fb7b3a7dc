"""The clock of one of two replicas is set back by an hour under load: no request fails.

The database's clock decides, so tokens of that replica have the right time, too.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path

import jwt

from tests.endurance.load import under_load
from tests.endurance.person import Person
from tests.endurance.services import database
from tests.live_server import ColdServer, LiveServer, running_server
from tests.servers import free_port

SECONDS = 15
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


def main() -> int:
    """Set the clock back, and count."""
    if not LIBRARIES:
        raise SystemExit("clock_step_back needs libfaketime: make system-test-tools")
    with database() as (environ, folder), ExitStack() as stack:
        environ |= {"GATEHOUSE_PUBLIC_URL": f"http://localhost:{free_port()}"}
        offset = folder / "offset"
        offset.write_text("+0\n")
        moved = {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        wrong = stack.enter_context(
            running_server(ColdServer(environ | moved, folder / "wrong.log"))
        )
        right = stack.enter_context(running_server(LiveServer(environ, folder / "right.log")))
        with under_load([wrong.url, right.url]) as load:
            time.sleep(SECONDS)
            offset.write_text("-3600\n")
            time.sleep(SECONDS)
        log = wrong.log.read_text()
        failed = load.report("clock_step_back", set(), noticed=log.count("clock differs"))
        return failed or int(not has_right_time(load.people[0], wrong.url) or "differs" not in log)


def has_right_time(person: Person, url: str) -> bool:
    """Return whether an access token of a server was issued now."""
    person.choose_url = lambda: url
    person.log_in()
    claims = jwt.decode(person.session["access_token"], options={"verify_signature": False})
    return abs(claims["iat"] - time.time()) < 60


if __name__ == "__main__":
    sys.exit(main())
