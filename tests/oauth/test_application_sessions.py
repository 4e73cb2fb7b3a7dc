"""Grants end with the user's session or access, and their clients are notified."""

from uuid import UUID

import pytest

from gatehouse.tokens import revocation
from models import GrantStatusEntry, LogoutNotification, OAuthGrant, Revocation, Session
from tests.client import PASSWORD
from tests.oauth.grants import authorize_grant, user_id_of
from tests.parallel import run_in_parallel
from tests.rows import audited, rows
from tests.tokens.conftest import start_application  # noqa: F401 - a fixture
from tests.tokens.forgery import decode_token
from tests.tokens.worker_sync import refresh_state

ADA = "ada@example.com"
LOGOUT_URI = "https://shop.example.com/logged-out"


@pytest.fixture
def shop(make_client):
    return make_client(backchannel_logout_uri=LOGOUT_URI)


@pytest.fixture
def ada(make_user):
    return make_user(email=ADA)


@pytest.fixture
def tokens(client, ada):
    return client.log_in(ada)


def access(tokens):
    return tokens["access_token"]


def end_reasons(app):
    """Return why grants ended, by id; None if they did not."""
    return {grant.id: grant.end_reason for grant in rows(app, OAuthGrant)}


@pytest.mark.stores
@pytest.mark.requirement("SE-06")
def test_grant_ends_with_its_session_in_every_way_that_ends_it(app, client, ada, shop):
    def end_one(tokens):
        session = decode_token(access(tokens))[1]["sid"]
        return client.as_(client.log_in(ada)).delete(f"/auth/sessions/{session}")

    ways = {
        "local": lambda tokens: client.as_(tokens).post("/auth/logout"),
        "global": lambda tokens: client.as_(tokens).post("/auth/logout", {"scope": "global"}),
        "others": lambda _tokens: client.as_(client.log_in(ada)).post(
            "/auth/logout", {"scope": "others"}
        ),
        "one": end_one,
    }
    for name, end in ways.items():
        tokens = client.log_in(ada)
        redeemed = authorize_grant(app, "shop", access(tokens))
        unredeemed = authorize_grant(app, "shop", access(tokens), redeemed=False)
        offline = authorize_grant(app, "shop", access(tokens), offline=True)
        kept = authorize_grant(app, "shop", access(client.log_in(ada)), offline=True)

        assert end(tokens).status_code == 204, name

        reasons = end_reasons(app)
        assert reasons[redeemed] == reasons[unredeemed] == "session_ended", name
        assert reasons[offline] is reasons[kept] is None, name


@pytest.mark.stores
@pytest.mark.requirement("SE-06")
def test_disabled_or_deleted_user_loses_all_grants_offline_access_included(
    app, client, make_user, sign_in_as, shop
):
    admin = sign_in_as("admin", email="root@example.com")

    def delete(path):
        return admin.delete(path, headers={"If-Match": admin.get(path).headers["ETag"]})

    ways = {
        "disabled": lambda path: admin.post(f"{path}/disable", {"reason": "fraud"}),
        "deleted": delete,
    }
    for reason, end in ways.items():
        user = make_user(email=f"{reason}@example.com")
        bystander = client.log_in(make_user(email=f"not-{reason}@example.com"))
        tokens = client.log_in(user)
        bound = authorize_grant(app, "shop", access(tokens))
        offline = authorize_grant(app, "shop", access(tokens), offline=True)
        code = authorize_grant(app, "shop", access(tokens), offline=True, redeemed=False)
        other = authorize_grant(app, "shop", access(bystander), offline=True)

        response = end(f"/admin/users/{user_id_of(app, user.email)}")

        assert response.status_code < 300, response.text
        reasons = end_reasons(app)
        assert (reasons[bound], reasons[offline]) == ("session_ended", f"user_{reason}")
        assert (reasons[code], reasons[other]) == (f"user_{reason}", None)


@pytest.mark.stores
@pytest.mark.requirement("SE-06")
def test_changed_password_ends_all_grants_but_those_of_the_session_of_the_change(
    app, client, ada, shop
):
    mine, other = client.log_in(ada), client.log_in(ada)
    kept = authorize_grant(app, "shop", access(mine))
    ended = authorize_grant(app, "shop", access(other))
    offline = [authorize_grant(app, "shop", access(each), offline=True) for each in (mine, other)]

    response = client.as_(mine).post(
        "/auth/password/change", {"current_password": PASSWORD, "password": "another phrase 43"}
    )

    assert response.status_code == 204
    reasons = end_reasons(app)
    assert (reasons[kept], reasons[ended]) == (None, "session_ended")
    assert [reasons[each] for each in offline] == ["password_changed"] * 2


@pytest.mark.requirement("SE-06")
def test_session_without_grants_is_ended_as_before(app, client, tokens):
    assert client.as_(tokens).post("/auth/logout").status_code == 204

    assert rows(app, LogoutNotification) == []


@pytest.mark.stores
@pytest.mark.requirement("OP-06")
def test_each_client_of_a_session_is_notified_once(app, client, ada, shop, make_client):
    make_client(id="wiki", backchannel_logout_uri="https://wiki.example.com/logout")
    make_client(id="silent")
    tokens, elsewhere = client.log_in(ada), client.log_in(ada)
    for _ in range(3):  # signed in again and again, in one session
        authorize_grant(app, "shop", access(tokens))
    authorize_grant(app, "shop", access(tokens), offline=True)
    authorize_grant(app, "wiki", access(tokens), offline=True)
    authorize_grant(app, "silent", access(tokens))
    authorize_grant(app, "shop", access(elsewhere))
    make_client(id="unused", backchannel_logout_uri="https://unused.example.com/logout")
    authorize_grant(app, "unused", access(tokens), redeemed=False)

    client.as_(tokens).post("/auth/logout")

    session_id = UUID(decode_token(access(tokens))[1]["sid"])
    grants = rows(app, OAuthGrant, authorized_session_id=session_id)
    sids = {grant.client_id: grant.sid for grant in grants}
    queued = rows(app, LogoutNotification)
    assert [(row.client_id, row.sid) for row in queued] == [
        (name, sids[name]) for name in ("shop", "wiki")
    ]
    assert {row.subject for row in queued} == {str(grants[0].user_id)}
    assert len({grant.sid for grant in grants if grant.client_id == "shop"}) == 1


@pytest.mark.stores
def test_client_is_notified_once_if_a_change_ends_session_and_offline_access(
    app, client, ada, shop, sign_in_as
):
    admin = sign_in_as("admin", email="root@example.com")
    tokens = client.log_in(ada)
    authorize_grant(app, "shop", access(tokens))
    authorize_grant(app, "shop", access(tokens), offline=True)

    admin.post(f"/admin/users/{user_id_of(app, ADA)}/disable", {"reason": "fraud"})

    assert len(rows(app, LogoutNotification)) == 1


@pytest.mark.stores
@pytest.mark.requirement("SE-06")
def test_access_tokens_of_an_ended_grant_are_revoked_here_and_in_another_worker(
    app,
    client,
    tokens,
    shop,
    start_application,  # noqa: F811
):
    other = start_application()
    refresh_state(other)
    grants = [authorize_grant(app, "shop", access(tokens)) for _ in range(2)]

    client.as_(tokens).post("/auth/logout")

    revoked = app.extensions["gatehouse.tokens"].revoked
    assert {str(grant_id) for grant_id in grants} <= revoked.keys()
    refresh_state(other)
    assert {str(grant_id) for grant_id in grants} <= other.extensions[
        "gatehouse.tokens"
    ].revoked.keys()
    indexes = {row.grant_id: row.status_index for row in rows(app, GrantStatusEntry)}
    bits = {row.session_id: row.status_index for row in rows(app, Revocation)}
    for grant_id in grants:
        assert bits[grant_id] == revocation.FIRST_GRANT_INDEX + indexes[grant_id]


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
@pytest.mark.requirement("SE-06")
def test_grants_end_once_in_twenty_parallel_session_endings(app, client, tokens, shop):
    grants = [authorize_grant(app, "shop", access(tokens)) for _ in range(3)]

    responses = client.as_(tokens).in_parallel(20, "/auth/logout")

    assert {response.status_code for response in responses} <= {204, 401}
    ended = audited(app, "grant.ended")
    assert sorted(event.details["grant_id"] for event in ended) == sorted(map(str, grants))
    assert len(rows(app, LogoutNotification)) == 1


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_sessions_and_access_of_a_user_end_in_parallel_without_a_deadlock(
    app, client, ada, shop, sign_in_as
):
    admin = sign_in_as("admin", email="root@example.com")
    path = f"/admin/users/{user_id_of(app, ADA)}/disable"
    sessions = [client.log_in(ada) for _ in range(6)]
    for tokens in sessions:
        authorize_grant(app, "shop", access(tokens))
        authorize_grant(app, "shop", access(tokens), offline=True)

    responses = run_in_parallel(
        *[lambda t=tokens: client.as_(t).post("/auth/logout") for tokens in sessions],
        lambda: admin.post(path, {"reason": "fraud"}),
    )

    assert {response.status_code for response in responses} <= {200, 204, 401}
    assert None not in end_reasons(app).values()
    assert all(session.ended_at for session in rows(app, Session, user_id=user_id_of(app, ADA)))
    assert len(audited(app, "grant.ended")) == 12
    assert len(rows(app, LogoutNotification)) == 6
