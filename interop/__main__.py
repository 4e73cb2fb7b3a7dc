"""Start Gatehouse, register the counterparts, run their checks, and print a table."""

from __future__ import annotations

import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Error, sync_playwright

from interop import counterparts
from interop.checks import CHECKS, visit
from interop.counterparts import CannotInstall, Provider
from tests.child_processes import run_flask
from tests.client import User
from tests.conftest import environment, migrate
from tests.live_server import ColdServer, LiveServer, running_server

CLIENTS = Path(__file__).with_name("clients.toml")
SECRETS = {"node": "INTEROP_SECRET_NODE", "apache": "INTEROP_SECRET_APACHE"}
Result = tuple[str, str, str]
"""A counterpart, what it did, and how that went."""


@contextmanager
def running_provider(folder: Path) -> Iterator[tuple[LiveServer, Provider]]:
    """Serve an empty Gatehouse at which the clients of `clients.toml` are registered."""
    chosen = {client: secrets.token_urlsafe(32) for client in SECRETS}
    database = f"sqlite:///{folder}/gatehouse.sqlite3"
    settings = environment(database) | {"GATEHOUSE_EGRESS_ALLOWLIST": "127.0.0.1"}
    del settings["GATEHOUSE_PUBLIC_URL"]
    migrate(database)
    server = ColdServer(settings, folder / "gatehouse.log")
    variables = {SECRETS[client]: secret for client, secret in chosen.items()}
    applied = run_flask(
        "clients", "apply", str(CLIENTS), environment=server.environment | variables
    )
    print(applied.stdout, applied.stderr if applied.returncode else "", sep="")
    applied.check_returncode()
    with running_server(server):
        yield server, Provider(server.url, chosen)


def check_all(browser: Browser, folder: Path) -> Iterator[Result]:
    """Run the checks of each counterpart, one after the other."""
    with running_provider(folder) as (server, provider):
        for name, check in CHECKS.items():
            own = folder / name
            own.mkdir()
            try:
                with getattr(counterparts, name)(provider, own) as origin:
                    user = server.client.sign_up(User(f"{name}@example.com"))
                    for step, worked in check(visit(browser, user, origin)):
                        yield name, step, "ok" if worked else "FAILED"
            except (AssertionError, Error, OSError) as problem:
                yield name, "stopped", f"FAILED: {problem}"


def main() -> int:
    """Return 0 if every counterpart did everything."""
    try:
        counterparts.install_debian_packages()
    except CannotInstall as problem:
        print(f"A counterpart is missing: {problem}", file=sys.stderr)
        return 1
    chromium = shutil.which("chromium-headless-shell")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        Path(folder).chmod(0o755)  # Apache runs as `nobody`
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        results = list(check_all(browser, Path(folder)))
    for name, step, result in results:
        print(f"{name:18} {step:55} {result}")
    failed = [result for *_, result in results if result != "ok"]
    print(f"{len(results) - len(failed)} of {len(results)} checks hold.")
    return 1 if failed or {name for name, *_ in results} != set(CHECKS) else 0


if __name__ == "__main__":
    sys.exit(main())
