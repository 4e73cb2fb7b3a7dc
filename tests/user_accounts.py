"""Create users with a verified e-mail address directly in the database, without requests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Flask

import config
from gatehouse.authorization import roles as role_assignments
from gatehouse.core import clock
from gatehouse.database.session import db, write_transaction
from gatehouse.passwords import service as passwords
from gatehouse.users import identifiers
from gatehouse.users import service as users
from gatehouse.web.request_context import NO_REQUEST
from tests.client import User


def create_user(app: Flask, user: User, roles: Iterable[str] = (), **profile: Any) -> User:
    """Create the account of a user; `profile` has fields of the registration form."""
    with app.app_context():
        password_hash = _hash_password(user.password)
        with write_transaction():
            account = users.create_user(
                identifiers.parse_email(user.email), {"username": user.username, **profile}
            )
            account.email_verified_at = clock.now()
            passwords.store_password_hash(account.id, password_hash)
            for role in roles:
                role_assignments.assign_role(account.id, role)
        db.session.commit()
    return user


_HASHES: dict[Any, passwords.PasswordHash] = {}


def _hash_password(password: str) -> passwords.PasswordHash:
    """Hash a password; cached for the same password and settings."""
    settings = config.settings()
    peppers = tuple(settings.password_peppers.keys.items())
    key = (password, settings.password_hasher, settings.bcrypt_cost, peppers)
    if key not in _HASHES:
        _HASHES[key] = passwords.hash_password(password, NO_REQUEST)
    return _HASHES[key]
