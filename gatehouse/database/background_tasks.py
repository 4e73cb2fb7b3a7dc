"""Periodic background tasks and shutdown hooks of a server worker."""

import threading
from collections.abc import Callable

from flask import Flask

from gatehouse.core.log import logger
from gatehouse.database.session import db

SHUTDOWN_HOOKS = "gatehouse.shutdown_hooks"


def run_periodically(seconds: float, app: Flask, name: str, task: Callable[[], object]) -> None:
    """Run a task in its own thread, again and again, `seconds` after its last run ended."""
    thread = threading.Thread(target=_repeat, args=(seconds, app, name, task), name=name)
    thread.daemon = True
    thread.start()


def on_shutdown(app: Flask, hook: Callable[[], object]) -> None:
    """Register a hook that runs when the server stops, after its last response."""
    app.extensions.setdefault(SHUTDOWN_HOOKS, []).append(hook)


def shut_down(app: Flask) -> None:
    """Run the shutdown hooks in the order of their registration."""
    for hook in app.extensions.get(SHUTDOWN_HOOKS, []):
        hook()


def log_exceptions(name: str, task: Callable[[], object]) -> object:
    """Run a task and return its result; on an exception, log it and return None.

    The thread of the task must go on, so that the next run can succeed.
    """
    try:
        return task()
    except Exception as error:
        db.session.remove()  # unlike a rollback, it cannot fail on a lost connection
        logger().warning("A background task failed.", task=name, reason=type(error).__name__)
        return None


def _repeat(seconds: float, app: Flask, name: str, task: Callable[[], object]) -> None:
    pause = threading.Event()
    while not pause.wait(seconds):
        with app.app_context():
            log_exceptions(name, task)
