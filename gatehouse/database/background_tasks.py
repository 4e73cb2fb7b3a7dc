"""Work that a worker of the server repeats in the background."""

import threading
from collections.abc import Callable

from flask import Flask

from gatehouse.core.log import log
from gatehouse.database.session import db

ENDINGS = "gatehouse.endings"


def every(seconds: float, app: Flask, name: str, act: Callable[[], object]) -> None:
    """Repeat something in a thread of its own, that many seconds after it ended the last time."""
    thread = threading.Thread(target=_repeat, args=(seconds, app, name, act), name=name)
    thread.daemon = True
    thread.start()


def at_end(app: Flask, act: Callable[[], object]) -> None:
    """Have something done when the server ends, after its last answer and before its threads go."""
    app.extensions.setdefault(ENDINGS, []).append(act)


def end(app: Flask) -> None:
    """Do what is to be done at the end, in the order in which it was asked for."""
    for act in app.extensions.get(ENDINGS, []):
        act()


def attempt(name: str, act: Callable[[], object]) -> object:
    """Do it, and return what it returned.

    Whatever goes wrong is told in the log and tried again, for a thread must not end.
    """
    try:
        return act()
    except Exception as problem:
        db.session.remove()  # unlike a rollback, it cannot fail on a connection that is gone
        log().warning("Background work failed.", work=name, reason=type(problem).__name__)
        return None


def _repeat(seconds: float, app: Flask, name: str, act: Callable[[], object]) -> None:
    pause = threading.Event()
    while not pause.wait(seconds):
        with app.app_context():
            attempt(name, act)
