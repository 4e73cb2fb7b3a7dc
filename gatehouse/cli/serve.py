"""`flask serve`: migrate, make missing signing keys, then become the server.

The workers are forked from this process and share what it has imported: each starts in a moment.
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
from gatehouse.cli.database_group import place, unusable
from gatehouse.core import metrics
from gatehouse.database.session import db, encoding, writing
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
    """Bring the database up to date, then serve until SIGTERM."""
    settings = config.settings()
    os.umask(0o077)  # the database file, like its folder, is nobody else's
    prepare()
    _require_limits()
    if settings.development:
        click.echo(NEXT_STEPS.format(url=settings.public_url))
    metrics.share(_metrics_folder(settings.port))
    for engine in db.engines.values():
        engine.dispose()  # no connection may be shared with a worker
    user_agent.load()  # once for all workers, and not while somebody waits
    blocklist.load()
    gc.freeze()  # no worker's collector may touch, and so copy, what is shared
    Context().run(_become_the_server, arguments(settings))


def _become_the_server(options: list[str]) -> None:
    """Run granian, outside of the context of this command's application."""
    from granian.cli import cli as granian  # noqa: PLC0415 - slow, and no other command needs it

    granian.main(options, prog_name="granian")


def prepare() -> None:
    """Migrate, make missing keys, note the policy; many replicas may do it at once."""
    try:
        _require_utf8()
        upgrade()
        with writing():
            keys.ensure()
            grace_period.begin()
        db.session.commit()
    except SQLAlchemyError as problem:
        raise unusable(config.settings().database_url, problem) from None


def _require_utf8() -> None:
    """Stop at a database that cannot store every name."""
    if (found := encoding()) != "UTF8":
        raise click.ClickException(
            f"The database at {place(config.settings().database_url)} stores text as {found}:"
            " create it anew, with ENCODING 'UTF8' TEMPLATE template0."
        )


def _require_limits() -> None:
    """Stop when Redis was asked for and cannot be used; later losses are bridged."""
    settings = config.settings()
    if settings.rate_limits and settings.redis_url and not rate_limits.store_answers():
        raise click.ClickException(
            "REDIS_URL names a server that does not answer, or does not let us in:"
            " see that it runs, and that the name and password in the URL are right."
        )


def _metrics_folder(port: int) -> Path:
    """Make the folder of the workers' counts anew; what the last server on this port left goes."""
    folder = Path(tempfile.gettempdir()) / f"gatehouse-metrics-{port}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return folder


def arguments(settings: config.Settings) -> list[str]:
    """Return the options of granian; a worker that does not stop in 10 s is killed."""
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
    pairs = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    return [*pairs, "--factory", "--no-ws", "--respawn-failed-workers", "app:create_bridge"]
