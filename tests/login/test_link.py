"""Login by link or code: they work once, and only with the login token of their request."""

import pytest

from gatehouse.core import clock
from gatehouse.database.session import db, write_transaction
from gatehouse.users import identifiers
from gatehouse.users import service as users
from models import AuditEvent, OutboxMessage
from tests.mail_links import advance_clock, read_mail, token_of, wrong_code
from tests.rows import rows

ADA = "ada@example.com"
PHONE = "+4915112345678"


@pytest.fixture
def ada(make_user):
    return make_user(email=ADA)


def request_link(client, **recipient):
    response = client.post("/auth/login/link", recipient or {"email": ADA})
    assert response.status_code == 202, response.text
    return response.json["login_token"]


def verify(client, login_token, **credentials):
    return client.post("/auth/login/link/verify", {"login_token": login_token, **credentials})


def read_token(client):
    return token_of(read_mail(client, ADA)["link"])


def test_login_code_works_with_the_login_token_of_its_request(app, client, ada):
    login_token = request_link(client)

    response = verify(client, login_token, code=read_mail(client, ADA)["code"])

    assert response.status_code == 200
    assert response.json["status"] == "authenticated"
    assert client.as_(response.json).get("/auth/me").json["email"] == ADA
    [row] = [row for row in rows(app, AuditEvent) if row.name == "login.succeeded"]
    assert row.details["amr"] == ["email"]


def test_login_link_works_with_its_login_token_and_sets_cookies(client, ada):
    login_token = request_link(client)

    response = verify(client, login_token, token=read_token(client), transport="cookie")

    assert response.status_code == 200
    assert "access_token" not in response.json
    assert any("__Host-access=" in text for text in response.headers.getlist("Set-Cookie"))


@pytest.mark.requirement("MF-05")
def test_login_code_and_link_fail_with_another_login_token(client, ada):
    request_link(client)
    code, link_token = read_mail(client, ADA)["code"], read_token(client)
    elsewhere = request_link(client)
    unknown = "x" * 43

    codes = [
        verify(client, other, **credentials).json["code"]
        for other in (elsewhere, unknown)
        for credentials in ({"code": code}, {"token": link_token})
    ]

    assert codes == ["invalid_code"] * 4


@pytest.mark.requirement("RL-07")
def test_login_link_request_for_unknown_address_gets_the_same_response_and_no_email(
    app, client, ada
):
    known = client.post("/auth/login/link", {"email": ADA})
    unknown = client.post("/auth/login/link", {"email": "unknown@example.com"})

    assert known.status_code == unknown.status_code == 202
    assert known.json.keys() == unknown.json.keys()
    assert len(known.json["login_token"]) == len(unknown.json["login_token"])
    variable = ("X-Request-Id", "Date")
    headers = [
        [h for h in response.headers if h[0] not in variable] for response in (known, unknown)
    ]
    assert headers[0] == headers[1]
    assert [row.recipient for row in rows(app, OutboxMessage) if row.template == "login_link"] == [
        ADA
    ]


@pytest.mark.stores
@pytest.mark.requirement("MF-02")
def test_login_code_sent_twenty_times_in_parallel_opens_one_session(client, make_user):
    make_user(email=ADA)
    form = {"login_token": request_link(client), "code": read_mail(client, ADA)["code"]}

    responses = client.in_parallel(20, "/auth/login/link/verify", form)

    assert sorted(response.status_code for response in responses) == [200] + [401] * 19


@pytest.mark.settings(GATEHOUSE_DEV_FIXED_CODES=f"{ADA}=12345678")
def test_login_code_that_was_not_sent_never_works(client, ada):
    """Not even a code that is known or guessed: beyond the limit of three messages an hour."""
    login_tokens = [request_link(client) for _ in range(4)]

    statuses = [verify(client, one, code="12345678").status_code for one in login_tokens]

    assert statuses == [200, 200, 200, 401]


def test_login_link_with_an_altered_token_fails(client, ada):
    login_token = request_link(client)
    token = read_token(client)

    for altered in (token.lower(), token[:-1], token * 2, "x"):
        assert verify(client, login_token, token=altered).status_code == 401, altered
    assert verify(client, login_token, token=token).status_code == 200


def test_login_code_expires_after_ten_minutes(client, ada):
    login_token = request_link(client)
    code = read_mail(client, ADA)["code"]

    with advance_clock(minutes=10, seconds=1):
        late = verify(client, login_token, code=code)

    assert (late.status_code, late.json["code"]) == (401, "invalid_code")


@pytest.mark.requirement("MF-06")
def test_login_code_attempts_are_not_reset_by_a_new_code(client, ada, wait):
    statuses = []
    for number in range(6):
        wait(minutes=61 if number == 3 else 0)  # three e-mails are allowed per hour
        login_token = request_link(client)
        wrong = wrong_code(read_mail(client, ADA)["code"])
        statuses += [verify(client, login_token, code=wrong).status_code for _ in range(5)]

    assert statuses == [401] * 25 + [429] * 5


def test_login_code_is_void_after_five_wrong_attempts(client, ada):
    login_token = request_link(client)
    code = read_mail(client, ADA)["code"]

    for _ in range(5):
        verify(client, login_token, code=wrong_code(code))

    assert verify(client, login_token, code=code).status_code == 401


def test_login_link_emails_are_silently_limited_to_three_per_hour(app, client, ada):
    responses = [client.post("/auth/login/link", {"email": ADA}) for _ in range(4)]

    assert {response.status_code for response in responses} == {202}
    assert [row.template for row in rows(app, OutboxMessage)].count("login_link") == 3


@pytest.mark.requirement("RG-10")
def test_login_link_opened_elsewhere_shows_its_code_and_stays_valid(client, ada):
    login_token = request_link(client)
    mail = read_mail(client, ADA)
    path = mail["link"].partition("#")[0].removeprefix("http://localhost:8000")

    pages = [client.get(path) for _ in range(3)]
    code = client.post("/auth/login/link/code", {"token": read_token(client)})

    assert {page.status_code for page in pages} == {200}
    assert mail["code"] not in pages[0].text
    assert code.json == {"code": mail["code"]}
    assert verify(client, login_token, code=mail["code"]).status_code == 200
    assert client.get(path).status_code == 404
    assert client.post("/auth/login/link/code", {"token": read_token(client)}).status_code == 401


def test_login_code_of_a_disabled_account_is_rejected(app, client, ada):
    login_token = request_link(client)
    code = read_mail(client, ADA)["code"]
    with app.app_context(), write_transaction():
        user = users.find_by_email(ADA)
        user.disabled_at = clock.now()
        db.session.commit()

    response = verify(client, login_token, code=code)

    assert (response.status_code, response.json["code"]) == (403, "account_disabled")


@pytest.mark.requirement("MF-07")
def test_login_code_is_sent_by_sms_only_to_a_verified_number(app, client, ada):
    unverified = request_link(client, phone=PHONE)
    with app.app_context(), write_transaction():
        user = users.find_by_email(ADA)
        user.phone, user.phone_verified_at = identifiers.parse_phone(PHONE), clock.now()
        db.session.commit()
    login_token = request_link(client, phone=PHONE)

    [sms] = client.mailbox(to=PHONE)
    response = verify(client, login_token, code=sms["variables"]["code"])

    assert sms["channel"] == "sms"
    assert len(sms["variables"]["code"]) == 6
    assert response.status_code == 200
    assert verify(client, unverified, code=sms["variables"]["code"]).status_code == 401


def test_login_link_request_rejects_invalid_forms(client):
    for form in ({}, {"email": ADA, "phone": PHONE}, {"email": "x"}, {"email": None}):
        assert client.post("/auth/login/link", form).status_code == 422, form


def test_login_link_verification_needs_either_token_or_code(client, ada):
    assert verify(client, request_link(client), token="x", code="1").status_code == 422
    assert verify(client, request_link(client)).status_code == 422


def test_login_code_of_an_unknown_user_never_works(client, ada):
    login_token = request_link(client, email="unknown@example.com")

    statuses = {verify(client, login_token, code=f"{n:08}").status_code for n in range(3)}

    assert statuses == {401}


def test_login_code_signs_in_its_own_user(client, make_user):
    make_user(email="eve@example.com")
    make_user(email=ADA)

    response = verify(client, request_link(client), code=read_mail(client, ADA)["code"])

    assert response.json["user"]["email"] == ADA
