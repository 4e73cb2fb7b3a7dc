"""SQL injection: fields, identifiers, filters, cursors and headers are always plain data."""

import pytest

from tests.client import PASSWORD, User
from tests.surface.conftest import FORMS, read_tables

SQL_FRAGMENTS = [
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
def test_form_field_is_never_executed_as_sql(app, client, ada):
    before = read_tables(app)

    for (method, path), form in FORMS.items():
        for field in form:
            for text in SQL_FRAGMENTS:
                form_with_sql = form | {field: text}
                sender = client if path != "/auth/me" else ada
                response = (sender.patch if method == "PATCH" else sender.post)(path, form_with_sql)

                assert response.status_code < 500, (path, field, text)
                assert "access_token" not in response.text, (path, field, text)

    after = read_tables(app)
    for table in ("passwords", "sessions", "signing_keys", "roles", "role_assignments"):
        assert after[table] == before[table], table
    assert len(after["users"]) == len(before["users"])


@pytest.mark.stores
@pytest.mark.requirement("AP-08")
def test_name_is_stored_unchanged(ada):
    for text in SQL_FRAGMENTS:
        response = ada.patch("/auth/me", {"name": text})

        assert response.json["name"] == text
        assert ada.get("/auth/me").json["name"] == text


@pytest.mark.stores
@pytest.mark.requirement("AP-08")
def test_identifier_matches_only_itself(client, make_user):
    make_user(email="ada@example.com", username="ada")
    patterns = ["%", "_da", "a%", "ada@example.co_", "%@example.com", "ada' --", "ada'/*", "ADA\\"]

    responses = {
        text: client.post("/auth/login", {"identifier": text, "password": PASSWORD}).status_code
        for text in [*patterns, *SQL_FRAGMENTS]
    }

    assert set(responses.values()) == {401}, responses


@pytest.mark.stores
@pytest.mark.requirement("AP-08")
def test_mailbox_filter_matches_exactly(client):
    client.register("ada@example.com")

    for text in [*SQL_FRAGMENTS, "ada@example.co_", "%@example.com", "ada@example.com' OR '1'='1"]:
        assert client.mailbox(to=text) == [], text
    assert len(client.mailbox(to="ada@example.com")) == 1


@pytest.mark.stores
@pytest.mark.requirement("AP-08")
def test_cursor_limit_and_path_are_never_executed_as_sql(app, ada):
    before = read_tables(app)

    for text in SQL_FRAGMENTS:
        cursor = ada.get("/auth/sessions", query_string={"cursor": text})
        limit = ada.get("/auth/sessions", query_string={"limit": f"1{text}"})
        order = ada.get("/auth/sessions", query_string={"sort": text, text: "id"})
        path = ada.delete("/auth/sessions/" + text.replace("%", "%25").replace("?", ""))

        assert (cursor.status_code, cursor.json["code"]) == (400, "malformed_request"), text
        assert (limit.status_code, limit.json["code"]) == (422, "validation_failed"), text
        assert (order.status_code, order.json["code"]) == (422, "validation_failed"), text
        assert (path.status_code, path.json["code"]) == (404, "not_found"), text
    assert read_tables(app) == before


@pytest.mark.stores
@pytest.mark.requirement("AP-08")
def test_header_is_never_executed_as_sql(app, client, make_user):
    user = make_user()

    for text in SQL_FRAGMENTS:
        headers = {"User-Agent": text, "X-Request-Id": text, "Authorization": f"Bearer {text}"}
        form = {"identifier": user.email, "password": user.password}
        response = client.post("/auth/login", form, headers=headers)

        assert response.status_code == 200, text
        assert client.get("/auth/me", headers=headers).json["code"] == "token_invalid", text
    stored = [session.user_agent for session in read_tables(app)["sessions"]]
    assert stored == SQL_FRAGMENTS


@pytest.mark.stores
@pytest.mark.requirement("AP-08")
def test_password_can_contain_sql(client):
    for number, text in enumerate(["' OR '1'='1' -- '; DROP TABLE users", "%(id)s :id $1 {0} \\"]):
        user = client.sign_up(User(f"person{number}@example.com", f"{text} and so on"))

        assert client.log_in(user)["status"] == "authenticated"
