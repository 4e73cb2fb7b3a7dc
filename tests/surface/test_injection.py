"""What looks like SQL is text: in every field, identifier, filter, cursor and header."""

import pytest

from tests.client import PASSWORD, User
from tests.surface.conftest import FORMS, contents

QUOTES = [
    "'",
    '"',
    "' OR '1'='1",
    "' OR 1=1 --",
    "'; DROP TABLE users; --",
    "'); DELETE FROM sessions; --",
    "' UNION SELECT hash FROM passwords --",
    "1; SELECT pg_sleep(5)",
    "%",
    "_",
    "\\",
    "\\' OR 1=1 --",
    "${1}",
    ":id",
    "%(id)s",
    "$1",
    "{0}",
]


@pytest.mark.stores
@pytest.mark.requirement("AP-08")
def test_no_field_of_any_form_becomes_sql(app, client, ada):
    before = contents(app)

    for (method, path), form in FORMS.items():
        for field in form:
            for text in QUOTES:
                bad = form | {field: text}
                who = client if path != "/auth/me" else ada
                answer = (who.patch if method == "PATCH" else who.post)(path, bad)

                assert answer.status_code < 500, (path, field, text)
                assert "access_token" not in answer.text, (path, field, text)

    after = contents(app)
    for table in ("passwords", "sessions", "signing_keys", "roles", "user_roles", "refresh_tokens"):
        assert after[table] == before[table], table
    assert len(after["users"]) == len(before["users"])


@pytest.mark.stores
@pytest.mark.requirement("AP-08")
def test_a_name_is_kept_as_it_was_written(ada):
    for text in QUOTES:
        answer = ada.patch("/auth/me", {"name": text})

        assert answer.json["name"] == text
        assert ada.get("/auth/me").json["name"] == text


@pytest.mark.stores
@pytest.mark.requirement("AP-08")
def test_no_identifier_matches_more_than_itself(client, make_user):
    make_user(email="ada@example.com", username="ada")
    wild = ["%", "_da", "a%", "ada@example.co_", "%@example.com", "ada' --", "ada'/*", "ADA\\"]

    answers = {
        text: client.post("/auth/login", {"identifier": text, "password": PASSWORD}).status_code
        for text in [*wild, *QUOTES]
    }

    assert set(answers.values()) == {401}, answers


@pytest.mark.stores
@pytest.mark.requirement("AP-08")
def test_a_filter_matches_exactly_what_it_says(client):
    client.register("ada@example.com")

    for text in [*QUOTES, "ada@example.co_", "%@example.com", "ada@example.com' OR '1'='1"]:
        assert client.mailbox(to=text) == [], text
    assert len(client.mailbox(to="ada@example.com")) == 1


@pytest.mark.stores
@pytest.mark.requirement("AP-08")
def test_no_cursor_number_or_path_becomes_sql(app, ada):
    before = contents(app)

    for text in QUOTES:
        cursor = ada.get("/auth/sessions", query_string={"cursor": text})
        limit = ada.get("/auth/sessions", query_string={"limit": f"1{text}"})
        order = ada.get("/auth/sessions", query_string={"sort": text, text: "id"})
        path = ada.delete("/auth/sessions/" + text.replace("%", "%25").replace("?", ""))

        assert (cursor.status_code, cursor.json["code"]) == (400, "malformed_request"), text
        assert (limit.status_code, limit.json["code"]) == (422, "validation_failed"), text
        assert (order.status_code, order.json["code"]) == (422, "validation_failed"), text
        assert (path.status_code, path.json["code"]) == (404, "not_found"), text
    assert contents(app) == before


@pytest.mark.stores
@pytest.mark.requirement("AP-08")
def test_no_header_becomes_sql(app, client, make_user):
    user = make_user()

    for text in QUOTES:
        headers = {"User-Agent": text, "X-Request-Id": text, "Authorization": f"Bearer {text}"}
        form = {"identifier": user.email, "password": user.password}
        answer = client.post("/auth/login", form, headers=headers)

        assert answer.status_code == 200, text
        assert client.get("/auth/me", headers=headers).json["code"] == "token_invalid", text
    stored = [session.user_agent for session in contents(app)["sessions"]]
    assert stored == QUOTES


@pytest.mark.stores
@pytest.mark.requirement("AP-08")
def test_a_password_may_be_anything_even_sql(client):
    for number, text in enumerate(["' OR '1'='1' -- '; DROP TABLE users", "%(id)s :id $1 {0} \\"]):
        user = client.sign_up(User(f"person{number}@example.com", f"{text} and so on"))

        assert client.log_in(user)["status"] == "authenticated"
