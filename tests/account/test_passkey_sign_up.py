"""An account that begins with a passkey: part of one registration, and of nobody else's."""

from functools import partial

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from gatehouse.one_time_codes import service as challenges
from models import Challenge, Credential, Password, User
from tests.account.conftest import ADA, mails, told
from tests.client import PASSWORD
from tests.letters import letter
from tests.mfa.authenticator import UP, Authenticator
from tests.mfa.passkey_sign_up import OPTIONS, Newcomer
from tests.rows import audited, rows
from tests.statements import sent_by

WAITS, VERIFIED = (202, "verification_required"), (200, "verified")
WRONG = (401, "invalid_code")


@pytest.fixture
def ada(client):
    return Newcomer(client)


@pytest.fixture
def thief(client):
    """Somebody else, who names Ada's address."""
    return Newcomer(client)


@pytest.mark.stores
@pytest.mark.requirement("MF-11")
def test_somebody_registers_with_a_passkey_and_signs_in_with_nothing_else(app, client, ada):
    assert told(ada.register()) == WAITS
    assert rows(app, User) == []
    assert told(ada.sign_in()) == WRONG

    proved = ada.verify()

    assert told(proved) == VERIFIED
    assert len(proved.json["recovery_codes"]) == 10
    assert rows(app, Password) == []
    signed_in = ada.sign_in()
    assert told(signed_in) == (200, "authenticated")
    factors = client.as_(signed_in.json).get("/auth/mfa/factors").json["items"]
    assert [factor["kind"] for factor in factors] == ["passkey", "recovery_codes"]
    assert rows(app, User)[0].email_verified_at is not None


@pytest.mark.settings(GATEHOUSE_MFA="required")
def test_such_a_login_is_enough_where_everybody_must_have_a_second_factor(client, ada):
    ada.register()
    ada.verify()

    assert told(ada.sign_in()) == (200, "authenticated")


def test_the_owner_of_a_known_address_is_told_and_gets_no_passkey(app, client, make_user, thief):
    make_user(email=ADA)

    answer = thief.register()

    assert told(answer) == WAITS
    assert client.mailbox(to=ADA)[0]["template"] == "account_exists"
    assert rows(app, Credential) == []
    assert told(thief.sign_in()) == WRONG


# What a stranger prepared


@pytest.mark.requirement("RG-01")
def test_a_registration_with_a_passkey_is_activated_by_no_link_whatever_the_password(
    app, client, thief
):
    """Its mail tells none; with a link the owner of the mailbox would do it for the stranger."""
    thief.register()
    waiting = sa.select(Challenge).where(Challenge.purpose == "register")
    with app.app_context():
        token = challenges.renew(db.session.scalar(waiting)).token
        db.session.commit()

    answer = client.post("/auth/email/verify", {"token": token, "password": PASSWORD})

    assert told(answer) == WRONG
    assert rows(app, User) == []


@pytest.mark.requirement("RG-01")
def test_a_passkey_that_a_stranger_prepared_is_not_there_when_the_owner_proves_theirs(
    app, client, ada, thief
):
    thief.register()
    ada.register()

    assert told(ada.verify()) == VERIFIED

    assert told(thief.sign_in()) == WRONG
    assert told(ada.sign_in()) == (200, "authenticated")
    assert rows(app, Challenge, purpose="register") == []


@pytest.mark.requirement("RG-01")
def test_a_passkey_that_a_stranger_prepared_is_not_there_when_the_owner_takes_a_password(
    app, client, thief
):
    thief.register()
    client.register(ADA)

    code = letter(client, ADA)["code"]
    assert client.post("/auth/email/verify", {"email": ADA, "code": code}).status_code == 200

    assert told(thief.sign_in()) == WRONG
    assert rows(app, Credential) == []


@pytest.mark.requirement("RG-01")
@pytest.mark.parametrize("holds", ["nothing", "their own"])
def test_the_owner_cannot_activate_what_a_stranger_prepared_by_typing_its_code(
    app, client, ada, thief, holds
):
    """The mail of the stranger's registration came, perhaps sent again, while the owner waited."""
    thief.register()
    code = letter(client, ADA)["code"]
    ada.register()
    form = {"email": ADA, "code": code}

    verify = client.post if holds == "nothing" else lambda *_: ada.verify(code)
    answer = verify("/auth/email/verify", form)

    assert told(answer) == WRONG
    assert rows(app, User) == []


@pytest.mark.requirement("RG-01")
def test_the_code_of_a_stranger_s_password_is_not_taken_for_that_of_a_passkey(app, client, ada):
    ada.register()
    client.register(ADA, PASSWORD)

    assert told(ada.verify()) == WRONG
    assert rows(app, User) == []


def test_the_mail_has_no_link_for_none_could_ask_for_anything(client, ada):
    ada.register()
    client.post("/auth/email/resend", {"email": ADA})

    found = mails(client, ADA, "verify_email")

    assert [mail["link"] for mail in found] == ["", ""]
    texts = [mail["text"] for mail in client.mailbox(to=ADA)]
    assert not any("password" in text or "http://" in text for text in texts)
    assert told(ada.verify()) == VERIFIED


# The ceremony


@pytest.mark.requirement("RL-07")
@pytest.mark.requirement("WA-12")
def test_options_and_answers_are_alike_for_known_and_unknown_addresses(app, client, make_user):
    make_user(email="known-1@example.com")
    people = [Newcomer(client, email) for email in ("known-1@example.com", "nobod-1@example.com")]

    options = [[person.options()["public_key"] for _ in range(2)] for person in people]
    answers = [[person.register() for _ in range(4)] for person in people]

    handles = [asked["user"].pop("id") for pair in options for asked in pair]
    challenges = [asked.pop("challenge") for pair in options for asked in pair]
    assert (len(set(handles)), len(set(challenges))) == (4, 4)
    assert {len(value) for value in handles + challenges} == {43}
    alike = [
        [_without(person.email, asked) for asked in pair]
        for person, pair in zip(people, options, strict=True)
    ]
    assert alike[0] == alike[1]
    assert {(a.status_code, a.text) for mine in answers for a in mine} == {
        (202, '{"status":"verification_required"}\n')
    }
    sent = [len(client.mailbox(to=person.email)) for person in people]
    assert sent == [3, 3]


def _without(email, asked):
    return str(asked).replace(email, "EMAIL")


@pytest.mark.requirement("RL-07")
def test_known_and_unknown_addresses_cost_the_same_statements(app, client, make_user):
    make_user(email="known-1@example.com")
    people = [Newcomer(client, email) for email in ("known-1@example.com", "nobod-1@example.com")]
    forms = [person.form() for person in people]

    known, unknown = (sent_by(app, partial(client.post, "/auth/register", form)) for form in forms)

    assert sorted(known) == sorted(unknown)  # in whatever order they are written
    assert len(known) > 5


@pytest.mark.requirement("WA-05")
def test_a_passkey_that_does_not_verify_its_user_is_no_account(app, client, ada):
    answer = ada.register(flags=UP)

    assert told(answer) == WRONG
    assert rows(app, Challenge, purpose="register") == []


@pytest.mark.requirement("WA-01")
def test_a_ceremony_is_answered_once_and_with_its_own_token(app, client, ada, thief):
    asked = ada.options()
    form = ada.form(asked)
    foreign = form | {
        "passkey": form["passkey"] | {"registration_token": thief.options()["registration_token"]}
    }

    answers = [client.post("/auth/register", sent) for sent in (foreign, form, form)]

    assert [told(answer) for answer in answers] == [WRONG, WAITS, WRONG]
    assert len(rows(app, Challenge, purpose="register")) == 1


@pytest.mark.requirement("WA-01")
@pytest.mark.requirement("WA-02")
def test_a_challenge_of_signing_in_does_not_register_and_the_other_way_round(client, ada):
    """Each with the very token that it came with."""
    ada.register()
    ada.verify()
    login = client.post("/auth/passkeys/authentication/options").json
    asked = ada.options()
    passkey = {"registration_token": login["login_token"]}
    passkey["credential"] = Authenticator().create(
        asked["public_key"], challenge=login["public_key"]["challenge"]
    )

    form = {"email": "new@example.com", "passkey": passkey}
    registered = client.post("/auth/register", form)
    credential = ada.authenticator.get(asked["public_key"])
    form = {"login_token": asked["registration_token"], "credential": credential}
    signed_in = client.post("/auth/passkeys/authentication/verify", form)

    assert [told(answer) for answer in (registered, signed_in)] == [WRONG] * 2


@pytest.mark.stores
@pytest.mark.requirement("WA-01")
def test_twenty_at_once_register_once(app, client, ada):
    answers = client.in_parallel(20, "/auth/register", ada.form())

    assert sorted(answer.status_code for answer in answers) == [202] + [401] * 19
    assert len(client.mailbox(to=ADA)) == 1


def test_a_request_that_is_sent_again_registers_once(app, client, ada):
    form, headers = ada.form(), {"Idempotency-Key": "once"}

    answers = [client.post("/auth/register", form, headers=headers) for _ in range(2)]

    assert [told(answer) for answer in answers] == [WAITS] * 2
    assert len(client.mailbox(to=ADA)) == 1


@pytest.mark.requirement("WA-10")
def test_a_passkey_of_somebody_begins_no_second_account(app, client, ada):
    ada.register()
    other = Newcomer(client, "other@example.com", ada.authenticator)
    other.register()  # while it is nobody's yet
    ada.verify()

    late = Newcomer(client, "third@example.com", ada.authenticator).register()

    assert told(other.verify()) == WRONG
    assert told(late) == WRONG
    assert [row.email for row in rows(app, User)] == [ADA]
    assert {e.details["why"] for e in audited(app, "passkey.refused")} == {"credential id known"}


@pytest.mark.parametrize("proofs", [{}, {"password": PASSWORD}])
def test_a_password_or_a_passkey_is_wanted_and_not_both(client, ada, proofs):
    form = ada.form() | proofs
    if not proofs:
        del form["passkey"]

    answer = client.post("/auth/register", form)

    assert told(answer) == (422, "validation_failed")
    found = {name: [one["code"] for one in found] for name, found in answer.json["errors"].items()}
    assert found == ({"passkey": ["one_way"]} if proofs else {"password": ["required"]})


@pytest.mark.settings(GATEHOUSE_FACTORS="totp")
def test_where_there_are_no_passkeys_nobody_registers_with_one(client, ada):
    asked = client.post(OPTIONS, {"email": ADA})
    passkey = {
        "registration_token": "x",
        "credential": {
            "id": "AAAA",
            "rawId": "AAAA",
            "type": "public-key",
            "response": {"clientDataJSON": "AAAA"},
        },
    }
    registered = client.post("/auth/register", {"email": ADA, "passkey": passkey})

    assert [told(a) for a in (asked, registered)] == [(403, "factor_not_offered")] * 2


def test_a_username_that_is_taken_is_told_and_the_ceremony_goes_on(client, make_user, ada):
    make_user(username="ada")
    form = ada.form()

    answers = [client.post("/auth/register", form | {"username": name}) for name in ("ada", "ada2")]

    assert [told(answer) for answer in answers] == [(409, "username_taken"), WAITS]


@pytest.mark.settings(GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL="true")
def test_where_accounts_come_before_the_proof_the_passkey_comes_with_it(app, client, ada):
    """And what somebody chose before any proof goes: a password, in development."""
    ada.register()
    code = letter(client, ADA)["code"]
    assert rows(app, User) == []
    client.register(ADA)

    assert told(ada.verify(code)) == VERIFIED

    assert rows(app, Password) == []
    assert told(ada.sign_in()) == (200, "authenticated")
