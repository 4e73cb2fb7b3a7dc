"""`gatehouse worker`: deliver the messages of the outbox; any number of workers may run."""

import signal
import threading
from functools import partial

import click
from flask import Flask
from flask.cli import ScriptInfo, with_appcontext
from sqlalchemy.exc import SQLAlchemyError

import config
from gatehouse.cli.database_group import database_error
from gatehouse.database.clock import start_following
from gatehouse.database.session import end_transaction
from gatehouse.hooks import delivery_worker as webhook_worker
from gatehouse.messaging import outbox_queue, routing
from gatehouse.messaging import worker as delivery
from gatehouse.oauth import logout_worker

NO_CHANNEL = "No channel can send mail, so there is nothing to do: set SMTP_URL first."


@click.command("worker")
@click.pass_obj
@with_appcontext
def run_worker(script: ScriptInfo) -> None:
    """Deliver mail, SMS, events and logouts until SIGTERM, the current message included."""
    app = script.load_app()
    worker = delivery.create_worker(app)
    if worker is None:
        raise click.ClickException(NO_CHANNEL)
    routing.warn_of_missing_channels(app)
    _require_outbox(app)
    click.echo("Delivering the messages of the outbox until SIGTERM.")
    _shut_down_on_signal(worker, app)
    others = webhook_worker.start_worker(app), logout_worker.start_worker(app)
    worker.run_until_stopped(app)
    for other in others:
        other.stop_requested.set()


def _require_outbox(app: Flask) -> None:
    """Stop if the database cannot be used now; a later outage is waited out."""
    try:
        start_following(app)
        outbox_queue.is_empty()
    except SQLAlchemyError as problem:
        raise database_error(config.settings().database_url, problem) from None
    end_transaction()


def _shut_down_on_signal(worker: delivery.DeliveryWorker, app: Flask) -> None:
    """Shut the worker down at SIGTERM and Ctrl-C.

    In a new thread: the signal may arrive while the main thread has one of the worker's locks.
    """
    shutdown_thread = partial(threading.Thread, target=worker.shut_down, args=(app,))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: shutdown_thread().start())
