"""GET /admin/audit, and what happened to a user: events, risk and identities."""

from uuid import UUID

import pytest

from gatehouse.database.session import db
from models import AuditEvent, ExternalIdentity
from models import User as Account
from tests.admin.conftest import ADA, HELEN, ROOT, outcome
from tests.rows import audited, rows
from tests.tokens.forgery import case

AUDIT = "/admin/audit"


@pytest.fixture
def find(admin):
    """Search the audit log as an administrator; return the items."""

    def find(**query):
        response = admin.get(AUDIT, query_string=query)
        assert response.status_code == 200, response.text
        return response.json["items"]

    return find


def id_of(app, email):
    [row] = rows(app, Account, email_canonical=email)
    return str(row.id)


@pytest.mark.stores
def test_audit_is_searched_by_user_actor_name_request_and_time(app, find, support, ada, path_of):
    assert support.post(path_of(ADA, "unlock"), {"reason": "asked"}).status_code == 200
    assert support.post(path_of(ADA, "disable"), {"reason": "gone"}).status_code == 200
    [disabled] = audited(app, "user.disabled")
    helen, user = id_of(app, HELEN), id_of(app, ADA)

    def names(**query):
        return {one["name"] for one in find(**query)}

    by_helen = names(actor_id=helen)
    assert {"account.unlocked", "user.disabled"} <= by_helen
    assert "login.succeeded" not in by_helen
    assert {one["user_id"] for one in find(user_id=user)} == {user}
    assert names(name="user") == names(name="user.disabled") == {"user.disabled"}
    [event] = find(name="user.disabled", request_id=disabled.request_id)
    assert (event["actor"]["id"], event["details"]["reason"]) == (helen, "gone")
    at = event["at"]
    assert names(since=at, name="user.disabled") == {"user.disabled"}
    assert names(until=at, name="user.disabled") == set()
    assert names(user_id=helen, actor_id=helen) == set()


def test_audit_is_read_in_pages_without_gaps(app, admin, ada):
    pages = [admin.get(AUDIT, query_string={"limit": 2}).json]
    while pages[-1]["next_cursor"]:
        query = {"limit": 2, "cursor": pages[-1]["next_cursor"]}
        pages.append(admin.get(AUDIT, query_string=query).json)

    ids = [one["id"] for page in pages for one in page["items"]]
    stored = sorted(rows(app, AuditEvent), key=lambda row: (row.at, row.id), reverse=True)
    assert ids == [str(row.id) for row in stored]
    assert len(pages) > 2


@pytest.mark.requirement("AZ-01")
def test_audit_is_for_those_who_may_read_it(client, support, ada, sign_in_as, path_of):
    auditor = sign_in_as("auditor", email="auditor@example.com")

    for path in (AUDIT, path_of(ADA, "risk"), path_of(ADA, "audit")):
        with case(path=path):
            assert client.get(path).status_code == 401
            assert outcome(client.as_(ada.tokens).get(path)) == (403, "forbidden")
            assert outcome(support.get(path)) == (403, "forbidden")
            assert auditor.get(path).status_code == 200


def test_audit_search_rejects_what_it_does_not_know(admin):
    for query in (
        {"name": "login.fialed"},
        {"user_id": "ada"},
        {"since": "yesterday"},
        {"outcome": "failure"},
        {"limit": 101},
    ):
        with case(query=query):
            assert outcome(admin.get(AUDIT, query_string=query)) == (422, "validation_failed")
    assert outcome(admin.get(AUDIT, query_string={"cursor": "x"})) == (400, "malformed_request")


@pytest.mark.requirement("AZ-03")
def test_audit_shows_no_secret(app, client, admin, make_user, find):
    """Everything that was sent to a user, and everything that the user sends, is a secret."""
    user = make_user(email=ADA, factors=["totp"])
    tokens = client.complete_mfa(user, client.log_in(user))
    client.refresh(tokens)
    client.post("/auth/password/forgot", {"email": ADA})

    answers = str([find(limit=100), find(user_id=id_of(app, ADA))])

    hidden = [user.password, user.secret, tokens["access_token"], tokens["refresh_token"]]
    assert not [secret for secret in hidden if secret in answers]


def test_risk_of_a_user_is_listed_with_its_findings(app, client, admin, ada, path_of):
    path = path_of(ADA, "risk")

    form = {"identifier": ADA, "password": ada.password}
    client.post("/auth/login", form, headers={"User-Agent": "curl/8"})

    page = admin.get(path, query_string={"limit": 1}).json
    [latest] = page["items"]
    assert (latest["name"], latest["decision"]) == ("risk.assessed", "notify")
    assert "new_device" in latest["findings"]
    assert latest["findings"]["new_device"].endswith(".")
    older = admin.get(path, query_string={"cursor": page["next_cursor"]}).json["items"]
    assert [one["findings"] for one in older] == [{}]
    assert outcome(admin.get(path_of(ROOT, "risk"), query_string={"cursor": "x"}))[0] == 400


@pytest.mark.requirement("AZ-02")
def test_identities_of_a_user_are_listed(app, admin, support, ada, path_of):
    with app.app_context():
        for email, subject in ((ADA, "1"), (ADA, "2"), (HELEN, "3")):
            identity = {"issuer": "https://idp.example.com", "provider": "example"}
            owner = id_of(app, email)
            db.session.add(ExternalIdentity(user_id=UUID(owner), subject=subject, **identity))
            db.session.commit()
    path = path_of(ADA, "identities")

    first = support.get(path, query_string={"limit": 1}).json
    second = support.get(path, query_string={"cursor": first["next_cursor"]}).json

    assert [one["subject"] for one in first["items"] + second["items"]] == ["2", "1"]
    shown = {"id", "provider", "issuer", "subject", "created_at", "last_used_at"}
    assert set(first["items"][0]) == shown
    assert outcome(admin.get(f"/admin/users/{first['items'][0]['id']}/identities"))[0] == 404
    query = {"cursor": first["next_cursor"]}
    assert outcome(support.get(path_of(HELEN, "identities"), query_string=query))[0] == 400
