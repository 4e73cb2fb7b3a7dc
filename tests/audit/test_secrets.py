"""No secret leaves its place: unguessable values are random and kept as digests only."""

import hashlib
import string
from base64 import urlsafe_b64decode
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from gatehouse.core import crypto
from gatehouse.database.session import Base, db
from models import Challenge
from tests.client import PASSWORD, User
from tests.letters import letter, other_code, token_of
from tests.rows import rows

ADA = "ada@example.com"
NEW, WRONG = "another long phrase instead", "a wrong but plausible phrase"


def live_dangerously(client):
    """Do everything that handles secrets, well and badly; return all secrets by name."""
    client.register(ADA)
    mail = letter(client, ADA)
    code, token = mail["code"], token_of(mail["link"])
    client.post("/auth/email/verify", {"email": ADA, "code": other_code(code)})
    client.post("/auth/email/verify", {"token": token, "password": WRONG})
    client.post("/auth/email/verify", {"email": ADA, "code": code})
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
    pending = letter(client, "bob@example.com")
    answers = {"first": tokens, "renewed": renewed, "repeated": repeated}
    kinds = ("access_token", "refresh_token")
    return {
        "password": PASSWORD,
        "new password": NEW,
        "wrong password": WRONG,
        "code": code,
        "token of a link": token,
        "code not yet used": pending["code"],
        "token of a link not yet used": token_of(pending["link"]),
        **{f"{name} {kind}": answer[kind] for name, answer in answers.items() for kind in kinds},
    }


def found(secrets, *places):
    """Return the names of the secrets that stand somewhere: whole, or a token's signature."""
    return [
        name
        for name, secret in secrets.items()
        if any(
            part.encode() in place
            for part in {secret, secret.rpartition(".")[2]}
            for place in places
        )
    ]


def dump(app):
    """Return every value of every table as bytes, as whoever steals the database has them."""
    with app.app_context():
        tables = [
            db.session.execute(sa.select(table)).all() for table in Base.metadata.sorted_tables
        ]
    values = [value for table in tables for row in table for value in row]
    return b"\n".join(v if isinstance(v, bytes) else str(v).encode() for v in values)


@pytest.mark.stores
@pytest.mark.requirement("RG-02")
@pytest.mark.requirement("LG-03")
def test_the_database_holds_no_secret_in_clear(app, client):
    secrets = live_dangerously(client)

    stolen = dump(app)

    assert len(stolen) > 5000
    assert ADA.encode() in stolen
    assert found(secrets, stolen) == []


@pytest.mark.requirement("LG-03")
def test_neither_the_log_nor_the_files_of_a_server_hold_a_secret(live, store):
    secrets = live_dangerously(live.client)
    metrics = live.get("/metrics").data
    live.stop()

    database = Path(make_url(store).database)
    files = [file.read_bytes() for file in database.parent.glob(f"{database.name}*")]
    log = live.log.read_bytes()

    assert log.count(b'"route": "/auth/login"') == 2
    assert ADA.encode() in b"".join(files)
    assert found(secrets, log, metrics, *files) == []


@pytest.mark.stores
@pytest.mark.requirement("RG-02")
def test_tokens_are_kept_as_digests_and_codes_as_keyed_ones(app, client):
    client.register(ADA)
    mail = letter(client, ADA)

    [challenge] = rows(app, Challenge)

    unkeyed = hashlib.sha256(mail["code"].encode()).hexdigest()
    assert challenge.token_digest == hashlib.sha256(token_of(mail["link"]).encode()).hexdigest()
    assert len(challenge.code_digest) == 64
    assert unkeyed.encode() not in dump(app)


@pytest.mark.requirement("RG-02")
def test_ten_thousand_tokens_have_256_bits_each_and_no_pattern():
    tokens = [crypto.token() for _ in range(10_000)]

    decoded = b"".join(urlsafe_b64decode(f"{token}=") for token in tokens)
    counts = Counter(decoded)
    expected = len(decoded) / 256
    chi_square = sum((counts[byte] - expected) ** 2 / expected for byte in range(256))
    assert {len(token) for token in tokens} == {43}
    assert set("".join(tokens)) <= set(f"{string.ascii_letters}{string.digits}-_")
    assert len(set(tokens)) == 10_000
    assert 120 < chi_square < 390  # 255 degrees of freedom: six standard deviations


def test_codes_have_eight_evenly_spread_digits():
    codes = [crypto.code(8) for _ in range(10_000)]

    for place in range(8):
        counts = Counter(code[place] for code in codes)
        chi_square = sum((counts[digit] - 1000) ** 2 / 1000 for digit in string.digits)
        assert chi_square < 60  # 9 degrees of freedom
    assert {len(code) for code in codes} == {8}
