"""GET, POST, PATCH, DELETE /admin/users: who sees and changes what."""

from functools import partial

import pytest

from models import AuditEvent, Session
from models import User as Account
from tests.admin.conftest import ADA, HELEN, ROOT, USERS, if_match, outcome
from tests.client import Client
from tests.client import User as Person
from tests.parallel import run_in_parallel
from tests.rows import audited, rows
from tests.tokens.forgery import case

PROTECTED = {
    "roles": ["admin"],
    "role": "admin",
    "is_admin": True,
    "email_verified": True,
    "email_verified_at": "2026-01-01T00:00:00Z",
    "phone_verified": True,
    "id": "0198c5a0-0000-7000-8000-000000000000",
    "status": "active",
    "password": "another long phrase instead",
    "password_hash": "$2b$04$" + "." * 53,
    "mfa": False,
    "factors": [],
    "disabled_at": None,
    "deleted_at": None,
    "tenant": "other",
    "created_at": "2026-01-01T00:00:00Z",
}
SHOWN = {
    *("id", "email", "email_verified", "username", "phone", "phone_verified", "name", "locale"),
    *("attributes", "status", "roles", "factors", "password", "disabled_at", "disabled_until"),
    *("disabled_reason", "deleted_at", "erased_after", "created_at", "updated_at"),
}


# Read


@pytest.mark.requirement("AZ-03")
def test_users_are_shown_without_secrets_and_masked_in_lists_for_support(
    admin, support, ada, path_of, make_user
):
    make_user(email="bob@example.com", phone="+4915112345678")

    full = admin.get(USERS).json
    masked = support.get(USERS).json
    one = support.get(path_of("bob@example.com")).json

    assert [user["email"] for user in full["items"]] == ["bob@example.com", ADA, HELEN, ROOT]
    assert [set(user) for user in full["items"]] == [SHOWN] * 4
    assert (full["estimated_total"], full["next_cursor"]) == (4, None)
    assert masked["items"][0] == full["items"][0] | {
        "email": "b***@example.com",
        "phone": "+49*********78",
    }
    assert one == full["items"][0]
    assert full["items"][3]["factors"] == ["recovery_codes", "totp"]
    assert full["items"][3]["roles"] == ["admin", "user"]


@pytest.mark.requirement("AZ-03")
def test_support_cannot_guess_masked_addresses_by_their_beginning(admin, support, ada):
    query = {"query_string": {"q": "ada@ex"}}

    assert len(admin.get(USERS, **query).json["items"]) == 1
    assert support.get(USERS, **query).json["items"] == []
    assert len(support.get(USERS, query_string={"q": ADA}).json["items"]) == 1


def test_search_combines_its_conditions_and_pages(admin, support, ada):
    found = admin.get(USERS, query_string={"q": "h", "role": "support", "factor": "totp"})
    assert [user["email"] for user in found.json["items"]] == [HELEN]

    first = admin.get(USERS, query_string={"limit": 2}).json
    second = admin.get(USERS, query_string={"limit": 2, "cursor": first["next_cursor"]}).json

    emails = [user["email"] for page in (first, second) for user in page["items"]]
    assert emails == [ADA, HELEN, ROOT]
    assert (first["estimated_total"], second["estimated_total"]) == (3, None)
    assert second["next_cursor"] is None


def test_search_rejects_invalid_conditions(admin):
    queries = [
        {"status": "odd"},
        {"factor": "odd"},
        {"created_after": "yesterday"},
        {"created_before": "2026-01-01"},
        {"created_before": "0001-01-01T00:00:00+14:00"},
        {"limit": "0"},
        {"q": ""},
        {"sort": "email"},
    ]

    for query in queries:
        with case(query=query):
            assert outcome(admin.get(USERS, query_string=query)) == (422, "validation_failed")
    assert outcome(admin.get(USERS, query_string={"cursor": "x"})) == (400, "malformed_request")


@pytest.mark.requirement("AZ-02")
def test_users_that_do_not_exist_are_not_found(admin):
    path = f"{USERS}/0198c5a0-0000-7000-8000-000000000000"
    etag = {"If-Match": '"x"'}

    answers = [
        admin.get(path),
        admin.patch(path, {"name": "Bob"}, headers=etag),
        admin.delete(path, headers=etag),
        admin.post(f"{path}/disable", {"reason": "gone"}),
        admin.post(f"{path}/restore"),
        admin.post(f"{path}/revoke-sessions"),
        admin.get(f"{path}/sessions"),
        admin.get(f"{path}/factors"),
    ]

    assert {outcome(answer) for answer in answers} == {(404, "not_found")}


def test_details_of_a_user_are_listed(client, admin, support, path_of, make_user):
    user = make_user(email=ADA, factors=["totp"])
    client.complete_mfa(user, client.log_in(user))
    auditor_path = path_of(ADA, "audit")

    sessions = support.get(path_of(ADA, "sessions")).json["items"]
    factors = support.get(path_of(ADA, "factors")).json["items"]
    events = admin.get(auditor_path, query_string={"limit": 1}).json
    more = admin.get(auditor_path, query_string={"cursor": events["next_cursor"]}).json

    assert [one["acr"] for one in sessions] == ["aal2", "aal2"]
    assert {one["kind"] for one in factors} == {"totp", "recovery_codes"}
    assert set(factors[0]) == {"id", "kind", "label", "created_at", "last_used_at"}
    assert user.secret not in str(factors) + str(events) + str(more)
    names = [event["name"] for event in events["items"] + more["items"]]
    assert names[0] == "login.succeeded"
    assert "factor.confirmed" in names
    assert events["items"][0]["actor"]["kind"] == "user"
    assert outcome(support.get(auditor_path)) == (403, "forbidden")


# Create


@pytest.mark.requirement("PW-13")
def test_created_user_is_invited_and_chooses_the_password(app, client, support):
    form = {"email": "New@example.com", "username": "new", "name": "New"}
    user = Person("New@example.com", username="new")

    created = support.post(USERS, form)
    link = client.mailbox(to=user.email)[0]["variables"]["link"]
    accepted = {"token": link.rpartition("#")[2], "password": user.password}

    assert created.status_code == 201
    assert created.headers["ETag"]
    assert (created.json["status"], created.json["roles"]) == ("unverified", ["user"])
    answers = [client.post("/auth/invitation", accepted).status_code for _ in range(2)]
    assert answers == [204, 401]
    assert client.log_in(user)["user"]["id"] == created.json["id"]
    [event] = audited(app, "user.created")
    assert event.actor_kind == "user"
    assert event.actor_id != event.user_id
    assert outcome(support.post(USERS, {"email": "NEW@example.com"})) == (409, "email_taken")
    other = {"email": "other@example.com", "username": "NEW"}
    assert outcome(support.post(USERS, other)) == (409, "username_taken")


@pytest.mark.requirement("RG-07")
@pytest.mark.requirement("PW-13")
def test_protected_fields_cannot_be_written(app, admin, ada, path_of):
    path, before = path_of(ADA), rows(app, Account)
    headers = if_match(admin.get(path))

    for field, value in PROTECTED.items():
        with case(field=field):
            created = admin.post(USERS, {"email": "new@example.com", field: value})
            changed = admin.patch(path, {"name": "Ada", field: value}, headers=headers)
            disabled = admin.post(f"{path}/disable", {"reason": "x", field: value})
            assert {outcome(one)[0] for one in (created, changed, disabled)} == {422}
    assert [(row.id, row.updated_at) for row in rows(app, Account)] == [
        (row.id, row.updated_at) for row in before
    ]


# Change


@pytest.mark.requirement("RG-05")
def test_changed_address_is_notified_to_both_and_can_be_reverted(client, app, admin, ada, path_of):
    path = path_of(ADA)
    form = {
        "email": "Ada@new.example",
        "name": "Ada",
        "username": "ada2",
        "phone": "+4915112345678",
    }

    changed = admin.patch(path, form, headers=if_match(admin.get(path)))

    assert changed.status_code == 200
    assert {name: changed.json[name] for name in form} == form
    assert (changed.json["email_verified"], changed.json["phone_verified"]) == (True, False)
    notices = {to: client.mailbox(to=to) for to in (ADA, "Ada@new.example")}
    assert all(
        "notice_email_changed" in [m["template"] for m in found] for found in notices.values()
    )
    assert "notice_phone_changed" in [message["template"] for message in notices[ADA]]
    [event] = audited(app, "user.updated")
    assert event.details == {"fields": ["email", "name", "phone", "username"]}
    link = next(m for m in notices[ADA] if m["template"] == "notice_email_changed")
    token = link["variables"]["link"].rpartition("#")[2]
    assert client.post("/auth/email/undo", {"token": token}).status_code == 204
    assert admin.get(path).json["email"] == ADA
    assert "127.0.0.1" not in link["text"]


def test_change_of_a_taken_identifier_is_a_conflict(admin, support, ada, path_of):
    path = path_of(ADA)
    headers = if_match(admin.get(path))

    assert outcome(admin.patch(path, {"email": HELEN}, headers=headers)) == (409, "email_taken")
    assert outcome(admin.patch(path, {"username": None, "locale": None}, headers=headers))[0] == 200


def test_change_needs_the_version_that_was_read(admin, ada, path_of):
    path = path_of(ADA)
    read = admin.get(path)
    form = {"name": "Ada"}

    assert outcome(admin.patch(path, form)) == (428, "precondition_required")
    assert outcome(admin.delete(path)) == (428, "precondition_required")
    assert admin.patch(path, form, headers=if_match(read)).status_code == 200
    stale = admin.patch(path, {"name": "Eve"}, headers=if_match(read))
    weak = admin.patch(path, form, headers={"If-Match": f"W/{admin.get(path).headers['ETag']}"})
    several = {"If-Match": f'"x", {admin.get(path).headers["ETag"]}'}
    assert outcome(stale) == outcome(weak) == (412, "precondition_failed")
    assert outcome(admin.post(f"{path}/unlock", headers=if_match(read)))[0] == 412
    assert admin.patch(path, form, headers=several).status_code == 200
    assert admin.delete(path, headers={"If-Match": "*"}).status_code == 204


@pytest.mark.stores
def test_change_in_twenty_parallel_requests_is_made_once(app, admin, ada, path_of):
    path = path_of(ADA)
    headers = if_match(admin.get(path))

    def change(number):
        own = Client(app.test_client, admin._bearer)
        return own.patch(path, {"name": f"Ada {number}"}, headers=headers).status_code

    statuses = run_in_parallel(*[partial(change, number) for number in range(20)])

    assert sorted(statuses) == [200] + [412] * 19
    assert len(audited(app, "user.updated")) == 1


# Delete and restore


@pytest.mark.requirement("SE-06")
def test_deleted_user_can_be_restored_by_who_may_delete(client, admin, support, ada, path_of):
    path = path_of(ADA)
    headers = {"If-Match": "*"}

    assert outcome(support.delete(path, headers=headers)) == (403, "forbidden")
    assert admin.delete(path, headers=headers).status_code == 204

    assert client.refresh(ada.tokens).json["code"] == "session_ended"
    assert client.as_(ada.tokens).get("/auth/me").json["code"] == "token_revoked"
    shown = admin.get(path).json
    assert shown["status"] == "deleted"
    assert shown["erased_after"] > shown["deleted_at"]
    found = admin.get(USERS, query_string={"status": "deleted"}).json["items"]
    assert [user["email"] for user in found] == [ADA]
    for action in ("disable", "enable", "unlock", "verify-email", "reset-password", "reset-mfa"):
        with case(action=action):
            form = {"reason": "x"}
            assert outcome(admin.post(f"{path}/{action}", form)) == (409, "user_deleted")
    assert outcome(support.post(f"{path}/restore")) == (403, "forbidden")
    assert admin.post(f"{path}/restore").json["status"] == "active"
    assert outcome(admin.post(f"{path}/restore")) == (409, "user_not_deleted")
    assert client.log_in(ada)["status"] == "authenticated"


# Delegation


@pytest.mark.requirement("AZ-04")
def test_support_changes_nothing_of_an_administrator(app, admin, support, path_of):
    path, headers = path_of(ROOT), {"If-Match": "*"}
    before = [row.updated_at for row in rows(app, Account)], len(rows(app, Session))
    forms = {"disable": {"reason": "x"}}

    answers = {
        action: outcome(support.post(f"{path}/{action}", forms.get(action)))
        for action in (
            *("disable", "enable", "unlock", "verify-email"),
            *("reset-password", "reset-mfa", "revoke-sessions"),
        )
    }
    answers["patch"] = outcome(support.patch(path, {"email": "me@example.com"}, headers=headers))

    assert set(answers.values()) == {(403, "forbidden")}
    assert ([row.updated_at for row in rows(app, Account)], len(rows(app, Session))) == before
    denied = [event for event in rows(app, AuditEvent) if event.name == "authorization.denied"]
    assert len(denied) == len(answers)
    assert support.get(path).status_code == 200
