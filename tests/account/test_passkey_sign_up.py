"""Sign-up with a passkey: it belongs to one registration, and works only with its token."""

from functools import partial

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from gatehouse.one_time_codes import service as one_time_codes
from models import Credential, OneTimeCode, Password, User
from tests.account.conftest import ADA, read_messages, status_and_code
from tests.client import PASSWORD
from tests.mail_links import read_mail, token_of, wrong_code
from tests.mfa.authenticator import UP, Authenticator
from tests.mfa.passkey_sign_up import OPTIONS, PasskeyApplicant
from tests.rows import audited, rows
from tests.statements import statements_of

SHOW_CODE = "/auth/email/verify/code"
PENDING, VERIFIED = (202, "verification_required"), (200, "verified")
WRONG = (401, "invalid_code")


@pytest.fixture
def ada(client):
    return PasskeyApplicant(client)


@pytest.fixture
def attacker(client):
    """An attacker who signs up with Ada's e-mail address."""
    return PasskeyApplicant(client)


@pytest.mark.stores
@pytest.mark.requirement("MF-11")
def test_passkey_sign_up_creates_an_account_that_signs_in_with_the_passkey_alone(app, client, ada):
    assert status_and_code(ada.register()) == PENDING
    assert rows(app, User) == []
    assert status_and_code(ada.sign_in()) == WRONG

    verified = ada.verify_email()

    assert status_and_code(verified) == VERIFIED
    assert len(verified.json["recovery_codes"]) == 10
    assert rows(app, Password) == []
    signed_in = ada.sign_in()
    assert status_and_code(signed_in) == (200, "authenticated")
    factors = client.as_(signed_in.json).get("/auth/mfa/factors").json["items"]
    assert [factor["kind"] for factor in factors] == ["passkey", "recovery_codes"]
    assert rows(app, User)[0].email_verified_at is not None


@pytest.mark.settings(GATEHOUSE_MFA="required")
def test_passkey_sign_up_satisfies_a_required_second_factor(client, ada):
    ada.register()
    ada.verify_email()

    assert status_and_code(ada.sign_in()) == (200, "authenticated")


def test_passkey_sign_up_with_a_known_address_notifies_the_owner_and_adds_no_passkey(
    app, client, make_user, attacker
):
    make_user(email=ADA)

    response = attacker.register()

    assert status_and_code(response) == PENDING
    assert client.mailbox(to=ADA)[0]["template"] == "account_exists"
    assert rows(app, Credential) == []
    assert status_and_code(attacker.sign_in()) == WRONG


# Sign-ups of an attacker with the address of another user


@pytest.mark.requirement("RG-01")
def test_passkey_sign_up_is_not_activated_by_a_link(app, client, attacker):
    """Its e-mail has no link: the owner of the mailbox would activate it for an attacker."""
    attacker.register()
    pending = sa.select(OneTimeCode).where(OneTimeCode.purpose == "register")
    with app.app_context():
        token = one_time_codes.renew(db.session.scalar(pending)).token
        db.session.commit()

    response = client.post("/auth/email/verify", {"token": token, "password": PASSWORD})

    assert status_and_code(response) == WRONG
    assert rows(app, User) == []


@pytest.mark.requirement("RG-01")
def test_passkey_sign_up_of_the_owner_discards_the_passkey_of_an_attacker(
    app, client, ada, attacker
):
    attacker.register()
    ada.register()

    assert status_and_code(ada.verify_email()) == VERIFIED

    assert status_and_code(attacker.sign_in()) == WRONG
    assert status_and_code(ada.sign_in()) == (200, "authenticated")
    assert rows(app, OneTimeCode, purpose="register") == []


@pytest.mark.requirement("RG-01")
def test_passkey_sign_up_of_an_attacker_is_discarded_by_password_registration_of_the_owner(
    app, client, attacker
):
    attacker.register()
    client.register(ADA)

    code = read_mail(client, ADA)["code"]
    assert client.verify_code(ADA, code).status_code == 200

    assert status_and_code(attacker.sign_in()) == WRONG
    assert rows(app, Credential) == []


@pytest.mark.requirement("RG-01")
@pytest.mark.parametrize("with_", ["a password", "their own token"])
def test_passkey_sign_up_of_an_attacker_is_not_activated_by_its_code_from_the_owner(
    app, client, ada, attacker, with_
):
    """The e-mail of the attacker's sign-up arrives while the owner waits for their own."""
    attacker.register()
    code = read_mail(client, ADA)["code"]
    ada.register()
    form = {"email": ADA, "code": code, "password": PASSWORD}

    by_password = with_ == "a password"
    response = client.post("/auth/email/verify", form) if by_password else ada.verify_email(code)

    assert status_and_code(response) == WRONG
    assert rows(app, User) == []


@pytest.mark.requirement("RG-01")
def test_passkey_sign_up_rejects_the_code_of_a_password_registration(app, client, ada):
    ada.register()
    client.register(ADA, PASSWORD)

    assert status_and_code(ada.verify_email()) == WRONG
    assert rows(app, User) == []


def test_passkey_sign_up_email_has_a_code_and_a_link_that_shows_it(app, client, ada):
    ada.register()
    client.post("/auth/email/resend", {"email": ADA})

    mails = read_messages(client, ADA, "verify_email")
    tokens = [token_of(mail["code_link"]) for mail in mails]
    codes = [client.post(SHOW_CODE, {"token": token}) for token in tokens]

    assert [mail["link"] for mail in mails] == ["", ""]
    assert not any("password" in mail["text"] for mail in client.mailbox(to=ADA))
    assert codes[0].json == {"code": mails[0]["code"]}
    assert status_and_code(codes[1]) == WRONG  # replaced by the resent one
    assert rows(app, User) == []
    assert status_and_code(ada.verify_email(codes[0].json["code"])) == VERIFIED
    assert status_and_code(client.post(SHOW_CODE, {"token": tokens[0]})) == WRONG


@pytest.mark.requirement("RG-01")
def test_passkey_sign_up_code_is_shown_for_no_other_link(client, make_user):
    client.register("bob@example.com")
    registration = token_of(read_mail(client, "bob@example.com")["link"])
    user = make_user(email=ADA)
    client.post("/auth/password/forgot", {"email": user.email})
    reset = token_of(read_mail(client, user.email)["link"])

    responses = [client.post(SHOW_CODE, {"token": token}) for token in (registration, reset)]

    assert [status_and_code(response) for response in responses] == [WRONG, WRONG]


@pytest.mark.requirement("RL-02")
def test_passkey_sign_up_survives_wrong_codes_of_strangers(client, ada):
    ada.register()
    code = read_mail(client, ADA)["code"]
    form = {"email": ADA, "code": wrong_code(code), "password": PASSWORD}

    for number in range(100):
        sender = {"REMOTE_ADDR": f"203.0.113.{number // 20}"}
        client.post("/auth/email/verify", form, environ_overrides=sender)

    assert status_and_code(ada.verify_email(code)) == VERIFIED


# The WebAuthn ceremony


@pytest.mark.requirement("RL-07")
@pytest.mark.requirement("WA-12")
def test_passkey_sign_up_options_and_responses_are_alike_for_known_and_unknown_addresses(
    app, client, make_user
):
    make_user(email="known-1@example.com")
    users = [
        PasskeyApplicant(client, email) for email in ("known-1@example.com", "unkwn-1@example.com")
    ]

    options = [[user.request_options()["public_key"] for _ in range(2)] for user in users]
    responses = [[user.register() for _ in range(4)] for user in users]

    handles = [each["user"].pop("id") for pair in options for each in pair]
    challenges = [each.pop("challenge") for pair in options for each in pair]
    assert (len(set(handles)), len(set(challenges))) == (4, 4)
    assert {len(value) for value in handles + challenges} == {43}
    alike = [
        [_without(user.email, each) for each in pair]
        for user, pair in zip(users, options, strict=True)
    ]
    assert alike[0] == alike[1]
    tokens = [answer.json["registration_token"] for mine in responses for answer in mine]
    assert {(a.status_code, len(a.text)) for mine in responses for a in mine} == {(202, 102)}
    assert (len(set(tokens)), {len(token) for token in tokens}) == (8, {43})
    sent = [len(client.mailbox(to=user.email)) for user in users]
    assert sent == [3, 3]


def _without(email, value):
    return str(value).replace(email, "EMAIL")


@pytest.mark.requirement("RL-07")
def test_passkey_sign_up_costs_the_same_statements_for_known_and_unknown_addresses(
    app, client, make_user
):
    make_user(email="known-1@example.com")
    users = [
        PasskeyApplicant(client, email) for email in ("known-1@example.com", "unkwn-1@example.com")
    ]
    forms = [user.registration_form() for user in users]

    known, unknown = (
        statements_of(app, partial(client.post, "/auth/register", form)) for form in forms
    )

    assert sorted(known) == sorted(unknown)  # in any order
    assert len(known) > 5


@pytest.mark.requirement("WA-05")
def test_passkey_sign_up_needs_user_verification(app, client, ada):
    response = ada.register(flags=UP)

    assert status_and_code(response) == WRONG
    assert rows(app, OneTimeCode, purpose="register") == []


@pytest.mark.requirement("WA-01")
def test_passkey_sign_up_challenge_works_once_and_with_its_own_token(app, client, ada, attacker):
    options = ada.request_options()
    form = ada.registration_form(options)
    foreign = form | {
        "passkey": form["passkey"]
        | {"registration_token": attacker.request_options()["registration_token"]}
    }

    responses = [client.post("/auth/register", sent) for sent in (foreign, form, form)]

    assert [status_and_code(response) for response in responses] == [WRONG, PENDING, WRONG]
    assert len(rows(app, OneTimeCode, purpose="register")) == 1


@pytest.mark.requirement("WA-01")
@pytest.mark.requirement("WA-02")
def test_passkey_sign_up_and_sign_in_challenges_are_not_interchangeable(client, ada):
    """Each is sent with the token that it came with."""
    ada.register()
    ada.verify_email()
    login = client.post("/auth/passkeys/authentication/options").json
    options = ada.request_options()
    passkey = {"registration_token": login["login_token"]}
    passkey["credential"] = Authenticator().create(
        options["public_key"], challenge=login["public_key"]["challenge"]
    )

    form = {"email": "new@example.com", "passkey": passkey}
    registered = client.post("/auth/register", form)
    credential = ada.authenticator.get(options["public_key"])
    form = {"login_token": options["registration_token"], "credential": credential}
    signed_in = client.post("/auth/passkeys/authentication/verify", form)

    assert [status_and_code(response) for response in (registered, signed_in)] == [WRONG] * 2


@pytest.mark.stores
@pytest.mark.requirement("WA-01")
def test_passkey_sign_up_sent_twenty_times_in_parallel_registers_once(app, client, ada):
    responses = client.in_parallel(20, "/auth/register", ada.registration_form())

    assert sorted(response.status_code for response in responses) == [202] + [401] * 19
    assert len(client.mailbox(to=ADA)) == 1


def test_passkey_sign_up_is_idempotent_with_an_idempotency_key(app, client, ada):
    form, headers = ada.registration_form(), {"Idempotency-Key": "8e03978e-40d5-43dd-bc93"}

    responses = [client.post("/auth/register", form, headers=headers) for _ in range(2)]

    assert [status_and_code(response) for response in responses] == [PENDING] * 2
    assert len(client.mailbox(to=ADA)) == 1


@pytest.mark.requirement("WA-10")
def test_passkey_sign_up_rejects_a_passkey_of_another_account(app, client, ada):
    ada.register()
    other = PasskeyApplicant(client, "other@example.com", ada.authenticator)
    other.register()  # before the passkey belongs to an account
    ada.verify_email()

    late = PasskeyApplicant(client, "third@example.com", ada.authenticator).register()

    assert status_and_code(other.verify_email()) == WRONG
    assert status_and_code(late) == WRONG
    assert [row.email for row in rows(app, User)] == [ADA]
    assert {e.details["reason"] for e in audited(app, "passkey.refused")} == {"credential id known"}


def test_registration_needs_either_a_password_or_a_passkey(client, ada):
    both, neither = ada.registration_form() | {"password": PASSWORD}, {"email": ADA}
    expected = ({"passkey": ["invalid_combination"]}, {"password": ["required"]})

    for form, codes in zip((both, neither), expected, strict=True):
        response = client.post("/auth/register", form)

        assert status_and_code(response) == (422, "validation_failed")
        errors = response.json["errors"]
        assert {name: [error["code"] for error in errors[name]] for name in errors} == codes


@pytest.mark.settings(GATEHOUSE_FACTORS="totp")
def test_passkey_sign_up_is_unavailable_if_passkeys_are_not_enabled(client, ada):
    options = client.post(OPTIONS, {"email": ADA})
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

    assert [status_and_code(a) for a in (options, registered)] == [(403, "factor_unavailable")] * 2


def test_passkey_sign_up_can_be_repeated_after_a_taken_username(client, make_user, ada):
    make_user(username="ada")
    form = ada.registration_form()

    responses = [
        client.post("/auth/register", form | {"username": name}) for name in ("ada", "ada2")
    ]

    assert [status_and_code(response) for response in responses] == [
        (409, "username_taken"),
        PENDING,
    ]


@pytest.mark.settings(GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL="true")
def test_passkey_sign_up_replaces_an_unverified_account_when_it_is_verified(app, client, ada):
    """A password that was set before the verification is deleted."""
    ada.register()
    code = read_mail(client, ADA)["code"]
    assert rows(app, User) == []
    client.register(ADA)

    assert status_and_code(ada.verify_email(code)) == VERIFIED

    assert rows(app, Password) == []
    assert status_and_code(ada.sign_in()) == (200, "authenticated")
