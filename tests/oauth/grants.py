"""Grants of clients, made without the pages and the token endpoint."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Flask

from gatehouse.core import clock
from gatehouse.database.session import db, write_transaction
from gatehouse.oauth import grant_lifecycle
from gatehouse.oauth.grant_lifecycle import Approval
from gatehouse.web.request_context import NO_REQUEST
from models import OAuthClient, OAuthGrant, Session, User
from tests.tokens.forgery import decode_token


def authorize_grant(
    app: Flask,
    client_id: str,
    access_token: str,
    *,
    redeemed: bool = True,
    **approval: Any,
) -> UUID:
    """Authorize a client in the session of an access token; return the grant's id."""
    session_id = UUID(decode_token(access_token)[1]["sid"])
    with app.app_context():
        with write_transaction():
            session = db.session.get_one(Session, session_id)
            client = db.session.get_one(OAuthClient, client_id)
            subject = str(session.user_id)
            given = {"scopes": ("openid",), "resources": (), "request": {}, **approval}
            before = set(db.session.scalars(sa.select(OAuthGrant.id)))
            grant_lifecycle.create_grant(Approval(client, session, subject, **given), NO_REQUEST)
            [new] = set(db.session.scalars(sa.select(OAuthGrant.id))) - before
            if redeemed:
                change = sa.update(OAuthGrant).where(OAuthGrant.id == new)
                db.session.execute(change.values(code_used_at=clock.now()))
        db.session.commit()
        return new


def create_code(app: Flask, client_id: str, access_token: str, **approval: Any) -> str:
    """Authorize a client in the session of an access token; return the authorization code.

    `approval` replaces the scopes, the resources, what the code is bound to, `offline`.
    """
    session_id = UUID(decode_token(access_token)[1]["sid"])
    with app.app_context():
        with write_transaction():
            session = db.session.get_one(Session, session_id)
            client = db.session.get_one(OAuthClient, client_id)
            given = {"scopes": ("openid",), "resources": (), "request": {}, **approval}
            approved = Approval(client, session, str(session.user_id), **given)
            code = grant_lifecycle.create_grant(approved, NO_REQUEST)
        db.session.commit()
        return code


def user_id_of(app: Flask, email: str) -> UUID:
    """Return the id of a user."""
    with app.app_context():
        found = db.session.scalar(sa.select(User.id).where(User.email == email))
    assert found is not None
    return found
