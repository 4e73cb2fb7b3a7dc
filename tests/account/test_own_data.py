"""One's own data: the history in plain words, and the export of everything."""

import json

import pytest
from sqlalchemy import select

from gatehouse.account import data_export, history
from gatehouse.audit.events import all_events
from gatehouse.database.session import Base, db
from models import AuditEvent, User
from tests.account.conftest import (
    ADA,
    NEW_ADDRESS,
    NUMBER,
    change_email,
    request_reset,
    status_and_code,
    verify_phone,
)
from tests.client import PASSWORD
from tests.mail_links import advance_clock
from tests.rows import rows

EXPORT, HISTORY = "/auth/me/export", "/auth/me/history"
NOT_OF_A_PERSON = {
    *("authorization_changes", "revocations", "token_status_entries", "grant_status_entries"),
}
"""Tables whose rows name a user or a session by id only, and disappear within hours."""
INTERNAL_COLUMNS = {
    "users": {"email_canonical", "username_canonical", "roles_version"},
    "passwords": {"user_id", "hash", "pepper"},
    "credentials": {"user_id", "lookup", "data", "counter"},
    "role_assignments": {"id", "subject_kind", "subject_id", "user_id"},
    "external_identities": {"id", "user_id"},
    "sessions": {
        *("user_id", "current_token_id", "token_issued_at", "used_tokens", "device_digest"),
        *("replacements", "actor_id", "actor_session_id"),
    },
    "devices": {"user_id", "digest"},
    "service_accounts": {"owner_id"},
    "one_time_codes": {
        *("user_id", "subject_digest", "token_digest", "code_digest", "data", "attempts"),
        *("requester_digest", "requester_attempts"),
    },
    "webhook_events": {"user_id", "payload"},
    "webhook_deliveries": {
        *("id", "user_id", "hook_id", "next_attempt_at", "leased_until"),
        *("last_status", "last_error"),
    },
    "oauth_consents": {"user_id"},
    "oauth_grants": {
        *("user_id", "request", "code_digest", "code_expires_at", "current_token_id"),
        *("token_issued_at", "used_tokens"),
    },
    "pairwise_subjects": {"user_id"},
    "logout_notifications": {
        *("id", "user_id", "next_attempt_at", "leased_until", "last_status", "last_error"),
    },
    "audit_events": {"user_id", "actor_id"},
}
"""Secrets, digests, and what has a meaning to the service only."""


@pytest.fixture
def mine(client, ada):
    return client.as_(client.log_in(ada))


def texts(response):
    return [item["text"] for item in response.json["items"]]


def test_history_says_in_plain_words_what_happened(client, mine):
    client.post("/auth/login", {"identifier": ADA, "password": "not the right one"})
    request_reset(client, email=ADA)

    response = mine.get(HISTORY)

    assert texts(response)[:3] == [
        "A code to reset your password was sent to you.",
        "A sign-in failed: the password was wrong.",
        "You signed in.",
    ]
    signed_in = response.json["items"][2]
    assert (signed_in["event"], signed_in["by"]) == ("login.succeeded", "you")
    assert signed_in["ip_address"] == "127.0.0.1"


def test_history_is_in_the_language_of_its_user(client, mine):
    for locale, text in [
        ("de", "Sie haben sich angemeldet."),
        ("fr", "Vous vous êtes connecté(e)."),
    ]:
        mine.patch("/auth/me", {"locale": locale})
        assert text in texts(mine.get(HISTORY))


def test_history_has_pages(mine):
    for name in ("Ada", "Ada L.", "Ada Lovelace"):
        mine.patch("/auth/me", {"name": name})

    first = mine.get(f"{HISTORY}?limit=2").json
    second = mine.get(f"{HISTORY}?limit=2&cursor={first['next_cursor']}").json

    ids = [item["id"] for page in (first, second) for item in page["items"]]
    assert len(set(ids)) == 4


def test_history_hides_the_address_of_an_administrator(app, mine, sign_in_as):
    admin = sign_in_as("admin", email="root@example.com")
    [row] = rows(app, User, email_canonical=ADA)
    admin.post(f"/admin/users/{row.id}/unlock", {"reason": "asked"})
    admin.post(f"/admin/users/{row.id}/reset-mfa", {"reason": "asked"})
    user = admin.get(f"/admin/users/{row.id}")
    version = {"If-Match": user.headers["ETag"]}
    admin.patch(f"/admin/users/{row.id}", {"name": "Ada"}, headers=version)

    by_others = [item for item in mine.get(HISTORY).json["items"] if item["by"] != "you"]

    assert {item["by"] for item in by_others} >= {"administrator"}
    for item in by_others:
        if item["by"] == "administrator":
            assert item["ip_address"] is None is item["device"]


OFFICE = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0 office"}


@pytest.mark.requirement("AZ-08")
def test_history_and_export_hide_the_address_of_an_impersonator(app, client, mine, make_user):
    root = make_user(email="root@example.com", roles=["admin"], factors=["totp"])
    tokens = client.renew(root.tokens)
    [row] = rows(app, User, email_canonical=ADA)
    form, path = {"reason": "asked"}, f"/admin/users/{row.id}/impersonate"
    assert client.as_(tokens).post(path, form, headers=OFFICE).status_code == 200

    client.renew(tokens)
    with advance_clock(minutes=1):  # a thief of the administrator's session, or a broken client
        reused = client.post(
            "/auth/refresh", {"refresh_token": tokens["refresh_token"]}, headers=OFFICE
        )

    assert status_and_code(reused) == (401, "refresh_token_reused")
    [ended] = [one for one in mine.get(HISTORY).json["items"] if one["event"] == "session.ended"]
    assert (ended["ip_address"], ended["device"]) == (None, "an unknown device")
    export = mine.get(EXPORT).json
    assert len(export["sessions"]) == 2
    assert "office" not in json.dumps(export)


@pytest.mark.parametrize("way", ["administrator", "operator"])
def test_export_hides_why_others_changed_the_account(app, client, ada, sign_in_as, way):
    if way == "operator":
        args = ["users", "disable", ADA, "--reason", "suspicion"]
        assert app.test_cli_runner().invoke(args=args).exit_code == 0
        assert app.test_cli_runner().invoke(args=["users", "enable", ADA]).exit_code == 0
    else:
        admin = sign_in_as("admin", email="root@example.com")
        path = f"/admin/users/{rows(app, User, email_canonical=ADA)[0].id}"
        assert admin.post(f"{path}/disable", {"reason": "suspicion"}).status_code == 200
        assert admin.post(f"{path}/enable").status_code == 200

    export = client.as_(client.log_in(ada)).get(EXPORT).json

    assert "user.disabled" in {event["name"] for event in export["events"]}
    assert "suspicion" not in json.dumps(export)


@pytest.mark.requirement("RL-07")
def test_history_and_export_do_not_disclose_other_accounts(client, mine, make_user):
    taken = make_user(email="grace@example.com")
    client.as_(client.log_in(taken)).patch("/auth/me", {"name": "Grace"})
    assert verify_phone(client, taken.tokens, NUMBER).status_code == 200

    def observed(email, number):
        assert mine.post("/auth/email/change", {"email": email}).status_code == 202
        assert mine.post("/auth/phone", {"phone": number}).status_code == 202
        shown = [(item["event"], item["text"]) for item in mine.get(HISTORY).json["items"][:2]]
        exported = mine.get(EXPORT).json["events"][-2:]
        return shown, [(each["name"], each["outcome"], each["details"]) for each in exported]

    assert observed("grace@example.com", NUMBER) == observed("new@example.com", "+4915187654321")


@pytest.mark.requirement("AZ-02")
def test_export_holds_no_message_to_the_new_owner_of_a_previous_address(client, ada):
    tokens = client.log_in(ada)
    assert change_email(client, tokens).status_code == 200
    exported = client.as_(tokens).get(EXPORT).json["messages"]
    assert {each["recipient"] for each in exported} == {ADA, NEW_ADDRESS}
    client.register(ADA, "a phrase of somebody else")
    client.verify(ADA)
    request_reset(client, email=ADA)

    exported = client.as_(tokens).get(EXPORT).json["messages"]

    assert {each["recipient"] for each in exported} == {NEW_ADDRESS}


def test_every_event_has_a_sentence_or_is_internal():
    unknown = set(history.SENTENCES) - set(all_events())
    assert not unknown
    assert set(history.SHOWN_AS.values()) <= set(history.SENTENCES)


@pytest.mark.requirement("RG-12")
@pytest.mark.requirement("RG-09")
def test_export_needs_a_recent_sign_in(client, ada, wait):
    tokens = client.log_in(ada)
    wait(minutes=11)

    response = client.as_(client.renew(tokens)).get(EXPORT)

    assert status_and_code(response) == (401, "insufficient_user_authentication")


@pytest.mark.requirement("RG-12")
@pytest.mark.stores
def test_export_contains_every_row_that_names_the_user(app, client, ada, mine):
    verify_phone(client, ada.tokens, NUMBER)
    mine.enrol_totp(ada)
    stepped_up = mine.post("/auth/reauthenticate", {"code": ada.totp(1)}).json
    request_reset(client, email=ADA)

    export = client.as_(stepped_up).get(EXPORT)

    assert export.status_code == 200
    assert export.headers["Cache-Control"] == "no-store"
    text = json.dumps(export.json)
    for table, ids in list_ids_naming(app, (ADA, NUMBER)).items():
        assert table in NOT_OF_A_PERSON or all(each in text for each in ids), table


def list_ids_naming(app, values):
    """Return by table the ids of rows that contain the user's id or one of the values."""
    [user] = rows(app, User, email_canonical=ADA)
    names = (*values, str(user.id))
    found = {}
    with app.app_context():
        for table in Base.metadata.sorted_tables:
            for row in db.session.execute(select(table)):
                if any(name in str(value) for value in row for name in names):
                    key = str(row._mapping.get("id", user.id))
                    found.setdefault(table.name, []).append(key)
    found.pop("role_assignments", None)  # exported by role, without an id
    return found


def test_export_has_a_section_for_each_table_and_a_place_for_each_column():
    sections = (data_export.ACCOUNT, *data_export.SECTIONS, data_export.EVENTS)
    covered = {section.table.__tablename__ for section in sections}
    with_users = {
        table.name for table in Base.metadata.sorted_tables if "user_id" in table.columns
    } | {"users"}
    assert with_users <= covered
    for section in sections:
        table = section.table.__table__
        internal = INTERNAL_COLUMNS[table.name]
        assert set(section.columns) | internal == set(table.columns.keys()), table.name


def test_export_contains_no_secret(app, client, ada, mine):
    mine.enrol_totp(ada)
    stepped_up = mine.post("/auth/reauthenticate", {"code": ada.totp(1)}).json

    text = json.dumps(client.as_(stepped_up).get(EXPORT).json)

    for secret in (PASSWORD, ada.secret, ada.tokens["refresh_token"], "$2b$", "$argon2"):
        assert secret not in text


def test_export_holds_no_event_of_others(app, mine, make_user, client):
    client.log_in(make_user(email="grace@example.com"))

    export = mine.get(EXPORT).json

    [user] = rows(app, User, email_canonical=ADA)
    own = {str(event.id) for event in rows(app, AuditEvent, user_id=user.id)}
    assert {event["id"] for event in export["events"]} <= own
    assert "grace@" not in json.dumps(export)
