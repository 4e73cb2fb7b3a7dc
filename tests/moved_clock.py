"""Moved clocks move everything: uptime and PostgreSQL's clock go with the clock of the process.

`time_machine` moves only this machine's clock, which decides nothing. A test that moves it means
that time passes, so this plugin lets the other two clocks follow. `only_machine_clock()` undoes
that, for tests of clocks that are wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
import time_machine

from gatehouse.core import clock
from gatehouse.database import clock as database_clock
from gatehouse.database.session import UTCDateTime

_SERVER_TIME = database_clock.server_time


def _moved_uptime() -> timedelta:
    return clock.machine_time() - clock.UNIX_EPOCH


def _moved_start_time() -> datetime:
    return clock.UNIX_EPOCH


def _moved_server_time() -> sa.ColumnElement[datetime]:
    if not time_machine.escape_hatch.is_travelling():
        return _SERVER_TIME()
    move = datetime.now(UTC) - time_machine.escape_hatch.datetime.datetime.now(UTC)
    return sa.type_coerce(_SERVER_TIME() + sa.literal(move, sa.Interval()), UTCDateTime())


_MOVED = (
    (clock, "uptime", _moved_uptime),
    (clock, "machine_start_time", _moved_start_time),
    (database_clock, "server_time", _moved_server_time),
)
_ORIGINAL = [(module, name, getattr(module, name)) for module, name, _ in _MOVED]


def pytest_configure() -> None:
    _patch(_MOVED)


@contextmanager
def only_machine_clock() -> Iterator[None]:
    """Let `time_machine` move nothing but this machine's clock."""
    _patch(_ORIGINAL)
    try:
        yield
    finally:
        _patch(_MOVED)


def _patch(functions: Iterable[tuple[Any, str, Any]]) -> None:
    for module, name, function in functions:
        setattr(module, name, function)
