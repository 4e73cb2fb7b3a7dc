"""An account whose address nobody has proved, as an import writes it: the owner finds it empty.

Whoever filled it may have chosen somebody else's address. So the proof that somebody reads its mail
leaves nothing of what was set before: no password, factor, number, session, device, or open wish.
"""

import pytest
import sqlalchemy as sa

from gatehouse.authorization import roles
from gatehouse.database.session import db, writing
from models import Challenge, Credential, Device, Session, User
from tests.account.conftest import (
    ADA,
    NEW,
    NEW_ADDRESS,
    NUMBER,
    forgot,
    log_in,
    mails,
    prove_phone,
    reset,
    reset_mail,
    told,
)
from tests.client import User as Person
from tests.letters import token_of
from tests.people import settle
from tests.rows import audited, rows

pytestmark = pytest.mark.stores

MALLORY, HIS = "mallory@example.com", "mallory chose this phrase"


@pytest.fixture
def mallory(app, client):
    """Somebody who has an account with all there is."""
    person = settle(app, Person(MALLORY, HIS))
    prove_phone(client, client.log_in(person))
    client.as_(person.tokens).post("/auth/email/change", {"email": NEW_ADDRESS})
    client.enrol_totp(person)
    app.test_cli_runner().invoke(args=["users", "reset-mfa", MALLORY])
    return person


def give_address(app, proven=None):
    """Write Ada's address into the account of Mallory, as an import does that copies such rows."""
    values = {"email": ADA, "email_canonical": ADA, "email_verified_at": proven}
    with app.app_context():
        mine = sa.update(User).where(User.email == MALLORY)
        db.session.execute(mine.values(values))
        db.session.commit()


def prove_by_reset(app, client, way):
    """Prove the address by the mail of a forgotten password."""
    give_address(app)
    mail = reset_mail(client)
    proof = {"token": mail["token"]} if way == "link" else {"email": ADA, "code": mail["code"]}
    assert reset(client, **proof).status_code == 204


def prove_by_registration(app, client, way):
    """Prove the address by the mail of a registration that waited when the row was written."""
    client.register(ADA, NEW)
    give_address(app)
    mail = mails(client, ADA, "verify_email")[0]
    form = {"email": ADA, "code": mail["code"]}
    if way == "link":
        form = {"token": token_of(mail["link"]), "password": NEW}
    assert told(client.post("/auth/email/verify", form)) == (200, "verified")


WAYS = [
    (prove, way) for prove in (prove_by_reset, prove_by_registration) for way in ("link", "code")
]


@pytest.mark.parametrize(("prove", "way"), WAYS)
def test_nothing_that_was_set_before_survives_the_proof(app, client, mallory, prove, way):
    tokens = mallory.tokens
    late = mails(client, NEW_ADDRESS, "email_change")[0]["code"]

    prove(app, client, way)

    [user] = rows(app, User)
    assert (user.phone, user.phone_verified_at) == (None, None)
    assert [rows(app, table) for table in (Credential, Device, Challenge)] == [[], [], []]
    assert all(session.ended_at for session in rows(app, Session))
    assert told(client.as_(tokens).get("/auth/me")) == (401, "token_revoked")
    assert told(client.refresh(tokens)) == (401, "session_ended")
    assert [log_in(client, whose, HIS) for whose in (ADA, NUMBER, MALLORY)] == [401] * 3
    taken = client.post("/auth/email/verify", {"email": NEW_ADDRESS, "code": late})
    assert told(taken) == (401, "invalid_code")


@pytest.mark.parametrize(("prove", "way"), WAYS)
def test_the_owner_signs_in_with_what_they_chose_and_nothing_else(app, client, mallory, prove, way):
    prove(app, client, way)

    answer = client.post("/auth/login", {"identifier": ADA, "password": NEW})

    assert (answer.status_code, answer.json["status"]) == (200, "authenticated")
    assert answer.json["user"]["email_verified"]
    assert len(audited(app, "account.claimed")) == 1


def test_before_the_proof_it_opens_for_nobody(app, client, mallory):
    give_address(app)

    answer = client.post("/auth/login", {"identifier": ADA, "password": HIS})
    forgot(client, phone=NUMBER)
    texted = mails(client, NUMBER, "sms_reset")[0]["code"]
    by_text = reset(client, phone=NUMBER, code=texted)
    again = client.post("/auth/login", {"identifier": ADA, "password": NEW})

    assert told(answer) == told(again) == (403, "email_unverified")
    assert by_text.status_code == 204
    assert rows(app, User)[0].email_verified_at is None


def test_the_role_that_an_operator_gave_stays(app, client, mallory):
    with app.app_context():
        with writing():
            roles.grant(rows(app, User)[0].id, "admin")
        db.session.commit()

    prove_by_reset(app, client, "link")

    answer = client.post("/auth/login", {"identifier": ADA, "password": NEW})
    assert answer.json["user"]["roles"] == ["admin", "user"]


@pytest.mark.requirement("RG-03")
def test_a_proven_owner_keeps_number_and_factor_when_a_password_is_forgotten(app, client, mallory):
    reset(client, token=reset_mail(client, MALLORY)["token"])

    answer = client.post("/auth/login", {"identifier": MALLORY, "password": NEW})

    assert answer.json["status"] == "mfa_required"
    assert rows(app, User)[0].phone == NUMBER
    assert audited(app, "account.claimed") == []
