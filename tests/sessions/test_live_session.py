"""A write on behalf of a session fails once the session has ended, also before workers know it."""

from functools import partial

import pytest
import sqlalchemy as sa

from gatehouse.core import clock
from gatehouse.database.session import db
from models import AuditEvent, Credential, OneTimeCode, Password, Session, User
from tests.client import PASSWORD
from tests.parallel import run_in_parallel
from tests.rows import rows

UNKNOWN_ID = "01900000-0000-7000-8000-000000000000"
WRITES = [
    ("PATCH", "/auth/me", {"name": "Eve"}),
    (
        "POST",
        "/auth/password/change",
        {"current_password": PASSWORD, "password": "nine yellow kites"},
    ),
    ("DELETE", "/auth/me", None),
    ("POST", "/auth/email/change", {"email": "eve@example.com"}),
    ("POST", "/auth/phone", {"phone": "+4915112345678"}),
    ("DELETE", "/auth/phone", None),
    ("POST", "/auth/mfa/factors", {"kind": "totp"}),
    ("DELETE", f"/auth/mfa/factors/{UNKNOWN_ID}", None),
    ("POST", "/auth/mfa/recovery-codes", None),
    ("POST", "/auth/passkeys/registration/options", None),
    ("DELETE", f"/auth/sessions/{UNKNOWN_ID}", None),
    ("DELETE", f"/auth/devices/{UNKNOWN_ID}", None),
    ("DELETE", f"/auth/grants/{UNKNOWN_ID}", None),
    ("POST", "/auth/identities", {"provider": "acme"}),
    (
        "POST",
        "/auth/identities/complete",
        {"federation_code": "a code", "code_verifier": "v" * 43},
    ),
    ("DELETE", f"/auth/identities/{UNKNOWN_ID}", None),
    ("POST", "/auth/reauthenticate", {"password": PASSWORD}),
    ("POST", "/auth/reauthenticate/challenge", {"factor_id": UNKNOWN_ID}),
]
LOGOUTS = [("POST", "/auth/logout", {"scope": scope}) for scope in ("others", "global")]
"""Not guarded, but they end sessions besides the caller's."""


REASON = {"reason": "theft"}
ADMIN_WRITES = [
    ("POST", "/admin/users", {"email": "eve@example.com"}),
    ("PATCH", "/admin/users/{id}", {"email": "eve@example.com"}),
    ("DELETE", "/admin/users/{id}", None),
    ("PUT", "/admin/users/{id}/roles", {"roles": [{"role": "admin"}]}),
    ("POST", "/admin/users/{id}/disable", REASON),
    ("DELETE", "/admin/users/{id}/grants/{id}", None),
    *(
        ("POST", f"/admin/users/{{id}}/{action}", REASON)
        for action in ("enable", "unlock", "verify-email", "reset-password", "revoke-sessions")
    ),
    ("POST", "/admin/users/{id}/reset-mfa", REASON),
    ("POST", "/admin/users/{id}/restore", None),
    (
        "POST",
        "/admin/users/bulk",
        {"operation": "disable", "users": [{"id": UNKNOWN_ID}], "reason": "theft"},
    ),
    (
        "POST",
        "/admin/service-accounts",
        {"name": "eve", "description": "x", "owner_id": UNKNOWN_ID, "roles": []},
    ),
    ("PATCH", "/admin/service-accounts/{id}", {"description": "x"}),
    ("DELETE", "/admin/service-accounts/{id}", None),
    (
        "POST",
        "/admin/service-accounts/{id}/keys",
        {
            "name": "eve",
            "permissions": ["users:read"],
            "networks": [],
            "expires_at": "2126-12-24T18:30:00Z",
        },
    ),
    (
        "POST",
        "/admin/hooks",
        {"kind": "webhook", "name": "eve", "url": "https://eve.example", "events": ["*"]},
    ),
    (
        "POST",
        "/admin/clients",
        {"kind": "web", "name": "Eve", "redirect_uris": ["https://eve.example/callback"]},
    ),
    ("PATCH", "/admin/clients/{name}", {"redirect_uris": ["https://eve.example/callback"]}),
    ("DELETE", "/admin/clients/{name}", None),
    ("POST", "/admin/clients/{name}/secrets", {}),
    ("POST", "/admin/clients/{name}/secrets/{id}/rotate", None),
    ("DELETE", "/admin/clients/{name}/secrets/{id}", None),
    ("POST", "/admin/resources", {"audience": "https://eve.example", "name": "Eve", "scopes": {}}),
    ("PATCH", "/admin/resources/{id}", {"name": "Eve"}),
    ("DELETE", "/admin/resources/{id}", None),
    ("PATCH", "/admin/hooks/{id}", {"url": "https://eve.example"}),
    ("DELETE", "/admin/hooks/{id}", None),
    ("POST", "/admin/hooks/{id}/rotate-secret", None),
    ("PUT", "/admin/profile-schema", {"schema": {"type": "object", "properties": {"eve": {}}}}),
    ("POST", "/admin/hooks/{id}/replay", {"since": "2026-01-01T00:00:00Z"}),
    ("POST", "/admin/hooks/{id}/test", None),
    ("POST", "/admin/roles", {"name": "eve", "description": "x"}),
    ("PATCH", "/admin/roles/{name}", {"description": "x"}),
    ("DELETE", "/admin/roles/{name}", None),
    ("POST", "/admin/permissions", {"name": "eve:all", "description": "x"}),
    ("PATCH", "/admin/permissions/{name}", {"description": "x"}),
    ("DELETE", "/admin/permissions/{name}", None),
]


def end_elsewhere(app):
    """End all sessions as another worker would, whose revocations have not arrived here yet."""
    with app.app_context():
        db.session.execute(sa.update(Session).values(ended_at=clock.now(), end_reason="logout"))
        db.session.commit()


def stored(app):
    return [
        [
            {column.key: getattr(row, column.key) for column in sa.inspect(table).columns}
            for row in rows(app, table)
        ]
        for table in (User, Password, Credential, OneTimeCode, Session)
    ]


@pytest.mark.stores
@pytest.mark.requirement("SE-05")
def test_ended_session_writes_nothing(app, client, make_user):
    thief = client.as_(client.log_in(make_user()))
    end_elsewhere(app)
    before = stored(app)

    answers = {
        (method, path): thief.send(method, path, json=body).json["code"]
        for method, path, body in WRITES
    }
    logouts = [thief.send(method, path, json=body) for method, path, body in LOGOUTS]

    assert thief.get("/auth/me").status_code == 200  # its revocation is not known here
    assert answers == {(method, path): "session_ended" for method, path, _ in WRITES}
    assert [response.json["code"] for response in logouts] == ["session_ended"] * 2
    assert stored(app) == before


def test_every_write_of_a_signed_in_user_is_tried(app):
    guarded = {
        (method, rule.rule.replace("<uuid:", "<"))
        for rule in app.url_map.iter_rules()
        if hasattr(app.view_functions[rule.endpoint], "guarded")
        and not hasattr(app.view_functions[rule.endpoint], "permission")  # see ADMIN_WRITES
        for method in rule.methods - {"GET", "HEAD", "OPTIONS"}
    }
    needs_more = {  # without it, they fail before they write
        ("DELETE", "/auth/mfa/reset"),
        ("POST", "/auth/mfa/factors/<factor_id>/confirm"),
        ("POST", "/auth/passkeys/registration/verify"),
        ("POST", "/auth/phone/verify"),
    }
    names = {
        "factors": "factor_id",
        "sessions": "session_id",
        "identities": "identity_id",
        "devices": "device_id",
        "grants": "grant_id",
    }
    tried = set()
    for method, path, _ in WRITES:
        kind = path.split("/")[-2]
        tried.add((method, path.replace(UNKNOWN_ID, f"<{names.get(kind)}>")))

    assert guarded == tried | needs_more


@pytest.mark.requirement("SE-05")
def test_ended_session_of_an_administrator_writes_nothing(app, make_user, sign_in_as):
    make_user()
    thief = sign_in_as("admin")
    end_elsewhere(app)
    before, names = stored(app), {"id": rows(app, User)[0].id, "name": "orders:read"}

    for method, path, body in ADMIN_WRITES:
        headers = {"If-Match": "*"} if method != "PUT" else {}
        response = thief.send(method, path.format(**names), json=body, headers=headers)
        assert response.json["code"] == "session_ended", path

    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/admin")]
    tried = {(method, path.split("{")[0]) for method, path, _ in ADMIN_WRITES}
    for rule in rules:
        for method in rule.methods - {"GET", "HEAD", "OPTIONS"}:
            assert (method, rule.rule.split("<")[0]) in tried
    assert stored(app) == before


@pytest.mark.stores
@pytest.mark.requirement("SE-06")
def test_disabled_user_writes_nothing(app, client, make_user):
    mine = client.as_(client.log_in(make_user()))
    with app.app_context():
        db.session.execute(sa.update(User).values(disabled_at=clock.now()))
        db.session.commit()

    response = mine.patch("/auth/me", {"name": "Eve"})

    assert response.json["code"] == "session_ended"
    assert rows(app, User)[0].name is None


@pytest.mark.stores
def test_ended_session_is_audited_once_for_each_attempt(app, client, make_user):
    mine = client.as_(client.log_in(make_user()))
    end_elsewhere(app)

    mine.patch("/auth/me", {"name": "Eve"})

    refused = [event for event in rows(app, AuditEvent) if event.name == "token.refused"]
    assert [event.details for event in refused] == [{"code": "session_ended"}]


@pytest.mark.stores
def test_writes_and_logouts_in_parallel_never_deadlock(app, client, make_user):
    user = make_user()
    sessions = [client.as_(client.log_in(user)) for _ in range(4)]

    def act(number):
        mine = sessions[number % 4]
        if number % 5 == 4:
            return mine.post("/auth/logout", {"scope": "others"})
        return mine.patch("/auth/me", {"name": f"Name {number}"})

    responses = run_in_parallel(*[partial(act, number) for number in range(20)])

    assert {response.status_code for response in responses} <= {200, 204, 401}
