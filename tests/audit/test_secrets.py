"""Secrets are never stored or logged in clear, and tokens and codes are random."""

import hashlib
import string
from base64 import urlsafe_b64decode
from collections import Counter

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from gatehouse.core import crypto
from gatehouse.database.session import Base, db
from models import OneTimeCode
from tests.client import PASSWORD, User
from tests.mail_links import read_mail, token_of, wrong_code
from tests.rows import rows
from tests.stores import read_database_files

ADA = "ada@example.com"
NEW, WRONG = "another long phrase instead", "a wrong but plausible phrase"


def use_all_secrets(client):
    """Send requests with secrets, valid and invalid ones; return all secrets by name."""
    client.register(ADA)
    mail = read_mail(client, ADA)
    code, token = mail["code"], token_of(mail["link"])
    client.verify_code(ADA, wrong_code(code))
    client.post("/auth/email/verify", {"token": token, "password": WRONG})
    client.verify_code(ADA, code)
    client.post("/auth/login", {"identifier": ADA, "password": WRONG})
    tokens = client.log_in(User(ADA))
    renewed = client.refresh(tokens).json
    repeated = client.refresh(tokens).json
    client.refresh({"refresh_token": renewed["refresh_token"][:-4] + "AAAA"})
    client.get("/auth/me", query_string={"token": token})
    change = {"current_password": PASSWORD, "password": NEW}
    client.as_(renewed).post("/auth/password/change", change | {"current_password": WRONG})
    client.as_(renewed).post("/auth/password/change", change)
    client.post("/auth/invitation", {"token": token, "password": WRONG})
    client.register("bob@example.com", NEW)
    pending = read_mail(client, "bob@example.com")
    responses = {"first": tokens, "renewed": renewed, "repeated": repeated}
    kinds = ("access_token", "refresh_token")
    return {
        "password": PASSWORD,
        "new password": NEW,
        "wrong password": WRONG,
        "code": code,
        "token of a link": token,
        "code not yet used": pending["code"],
        "token of a link not yet used": token_of(pending["link"]),
        **{
            f"{name} {kind}": response[kind]
            for name, response in responses.items()
            for kind in kinds
        },
    }


def find_secrets(secrets, *contents):
    """Return the names of the secrets in some content: in whole, or the signature of a token."""
    return [
        name
        for name, secret in secrets.items()
        if any(
            part.encode() in content
            for part in {secret, secret.rpartition(".")[2]}
            for content in contents
        )
    ]


def dump_database(app):
    """Return every value of every table as bytes."""
    with app.app_context():
        tables = [
            db.session.execute(sa.select(table)).all() for table in Base.metadata.sorted_tables
        ]
    values = [value for table in tables for row in table for value in row]
    return b"\n".join(v if isinstance(v, bytes) else str(v).encode() for v in values)


@pytest.mark.stores
@pytest.mark.requirement("RG-02")
@pytest.mark.requirement("LG-03")
def test_database_contains_no_secret_in_clear(app, client):
    secrets = use_all_secrets(client)

    dump = dump_database(app)

    assert len(dump) > 5000
    assert ADA.encode() in dump
    assert find_secrets(secrets, dump) == []


@pytest.mark.requirement("LG-03")
def test_log_metrics_and_database_files_contain_no_secret_in_clear(live, store):
    secrets = use_all_secrets(live.client)
    metrics = live.get("/metrics").data
    live.stop()

    files = read_database_files(make_url(store).database)
    log = live.log.read_bytes()

    assert log.count(b'"route": "/auth/login"') == 2
    assert ADA.encode() in files
    assert find_secrets(secrets, log, metrics, files) == []


@pytest.mark.stores
@pytest.mark.requirement("RG-02")
def test_tokens_are_stored_as_digests_and_codes_as_keyed_digests(app, client):
    client.register(ADA)
    mail = read_mail(client, ADA)

    [row] = rows(app, OneTimeCode)

    unkeyed = hashlib.sha256(mail["code"].encode()).hexdigest()
    assert row.token_digest == hashlib.sha256(token_of(mail["link"]).encode()).hexdigest()
    assert len(row.code_digest) == 64
    assert unkeyed.encode() not in dump_database(app)


@pytest.mark.requirement("RG-02")
def test_tokens_have_256_random_bits():
    tokens = [crypto.random_token() for _ in range(10_000)]

    decoded = b"".join(urlsafe_b64decode(f"{token}=") for token in tokens)
    counts = Counter(decoded)
    expected = len(decoded) / 256
    chi_square = sum((counts[byte] - expected) ** 2 / expected for byte in range(256))
    assert {len(token) for token in tokens} == {43}
    assert set("".join(tokens)) <= set(f"{string.ascii_letters}{string.digits}-_")
    assert len(set(tokens)) == 10_000
    assert 120 < chi_square < 390  # 255 degrees of freedom: six standard deviations


def test_codes_have_eight_evenly_distributed_digits():
    codes = [crypto.random_digits(8) for _ in range(10_000)]

    for position in range(8):
        counts = Counter(code[position] for code in codes)
        chi_square = sum((counts[digit] - 1000) ** 2 / 1000 for digit in string.digits)
        assert chi_square < 60  # 9 degrees of freedom
    assert {len(code) for code in codes} == {8}
