"""`gatehouse serve`: bind the port, migrate, create missing signing keys, then run the server.

Workers are forked from this process and share what it has imported, so each starts quickly.
"""

import gc
import os
import shutil
import socket
import tempfile
from contextvars import Context
from pathlib import Path

import click
from flask import current_app
from flask_migrate import upgrade
from sqlalchemy.exc import SQLAlchemyError

import config
from gatehouse.cli.database_group import database_error
from gatehouse.cli.listening_socket import bind_socket, format_endpoint
from gatehouse.core import metrics
from gatehouse.core.log import logger
from gatehouse.database.clock import follow_once
from gatehouse.database.error_description import safe_url
from gatehouse.database.session import db, server_encoding, write_transaction
from gatehouse.messaging import routing
from gatehouse.mfa import grace_period
from gatehouse.passwords import blocklist
from gatehouse.tokens import keys
from gatehouse.web import rate_limits, user_agent

NEXT_STEPS = """
Gatehouse {version} listens on {url}   (API reference: {url}/docs, mailbox: {url}/dev/mailbox)
Try it:

  curl -s {url}/auth/register -H 'Content-Type: application/json' \\
    -d '{{"email": "ann@example.com", "password": "seven green lanterns"}}'
"""


@click.command("serve")
def serve() -> None:
    """Migrate the database, then serve until SIGTERM."""
    settings = config.settings()
    os.umask(0o077)  # only the owner can read the database file and its folder
    bound = bind_socket(settings.host, settings.port)  # before a mistaken second server migrates
    _report_injected_variables()
    prepare_database()
    _check_rate_limit_store()
    routing.warn_of_missing_channels(current_app)  # once, not in each worker
    metrics.enable_multiprocess(_create_metrics_folder())
    for engine in db.engines.values():
        engine.dispose()  # workers must not share connections
    user_agent.load_parser()  # once for all workers, and not during a request
    blocklist.load_blocklist()
    gc.freeze()  # or the workers' garbage collection would copy shared memory
    try:
        Context().run(_run_server, settings, bound)
    finally:
        shutil.rmtree(config.metrics_folder(), ignore_errors=True)


def _run_server(settings: config.Settings, bound: socket.socket) -> None:
    """Run the server, outside of the application context of this command."""
    from gatehouse.cli.server import Server, server_options  # noqa: PLC0415 - slow

    server = Server(bound, server_options(settings))
    server.on_startup(lambda: _announce(settings))
    server.serve()


def _report_injected_variables() -> None:
    if names := config.injected_variables():
        logger().info(
            "Variables of Kubernetes or Docker service links are ignored;"
            " `enableServiceLinks: false` in the pod's spec removes them.",
            variables=names,
        )


def _announce(settings: config.Settings) -> None:
    """Report that the server listens, once it does."""
    if settings.development:
        click.echo(NEXT_STEPS.format(url=settings.public_url, version=config.VERSION))
        return
    logger().info(
        "Gatehouse listens.",
        version=config.VERSION,
        listens_on=format_endpoint(settings.host, settings.port),
        public_url=settings.public_url,
        workers=settings.workers,
    )


def prepare_database() -> None:
    """Migrate, create missing keys, record the start of the MFA policy.

    Any number of replicas may run this at the same time.
    """
    try:
        _require_utf8()
        upgrade()
        follow_once()
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


def _check_rate_limit_store() -> None:
    """Warn if `REDIS_URL` cannot be used: the database counts, as in a later outage."""
    settings = config.settings()
    if settings.rate_limits and settings.redis_url and not rate_limits.is_storage_reachable():
        logger().warning(
            "REDIS_URL: the server does not respond, or rejects the login; the database counts rate"
            " limits until it does. Check that it runs, and the user name and password in the URL."
        )


def _create_metrics_folder() -> Path:
    """Create a folder for the workers' metrics, which no other server uses."""
    try:
        return Path(tempfile.mkdtemp(prefix="gatehouse-metrics-"))
    except OSError as problem:
        raise click.ClickException(
            f"There is no folder for temporary files ({problem.strerror}): make /tmp writable, or"
            " set TMPDIR to a folder that is."
        ) from None
