"""POST /admin/users/{id}/impersonate: an administrator acts as a user, who sees it."""

from datetime import UTC, datetime, timedelta

import pytest

from gatehouse.sessions import service as sessions
from models import Session, User
from tests.admin.conftest import ADA, REASON, ROOT, outcome
from tests.client import PASSWORD
from tests.rows import audited, rows
from tests.sessions.token_responses import token_claims
from tests.tokens.forgery import case

DEPUTY = ["users:read", "users:write", "users:impersonate"]
NOT_ALLOWED = (403, "impersonation_not_allowed")
LATE = "late@example.com"
REVOKED = (401, "token_revoked")


@pytest.fixture
def impersonate(path_of):
    """Return the answer to an administrator who wants to act as a user."""

    def impersonate(administrator, email=ADA):
        return administrator.post(path_of(email, "impersonate"), REASON)

    return impersonate


@pytest.fixture
def as_ada(client, admin, ada, impersonate):
    """The administrator, who acts as Ada."""
    response = impersonate(admin)
    assert response.status_code == 200, response.text
    return client.as_(response.json)


def id_of(app, email):
    [user] = rows(app, User, email=email)
    return str(user.id)


def create_deputies(admin):
    """Create a role whose holders act as ordinary users, and as each other."""
    form = {"name": "deputy", "description": "Helps users.", "permissions": DEPUTY}
    assert admin.post("/admin/roles", form).status_code == 201


@pytest.mark.requirement("AZ-08")
@pytest.mark.requirement("SE-03")
def test_impersonation_gives_an_access_token_of_a_new_session_only(
    app, client, admin, ada, impersonate
):
    before = {row.id for row in rows(app, Session)}

    response = impersonate(admin)

    body, claims = response.json, token_claims(response.json, "access_token")
    assert body.keys() == {"session_id", "access_token", "token_type", "expires_in"}
    assert body["expires_in"] == claims["exp"] - claims["iat"] == 900
    assert response.headers.getlist("Set-Cookie") == []
    assert response.headers["Cache-Control"] == "no-store"
    assert (claims["sub"], claims["act"]) == (id_of(app, ADA), {"sub": id_of(app, ROOT)})
    assert claims["sid"] == body["session_id"]
    assert claims["sid"] not in {str(one) for one in before}
    assert (claims["amr"], claims["acr"], claims["auth_time"]) == ([], "aal1", 0)
    assert (claims["roles"], claims["scope"]) == (["user"], "")
    assert client.as_(body).get("/auth/me").json["email"] == ADA
    [session] = [row for row in rows(app, Session) if row.id not in before]
    assert session.current_token_id is None


@pytest.mark.requirement("AZ-08")
def test_impersonation_is_visible_to_the_user(app, client, admin, ada, as_ada):
    mine = client.as_(ada.tokens).get("/auth/sessions").json["items"]

    assert [one.get("impersonated_by") for one in mine] == [id_of(app, ROOT), None]
    assert (mine[0]["ip_address"], mine[0]["device"]) == ("", "")
    assert [one["current"] for one in as_ada.get("/auth/sessions").json["items"]] == [True, False]
    [mail] = [one for one in client.mailbox(to=ADA) if one["template"] == "notice_impersonation"]
    assert "15 minutes" in mail["text"]
    assert "127.0.0.1" not in mail["text"]


@pytest.mark.requirement("AZ-08")
def test_impersonation_is_audited_with_the_administrator_and_the_user(
    app, admin, support, as_ada, path_of
):
    assert as_ada.patch("/auth/me", {"name": "Ada L."}).status_code == 200
    assert as_ada.post("/auth/logout", {"scope": "others"}).status_code == 403
    assert as_ada.post("/auth/logout").status_code == 204

    root, ada = id_of(app, ROOT), id_of(app, ADA)
    [started] = audited(app, "impersonation.started")
    assert (started.actor_kind, str(started.actor_id)) == ("user", root)
    assert started.details == REASON
    done = [
        *audited(app, "account.profile_changed"),
        *audited(app, "impersonation.refused"),
        audited(app, "session.ended")[-1],
    ]
    assert len(done) == 3
    for event in (started, *done):
        assert str(event.user_id) == ada, event.name
    for event in done:
        assert (event.actor_kind, str(event.actor_id)) == ("impersonator", root), event.name
    names = [one["name"] for one in admin.get(path_of(ADA, "audit")).json["items"]]
    assert "impersonation.started" in names


@pytest.mark.requirement("AZ-04")
@pytest.mark.requirement("AZ-08")
def test_impersonation_needs_the_permission_a_second_factor_and_a_reason(
    client, admin, support, ada, path_of, make_user, impersonate, wait
):
    path = path_of(ADA, "impersonate")
    weak = client.as_(client.log_in(make_user(roles=["admin"], email="weak@example.com")))

    assert outcome(client.post(path, REASON)) == (401, "token_missing")
    assert outcome(impersonate(support)) == (403, "forbidden")
    assert outcome(impersonate(weak)) == (401, "insufficient_user_authentication")
    for form in (None, {}, {"reason": ""}, {"reason": None}, {"reason": "x", "lifetime": 9}):
        assert admin.post(path, form).status_code == 422, form
    late = client.renew(make_user(roles=["admin"], factors=["totp"], email=LATE).tokens)
    wait(minutes=11)
    late = client.as_(client.renew(late))
    assert outcome(impersonate(late)) == (401, "insufficient_user_authentication")


@pytest.mark.requirement("AZ-04")
def test_impersonation_ends_at_superiors_oneself_and_inactive_users(
    app, client, admin, ada, make_user, sign_in_as, impersonate, path_of
):
    create_deputies(admin)
    deputy = sign_in_as("deputy", email="deputy@example.com")
    make_user(email="auditor@example.com", roles=["auditor"])
    make_user(email="peer@example.com", roles=["deputy"])
    make_user(email="gone@example.com")
    make_user(email="off@example.com")
    admin.post("/admin/users", {"email": "invited@example.com"})
    admin.post(path_of("off@example.com", "disable"), REASON)
    admin.delete(path_of("gone@example.com"), headers={"If-Match": "*"})
    expected = {
        ADA: (200, None),
        "peer@example.com": (200, None),
        ROOT: (403, "forbidden"),
        "auditor@example.com": (403, "forbidden"),
        "deputy@example.com": NOT_ALLOWED,
        "off@example.com": (409, "user_not_active"),
        "invited@example.com": (409, "user_not_active"),
        "gone@example.com": (409, "user_deleted"),
    }

    for email, answer in expected.items():
        with case(email=email):
            assert outcome(impersonate(deputy, email)) == answer
    unknown = "/admin/users/01a22c91-6b41-731d-bf70-a51137c2cd12/impersonate"
    assert outcome(deputy.post(unknown, REASON)) == (404, "not_found")
    assert len(audited(app, "impersonation.started")) == 2


@pytest.mark.requirement("AZ-08")
def test_impersonation_opens_no_administration(client, admin, sign_in_as, impersonate, path_of):
    """The user is an administrator, too."""
    sign_in_as("admin", email="boss@example.com")
    as_boss = client.as_(impersonate(admin, "boss@example.com").json)

    for path in ("/admin/users", "/admin/roles", path_of(ROOT, "audit")):
        assert outcome(as_boss.get(path)) == NOT_ALLOWED, path
    assert outcome(impersonate(as_boss, ROOT)) == NOT_ALLOWED


@pytest.mark.requirement("AZ-08")
def test_impersonation_changes_nothing_of_the_sign_in(app, client, ada, as_ada):
    requests = {
        "PATCH /auth/me": {"username": "eve"},
        "POST /auth/password/change": {"current_password": PASSWORD, "password": PASSWORD + "!"},
        "POST /auth/email/change": {"email": "eve@example.com"},
        "POST /auth/reauthenticate": {"password": PASSWORD},
        "POST /auth/mfa/factors": {"kind": "totp", "label": "x"},
        "POST /auth/logout": {"scope": "global"},
        "POST /auth/email/verify": {"email": ADA, "code": "12345678"},
    }
    own = client.as_(ada.tokens).get("/auth/sessions").json["items"][1]["id"]
    requests[f"DELETE /auth/sessions/{own}"] = None

    for request, form in requests.items():
        with case(request=request):
            assert outcome(as_ada.send(*request.split(" "), json=form)) == NOT_ALLOWED
    assert client.as_(ada.tokens).get("/auth/me").json["username"] == "ada"
    assert as_ada.patch("/auth/me", {"locale": "de"}).status_code == 200


@pytest.mark.requirement("AZ-08")
def test_impersonation_is_no_cookie_and_cannot_be_refreshed(client, browser_client, as_ada):
    token = as_ada._bearer

    by_cookie = browser_client.get("/auth/me", headers={"Cookie": f"__Host-access={token}"})

    assert outcome(by_cookie) == (401, "token_invalid")
    assert outcome(client.post("/auth/refresh", {"refresh_token": token})) == (401, "token_invalid")


@pytest.mark.requirement("AZ-08")
def test_impersonation_is_named_to_gateways_and_fulfils_no_level(client, app, ada, as_ada):
    passed = as_ada.get("/gateway/verify")
    own = client.as_(ada.tokens).get("/gateway/verify")

    assert (passed.headers["X-Auth-User"], passed.headers["X-Auth-Actor"]) == (
        id_of(app, ADA),
        id_of(app, ROOT),
    )
    assert "X-Auth-Actor" not in own.headers
    assert as_ada.get("/gateway/verify?require=aal2").status_code == 401


def leave_to_user(client, ada, **_):
    item = client.as_(ada.tokens).get("/auth/sessions").json["items"][0]
    assert client.as_(ada.tokens).delete(f"/auth/sessions/{item['id']}").status_code == 204


def log_user_out_everywhere(client, ada, **_):
    assert client.as_(ada.tokens).post("/auth/logout", {"scope": "global"}).status_code == 204


def log_administrator_out(admin, **_):
    assert admin.post("/auth/logout").status_code == 204


def disable_administrator(other, path_of, **_):
    assert other.post(path_of(ROOT, "disable"), REASON).status_code == 200


def take_role_away(other, path_of, **_):
    assert other.put(path_of(ROOT, "roles"), {"roles": []}).status_code == 200


def replace(admin, path_of, **_):
    assert admin.post(path_of(ADA, "impersonate"), REASON).status_code == 200


ENDINGS = {
    leave_to_user: "ended_by_user",
    log_user_out_everywhere: "logout_global",
    log_administrator_out: "administrator_session_ended",
    disable_administrator: "administrator_session_ended",
    take_role_away: "impersonation_not_allowed",
    replace: "impersonation_replaced",
}


@pytest.mark.requirement("AZ-08")
@pytest.mark.requirement("SE-06")
@pytest.mark.parametrize("end", ENDINGS)
def test_impersonation_ends_with(app, client, ada, admin, as_ada, sign_in_as, path_of, end):
    other = sign_in_as("admin", email="other@example.com")
    assert as_ada.get("/auth/me").status_code == 200

    end(client=client, ada=ada, admin=admin, other=other, path_of=path_of)

    assert outcome(as_ada.get("/auth/me")) == REVOKED
    [ended] = [row for row in rows(app, Session) if row.end_reason == ENDINGS[end] and row.actor_id]
    assert ended.ended_at is not None


@pytest.mark.requirement("AZ-04")
def test_impersonation_ends_where_the_user_becomes_a_superior(
    app, client, admin, ada, sign_in_as, impersonate, path_of
):
    create_deputies(admin)
    deputy = sign_in_as("deputy", email="deputy@example.com")
    body = impersonate(deputy).json

    assert admin.put(path_of(ADA, "roles"), {"roles": [{"role": "auditor"}]}).status_code == 200

    [session] = [row for row in rows(app, Session) if str(row.id) == body["session_id"]]
    assert session.end_reason == "impersonation_not_allowed"
    assert client.as_(body).get("/auth/me").status_code == 401


@pytest.mark.requirement("AZ-04")
def test_impersonation_ends_when_the_role_loses_the_permission(
    client, admin, ada, sign_in_as, impersonate
):
    create_deputies(admin)
    as_ada = client.as_(impersonate(sign_in_as("deputy", email="deputy@example.com")).json)

    assert admin.patch("/admin/roles/deputy", {"permissions": DEPUTY[:2]}).status_code == 200

    assert outcome(as_ada.get("/auth/me")) == REVOKED


def test_impersonation_is_over_after_15_minutes(client, ada, as_ada, wait):
    wait(minutes=14.8)
    before = as_ada.get("/auth/me").status_code
    wait(seconds=30)

    assert before == 200
    assert outcome(as_ada.get("/auth/me")) == (401, "token_expired")
    items = client.as_(client.renew(ada.tokens)).get("/auth/sessions").json["items"]
    assert ["impersonated_by" in one for one in items] == [False]


def test_impersonation_outlives_no_role_of_the_administrator(
    client, admin, ada, make_user, impersonate, path_of
):
    tokens = make_user(roles=["admin"], factors=["totp"], email=LATE).tokens
    expiry = datetime.now(UTC) + timedelta(minutes=5)
    form = {"roles": [{"role": "admin", "expires_at": expiry.isoformat(timespec="seconds")}]}
    assert admin.put(path_of(LATE, "roles"), form).status_code == 200
    temporary = client.as_(client.renew(tokens))

    body = impersonate(temporary).json

    assert 295 <= body["expires_in"] <= 300


@pytest.mark.requirement("AZ-04")
def test_impersonation_ends_when_the_role_of_the_administrator_gets_an_earlier_end(
    client, admin, ada, sign_in_as, impersonate, path_of
):
    late = sign_in_as("admin", email=LATE)
    as_ada = client.as_(impersonate(late).json)

    for minutes, status in ((60, 200), (5, 401)):
        end = datetime.now(UTC) + timedelta(minutes=minutes)
        form = {"roles": [{"role": "admin", "expires_at": end.isoformat(timespec="seconds")}]}
        assert admin.put(path_of(LATE, "roles"), form).status_code == 200
        assert as_ada.get("/auth/me").status_code == status, minutes


def test_impersonation_leaves_the_sessions_of_the_user_alone(
    client, ada, admin, impersonate, monkeypatch
):
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 2)
    mine = [ada.tokens, client.log_in(ada)]

    assert impersonate(admin).status_code == 200
    again = client.log_in(ada)  # ends the oldest of the user's own sessions only

    statuses = [client.as_(one).get("/auth/me").status_code for one in (*mine, again)]
    assert statuses == [401, 200, 200]
