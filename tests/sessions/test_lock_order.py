"""Flows of one user in parallel take their locks in one order, so that none of them fails."""

import threading
from contextlib import suppress
from functools import partial

import pytest
from flask import request

from gatehouse.passwords import service as passwords
from gatehouse.sessions import step_up
from tests.client import PASSWORD
from tests.parallel import run_in_parallel

CHANGE = ("/auth/password/change", {"current_password": PASSWORD, "password": "nine yellow kites"})
pytestmark = pytest.mark.parametrize("store", ["postgres"], indirect=True)


def meet(barrier):
    """Wait for the other request, unless that one waits for a lock of this one."""
    with suppress(threading.BrokenBarrierError):
        barrier.wait(timeout=2)


def statuses(*requests):
    return [response.status_code for response in run_in_parallel(*requests)]


@pytest.mark.parametrize("scope", ["others", "global"])
def test_logout_beside_a_password_change_does_not_deadlock(client, make_user, monkeypatch, scope):
    user = make_user()
    old, middle, _new = (client.as_(client.log_in(user)) for _ in range(3))
    barrier, lock_session, seen = threading.Barrier(2), step_up.lock_session, set()

    def lock_one_session_each(session_id):
        first = request.path not in seen
        seen.add(request.path)
        session = lock_session(session_id) if request.path == "/auth/logout" or not first else None
        if first:
            meet(barrier)
        return session or lock_session(session_id)

    monkeypatch.setattr(step_up, "lock_session", lock_one_session_each)

    found = statuses(
        partial(middle.post, "/auth/logout", {"scope": scope}), partial(old.post, *CHANGE)
    )

    assert 503 not in found


def test_login_beside_a_password_change_does_not_deadlock(browser_client, make_user, monkeypatch):
    """The login locks the password and ends the session that changes it."""
    user = make_user()
    mine = browser_client.as_(browser_client.log_in(user))
    barrier = threading.Barrier(2)
    lock_password, replace_hash = passwords.lock_and_check_unchanged, passwords.replace_hash

    def lock_and_wait(*arguments):
        is_flagged = lock_password(*arguments)
        if request.path == "/auth/login":
            meet(barrier)
        return is_flagged

    def wait_and_replace(*arguments):
        if request.path == CHANGE[0]:
            meet(barrier)
        return replace_hash(*arguments)

    monkeypatch.setattr(passwords, "lock_and_check_unchanged", lock_and_wait)
    monkeypatch.setattr(passwords, "replace_hash", wait_and_replace)
    form = {"identifier": user.email, "password": PASSWORD, "transport": "cookie"}

    found = statuses(partial(mine.post, "/auth/login", form), partial(mine.post, *CHANGE))

    assert 503 not in found
