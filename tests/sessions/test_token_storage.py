"""Tokens are not stored, and their ids are random and unique."""

import base64
from uuid import UUID

import pytest

from gatehouse.core import crypto
from models import Session
from tests.rows import rows
from tests.sessions.token_responses import session_id_of, token_claims


def every_value(app):
    """Return all values of all tables as text; binary ones also in hexadecimal."""
    values = []
    for table in {mapper.class_ for mapper in Session.registry.mappers}:
        for row in rows(app, table):
            for column in table.__table__.columns:
                value = getattr(row, column.key)
                values.append(value.hex() if isinstance(value, bytes) else str(value))
                values.append(repr(value))
    return "\n".join(values)


@pytest.mark.stores
@pytest.mark.requirement("SE-02")
def test_database_contains_no_token(app, client, user):
    responses = [client.log_in(user) for _ in range(2)]
    responses.append(client.refresh(responses[0]).json)
    client.as_(responses[1]).post("/auth/logout")

    dump = every_value(app)

    assert session_id_of(responses[0]) in dump  # the dump includes the sessions
    for tokens in responses:
        for token in (tokens["access_token"], tokens["refresh_token"]):
            signature = token.rpartition(".")[2]
            assert token not in dump
            assert signature not in dump
            assert base64.urlsafe_b64decode(signature + "==").hex() not in dump
    assert "PRIVATE KEY" not in dump
    assert b"PRIVATE KEY".hex() not in dump


@pytest.mark.requirement("SE-02")
def test_session_and_token_ids_are_random():
    made = [crypto.new_id() for _ in range(10_000)]

    assert len(set(made)) == len(made)
    noise = [(one.int >> 64 & 0xFFF) << 62 | one.int & (1 << 62) - 1 for one in made]
    for bit in range(74):  # RFC 9562 section 5.7: all but time, version and variant
        ones = sum(number >> bit & 1 for number in noise)
        assert 4_700 < ones < 5_300  # six standard deviations


@pytest.mark.requirement("SE-02")
def test_session_and_token_ids_are_unique(app, client, user):
    responses = [client.log_in(user) for _ in range(20)]
    responses += [client.refresh(response).json for response in responses]

    assert len({row.id for row in rows(app, Session)}) == 20
    assert len({UUID(token_claims(response)["jti"]) for response in responses}) == 40
    assert len({row.current_token_id for row in rows(app, Session)}) == 20
