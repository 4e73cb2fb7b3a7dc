"""People with accounts as a proved registration leaves them, made without its requests."""

from __future__ import annotations

from typing import Any

from flask import Flask

from gatehouse.accounts import identifiers
from gatehouse.accounts import service as accounts
from gatehouse.foundation import clock
from gatehouse.foundation.database import db, writing
from gatehouse.foundation.visitor import NOBODY
from gatehouse.passwords import service as passwords
from tests.client import User


def settle(app: Flask, user: User, **profile: Any) -> User:
    """Give a person an account with a proven address; `profile` as in the registration form."""
    with app.app_context():
        hashed = passwords.hash_new(user.password, NOBODY)
        with writing():
            account = accounts.create(
                identifiers.email(user.email), {"username": user.username, **profile}
            )
            account.email_verified_at = clock.now()
            passwords.store(account.id, hashed)
        db.session.commit()
    return user
