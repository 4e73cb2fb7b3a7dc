"""What becomes of stored passwords while costs, hashers, peppers and years change."""

import base64
import hashlib

import pytest

from models import Password
from tests.client import PASSWORD, Client
from tests.letters import later
from tests.rows import audited, rows
from tests.watched import watch

ADA = "ada@example.com"


def ring(kid: str) -> str:
    """Return a key ring of one key, the same for the same name."""
    return f"{kid}:{base64.b64encode(hashlib.sha256(kid.encode()).digest()).decode()}"


OLD, NEW = ring("old"), ring("new")


def log_in(app, password=PASSWORD):
    return (
        Client(app.test_client)
        .post("/auth/login", {"identifier": ADA, "password": password})
        .status_code
    )


def hashes(app):
    return [row.hash[:7] for row in rows(app, Password)]


def status(app):
    """Return what `flask passwords status` prints: the count of each pepper."""
    lines = app.test_cli_runner().invoke(args=["passwords", "status"]).output.splitlines()
    return {name: int(count) for name, count in (line.split() for line in lines if line[0] != "{")}


@pytest.mark.requirement("PW-08")
def test_a_password_does_not_grow_old(client, make_user):
    user = make_user()

    with later(days=400):
        tokens = client.log_in(user)

        assert client.as_(tokens).get("/auth/me").status_code == 200


@pytest.mark.stores
@pytest.mark.requirement("PW-11")
def test_a_login_hashes_anew_when_the_cost_has_risen(app, make_user, restart):
    make_user(email=ADA)
    dearer = restart(GATEHOUSE_BCRYPT_COST="5")

    before = hashes(app)
    wrong, right, again = log_in(dearer, "x" * 20), log_in(dearer), log_in(dearer)

    assert (wrong, right, again) == (401, 200, 200)
    assert (before, hashes(app)) == (["$2b$04$"], ["$2b$05$"])
    assert len(audited(app, "account.password_upgraded")) == 1


@pytest.mark.requirement("PW-11")
def test_a_login_moves_to_the_chosen_hasher_and_back(app, make_user, restart):
    make_user(email=ADA)

    argon2 = restart(GATEHOUSE_PASSWORD_HASHER="argon2")
    to_argon2 = log_in(argon2), rows(app, Password)[0].hash
    to_bcrypt = log_in(app), rows(app, Password)[0].hash

    assert to_argon2[0] == to_bcrypt[0] == 200
    assert to_argon2[1].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert to_bcrypt[1].startswith("$2b$04$")


def test_an_upgrade_is_not_a_change_of_the_password(app, make_user, restart):
    make_user(email=ADA)
    [before] = rows(app, Password)

    log_in(restart(GATEHOUSE_BCRYPT_COST="5"))

    assert [row.changed_at for row in rows(app, Password)] == [before.changed_at]


@pytest.mark.stores
def test_logins_that_upgrade_at_once_all_succeed(app, make_user, restart):
    make_user(email=ADA)
    dearer = Client(restart(GATEHOUSE_BCRYPT_COST="5").test_client)

    form = {"identifier": ADA, "password": PASSWORD}
    answers = dearer.in_parallel(5, "/auth/login", form)

    assert [answer.status_code for answer in answers] == [200] * 5
    assert hashes(app) == ["$2b$05$"]
    assert len(audited(app, "account.password_upgraded")) == 1


@pytest.mark.stores
@pytest.mark.requirement("PW-12")
@pytest.mark.settings(GATEHOUSE_PASSWORD_PEPPERS=OLD)
def test_a_new_pepper_reaches_each_password_at_its_owners_next_login(app, make_user, restart):
    make_user(email=ADA)
    make_user(email="bob@example.com")
    rotated = restart(GATEHOUSE_PASSWORD_PEPPERS=f"{NEW},{OLD}")

    counts = [status(rotated)]
    answer = log_in(rotated)
    counts.append(status(rotated))

    assert answer == 200
    assert counts == [{"new": 0, "old": 2}, {"new": 1, "old": 1}]
    assert len(audited(app, "account.password_upgraded")) == 1
    assert log_in(restart(GATEHOUSE_PASSWORD_PEPPERS=NEW)) == 200


@pytest.mark.requirement("PW-12")
@pytest.mark.settings(GATEHOUSE_PASSWORD_PEPPERS=OLD)
def test_the_database_alone_verifies_nothing(make_user, restart):
    make_user(email=ADA)
    material = NEW.partition(":")[2]

    thief = restart(GATEHOUSE_PASSWORD_PEPPERS=f"old:{material}")

    assert log_in(thief) == 401


@pytest.mark.requirement("PW-12")
@pytest.mark.settings(GATEHOUSE_PASSWORD_PEPPERS=OLD)
def test_without_its_pepper_a_password_fails_as_an_unknown_account_does(
    app, make_user, restart, monkeypatch
):
    make_user(email=ADA)
    notes = watch(monkeypatch)
    bereft = restart(GATEHOUSE_PASSWORD_PEPPERS=NEW)

    assert log_in(bereft) == 401

    assert [stored[:7] for stored in notes.verified] == ["$2b$04$"]
    assert status(bereft) == {"new": 0, "old": 1}
    assert log_in(app) == 200
