"""Fail a test in which a request uses two database connections at the same time.

With as many such requests as the pool has connections, each would wait for another one's. A read
outside the transaction (`fetch_one`) comes before the transaction, or after `end_transaction()`.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import g, has_request_context

from gatehouse.tokens import sync

_FOUND: list[str] = []


def pytest_configure() -> None:
    sa.event.listen(sa.Pool, "checkout", _count_checkout)
    sa.event.listen(sa.Pool, "checkin", _count_checkin)


def _count_checkout(_connection: object, record: Any, _proxy: object) -> None:
    if not has_request_context():
        return
    holder = record.info["holder"] = vars(g._get_current_object())
    holder["connections"] = holder.get("connections", 0) + 1
    stack = traceback.extract_stack() if holder["connections"] > 1 else []
    if stack and not any(frame.filename == sync.__file__ for frame in stack):
        ours = [frame for frame in stack if "gatehouse" in Path(frame.filename).parts]
        _FOUND.append("".join(traceback.format_list(ours or stack)))


def _count_checkin(_connection: object, record: Any) -> None:
    if holder := record.info.pop("holder", None):
        holder["connections"] -= 1


def take_found() -> list[str]:
    """Return where requests used a second connection, and forget it."""
    found = [*_FOUND]
    _FOUND.clear()
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    take_found()
    yield
    found = take_found()
    assert not found, f"a request uses two database connections at once:\n{found[0]}"
