"""A forgotten password: by mail or SMS, once, newest only, and without a word to strangers."""

from functools import partial

import pytest

from gatehouse.database.session import db
from models import Challenge, Device, Password, Session, User
from tests.account.conftest import (
    ADA,
    NEW,
    NUMBER,
    THIRD,
    forgot,
    log_in,
    mails,
    prove_phone,
    reset,
    reset_mail,
    templates,
    told,
)
from tests.client import PASSWORD, Client
from tests.letters import later, other_code
from tests.password_guessing import set_counters
from tests.rows import audited, rows
from tests.together import at_once

INVALID = (401, "invalid_code")
BOB = "bob@example.com"


@pytest.mark.requirement("RG-03")
@pytest.mark.stores
@pytest.mark.parametrize("way", ["link", "code"])
def test_a_mailed_link_or_code_sets_a_new_password_and_logs_nobody_in(app, client, ada, way):
    mail = reset_mail(client)

    proof = {"token": mail["token"]} if way == "link" else {"email": ADA, "code": mail["code"]}
    answer = reset(client, **proof)

    assert (answer.status_code, answer.data) == (204, b"")
    assert "Set-Cookie" not in answer.headers
    assert (log_in(client, ADA, NEW), log_in(client, ADA, PASSWORD)) == (200, 401)
    assert len(audited(app, "recovery.completed")) == 1


@pytest.mark.requirement("RG-03")
@pytest.mark.stores
def test_a_reset_ends_every_session_and_forgets_every_device(app, client, ada):
    sessions = [client.log_in(ada) for _ in range(2)]

    reset(client, token=reset_mail(client)["token"])

    for tokens in sessions:
        assert told(client.as_(tokens).get("/auth/me")) == (401, "token_revoked")
        assert told(client.refresh(tokens)) == (401, "session_ended")
    assert {session.end_reason for session in rows(app, Session)} == {"password_reset"}
    assert rows(app, Device) == []


@pytest.mark.requirement("RG-03")
@pytest.mark.parametrize("way", ["link", "code"])
def test_a_reset_works_once(client, ada, way):
    mail = reset_mail(client)
    proof = {"token": mail["token"]} if way == "link" else {"email": ADA, "code": mail["code"]}

    answers = [told(reset(client, **proof)), told(reset(client, THIRD, **proof))]

    assert answers == [(204, ""), INVALID]
    assert log_in(client, ADA, NEW) == 200


@pytest.mark.requirement("RG-03")
@pytest.mark.stores
def test_only_the_newest_reset_works(client, ada):
    old, new = reset_mail(client), reset_mail(client)

    stale = [reset(client, token=old["token"]), reset(client, email=ADA, code=old["code"])]

    assert [told(answer) for answer in stale] == [INVALID] * 2
    assert reset(client, token=new["token"]).status_code == 204


@pytest.mark.requirement("RG-03")
@pytest.mark.parametrize(("minutes", "status"), [(59, 204), (61, 401)])
def test_a_mailed_reset_works_for_an_hour(client, ada, minutes, status):
    mail = reset_mail(client)

    with later(minutes=minutes):
        assert reset(client, token=mail["token"]).status_code == status


@pytest.mark.requirement("RG-03")
@pytest.mark.parametrize(("minutes", "status"), [(9, 204), (11, 401)])
def test_a_texted_reset_has_six_digits_and_works_for_ten_minutes(client, ada, minutes, status):
    prove_phone(client, client.log_in(ada))

    answer = forgot(client, phone="+49 151 1234-5678")

    assert told(answer) == (202, "sent")
    [text] = mails(client, NUMBER, "sms_reset")
    assert len(text["code"]) == 6
    with later(minutes=minutes):
        assert reset(client, phone=NUMBER, code=text["code"]).status_code == status


def test_a_number_that_nobody_proved_gets_no_code(client, make_user):
    make_user(email=ADA, phone=NUMBER)

    assert told(forgot(client, phone=NUMBER)) == (202, "sent")
    assert client.mailbox(to=NUMBER) == []


@pytest.mark.requirement("RG-03")
@pytest.mark.stores
def test_twenty_resets_with_one_token_at_once_set_one_password(app, client, ada):
    token = reset_mail(client)["token"]
    acts = [
        partial(reset, Client(app.test_client), f"phrase number {n} of many", token=token)
        for n in range(20)
    ]

    answers = [told(answer) for answer in at_once(*acts)]

    assert answers.count((204, "")) == 1
    assert set(answers) <= {(204, ""), INVALID, (503, "service_busy")}
    won = answers.index((204, ""))
    assert log_in(client, ADA, f"phrase number {won} of many") == 200


@pytest.mark.requirement("PW-06")
@pytest.mark.requirement("PW-07")
@pytest.mark.parametrize("way", ["link", "code"])
def test_a_bad_password_is_explained_and_spends_nothing(client, ada, way):
    mail = reset_mail(client)
    proof = {"token": mail["token"]} if way == "link" else {"email": ADA, "code": mail["code"]}
    bad = ["too short", "passwordpassword", "ada@example.com!"] * 2

    answers = [reset(client, password, **proof) for password in bad]

    assert {answer.status_code for answer in answers} == {422}
    reasons = [answer.json["errors"]["password"][0]["code"] for answer in answers[:3]]
    assert reasons == ["password_too_short", "password_blocklisted", "password_personal"]
    assert reset(client, **proof).status_code == 204


@pytest.mark.requirement("RG-03")
def test_a_bad_password_tells_nothing_to_who_has_no_token(client, ada):
    reset_mail(client)

    answers = [reset(client, "short", token="x" * 43), reset(client, "short", email=ADA, code="1")]

    assert [told(answer) for answer in answers] == [INVALID] * 2


@pytest.mark.requirement("RG-01")
@pytest.mark.requirement("RG-03")
def test_a_token_is_taken_whole_and_in_its_own_spelling(app, client, ada):
    token = reset_mail(client)["token"]
    strange = [token[:-1], token + token, token.swapcase(), f"{token} ", f" {token}", "x"]

    answers = {told(reset(client, token=text)) for text in strange}
    empty = [reset(client, token=""), reset(client, token=None), reset(client, token=[token])]

    assert answers == {INVALID}
    assert {answer.status_code for answer in empty} == {422}
    assert reset(client, token=token).status_code == 204


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"token": "t", "code": "1"},
        {"email": ADA},
        {"code": "1"},
        {"email": ADA, "phone": NUMBER, "code": "1"},
        {"token": "t", "email": ADA},
    ],
)
def test_a_reset_takes_one_way_whole(client, form):
    answer = client.post("/auth/password/reset", {**form, "password": NEW})

    assert told(answer) == (422, "validation_failed")


@pytest.mark.parametrize("form", [{}, {"email": ADA, "phone": NUMBER}, {"email": [ADA]}])
def test_forgetting_takes_an_address_or_a_number(client, form):
    assert told(client.post("/auth/password/forgot", form)) == (422, "validation_failed")


@pytest.mark.requirement("RG-01")
def test_what_was_sent_for_something_else_resets_nothing_and_the_reverse(client, ada):
    client.register(BOB)
    registered = mails(client, BOB, "verify_email")[0]
    foreign = registered["link"].partition("#")[2]
    mine = reset_mail(client)
    client.as_(client.log_in(ada)).post("/auth/email/change", {"email": "new@example.com"})
    change = mails(client, "new@example.com", "email_change")[0]

    answers = [
        reset(client, token=foreign),
        reset(client, email=BOB, code=registered["code"]),
        reset(client, token=change["link"].partition("#")[2]),
        client.post("/auth/email/verify", {"token": mine["token"], "password": PASSWORD}),
        client.post("/auth/email/verify", {"email": ADA, "code": mine["code"]}),
        client.post("/auth/invitation", {"token": mine["token"], "password": NEW}),
        client.post("/auth/email/undo", {"token": mine["token"]}),
    ]

    assert [told(answer) for answer in answers] == [INVALID] * 7
    assert log_in(client, ADA, PASSWORD) == 200


def test_the_code_of_one_account_resets_no_other(client, ada, make_user):
    bob = make_user()
    code = reset_mail(client)["code"]
    forgot(client, email=bob.email)

    assert told(reset(client, email=bob.email, code=code)) == INVALID
    assert log_in(client, bob.email, PASSWORD) == 200


# Guesses


@pytest.mark.requirement("RL-03")
@pytest.mark.requirement("MF-06")
@pytest.mark.stores
def test_asking_anew_gives_no_further_guesses(client, ada, wait):
    evaluated = []
    for _ in range(6):
        code = reset_mail(client)["code"]
        evaluated += [told(reset(client, email=ADA, code=other_code(code))) for _ in range(5)]
        wait(minutes=21)
    wait(minutes=40)

    last = reset(client, email=ADA, code=other_code(code))

    assert evaluated.count(INVALID) == 25
    assert set(evaluated[25:]) == {(429, "too_many_attempts")}
    assert told(last) == INVALID  # an hour is over; each further one costs another
    assert told(reset(client, email=ADA, code=code)) == (429, "too_many_attempts")


@pytest.mark.requirement("RL-02")
@pytest.mark.requirement("RL-03")
@pytest.mark.stores
def test_after_a_hundred_wrong_codes_only_the_link_is_left(app, client, ada):
    mail = reset_mail(client)
    wrong = other_code(mail["code"])
    reset(client, email=ADA, code=wrong)
    set_counters(app, 99)
    elsewhere = {"REMOTE_ADDR": "198.51.100.7"}
    form = {"email": ADA, "password": NEW}

    client.post("/auth/password/reset", form | {"code": wrong}, environ_overrides=elsewhere)

    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}
    right = form | {"code": mail["code"]}
    shut = client.post("/auth/password/reset", right, environ_overrides=elsewhere)
    assert told(shut) == (429, "too_many_attempts")
    assert len(audited(app, "login.closed")) == 1
    assert reset(client, token=mail["token"]).status_code == 204
    mail = reset_mail(client)
    assert reset(client, THIRD, email=ADA, code=mail["code"]).status_code == 204


def test_five_wrong_codes_use_a_code_up_and_not_its_link(client, ada):
    mail = reset_mail(client)

    wrong = [reset(client, email=ADA, code=other_code(mail["code"])) for _ in range(5)]

    assert {told(answer) for answer in wrong} == {INVALID}
    assert told(reset(client, email=ADA, code=mail["code"])) == INVALID
    assert reset(client, token=mail["token"]).status_code == 204


@pytest.mark.requirement("RL-02")
def test_a_reset_lets_everybody_try_passwords_again(app, client, ada):
    known = client.log_in(ada)["device_token"]
    form = {"identifier": ADA, "password": "wrong" * 4}
    for device in ({"X-Device-Token": known}, {}):
        client.post("/auth/login", form, headers=device)
    set_counters(app, 99)
    client.post("/auth/login", form, environ_overrides={"REMOTE_ADDR": "198.51.100.7"})
    shut = log_in(client, ADA, PASSWORD)

    reset(client, token=reset_mail(client)["token"])

    assert (shut, log_in(client, ADA, NEW)) == (429, 200)


# What strangers learn


def shown(answer):
    """Return all that a stranger can compare, but for ids and date."""
    kept = {name: value for name, value in answer.headers if name not in ("X-Request-Id", "Date")}
    return answer.status_code, answer.text.replace(answer.headers["X-Request-Id"], "ID"), str(kept)


@pytest.mark.requirement("RL-07")
@pytest.mark.stores
def test_forgetting_resetting_and_resending_say_the_same_of_known_and_unknown(client, make_user):
    known = [make_user(email=f"known-{n}@example.com").email for n in range(2)]

    told = [
        [
            *(shown(forgot(client, email=email)) for _ in range(5)),
            *(shown(client.post("/auth/email/resend", {"email": email})) for _ in range(2)),
            *(shown(reset(client, email=email, code="12345678")) for _ in range(27)),
        ]
        for pair in known
        for email in (pair, pair.replace("known", "nobod"))
    ]

    assert {status for status, _, _ in told[0]} == {202, 401, 429}
    assert all(answers == told[0] for answers in told)


@pytest.mark.requirement("RL-07")
def test_forgetting_takes_the_same_writes_for_known_and_unknown(app, client, ada):
    forgot(client, email=ADA)
    forgot(client, email="nob@example.com")
    kinds = {"known": [], "unknown": []}
    for kind, email in (("known", ADA), ("unknown", "nob@example.com")):
        with app.app_context():
            before = db.session.query(Challenge).count()
        forgot(client, email=email)
        with app.app_context():
            kinds[kind] = db.session.query(Challenge).count() - before

    assert kinds["known"] == kinds["unknown"] == 0  # the newest took the place of the one before
    assert mails(client, "nob@example.com", "password_reset") == []


def test_an_address_gets_three_resets_an_hour_and_the_last_stays_good(app, client, ada):
    mailed = [reset_mail(client) for _ in range(3)][-1]

    assert [told(forgot(client, email=ADA)) for _ in range(3)] == [(202, "sent")] * 3

    assert len(mails(client, ADA, "password_reset")) == 3
    assert len(audited(app, "recovery.withheld")) == 3
    assert reset(client, token=mailed["token"]).status_code == 204


def test_a_reset_goes_to_the_address_as_its_owner_wrote_it(client, make_user):
    make_user(email="Ada@example.com")

    forgot(client, email="ADA@EXAMPLE.com")

    assert client.mailbox()[0]["to"] == "Ada@example.com"


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "X-Forwarded-Server", "Forwarded"])
def test_no_header_of_a_request_writes_the_link(client, ada, header):
    headers = {header: "host=evil.example" if header == "Forwarded" else "evil.example"}

    client.post("/auth/password/forgot", {"email": ADA}, headers=headers)

    mail = client.mailbox(to=ADA)[0]
    assert mail["variables"]["link"].startswith("http://localhost:8000/reset-password/")
    assert "evil" not in mail["text"] + mail["html"]


# What survives


@pytest.mark.requirement("RG-03")
@pytest.mark.stores
def test_nothing_that_a_thief_began_survives_a_reset(app, client, ada):
    thief = client.log_in(ada)
    client.as_(thief).post("/auth/email/change", {"email": "evil@example.com"})
    client.as_(thief).post("/auth/phone", {"phone": NUMBER})
    evil = mails(client, "evil@example.com", "email_change")[0]

    reset(client, token=reset_mail(client)["token"])

    form = {"email": "evil@example.com", "code": evil["code"]}
    assert told(client.post("/auth/email/verify", form)) == INVALID
    assert rows(app, Challenge) == []
    assert rows(app, User)[0].email == ADA


def test_a_login_that_was_under_way_with_the_old_password_opens_nothing(app, client, ada):
    token = reset_mail(client)["token"]
    form = {"identifier": ADA, "password": PASSWORD}
    tries = [partial(Client(app.test_client).post, "/auth/login", form) for _ in range(4)]

    at_once(*tries, partial(reset, Client(app.test_client), token=token))

    assert {s.end_reason for s in rows(app, Session)} <= {"password_reset"}


def test_of_a_deleted_account_nothing_is_reset(app, client, ada):
    token = reset_mail(client)["token"]
    with app.app_context():
        db.session.query(User).delete()
        db.session.commit()

    assert told(reset(client, token=token)) == INVALID
    assert rows(app, Password) == []


@pytest.mark.requirement("RG-10")
def test_the_link_is_inert_until_it_is_posted_and_then_works_once(client, ada):
    mail = reset_mail(client)
    page = mail["link"].partition("#")[0].removeprefix("http://localhost:8000")

    opened = [client.get(page).status_code for _ in range(3)]
    opened.append(client._send(client._door, "HEAD", page, {}).status_code)

    assert opened == [200] * 4
    assert reset(client, token=mail["token"]).status_code == 204
    assert reset(client, token=mail["token"]).status_code == 401
    assert client.get(page).status_code == 404


@pytest.mark.requirement("RG-05")
def test_the_owner_is_told_of_a_reset_by_mail_and_by_text(client, ada):
    prove_phone(client, client.log_in(ada))

    reset(client, token=reset_mail(client)["token"])

    assert templates(client, ADA)[-1] == "notice_password_reset"
    assert mails(client, ADA, "notice_password_reset")[0]["link"].endswith("/forgot-password")
    assert templates(client, NUMBER)[-1] == "sms_notice"
