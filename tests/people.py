"""People with accounts as a proved registration leaves them, made without its requests."""

from __future__ import annotations

from typing import Any

from flask import Flask

import config
from gatehouse.core import clock
from gatehouse.database.session import db, writing
from gatehouse.passwords import service as passwords
from gatehouse.users import identifiers
from gatehouse.users import service as users
from gatehouse.web.request_context import NOBODY
from tests.client import User


def settle(app: Flask, user: User, **profile: Any) -> User:
    """Give a person an account with a proven address; `profile` as in the registration form."""
    with app.app_context():
        hashed = _hashed(user.password)
        with writing():
            account = users.create(
                identifiers.email(user.email), {"username": user.username, **profile}
            )
            account.email_verified_at = clock.now()
            passwords.store(account.id, hashed)
        db.session.commit()
    return user


_HASHES: dict[Any, passwords.Hashed] = {}


def _hashed(password: str) -> passwords.Hashed:
    """Hash a password, once for all who have the same one under the same settings."""
    chosen = config.settings()
    peppers = tuple(chosen.password_peppers.keys.items())
    how = (password, chosen.password_hasher, chosen.bcrypt_cost, peppers)
    if how not in _HASHES:
        _HASHES[how] = passwords.hash_new(password, NOBODY)
    return _HASHES[how]
