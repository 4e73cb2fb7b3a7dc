"""Stored passwords after changes of cost, hasher and pepper."""

import base64
import hashlib

import pytest

from models import Password
from tests.client import PASSWORD, Client
from tests.mail_links import advance_clock
from tests.recording_hashers import record_hasher_calls
from tests.rows import audited, rows

ADA = "ada@example.com"


def create_pepper(key_id: str) -> str:
    """Return a pepper setting with one key, derived from its id."""
    return f"{key_id}:{base64.b64encode(hashlib.sha256(key_id.encode()).digest()).decode()}"


OLD, NEW = create_pepper("old"), create_pepper("new")


def log_in(app, password=PASSWORD):
    return (
        Client(app.test_client)
        .post("/auth/login", {"identifier": ADA, "password": password})
        .status_code
    )


def read_hash_prefixes(app):
    return [row.hash[:7] for row in rows(app, Password)]


def count_by_pepper(app):
    """Return the counts that `gatehouse passwords status` prints."""
    lines = app.test_cli_runner().invoke(args=["passwords", "status"]).output.splitlines()
    return {name: int(count) for name, count in (line.split() for line in lines if line[0] != "{")}


@pytest.mark.requirement("PW-08")
def test_password_does_not_expire(client, make_user):
    user = make_user()

    with advance_clock(days=400):
        tokens = client.log_in(user)

        assert client.as_(tokens).get("/auth/me").status_code == 200


@pytest.mark.stores
@pytest.mark.requirement("PW-11")
def test_login_rehashes_the_password_after_a_change_of_cost(app, make_user, restart):
    make_user(email=ADA)
    expensive = restart(GATEHOUSE_BCRYPT_COST="5")

    before = read_hash_prefixes(app)
    wrong, first, second = log_in(expensive, "x" * 20), log_in(expensive), log_in(expensive)

    assert (wrong, first, second) == (401, 200, 200)
    assert (before, read_hash_prefixes(app)) == (["$2b$04$"], ["$2b$05$"])
    assert len(audited(app, "account.password_upgraded")) == 1


@pytest.mark.requirement("PW-11")
def test_login_rehashes_the_password_after_a_change_of_hasher(app, make_user, restart):
    make_user(email=ADA)

    argon2 = restart(GATEHOUSE_PASSWORD_HASHER="argon2")
    to_argon2 = log_in(argon2), rows(app, Password)[0].hash
    to_bcrypt = log_in(app), rows(app, Password)[0].hash

    assert to_argon2[0] == to_bcrypt[0] == 200
    assert to_argon2[1].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert to_bcrypt[1].startswith("$2b$04$")


def test_rehash_does_not_change_the_date_of_the_password(app, make_user, restart):
    make_user(email=ADA)
    [before] = rows(app, Password)

    log_in(restart(GATEHOUSE_BCRYPT_COST="5"))

    assert [row.changed_at for row in rows(app, Password)] == [before.changed_at]


@pytest.mark.stores
def test_logins_in_parallel_all_succeed_and_rehash_once(app, make_user, restart):
    make_user(email=ADA)
    expensive = Client(restart(GATEHOUSE_BCRYPT_COST="5").test_client)

    form = {"identifier": ADA, "password": PASSWORD}
    responses = expensive.in_parallel(5, "/auth/login", form)

    assert [response.status_code for response in responses] == [200] * 5
    assert read_hash_prefixes(app) == ["$2b$05$"]
    assert len(audited(app, "account.password_upgraded")) == 1


@pytest.mark.stores
@pytest.mark.requirement("PW-12")
@pytest.mark.settings(GATEHOUSE_PASSWORD_PEPPERS=OLD)
def test_pepper_rotation_rehashes_each_password_at_the_next_login(app, make_user, restart):
    make_user(email=ADA)
    make_user(email="bob@example.com")
    rotated = restart(GATEHOUSE_PASSWORD_PEPPERS=f"{NEW},{OLD}")

    counts = [count_by_pepper(rotated)]
    status = log_in(rotated)
    counts.append(count_by_pepper(rotated))

    assert status == 200
    assert counts == [{"new": 0, "old": 2}, {"new": 1, "old": 1}]
    assert len(audited(app, "account.password_upgraded")) == 1
    assert log_in(restart(GATEHOUSE_PASSWORD_PEPPERS=NEW)) == 200


@pytest.mark.requirement("PW-12")
@pytest.mark.settings(GATEHOUSE_PASSWORD_PEPPERS=OLD)
def test_pepper_is_needed_to_verify_a_password(make_user, restart):
    make_user(email=ADA)
    key = NEW.partition(":")[2]

    attacker = restart(GATEHOUSE_PASSWORD_PEPPERS=f"old:{key}")

    assert log_in(attacker) == 401


@pytest.mark.requirement("PW-12")
@pytest.mark.settings(GATEHOUSE_PASSWORD_PEPPERS=OLD)
def test_pepper_that_was_removed_makes_login_fail_like_an_unknown_account(
    app, make_user, restart, monkeypatch
):
    make_user(email=ADA)
    calls = record_hasher_calls(monkeypatch)
    without_pepper = restart(GATEHOUSE_PASSWORD_PEPPERS=NEW)

    assert log_in(without_pepper) == 401

    assert [stored[:7] for stored in calls.verified] == ["$2b$04$"]
    assert count_by_pepper(without_pepper) == {"new": 0, "old": 1}
    assert log_in(app) == 200
