"""Ids, random values, digests, encryption, and rotation of the encryption keys."""

import re
import uuid

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from config import ROOT
from gatehouse.core import crypto
from gatehouse.core.crypto import DecryptionFailed
from gatehouse.core.events import UserCreated, publish
from gatehouse.database.session import Base, db, write_transaction
from gatehouse.tokens import keys
from gatehouse.web.request_context import NO_REQUEST
from models import Credential, OutboxMessage, User
from tests.conftest import key, running
from tests.surface.conftest import read_tables

OLD = key(1).replace("test:", "old:")
NEW = key(7).replace("test:", "new:")
with_app_fixture = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def with_encryption_keys(environ, keyring):
    """Return the environment with these encryption keys."""
    return environ | {"GATEHOUSE_ENCRYPTION_KEYS": keyring}


# Ids


def test_id_is_a_uuid_of_version_7():
    ids = [crypto.new_id() for _ in range(1000)]

    assert {(each.version, each.variant) for each in ids} == {(7, uuid.RFC_4122)}
    assert len(set(ids)) == 1000


def test_id_increases_with_time():
    ids = []
    for milliseconds in (0, 1000, 2000, 10**6, 10**9):
        with time_machine.travel(1_800_000_000 + milliseconds / 1000, tick=False):
            ids.append(crypto.new_id())

    assert ids == sorted(ids)
    assert ids[0].int >> 80 == 1_800_000_000_000


def test_id_has_62_random_low_bits():
    with time_machine.travel(1_800_000_000, tick=False):
        ids = [crypto.new_id().int & ((1 << 62) - 1) for _ in range(200)]

    assert {bit for bit in range(62) if len({each >> bit & 1 for each in ids}) == 2} == {*range(62)}


# Randomness and digests


def test_random_tokens_and_digits_have_their_format():
    tokens = {crypto.random_token() for _ in range(100)}

    assert len(tokens) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in tokens)
    assert all(re.fullmatch(r"[0-9]{8}", crypto.random_digits(8)) for _ in range(100))
    assert any(crypto.random_digits(2).startswith("0") for _ in range(500))


def test_keyed_digest_depends_on_key_purpose_and_value(settings_environment):
    digests = set()
    for secret_key in (key(0), key(5)):
        environ = settings_environment | {"GATEHOUSE_SECRET_KEYS": secret_key}
        with running(environ) as app, app.app_context():
            digests |= {crypto.keyed_digest(p, v) for p in "ab" for v in "xy"}

    assert len(digests) == 8
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in digests)


def test_keyed_digest_of_an_older_key_is_still_found(settings_environment):
    old, new = key(0).replace("test", "old"), key(5).replace("test", "new")
    with running(settings_environment | {"GATEHOUSE_SECRET_KEYS": old}) as app, app.app_context():
        stored = crypto.keyed_digest("code", "12345678")

    keys_setting = {"GATEHOUSE_SECRET_KEYS": f"{new},{old}"}
    with running(settings_environment | keys_setting) as app, app.app_context():
        assert stored in crypto.keyed_digests("code", "12345678")
        assert stored != crypto.keyed_digest("code", "12345678")


# Encryption


@pytest.mark.requirement("CF-07")
@given(plaintext=st.binary(max_size=200), associated_data=st.text(max_size=40))
@with_app_fixture
def test_encrypted_value_can_be_decrypted(app, plaintext, associated_data):
    associated_data = associated_data.encode("utf-8", "replace").decode()

    with app.app_context():
        assert (
            crypto.decrypt(crypto.encrypt(plaintext, associated_data), associated_data) == plaintext
        )


@pytest.mark.requirement("CF-07")
def test_ciphertext_contains_the_key_id_and_no_plaintext(app):
    with app.app_context():
        encrypted = crypto.encrypt(b"sesame", "challenges.data:1")
        again = crypto.encrypt(b"sesame", "challenges.data:1")

        assert crypto.key_id_of(encrypted) == "test"
        assert b"sesame" not in encrypted
        assert encrypted != again
        assert len(encrypted) == 1 + len("test") + 12 + len(b"sesame") + 16


@pytest.mark.requirement("CF-07")
def test_ciphertext_that_was_changed_is_rejected(app):
    with app.app_context():
        encrypted = crypto.encrypt(b"sesame", "here")

        for position in range(len(encrypted)):
            changed = bytearray(encrypted)
            changed[position] ^= 1
            with pytest.raises(DecryptionFailed):
                crypto.decrypt(bytes(changed), "here")
        for cut in range(1, len(encrypted)):
            with pytest.raises(DecryptionFailed):
                crypto.decrypt(encrypted[:cut], "here")


@pytest.mark.requirement("CF-07")
@pytest.mark.stores
def test_ciphertext_moved_to_another_row_is_rejected(app, client):
    client.register("ada@example.com")
    client.register("eve@example.com")
    with app.app_context():
        ada, eve = db.session.scalars(select(OutboxMessage).order_by(OutboxMessage.created_at))
        eve.payload = ada.payload
        db.session.commit()

    with app.app_context():
        stolen = db.session.get(OutboxMessage, eve.id)
        with pytest.raises(DecryptionFailed, match="cannot be decrypted"):
            crypto.decrypt(stolen.payload, f"outbox.payload:{stolen.id}")


@pytest.mark.requirement("CF-07")
@pytest.mark.stores
def test_database_contains_no_secret_in_clear(app, client):
    client.register("ada@example.com")
    mail = client.mailbox()[0]["variables"]
    token = mail["link"].rpartition("#")[2]

    stored = str([[value for row in rows for value in row] for rows in read_tables(app).values()])

    assert mail["code"] not in stored
    assert token not in stored
    assert "PRIVATE KEY" not in stored


@pytest.mark.requirement("CF-07")
def test_source_uses_no_weak_algorithm():
    weak_algorithms = (
        r"\b(md[245]|sha1|[rR][cC]4|ARC4|DES|TripleDES|Blowfish|ECB|CBC|PKCS1v15|HS256)\b"
    )
    packages = [path for name in ("gatehouse", "models") for path in (ROOT / name).rglob("*.py")]
    sources = {str(path.relative_to(ROOT)): path for path in (*ROOT.glob("*.py"), *packages)}

    found = {
        name: re.findall(weak_algorithms, path.read_text(), re.IGNORECASE)
        for name, path in sources.items()
    }

    del found["gatehouse/passwords/breached.py"]  # lists of breached passwords have SHA-1 digests
    assert {name: names for name, names in found.items() if names} == {}
    assert "AESGCM" in (ROOT / "gatehouse/core/crypto.py").read_text()


# Rotation


@pytest.mark.requirement("CF-07")
@pytest.mark.stores
def test_rotation_allows_removal_of_the_old_key(settings_environment, store):
    environ = settings_environment
    with running(with_encryption_keys(environ, OLD)) as app:
        store_encrypted_values(app)
    with running(with_encryption_keys(environ, f"{NEW},{OLD}")) as app:
        before = key_ids(app)
        result = app.test_cli_runner().invoke(args=["keys", "rotate-encryption"])
        after = key_ids(app)

    assert set(before.values()) == {"old"}
    assert before.keys() == after.keys()
    assert set(after.values()) == {"new"}
    assert result.exit_code == 0
    assert f"Encrypted {len(before)} values;" in result.output
    with running(with_encryption_keys(environ, NEW)) as app:
        assert app.test_client().get("/.well-known/jwks.json").status_code == 200
        assert can_verify_registration(app)


@pytest.mark.requirement("CF-07")
def test_new_active_key_encrypts_new_values_and_old_ones_stay_readable(
    settings_environment,
):
    with running(with_encryption_keys(settings_environment, OLD)) as app:
        store_encrypted_values(app)

    with running(with_encryption_keys(settings_environment, f"{NEW},{OLD}")) as app:
        client = app.test_client()
        form = {"email": "eve@example.com", "password": "seven green lanterns"}
        client.post("/auth/register", json=form)

        assert {*key_ids(app).values()} == {"old", "new"}
        assert can_verify_registration(app)


def test_rotation_is_idempotent(settings_environment):
    with running(with_encryption_keys(settings_environment, OLD)) as app:
        store_encrypted_values(app)

    with running(with_encryption_keys(settings_environment, f"{NEW},{OLD}")) as app:
        command = app.test_cli_runner()
        command.invoke(args=["keys", "rotate-encryption"])
        again = command.invoke(args=["keys", "rotate-encryption"])

    assert again.output.startswith("Encrypted 0 values;")


def test_decryption_without_the_key_names_the_missing_key(app):
    with app.app_context():
        encrypted = crypto.encrypt(b"sesame", "here")
        with_old_key = bytes([3]) + b"old" + encrypted[5:]

        with pytest.raises(DecryptionFailed, match="no encryption key named 'old'"):
            crypto.decrypt(with_old_key, "here")


def store_encrypted_values(app):
    """Store a value in every encrypted column: registration, invitation, hook, signing keys."""
    with app.app_context():
        with write_transaction():
            keys.ensure_keys()
        db.session.commit()
    app.test_cli_runner().invoke(args=["users", "invite", "bob@example.com"])
    hook = ["hooks", "create", "webhook", "crm", "https://hooks.example.com", "--event", "*"]
    app.test_cli_runner().invoke(args=hook)
    form = {"email": "ada@example.com", "password": "seven green lanterns"}
    assert app.test_client().post("/auth/register", json=form).status_code == 202
    with app.app_context(), write_transaction():
        user = User(id=crypto.new_id(), email="eve@example.com", email_canonical="eve@example.com")
        db.session.add(user)
        db.session.flush()
        row = Credential(id=crypto.new_id(), user_id=user.id, kind="totp", label="Phone")
        row.data = crypto.encrypt(b"{}", f"credentials.data:{row.id}")
        db.session.add(row)
        publish(UserCreated(user.id, NO_REQUEST))
        db.session.commit()


def can_verify_registration(app):
    """Return whether the encrypted code of the registration can be read and used."""
    client = app.test_client()
    json = {"Accept": "application/json"}
    mails = client.get("/dev/mailbox?to=ada@example.com", headers=json).json["items"]
    form = {"email": "ada@example.com", "code": mails[0]["variables"]["code"]}
    form["password"] = "seven green lanterns"
    return client.post("/auth/email/verify", json=form).status_code == 200


def key_ids(app):
    """Return the key id of each value in each encrypted column."""
    columns = [
        c for t in Base.metadata.sorted_tables for c in t.columns if "associated_data" in c.info
    ]
    found = {}
    with app.app_context():
        for column in columns:
            for row_id, value in db.session.execute(select(column.table.c.id, column)):
                found[column.table.name, row_id] = crypto.key_id_of(value)
    assert {table for table, _ in found} == {column.table.name for column in columns}
    return found
