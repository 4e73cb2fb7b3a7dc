"""`flask serve`: migrate, create missing signing keys, then run the server in this process.

Workers are forked from this process and share what it has imported, so each starts quickly.
"""

import gc
import os
import shutil
import tempfile
from contextvars import Context
from pathlib import Path

import click
from flask_migrate import upgrade
from sqlalchemy.exc import SQLAlchemyError

import config
from gatehouse.cli.database_group import database_error, safe_url
from gatehouse.core import metrics
from gatehouse.database.session import db, server_encoding, write_transaction
from gatehouse.mfa import grace_period
from gatehouse.passwords import blocklist
from gatehouse.tokens import keys
from gatehouse.web import rate_limits, user_agent

NEXT_STEPS = """
Gatehouse listens on {url}   (API reference: {url}/docs, mailbox: {url}/dev/mailbox)
Try it:

  curl -s {url}/auth/register -H 'Content-Type: application/json' \\
    -d '{{"email": "ann@example.com", "password": "seven green lanterns"}}'
"""


@click.command("serve")
def serve() -> None:
    """Migrate the database, then serve until SIGTERM."""
    settings = config.settings()
    os.umask(0o077)  # only the owner can read the database file and its folder
    prepare_database()
    _require_rate_limit_store()
    if settings.development:
        click.echo(NEXT_STEPS.format(url=settings.public_url))
    metrics.enable_multiprocess(_metrics_folder(settings.port))
    for engine in db.engines.values():
        engine.dispose()  # workers must not share connections
    user_agent.load_parser()  # once for all workers, and not during a request
    blocklist.load_blocklist()
    gc.freeze()  # or the workers' garbage collection would copy shared memory
    Context().run(_run_server, granian_arguments(settings))


def _run_server(options: list[str]) -> None:
    """Run granian, outside of the application context of this command."""
    from granian.cli import cli as granian  # noqa: PLC0415 - slow, and no other command needs it

    granian.main(options, prog_name="granian")


def prepare_database() -> None:
    """Migrate, create missing keys, record the start of the MFA policy.

    Any number of replicas may run this at the same time.
    """
    try:
        _require_utf8()
        upgrade()
        keys.ensure_keys()
        with write_transaction():
            grace_period.note_policy_start()
        db.session.commit()
    except SQLAlchemyError as problem:
        raise database_error(config.settings().database_url, problem) from None


def _require_utf8() -> None:
    """Stop if the database cannot store all of Unicode."""
    if (found := server_encoding()) != "UTF8":
        raise click.ClickException(
            f"The database at {safe_url(config.settings().database_url)} stores text as {found}:"
            " create it again, with ENCODING 'UTF8' TEMPLATE template0."
        )


def _require_rate_limit_store() -> None:
    """Stop if `REDIS_URL` cannot be used; a later outage falls back to the database."""
    settings = config.settings()
    if settings.rate_limits and settings.redis_url and not rate_limits.is_storage_reachable():
        raise click.ClickException(
            "REDIS_URL: the server does not respond, or rejects the login. Check that it runs,"
            " and that the user name and password in the URL are correct."
        )


def _metrics_folder(port: int) -> Path:
    """Create an empty folder for the workers' metrics, in place of that of the last server."""
    folder = Path(tempfile.gettempdir()) / f"gatehouse-metrics-{port}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return folder


def granian_arguments(settings: config.Settings) -> list[str]:
    """Return the command line options of granian; a worker that does not stop in 10 s is killed."""
    options = {
        "interface": "rsgi",
        "host": settings.host,
        "port": settings.port,
        "workers": settings.workers,
        "backlog": 1024,
        "http": "1",
        "http1-buffer-size": 65_536,
        "http1-header-read-timeout": 10_000,
        "workers-kill-timeout": 10,
        "log-level": "error",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return [*arguments, "--factory", "--no-ws", "--respawn-failed-workers", "app:create_rsgi_app"]
