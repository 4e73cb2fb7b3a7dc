"""Cursors: valid for one list, tamper-proof, and with exactly one spelling."""

import string
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask

from gatehouse.core import crypto
from gatehouse.core.errors import MalformedRequest
from gatehouse.database.pages import Position
from gatehouse.web.pagination import decode_cursor, encode_cursor
from tests.conftest import key, running

ALPHABET = string.ascii_letters + string.digits + "-_"
LAST = Position(datetime(2026, 7, 1, 12, tzinfo=UTC), crypto.new_id())


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def is_valid(cursor, purpose="sessions:ann"):
    try:
        return decode_cursor(purpose, cursor) == LAST
    except MalformedRequest:
        return False


def test_cursor_is_valid_for_its_list_only():
    cursor = encode_cursor("sessions:ann", LAST)

    assert is_valid(cursor)
    assert not is_valid(cursor, "sessions:bob")


@pytest.mark.requirement("AP-08")
def test_cursor_has_exactly_one_spelling():
    cursor = encode_cursor("sessions:ann", LAST)
    last_characters = [cursor[:-1] + each for each in ALPHABET]
    additions = [cursor + each for each in ("=", "==", "\n", " ", "é", ".", "*")]
    insertions = [f"{cursor[:n]}{each}{cursor[n:]}" for n in (0, 5, 60) for each in ("\n", "*")]

    valid = [each for each in (*last_characters, *additions, *insertions) if is_valid(each)]

    assert valid == [cursor]


def test_cursor_of_an_older_secret_key_is_valid(settings_environment):
    cursor = encode_cursor("sessions:ann", LAST)
    rings = f"new:{key(5)[5:]},{settings_environment['GATEHOUSE_SECRET_KEYS']}"

    with running(settings_environment | {"GATEHOUSE_SECRET_KEYS": rings}) as app, app.app_context():
        assert is_valid(cursor)
        assert encode_cursor("sessions:ann", LAST) != cursor
