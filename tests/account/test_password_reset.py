"""Password reset by e-mail or SMS: it works once, only the newest one, and reveals no account."""

from functools import partial

import pytest
from sqlalchemy import update

from gatehouse.core import clock
from gatehouse.database.session import db
from models import Device, OneTimeCode, Password, Session, User
from tests.account.conftest import (
    ADA,
    NEW,
    NUMBER,
    THIRD,
    list_templates,
    log_in,
    read_messages,
    request_reset,
    request_reset_mail,
    reset_password,
    status_and_code,
    verify_phone,
)
from tests.client import PASSWORD, Client
from tests.login_attempts import set_failures
from tests.mail_links import advance_clock, wrong_code
from tests.parallel import run_in_parallel
from tests.rows import audited, rows

INVALID = (401, "invalid_code")
BOB = "bob@example.com"


@pytest.mark.requirement("RG-03")
@pytest.mark.stores
@pytest.mark.parametrize("way", ["link", "code"])
def test_password_reset_by_email_sets_the_password_and_opens_no_session(app, client, ada, way):
    mail = request_reset_mail(client)

    credentials = (
        {"token": mail["token"]} if way == "link" else {"email": ADA, "code": mail["code"]}
    )
    response = reset_password(client, **credentials)

    assert (response.status_code, response.data) == (204, b"")
    assert "Set-Cookie" not in response.headers
    assert (log_in(client, ADA, NEW), log_in(client, ADA, PASSWORD)) == (200, 401)
    assert len(audited(app, "password_reset.completed")) == 1


@pytest.mark.requirement("RG-03")
@pytest.mark.stores
def test_password_reset_ends_all_sessions_and_forgets_all_devices(app, client, ada):
    sessions = [client.log_in(ada) for _ in range(2)]

    reset_password(client, token=request_reset_mail(client)["token"])

    for tokens in sessions:
        assert status_and_code(client.as_(tokens).get("/auth/me")) == (401, "token_revoked")
        assert status_and_code(client.refresh(tokens)) == (401, "session_ended")
    assert {session.end_reason for session in rows(app, Session)} == {"password_reset"}
    assert rows(app, Device) == []


@pytest.mark.requirement("RG-03")
@pytest.mark.parametrize("way", ["link", "code"])
def test_password_reset_works_once(client, ada, way):
    mail = request_reset_mail(client)
    credentials = (
        {"token": mail["token"]} if way == "link" else {"email": ADA, "code": mail["code"]}
    )

    responses = [
        status_and_code(reset_password(client, **credentials)),
        status_and_code(reset_password(client, THIRD, **credentials)),
    ]

    assert responses == [(204, ""), INVALID]
    assert log_in(client, ADA, NEW) == 200


@pytest.mark.requirement("RG-03")
@pytest.mark.stores
def test_password_reset_request_voids_the_previous_one(client, ada):
    old, new = request_reset_mail(client), request_reset_mail(client)

    outdated = [
        reset_password(client, token=old["token"]),
        reset_password(client, email=ADA, code=old["code"]),
    ]

    assert [status_and_code(response) for response in outdated] == [INVALID] * 2
    assert reset_password(client, token=new["token"]).status_code == 204


@pytest.mark.requirement("RG-03")
@pytest.mark.parametrize(("minutes", "status"), [(59, 204), (61, 401)])
def test_password_reset_by_email_expires_after_an_hour(client, ada, minutes, status):
    mail = request_reset_mail(client)

    with advance_clock(minutes=minutes):
        assert reset_password(client, token=mail["token"]).status_code == status


@pytest.mark.requirement("RG-03")
@pytest.mark.parametrize(("minutes", "status"), [(9, 204), (11, 401)])
def test_password_reset_by_sms_has_six_digits_and_expires_after_ten_minutes(
    client, ada, minutes, status
):
    verify_phone(client, client.log_in(ada))

    response = request_reset(client, phone="+49 151 1234-5678")

    assert status_and_code(response) == (202, "sent")
    [sms] = read_messages(client, NUMBER, "sms_reset")
    assert len(sms["code"]) == 6
    with advance_clock(minutes=minutes):
        assert reset_password(client, phone=NUMBER, code=sms["code"]).status_code == status


def test_password_reset_by_sms_needs_a_verified_number(client, make_user):
    make_user(email=ADA, phone=NUMBER)

    assert status_and_code(request_reset(client, phone=NUMBER)) == (202, "sent")
    assert client.mailbox(to=NUMBER) == []


@pytest.mark.requirement("RG-03")
@pytest.mark.stores
def test_password_reset_sent_twenty_times_in_parallel_sets_one_password(app, client, ada):
    token = request_reset_mail(client)["token"]
    acts = [
        partial(reset_password, Client(app.test_client), f"phrase number {n} of many", token=token)
        for n in range(20)
    ]

    responses = [status_and_code(response) for response in run_in_parallel(*acts)]

    assert responses.count((204, "")) == 1
    assert set(responses) <= {(204, ""), INVALID, (503, "service_busy")}
    won = responses.index((204, ""))
    assert log_in(client, ADA, f"phrase number {won} of many") == 200


def test_password_reset_to_the_password_of_the_account_is_rejected(app, client, ada):
    mail = request_reset_mail(client)

    same = [
        reset_password(client, PASSWORD, token=mail["token"]),
        reset_password(client, PASSWORD, email=ADA, code=mail["code"]),
    ]
    other = reset_password(client, NEW, token=mail["token"])

    for response in same:
        assert response.status_code == 422
        [error] = response.json["errors"]["password"]
        assert error["code"] == "password_unchanged"
    assert other.status_code == 204
    assert log_in(client, ADA, NEW) == 200


@pytest.mark.requirement("PW-06")
@pytest.mark.requirement("PW-07")
@pytest.mark.parametrize("way", ["link", "code"])
def test_password_reset_stays_valid_after_a_rejected_password(client, ada, way):
    mail = request_reset_mail(client)
    credentials = (
        {"token": mail["token"]} if way == "link" else {"email": ADA, "code": mail["code"]}
    )
    rejected = ["too short", "passwordpassword", "ada@example.com!"] * 2

    responses = [reset_password(client, password, **credentials) for password in rejected]

    assert {response.status_code for response in responses} == {422}
    reasons = [response.json["errors"]["password"][0]["code"] for response in responses[:3]]
    assert reasons == ["password_too_short", "password_blocklisted", "password_personal"]
    assert reset_password(client, **credentials).status_code == 204


@pytest.mark.requirement("RG-03")
def test_password_reset_checks_token_and_code_before_the_password(client, ada):
    request_reset_mail(client)

    responses = [
        reset_password(client, "short", token="x" * 43),
        reset_password(client, "short", email=ADA, code="1"),
    ]

    assert [status_and_code(response) for response in responses] == [INVALID] * 2


@pytest.mark.requirement("RG-01")
@pytest.mark.requirement("RG-03")
def test_password_reset_rejects_altered_tokens(app, client, ada):
    token = request_reset_mail(client)["token"]
    altered = [token[:-1], token + token, token.swapcase(), f"{token} ", f" {token}", "x"]

    responses = {status_and_code(reset_password(client, token=text)) for text in altered}
    empty = [
        reset_password(client, token=""),
        reset_password(client, token=None),
        reset_password(client, token=[token]),
    ]

    assert responses == {INVALID}
    assert {response.status_code for response in empty} == {422}
    assert reset_password(client, token=token).status_code == 204


INVALID_COMBINATIONS = [
    {},
    {"token": "t", "code": "1"},
    {"email": ADA},
    {"code": "1"},
    {"email": ADA, "phone": NUMBER, "code": "1"},
    {"token": "t", "email": ADA},
]


def test_password_reset_rejects_invalid_combinations_of_fields(client):
    for form in INVALID_COMBINATIONS:
        response = client.post("/auth/password/reset", {**form, "password": NEW})

        assert status_and_code(response) == (422, "validation_failed"), form


def test_password_reset_request_needs_either_email_or_phone(client):
    for form in ({}, {"email": ADA, "phone": NUMBER}, {"email": [ADA]}):
        response = client.post("/auth/password/forgot", form)
        assert status_and_code(response) == (422, "validation_failed"), form


@pytest.mark.requirement("RG-01")
def test_password_reset_rejects_codes_and_links_of_other_purposes_and_vice_versa(client, ada):
    client.register(BOB)
    registered = read_messages(client, BOB, "verify_email")[0]
    foreign = registered["link"].partition("#")[2]
    mine = request_reset_mail(client)
    client.as_(client.log_in(ada)).post("/auth/email/change", {"email": "new@example.com"})
    change = read_messages(client, "new@example.com", "email_change")[0]

    responses = [
        reset_password(client, token=foreign),
        reset_password(client, email=BOB, code=registered["code"]),
        reset_password(client, token=change["link"].partition("#")[2]),
        client.post("/auth/email/verify", {"token": mine["token"], "password": PASSWORD}),
        client.post(
            "/auth/email/verify", {"email": ADA, "code": mine["code"], "password": PASSWORD}
        ),
        client.post("/auth/invitation", {"token": mine["token"], "password": NEW}),
        client.post("/auth/email/undo", {"token": mine["token"]}),
    ]

    assert [status_and_code(response) for response in responses] == [INVALID] * 7
    assert log_in(client, ADA, PASSWORD) == 200


def test_password_reset_code_works_only_for_its_own_account(client, ada, make_user):
    bob = make_user()
    code = request_reset_mail(client)["code"]
    request_reset(client, email=bob.email)

    assert status_and_code(reset_password(client, email=bob.email, code=code)) == INVALID
    assert log_in(client, bob.email, PASSWORD) == 200


# Attempts


@pytest.mark.requirement("RL-03")
@pytest.mark.requirement("MF-06")
@pytest.mark.stores
def test_password_reset_code_attempts_are_not_reset_by_a_new_code(client, ada, wait):
    evaluated = []
    for _ in range(6):
        code = request_reset_mail(client)["code"]
        evaluated += [
            status_and_code(reset_password(client, email=ADA, code=wrong_code(code)))
            for _ in range(5)
        ]
        wait(minutes=21)
    wait(minutes=40)

    last = reset_password(client, email=ADA, code=wrong_code(code))

    assert evaluated.count(INVALID) == 25
    assert set(evaluated[25:]) == {(429, "too_many_attempts")}
    assert status_and_code(last) == INVALID  # one attempt per hour from here on
    assert status_and_code(reset_password(client, email=ADA, code=code)) == (
        429,
        "too_many_attempts",
    )


@pytest.mark.requirement("RL-02")
@pytest.mark.requirement("RL-03")
@pytest.mark.stores
def test_password_reset_codes_are_locked_after_a_hundred_wrong_ones_and_links_are_not(
    app, client, ada
):
    mail = request_reset_mail(client)
    wrong = wrong_code(mail["code"])
    reset_password(client, email=ADA, code=wrong)
    set_failures(app, 99)
    elsewhere = {"REMOTE_ADDR": "198.51.100.7"}
    form = {"email": ADA, "password": NEW}

    client.post("/auth/password/reset", form | {"code": wrong}, environ_overrides=elsewhere)

    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}
    right = form | {"code": mail["code"]}
    locked = client.post("/auth/password/reset", right, environ_overrides=elsewhere)
    assert status_and_code(locked) == (429, "too_many_attempts")
    assert len(audited(app, "account.locked")) == 1
    assert reset_password(client, token=mail["token"]).status_code == 204
    mail = request_reset_mail(client)
    assert reset_password(client, THIRD, email=ADA, code=mail["code"]).status_code == 204


def test_password_reset_code_is_void_after_five_wrong_attempts_and_the_link_is_not(client, ada):
    mail = request_reset_mail(client)

    wrong = [reset_password(client, email=ADA, code=wrong_code(mail["code"])) for _ in range(5)]

    assert {status_and_code(response) for response in wrong} == {INVALID}
    assert status_and_code(reset_password(client, email=ADA, code=mail["code"])) == INVALID
    assert reset_password(client, token=mail["token"]).status_code == 204


@pytest.mark.requirement("RL-02")
def test_password_reset_unlocks_password_attempts(app, client, ada):
    known = client.log_in(ada)["device_token"]
    form = {"identifier": ADA, "password": "wrong" * 4}
    for device in ({"X-Device-Token": known}, {}):
        client.post("/auth/login", form, headers=device)
    set_failures(app, 99)
    client.post("/auth/login", form, environ_overrides={"REMOTE_ADDR": "198.51.100.7"})
    locked = log_in(client, ADA, PASSWORD)

    reset_password(client, token=request_reset_mail(client)["token"])

    assert (locked, log_in(client, ADA, NEW)) == (429, 200)


# Account enumeration


def observable_parts(response):
    """Return what a client can observe, without ids and the date."""
    headers = {
        name: value for name, value in response.headers if name not in ("X-Request-Id", "Date")
    }
    return (
        response.status_code,
        response.text.replace(response.headers["X-Request-Id"], "ID"),
        str(headers),
    )


@pytest.mark.requirement("RL-07")
@pytest.mark.stores
def test_password_reset_and_resend_responses_are_the_same_for_known_and_unknown_addresses(
    client, make_user
):
    known = [make_user(email=f"known-{n}@example.com").email for n in range(2)]

    observed = [
        [
            *(observable_parts(request_reset(client, email=email)) for _ in range(5)),
            *(
                observable_parts(client.post("/auth/email/resend", {"email": email}))
                for _ in range(2)
            ),
            *(
                observable_parts(reset_password(client, email=email, code="12345678"))
                for _ in range(27)
            ),
        ]
        for address in known
        for email in (address, address.replace("known", "unkwn"))
    ]

    assert {status for status, _, _ in observed[0]} == {202, 401, 429}
    assert all(responses == observed[0] for responses in observed)


@pytest.mark.requirement("RL-07")
def test_password_reset_of_a_disabled_user_sends_nothing(app, client, ada):
    with app.app_context():
        db.session.execute(update(User).values(disabled_at=clock.now()))
        db.session.commit()

    response = request_reset(client, email=ADA)

    assert (response.status_code, response.json) == (202, {"status": "sent"})
    assert read_messages(client, ADA, "password_reset") == []


def test_password_reset_request_stores_as_many_rows_for_known_and_unknown_addresses(
    app, client, ada
):
    request_reset(client, email=ADA)
    request_reset(client, email="nob@example.com")
    added = {}
    for kind, email in (("known", ADA), ("unknown", "nob@example.com")):
        with app.app_context():
            before = db.session.query(OneTimeCode).count()
        request_reset(client, email=email)
        with app.app_context():
            added[kind] = db.session.query(OneTimeCode).count() - before

    assert added["known"] == added["unknown"] == 0  # the new row replaces the previous one
    assert read_messages(client, "nob@example.com", "password_reset") == []


def test_password_reset_emails_are_limited_to_three_per_hour_and_the_last_stays_valid(
    app, client, ada
):
    mail = [request_reset_mail(client) for _ in range(3)][-1]

    assert [status_and_code(request_reset(client, email=ADA)) for _ in range(3)] == [
        (202, "sent")
    ] * 3

    assert len(read_messages(client, ADA, "password_reset")) == 3
    assert len(audited(app, "password_reset.suppressed")) == 3
    assert reset_password(client, token=mail["token"]).status_code == 204


def test_password_reset_email_goes_to_the_address_as_its_owner_wrote_it(client, make_user):
    make_user(email="Ada@example.com")

    request_reset(client, email="ADA@EXAMPLE.com")

    assert client.mailbox()[0]["to"] == "Ada@example.com"


def test_password_reset_link_ignores_request_headers(client, ada, wait):
    for header in ("Host", "X-Forwarded-Host", "X-Forwarded-Server", "Forwarded"):
        headers = {header: "host=evil.example" if header == "Forwarded" else "evil.example"}
        wait(hours=1, seconds=1)  # three e-mails are allowed per hour

        client.post("/auth/password/forgot", {"email": ADA}, headers=headers)

        mail = client.mailbox(to=ADA)[0]
        assert mail["variables"]["link"].startswith("http://localhost:8000/reset-password/"), header
        assert "evil" not in mail["text"] + mail["html"], header
    assert len(client.mailbox(to=ADA)) == 4


# Effects


@pytest.mark.requirement("RG-03")
@pytest.mark.stores
def test_password_reset_voids_pending_email_and_phone_changes(app, client, ada):
    attacker = client.log_in(ada)
    client.as_(attacker).post("/auth/email/change", {"email": "evil@example.com"})
    client.as_(attacker).post("/auth/phone", {"phone": NUMBER})
    mail = read_messages(client, "evil@example.com", "email_change")[0]

    reset_password(client, token=request_reset_mail(client)["token"])

    form = {"email": "evil@example.com", "code": mail["code"], "password": NEW}
    assert status_and_code(client.post("/auth/email/verify", form)) == INVALID
    assert rows(app, OneTimeCode) == []
    assert rows(app, User)[0].email == ADA


def test_password_reset_ends_parallel_logins_with_the_old_password(app, client, ada):
    token = request_reset_mail(client)["token"]
    form = {"identifier": ADA, "password": PASSWORD}
    logins = [partial(Client(app.test_client).post, "/auth/login", form) for _ in range(4)]

    run_in_parallel(*logins, partial(reset_password, Client(app.test_client), token=token))

    assert {s.end_reason for s in rows(app, Session)} <= {"password_reset"}


def test_password_reset_of_a_deleted_account_fails(app, client, ada):
    token = request_reset_mail(client)["token"]
    with app.app_context():
        db.session.query(User).delete()
        db.session.commit()

    assert status_and_code(reset_password(client, token=token)) == INVALID
    assert rows(app, Password) == []


@pytest.mark.requirement("RG-10")
def test_password_reset_link_can_be_opened_repeatedly_and_posted_once(client, ada):
    mail = request_reset_mail(client)
    page = mail["link"].partition("#")[0].removeprefix("http://localhost:8000")

    opened = [client.get(page).status_code for _ in range(3)]
    opened.append(client.send("HEAD", page).status_code)

    assert opened == [200] * 4
    assert reset_password(client, token=mail["token"]).status_code == 204
    assert reset_password(client, token=mail["token"]).status_code == 401
    assert client.get(page).status_code == 404


@pytest.mark.requirement("RG-05")
def test_password_reset_notifies_by_email_and_sms(client, ada):
    verify_phone(client, client.log_in(ada))

    reset_password(client, token=request_reset_mail(client)["token"])

    assert list_templates(client, ADA)[-1] == "notice_password_reset"
    assert read_messages(client, ADA, "notice_password_reset")[0]["link"].endswith(
        "/forgot-password"
    )
    assert list_templates(client, NUMBER)[-1] == "sms_notice"
