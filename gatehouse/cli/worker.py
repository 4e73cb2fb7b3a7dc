"""`flask worker`: deliver what waits in the outbox; as many of them as you like."""

import signal
import threading
from functools import partial

import click
from flask import Flask
from flask.cli import ScriptInfo, with_appcontext
from sqlalchemy.exc import SQLAlchemyError

import config
from gatehouse.cli.database_group import unusable
from gatehouse.database.session import release
from gatehouse.messaging import outbox_queue, routing
from gatehouse.messaging import worker as delivery

NO_CHANNEL = "No channel carries mail, so there is nothing to do: set SMTP_URL first."


@click.command("worker")
@click.pass_obj
@with_appcontext
def worker(script: ScriptInfo) -> None:
    """Deliver mail and texts until SIGTERM, which waits for the message in hand."""
    app = script.load_app()
    courier = delivery.courier(app)
    if courier is None:
        raise click.ClickException(NO_CHANNEL)
    routing.warn(app)
    _require_outbox()
    click.echo("Delivering what waits in the outbox, until SIGTERM.")
    _leave_when_told(courier, app)
    courier.run(app)


def _require_outbox() -> None:
    """Stop where the database cannot be used now; one that goes away later is waited for."""
    try:
        outbox_queue.is_empty()
    except SQLAlchemyError as problem:
        raise unusable(config.settings().database_url, problem) from None
    release()


def _leave_when_told(courier: delivery.Courier, app: Flask) -> None:
    """Have SIGTERM and Ctrl-C tell the worker to leave.

    In a thread: the signal may arrive while this one holds one of the worker's locks.
    """
    leaving = partial(threading.Thread, target=courier.leave, args=(app,))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: leaving().start())
