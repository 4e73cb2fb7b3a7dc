"""Links and codes: they sign in where they were asked for, once, and nobody else."""

import pytest

from gatehouse.core import clock
from gatehouse.database.session import db, writing
from gatehouse.users import identifiers
from gatehouse.users import service as users
from models import AuditEvent, OutboxMessage
from tests.client import User
from tests.letters import later, letter, other_code, token_of
from tests.rows import rows

ADA = "ada@example.com"
PHONE = "+4915112345678"


@pytest.fixture
def ada(make_user):
    return make_user(email=ADA)


def ask(client, **whom):
    answer = client.post("/auth/login/link", whom or {"email": ADA})
    assert answer.status_code == 202, answer.text
    return answer.json["login_token"]


def finish(client, login_token, **proof):
    return client.post("/auth/login/link/verify", {"login_token": login_token, **proof})


def token(client):
    return token_of(letter(client, ADA)["link"])


def test_a_code_signs_in_where_it_was_asked_for(app, client, ada):
    login_token = ask(client)

    answer = finish(client, login_token, code=letter(client, ADA)["code"])

    assert answer.status_code == 200
    assert answer.json["status"] == "authenticated"
    assert client.as_(answer.json).get("/auth/me").json["email"] == ADA
    [row] = [row for row in rows(app, AuditEvent) if row.name == "login.succeeded"]
    assert row.details["amr"] == ["email"]


def test_the_link_does_the_same_and_gives_cookies_to_browsers(client, ada):
    login_token = ask(client)

    answer = finish(client, login_token, token=token(client), transport="cookie")

    assert answer.status_code == 200
    assert "access_token" not in answer.json
    assert any("__Host-access=" in text for text in answer.headers.getlist("Set-Cookie"))


@pytest.mark.requirement("MF-05")
def test_neither_works_with_the_login_token_of_somebody_else(client, ada):
    ask(client)
    code, link_token = letter(client, ADA)["code"], token(client)
    elsewhere = ask(client)
    invented = "x" * 43

    judged = [
        finish(client, other, **proof).json["code"]
        for other in (elsewhere, invented)
        for proof in ({"code": code}, {"token": link_token})
    ]

    assert judged == ["invalid_code"] * 4


@pytest.mark.requirement("RL-07")
def test_unknown_addresses_get_the_same_answer_and_no_mail(app, client, ada):
    known = client.post("/auth/login/link", {"email": ADA})
    unknown = client.post("/auth/login/link", {"email": "nobody@example.com"})

    assert known.status_code == unknown.status_code == 202
    assert known.json.keys() == unknown.json.keys()
    assert len(known.json["login_token"]) == len(unknown.json["login_token"])
    volatile = {"X-Request-Id", "Date"}
    heads = [{k: v for k, v in a.headers.items() if k not in volatile} for a in (known, unknown)]
    assert heads[0] == heads[1]
    assert [row.recipient for row in rows(app, OutboxMessage) if row.template == "login_link"] == [
        ADA
    ]


@pytest.mark.stores
@pytest.mark.requirement("MF-02")
def test_a_code_posted_twenty_times_at_once_opens_one_session(client, make_user):
    make_user(email=ADA)
    form = {"login_token": ask(client), "code": letter(client, ADA)["code"]}

    answers = client.in_parallel(20, "/auth/login/link/verify", form)

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19


@pytest.mark.parametrize("change", [str.lower, lambda t: t[:-1], lambda t: t * 2, lambda t: "x"])
def test_a_link_that_is_not_whole_opens_nothing(client, ada, change):
    login_token = ask(client)
    whole = token(client)

    judged = finish(client, login_token, token=change(whole))

    assert judged.status_code == 401
    assert finish(client, login_token, token=whole).status_code == 200


def test_code_and_link_work_for_ten_minutes(client, ada):
    login_token = ask(client)
    proof = {"code": letter(client, ADA)["code"]}

    with later(minutes=10, seconds=1):
        late = finish(client, login_token, **proof)

    assert (late.status_code, late.json["code"]) == (401, "invalid_code")


@pytest.mark.requirement("MF-06")
def test_a_new_code_does_not_begin_a_new_count(client, ada, wait):
    judged = []
    for number in range(6):
        wait(minutes=61 if number == 3 else 0)  # three mails an hour
        login_token = ask(client)
        wrong = other_code(letter(client, ADA)["code"])
        judged += [finish(client, login_token, code=wrong).status_code for _ in range(5)]

    assert judged == [401] * 25 + [429] * 5


def test_five_guesses_use_a_code_up(client, ada):
    login_token = ask(client)
    code = letter(client, ADA)["code"]

    for _ in range(5):
        finish(client, login_token, code=other_code(code))

    assert finish(client, login_token, code=code).status_code == 401


def test_more_than_three_mails_in_an_hour_are_not_sent_and_nobody_is_told(app, client, ada):
    answers = [client.post("/auth/login/link", {"email": ADA}) for _ in range(4)]

    assert {answer.status_code for answer in answers} == {202}
    assert [row.template for row in rows(app, OutboxMessage)].count("login_link") == 3


@pytest.mark.requirement("RG-10")
def test_a_link_opened_elsewhere_shows_its_code_and_uses_nothing_up(client, ada):
    login_token = ask(client)
    mailed = letter(client, ADA)
    path = mailed["link"].partition("#")[0].removeprefix("http://localhost:8000")

    pages = [client.get(path) for _ in range(3)]
    shown = client.post("/auth/login/link/code", {"token": token(client)})

    assert {page.status_code for page in pages} == {200}
    assert mailed["code"] not in pages[0].text
    assert shown.json == {"code": mailed["code"]}
    assert finish(client, login_token, code=mailed["code"]).status_code == 200
    assert client.get(path).status_code == 404
    assert client.post("/auth/login/link/code", {"token": token(client)}).status_code == 401


def test_a_disabled_account_is_refused_and_the_code_stays_good(app, client, ada):
    login_token = ask(client)
    code = letter(client, ADA)["code"]
    with app.app_context(), writing():
        user = users.by_email(ADA)
        user.disabled_at = clock.now()
        db.session.commit()

    refused = finish(client, login_token, code=code)

    assert (refused.status_code, refused.json["code"]) == (403, "account_disabled")


@pytest.mark.requirement("MF-07")
def test_a_code_is_texted_to_a_proven_number_only(app, client, ada):
    unproven = ask(client, phone=PHONE)
    with app.app_context(), writing():
        user = users.by_email(ADA)
        user.phone, user.phone_verified_at = identifiers.phone(PHONE), clock.now()
        db.session.commit()
    login_token = ask(client, phone=PHONE)

    [text] = client.mailbox(to=PHONE)
    answer = finish(client, login_token, code=text["variables"]["code"])

    assert text["channel"] == "sms"
    assert len(text["variables"]["code"]) == 6
    assert answer.status_code == 200
    assert finish(client, unproven, code=text["variables"]["code"]).status_code == 401


@pytest.mark.parametrize(
    "form", [{}, {"email": ADA, "phone": PHONE}, {"email": "x"}, {"email": None}]
)
def test_bad_forms_are_refused(client, form):
    assert client.post("/auth/login/link", form).status_code == 422


def test_token_and_code_together_are_refused(client, ada):
    both = {"token": "x", "code": "1"}

    assert finish(client, ask(client), **both).status_code == 422
    assert finish(client, ask(client)).status_code == 422


def test_nobody_signs_in_with_the_challenge_of_nobody(client, ada):
    login_token = ask(client, email="nobody@example.com")

    judged = {finish(client, login_token, code=f"{code:08}").status_code for code in range(3)}

    assert judged == {401}


def test_a_person_with_a_link_is_the_person(client, make_user):
    make_user(email="eve@example.com")
    user = make_user(email=ADA)
    assert isinstance(user, User)

    answer = finish(client, ask(client), code=letter(client, ADA)["code"])

    assert answer.json["user"]["email"] == ADA
