"""The clients, the user and the response modes of the OpenID Foundation's test plans."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask

from gatehouse.database.session import db
from models import User as Account
from tests.client import User
from tests.oauth.conformance.checks import with_mode
from tests.oauth.relying_party import RelyingParty

WITHOUT_PKCE = {"code_challenge": None}
"""The plans use PKCE in one module only; their clients send a nonce instead."""


@pytest.fixture
def user(app: Flask, make_user: Callable[..., User]) -> User:
    """A user with a claim for every scope."""
    user = make_user(name="Ada Lovelace", username="ada", locale="en")
    with app.app_context():
        account = db.session.query(Account).filter_by(email=user.email).one()
        account.phone, account.phone_verified_at = "+4930901820", datetime.now(UTC)
        db.session.commit()
    return user


@pytest.fixture
def register(make_relying_party: Callable[..., RelyingParty]) -> Callable[..., RelyingParty]:
    """Register a client as the plans ask for: register(id=..., **columns)."""

    def make(**columns: Any) -> RelyingParty:
        party = make_relying_party(require_pkce=False, **columns)
        party.defaults = dict(WITHOUT_PKCE)
        return party

    return make


@pytest.fixture(params=["default", "form_post"])
def response_mode(request: pytest.FixtureRequest) -> str:
    """The two plans of the code flow: Basic, and Form Post Basic."""
    return str(request.param)


@pytest.fixture
def party(register: Callable[..., RelyingParty], response_mode: str) -> RelyingParty:
    """The client of the plan, which asks for answers in the plan's response mode."""
    return with_mode(register(), response_mode)
