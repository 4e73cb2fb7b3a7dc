"""Ids, digests and sealed values; a ring of keys that can be turned."""

import re
import uuid

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from config import ROOT
from gatehouse.core import crypto
from gatehouse.core.crypto import SealBroken
from gatehouse.database.session import Base, db, writing
from gatehouse.tokens import keys
from models import Credential, OutboxMessage, User
from tests.conftest import key, running
from tests.surface.conftest import contents

OLD = key(1).replace("test:", "old:")
NEW = key(7).replace("test:", "new:")
within_an_app = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def with_ring(environ, ring):
    """Return the settings of a server whose stored secrets have this ring."""
    return environ | {"GATEHOUSE_ENCRYPTION_KEYS": ring}


# Ids


def test_ids_are_uuids_of_version_7():
    ids = [crypto.new_id() for _ in range(1000)]

    assert {(one.version, one.variant) for one in ids} == {(7, uuid.RFC_4122)}
    assert len(set(ids)) == 1000


def test_a_later_id_is_greater():
    ids = []
    for milliseconds in (0, 1000, 2000, 10**6, 10**9):
        with time_machine.travel(1_800_000_000 + milliseconds / 1000, tick=False):
            ids.append(crypto.new_id())

    assert ids == sorted(ids)
    assert ids[0].int >> 80 == 1_800_000_000_000


def test_ids_of_one_moment_share_no_more_than_the_moment():
    with time_machine.travel(1_800_000_000, tick=False):
        ids = [crypto.new_id().int & ((1 << 62) - 1) for _ in range(200)]

    assert {bit for bit in range(62) if len({one >> bit & 1 for one in ids}) == 2} == {*range(62)}


# Randomness and digests


def test_tokens_have_256_bits_and_codes_have_their_digits():
    tokens = {crypto.token() for _ in range(100)}

    assert len(tokens) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in tokens)
    assert all(re.fullmatch(r"[0-9]{8}", crypto.code(8)) for _ in range(100))
    assert any(crypto.code(2).startswith("0") for _ in range(500))


def test_a_keyed_digest_depends_on_key_purpose_and_value(settings_environment):
    digests = set()
    for ring in (key(0), key(5)):
        environ = settings_environment | {"GATEHOUSE_SECRET_KEYS": ring}
        with running(environ) as app, app.app_context():
            digests |= {crypto.keyed_digest(p, v) for p in "ab" for v in "xy"}

    assert len(digests) == 8
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in digests)


def test_what_an_older_secret_key_digested_is_still_found(settings_environment):
    old, new = key(0).replace("test", "old"), key(5).replace("test", "new")
    with running(settings_environment | {"GATEHOUSE_SECRET_KEYS": old}) as app, app.app_context():
        kept = crypto.keyed_digest("code", "12345678")

    ring = {"GATEHOUSE_SECRET_KEYS": f"{new},{old}"}
    with running(settings_environment | ring) as app, app.app_context():
        assert kept in crypto.keyed_digests("code", "12345678")
        assert kept != crypto.keyed_digest("code", "12345678")


# Sealed values


@pytest.mark.requirement("CF-07")
@given(plain=st.binary(max_size=200), place=st.text(max_size=40))
@within_an_app
def test_what_was_sealed_for_a_place_opens_there(app, plain, place):
    place = place.encode("utf-8", "replace").decode()

    with app.app_context():
        assert crypto.unseal(crypto.seal(plain, place), place) == plain


@pytest.mark.requirement("CF-07")
def test_a_sealed_value_names_its_key_and_shows_nothing_else(app):
    with app.app_context():
        sealed = crypto.seal(b"sesame", "challenges.data:1")
        again = crypto.seal(b"sesame", "challenges.data:1")

        assert crypto.sealed_with(sealed) == "test"
        assert b"sesame" not in sealed
        assert sealed != again
        assert len(sealed) == 1 + len("test") + 12 + len(b"sesame") + 16


@pytest.mark.requirement("CF-07")
def test_a_value_that_was_changed_anywhere_does_not_open(app):
    with app.app_context():
        sealed = crypto.seal(b"sesame", "here")

        for position in range(len(sealed)):
            changed = bytearray(sealed)
            changed[position] ^= 1
            with pytest.raises(SealBroken):
                crypto.unseal(bytes(changed), "here")
        for cut in range(1, len(sealed)):
            with pytest.raises(SealBroken):
                crypto.unseal(sealed[:cut], "here")


@pytest.mark.requirement("CF-07")
@pytest.mark.stores
def test_a_value_that_was_moved_to_another_row_does_not_open(app, client):
    client.register("ada@example.com")
    client.register("eve@example.com")
    with app.app_context():
        ada, eve = db.session.scalars(select(OutboxMessage).order_by(OutboxMessage.created_at))
        eve.payload = ada.payload
        db.session.commit()

    with app.app_context():
        stolen = db.session.get(OutboxMessage, eve.id)
        with pytest.raises(SealBroken, match="does not open"):
            crypto.unseal(stolen.payload, f"outbox.payload:{stolen.id}")


@pytest.mark.requirement("CF-07")
@pytest.mark.stores
def test_no_secret_stands_in_any_table(app, client):
    client.register("ada@example.com")
    mail = client.mailbox()[0]["variables"]
    token = mail["link"].rpartition("#")[2]

    kept = str([[value for row in rows for value in row] for rows in contents(app).values()])

    assert mail["code"] not in kept
    assert token not in kept
    assert "PRIVATE KEY" not in kept


@pytest.mark.requirement("CF-07")
def test_no_weak_algorithm_is_named_in_our_source():
    weak = r"\b(md[245]|sha1|[rR][cC]4|ARC4|DES|TripleDES|Blowfish|ECB|CBC|PKCS1v15|HS256)\b"
    sources = [*ROOT.glob("*.py"), *(ROOT / "gatehouse").rglob("*.py")]

    found = {file.name: re.findall(weak, file.read_text(), re.IGNORECASE) for file in sources}

    del found["breached.py"]  # lists of stolen passwords are lists of their SHA-1
    assert {name: names for name, names in found.items() if names} == {}
    assert "AESGCM" in (ROOT / "gatehouse/core/crypto.py").read_text()


# Turning the ring


@pytest.mark.requirement("CF-07")
@pytest.mark.stores
def test_after_the_ring_was_turned_the_old_key_can_leave(settings_environment, store):
    environ = settings_environment
    with running(with_ring(environ, OLD)) as app:
        fill(app)
    with running(with_ring(environ, f"{NEW},{OLD}")) as app:
        before = sealed_with(app)
        said = app.test_cli_runner().invoke(args=["keys", "rotate-encryption"])
        after = sealed_with(app)

    assert set(before.values()) == {"old"}
    assert before.keys() == after.keys()
    assert set(after.values()) == {"new"}
    assert said.exit_code == 0
    assert f"{len(before)} values encrypted anew" in said.output
    with running(with_ring(environ, NEW)) as app:
        assert app.test_client().get("/.well-known/jwks.json").status_code == 200
        assert prove(app)


@pytest.mark.requirement("CF-07")
def test_until_the_ring_was_turned_old_values_open_and_new_ones_have_the_new_key(
    settings_environment,
):
    with running(with_ring(settings_environment, OLD)) as app:
        fill(app)

    with running(with_ring(settings_environment, f"{NEW},{OLD}")) as app:
        client = app.test_client()
        form = {"email": "eve@example.com", "password": "seven green lanterns"}
        client.post("/auth/register", json=form)

        assert {*sealed_with(app).values()} == {"old", "new"}
        assert prove(app)


def test_turning_the_ring_twice_changes_nothing_the_second_time(settings_environment):
    with running(with_ring(settings_environment, OLD)) as app:
        fill(app)

    with running(with_ring(settings_environment, f"{NEW},{OLD}")) as app:
        command = app.test_cli_runner()
        command.invoke(args=["keys", "rotate-encryption"])
        again = command.invoke(args=["keys", "rotate-encryption"])

    assert again.output.startswith("0 values encrypted anew")


def test_without_the_key_nothing_opens_and_the_error_names_what_is_missing(app):
    with app.app_context():
        sealed = crypto.seal(b"sesame", "here")
        foreign = bytes([3]) + b"old" + sealed[5:]

        with pytest.raises(SealBroken, match="no encryption key named 'old'"):
            crypto.unseal(foreign, "here")


def fill(app):
    """Let every sealed column have values: a registration, an invitation, signing keys."""
    with app.app_context():
        with writing():
            keys.ensure()
        db.session.commit()
    app.test_cli_runner().invoke(args=["users", "invite", "bob@example.com"])
    form = {"email": "ada@example.com", "password": "seven green lanterns"}
    assert app.test_client().post("/auth/register", json=form).status_code == 202
    with app.app_context(), writing():
        user = User(id=crypto.new_id(), email="eve@example.com", email_canonical="eve@example.com")
        db.session.add(user)
        db.session.flush()
        row = Credential(id=crypto.new_id(), user_id=user.id, kind="totp", label="Phone")
        row.data = crypto.seal(b"{}", f"credentials.data:{row.id}")
        db.session.add(row)
        db.session.commit()


def prove(app):
    """Tell whether the registration's code, which is sealed, can be read and used."""
    client = app.test_client()
    json = {"Accept": "application/json"}
    mails = client.get("/dev/mailbox?to=ada@example.com", headers=json).json["items"]
    form = {"email": "ada@example.com", "code": mails[0]["variables"]["code"]}
    return client.post("/auth/email/verify", json=form).status_code == 200


def sealed_with(app):
    """Return by which key each value of each sealed column was sealed."""
    columns = [c for t in Base.metadata.sorted_tables for c in t.columns if "sealed" in c.info]
    found = {}
    with app.app_context():
        for column in columns:
            for row_id, value in db.session.execute(select(column.table.c.id, column)):
                found[column.table.name, row_id] = crypto.sealed_with(value)
    assert {table for table, _ in found} == {column.table.name for column in columns}
    return found
