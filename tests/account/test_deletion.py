"""Deletion of one's own account: at once, announced, restorable by mail, erased in the end."""

from uuid import UUID

import pytest

from gatehouse.operations.cleanup import run_cleanup
from models import Session
from models import User as UserRow
from tests.account.conftest import (
    ADA,
    NEW_ADDRESS,
    change_email,
    list_templates,
    read_messages,
    read_revert_token,
    status_and_code,
)
from tests.client import PASSWORD
from tests.mail_links import token_of
from tests.rows import audited, rows


@pytest.fixture
def tokens(client, ada):
    return client.log_in(ada)


def delete(client, tokens):
    return client.as_(tokens).delete("/auth/me")


def read_token(client, to=ADA):
    return token_of(read_messages(client, to, "notice_account_deleted")[0]["link"])


def restore(client, token):
    return client.post("/auth/me/restore", {"token": token})


@pytest.mark.requirement("SE-06")
@pytest.mark.stores
def test_deletion_ends_everything_at_once(app, client, ada, tokens):
    other = client.log_in(ada)

    assert delete(client, tokens).status_code == 204

    for each in (tokens, other):
        assert client.as_(each).get("/auth/me").status_code == 401
        assert client.refresh(each).status_code == 401
    login = client.post("/auth/login", {"identifier": ADA, "password": PASSWORD})
    assert status_and_code(login) == (403, "account_disabled")
    assert "e-mail about its deletion" in login.json["next"]
    [event] = audited(app, "user.deleted")
    assert (event.actor_kind, event.actor_id) == ("user", event.user_id)


def test_deletion_is_not_disclosed_without_the_password(client, tokens):
    delete(client, tokens)

    wrong = client.post("/auth/login", {"identifier": ADA, "password": "not the right one"})

    assert status_and_code(wrong) == (401, "invalid_credentials")


@pytest.mark.requirement("RG-09")
def test_deletion_needs_a_recent_sign_in(client, ada, tokens, wait):
    wait(minutes=11)
    old = client.renew(tokens)

    response = delete(client, old)

    assert status_and_code(response) == (401, "insufficient_user_authentication")
    assert client.as_(old).get("/auth/me").status_code == 200


@pytest.mark.requirement("RG-09")
def test_deletion_needs_the_second_factor_of_who_has_one(client, ada, tokens):
    client.as_(tokens).enrol_totp(ada)
    weak = client.post("/auth/login", {"identifier": ADA, "password": PASSWORD}).json

    assert weak["status"] == "mfa_required"
    assert status_and_code(delete(client, tokens)) == (401, "insufficient_user_authentication")


@pytest.mark.requirement("RG-05")
def test_deletion_is_announced_and_its_link_restores_the_account(app, client, tokens):
    delete(client, tokens)
    assert list_templates(client, ADA)[-1] == "notice_account_deleted"

    assert restore(client, read_token(client)).status_code == 204

    assert list_templates(client, ADA)[-1] == "notice_account_restored"
    assert client.post("/auth/login", {"identifier": ADA, "password": PASSWORD}).status_code == 200
    [user] = rows(app, UserRow)
    assert user.deleted_at is user.disabled_at is user.erased_after is None
    assert all(session.ended_at for session in rows(app, Session)[:-1])


@pytest.mark.requirement("RG-10")
def test_restoration_link_works_once(client, tokens):
    delete(client, tokens)
    token = read_token(client)

    assert restore(client, token).status_code == 204
    assert status_and_code(restore(client, token)) == (401, "invalid_code")


def test_restoration_link_of_an_earlier_deletion_does_not_undo_a_later_one(client, ada, tokens):
    delete(client, tokens)
    earlier = read_token(client)
    restore(client, earlier)
    delete(client, client.log_in(ada))

    assert status_and_code(restore(client, earlier)) == (401, "invalid_code")
    assert restore(client, read_token(client)).status_code == 204


@pytest.mark.requirement("RG-05")
def test_restoration_link_is_sent_however_often_a_thief_deletes_the_account(client, ada):
    """Four times in an hour: other notifications stop after three."""
    for _ in range(4):
        assert delete(client, client.log_in(ada)).status_code == 204
        assert restore(client, read_token(client)).status_code == 204


@pytest.mark.requirement("RG-05")
def test_restoration_link_goes_to_the_previous_address_that_reverts_its_change(client, tokens):
    """A thief changes the e-mail address first, so that the link of the deletion is theirs."""
    change_email(client, tokens)
    assert delete(client, tokens).status_code == 204
    thiefs = read_token(client, NEW_ADDRESS)

    revert = client.post("/auth/email/undo", {"token": read_revert_token(client)})

    assert revert.status_code == 204
    assert status_and_code(restore(client, thiefs)) == (401, "invalid_code")
    assert restore(client, read_token(client)).status_code == 204
    assert client.post("/auth/password/forgot", {"email": ADA}).status_code == 202
    assert list_templates(client, ADA)[-1] == "password_reset"


@pytest.mark.requirement("AZ-04")
def test_restoration_link_comes_by_no_revert_after_an_administrator_deleted_the_user(
    client, tokens, sign_in_as
):
    user_id = client.as_(tokens).get("/auth/me").json["id"]
    change_email(client, tokens)
    admin = sign_in_as("admin", email="root@example.com")
    admin.delete(f"/admin/users/{user_id}", headers={"If-Match": "*"})

    assert client.post("/auth/email/undo", {"token": read_revert_token(client)}).status_code == 204

    assert "notice_account_deleted" not in list_templates(client, ADA)


def test_restoration_link_ends_when_an_administrator_restores_the_user(
    client, ada, tokens, sign_in_as
):
    user_id = client.as_(tokens).get("/auth/me").json["id"]
    admin = sign_in_as("admin", email="root@example.com")
    delete(client, tokens)
    token = read_token(client)

    assert admin.post(f"/admin/users/{user_id}/restore", {"reason": "asked"}).status_code < 300

    assert status_and_code(restore(client, token)) == (401, "invalid_code")


@pytest.mark.requirement("AZ-04")
def test_last_administrator_cannot_delete_their_account(app, sign_in_as):
    admin = sign_in_as("admin", email="root@example.com")

    response = admin.delete("/auth/me")

    assert status_and_code(response) == (409, "last_administrator")
    assert rows(app, UserRow)[0].deleted_at is None


def test_administrator_can_restore_their_account(client, sign_in_as):
    sign_in_as("admin", email="helen@example.com")
    admin = sign_in_as("admin", email="root@example.com")
    assert admin.delete("/auth/me").status_code == 204

    assert restore(client, read_token(client, "root@example.com")).status_code == 204


@pytest.mark.stores
def test_deletion_happens_once_in_twenty_parallel_requests(app, client, tokens):
    responses = client.as_(tokens).in_parallel(20, "/auth/me", None, method="DELETE")

    assert sorted(each.status_code for each in responses) == [204] + [401] * 19
    assert len(audited(app, "user.deleted")) == 1


def test_deletion_by_cookie_deletes_the_cookies(browser_client, make_user):
    user = make_user()
    tokens = browser_client.log_in(user)

    response = browser_client.as_(tokens).delete("/auth/me")

    assert response.status_code == 204
    assert response.headers["Clear-Site-Data"] == '"cache", "storage"'


@pytest.mark.requirement("RG-12")
@pytest.mark.stores
def test_data_is_erased_after_the_grace_period(app, client, tokens, wait):
    user_id = UUID(client.as_(tokens).get("/auth/me").json["id"])
    delete(client, tokens)
    token = read_token(client)
    wait(days=29)
    with app.app_context():
        run_cleanup()
    assert rows(app, UserRow, id=user_id)

    wait(days=2)
    with app.app_context():
        run_cleanup()

    assert not rows(app, UserRow, id=user_id)
    assert status_and_code(restore(client, token)) == (401, "invalid_code")


def test_user_is_not_restored_once_the_data_may_be_erased(client, tokens, sign_in_as, wait):
    user_id = client.as_(tokens).get("/auth/me").json["id"]
    delete(client, tokens)
    wait(days=31)
    admin = sign_in_as("admin", email="root@example.com")

    response = admin.post(f"/admin/users/{user_id}/restore", {"reason": "asked"})

    assert status_and_code(response) == (409, "user_erased")
