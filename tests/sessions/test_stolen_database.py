"""Whoever reads the database, or guesses, finds no token."""

import base64
from uuid import UUID

import pytest

from gatehouse.core import crypto
from models import RefreshToken, Session
from tests.rows import rows
from tests.sessions.answers import session_of


def every_value(app):
    """Return every value of every table, as text, and binary ones in hexadecimal, too."""
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
def test_a_stolen_database_holds_no_token(app, client, user):
    answers = [client.log_in(user) for _ in range(2)]
    answers.append(client.refresh(answers[0]).json)
    client.as_(answers[1]).post("/auth/logout")

    dump = every_value(app)

    assert session_of(answers[0]) in dump  # the dump does reach the sessions
    for tokens in answers:
        for token in (tokens["access_token"], tokens["refresh_token"]):
            signature = token.rpartition(".")[2]
            assert token not in dump
            assert signature not in dump
            assert base64.urlsafe_b64decode(signature + "==").hex() not in dump
    assert "PRIVATE KEY" not in dump
    assert b"PRIVATE KEY".hex() not in dump


@pytest.mark.requirement("SE-02")
def test_the_ids_of_sessions_and_tokens_cannot_be_guessed():
    made = [crypto.new_id() for _ in range(10_000)]

    assert len(set(made)) == len(made)
    noise = [(one.int >> 64 & 0xFFF) << 62 | one.int & (1 << 62) - 1 for one in made]
    for bit in range(74):  # RFC 9562 section 5.7: all but time, version and variant
        ones = sum(number >> bit & 1 for number in noise)
        assert 4_700 < ones < 5_300  # six standard deviations


@pytest.mark.requirement("SE-02")
def test_no_two_sessions_or_tokens_share_an_id(app, client, user):
    for _ in range(20):
        client.refresh(client.log_in(user))

    assert len({row.id for row in rows(app, Session)}) == 20
    assert len({row.id for row in rows(app, RefreshToken)}) == 40
    assert all(isinstance(row.id, UUID) for row in rows(app, RefreshToken))
