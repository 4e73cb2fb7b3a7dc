"""Lost factors: what an operator announces, the owner can stop, and a mailbox alone never does."""

import pytest

from gatehouse.database.session import db
from gatehouse.mfa import reset
from gatehouse.operations import cleanup
from gatehouse.web.request_context import NOBODY
from models import Challenge, Credential, Session
from tests.account.conftest import (
    ADA,
    NEW,
    NEW_ADDRESS,
    NUMBER,
    change_email,
    mails,
    prove_phone,
    reset_mail,
    templates,
    undo_token,
)
from tests.account.conftest import reset as choose_password
from tests.client import PASSWORD
from tests.letters import letter, token_of
from tests.rows import audited, rows
from tests.together import at_once

STOP = "/auth/mfa/reset/cancel"


@pytest.fixture
def ada(client, make_user):
    """Ada, whose app is lost and who is signed in where it was not needed."""
    user = make_user(email=ADA, factors=["totp"])
    client.second_step(user, client.log_in(user))
    return user


def announce(app, address=ADA):
    return app.test_cli_runner().invoke(args=["users", "reset-mfa", address])


def keep_house(app):
    with app.app_context():
        cleanup.purge()


def stop_token(client):
    return token_of(mails(client, ADA, "notice_mfa_reset")[0]["link"])


def is_asked(client, user):
    return client.log_in(user)["status"] == "mfa_required"


@pytest.mark.requirement("RG-05")
def test_the_fourth_announcement_of_an_hour_comes_with_its_link_too(client, app, ada):
    for _ in range(4):
        assert announce(app).exit_code == 0
        stopped = client.post(STOP, {"token": stop_token(client)})
        assert stopped.status_code == 204

    assert len(mails(client, ADA, "notice_mfa_reset")) == 4


@pytest.mark.stores
@pytest.mark.requirement("MF-09")
def test_the_factors_go_when_the_delay_is_over_and_not_before(app, client, ada, wait):
    tokens = ada.tokens
    assert announce(app).exit_code == 0
    wait(hours=23, minutes=59)
    keep_house(app)
    assert is_asked(client, ada)

    wait(minutes=2)
    keep_house(app)

    assert rows(app, Credential) == []
    assert client.log_in(ada)["status"] == "authenticated"
    assert client.refresh(tokens).status_code == 401
    assert {row.end_reason for row in rows(app, Session) if row.ended_at} == {"mfa_reset"}
    assert audited(app, "factor.reset")[0].details["kinds"] == ["recovery_codes", "totp"]
    assert "notice_factor_removed" in templates(client, ADA)


def test_a_device_that_was_remembered_is_not_any_more(app, client, make_user, wait):
    user = make_user(email=ADA, factors=["totp"])
    tokens = client.second_step(user, client.log_in(user), remember_device=True)
    announce(app)
    wait(days=1, seconds=1)
    keep_house(app)

    fresh = client.log_in(user)
    client.enrol_totp(user)

    headers = {"X-Device-Token": tokens["device_token"]}
    form = {"identifier": ADA, "password": PASSWORD}
    assert fresh["status"] == "authenticated"
    assert client.post("/auth/login", form, headers=headers).json["status"] == "mfa_required"


@pytest.mark.requirement("RG-05")
def test_the_owner_hears_of_it_at_every_address_and_number(app, client, ada):
    prove_phone(client, ada.tokens)
    change_email(client, ada.tokens)

    announce(app, NEW_ADDRESS)

    told = [mails(client, to, "notice_mfa_reset") for to in (ADA, NEW_ADDRESS)]
    assert [len(found) for found in told] == [1, 1]
    assert told[0][0]["link"].startswith("http://localhost:8000/cancel-mfa-reset/")
    assert "second factor" in mails(client, NUMBER, "sms_notice")[0]["what"]


@pytest.mark.stores
@pytest.mark.requirement("RG-04")
def test_the_owner_stops_it_with_the_link_once(app, client, ada, wait):
    announce(app)
    token = stop_token(client)

    answers = client.in_parallel(20, STOP, {"token": token})

    assert sorted(answer.status_code for answer in answers) == [204] + [401] * 19
    wait(days=2)
    keep_house(app)
    assert is_asked(client, ada)
    assert len(audited(app, "factor.reset_cancelled")) == 1
    assert announce(app).exit_code == 0  # which the operator may try again


def test_the_owner_stops_it_where_a_factor_was_just_proved(app, client, ada, wait):
    announce(app)

    answers = [client.as_(ada.tokens).delete("/auth/mfa/reset") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 401]
    wait(days=2)
    keep_house(app)
    assert is_asked(client, ada)


def test_who_has_not_proved_a_factor_lately_cannot_stop_it_without_the_link(app, client, ada, wait):
    announce(app)
    wait(minutes=9, seconds=58)
    tokens = client.renew(ada.tokens)
    wait(minutes=1)

    answer = client.as_(tokens).delete("/auth/mfa/reset")

    assert answer.json["code"] == "insufficient_user_authentication"


@pytest.mark.stores
def test_twenty_at_once_are_announced_and_done_once(app, client, ada, wait):
    def ask():
        with app.app_context():
            try:
                reset.ask(ADA, NOBODY)
                db.session.commit()
            except LookupError:
                db.session.rollback()
                return 0
            return 1

    assert sum(at_once(*[ask] * 20)) == 1
    wait(days=1, seconds=1)
    [row] = rows(app, Challenge, purpose=reset.PURPOSE)

    def finish():
        with app.app_context():
            return reset.finish(row.id, NOBODY)

    assert sum(at_once(*[finish] * 20)) == 1
    assert len(audited(app, "factor.reset")) == 1
    assert client.post(STOP, {"token": stop_token(client)}).status_code == 401


def test_nothing_is_announced_where_there_is_nothing_to_take(app, client, make_user):
    make_user(email=ADA)

    outputs = [announce(app, address).output for address in (ADA, "nobody@example.com")]

    assert outputs == [
        "Error: ada@example.com has no second factor.\n",
        "Error: nobody@example.com has no account.\n",
    ]
    assert rows(app, Challenge, purpose=reset.PURPOSE) == []


def test_a_new_password_does_not_undo_what_was_announced(app, client, ada, wait):
    """Who lost everything resets the password meanwhile, too."""
    announce(app)
    choose_password(client, token=reset_mail(client)["token"])
    wait(days=1, seconds=1)
    keep_house(app)

    ada.password = NEW
    assert client.log_in(ada)["status"] == "authenticated"


@pytest.mark.requirement("MF-09")
@pytest.mark.settings(GATEHOUSE_MFA_RESET_DELAY="0")
def test_without_a_delay_they_go_at_once(app, client, ada):
    assert announce(app).exit_code == 0
    assert client.log_in(ada)["status"] == "authenticated"


def test_the_page_of_the_link_says_when(app, client, ada):
    announce(app)
    path = mails(client, ADA, "notice_mfa_reset")[0]["link"].partition("8000")[2].partition("#")[0]

    pages = [client.get(path, headers={"Accept-Language": tag}) for tag in ("en", "de")]

    assert [page.status_code for page in pages] == [200, 200]
    assert "They will be removed on" in pages[0].text
    assert "Ihre zweiten Faktoren sollen entfernt werden" in pages[1].text
    assert "Abgebrochen" in pages[1].text
    assert client.post(STOP, {"token": stop_token(client)}).status_code == 204
    assert client.get(path).status_code == 404


@pytest.mark.requirement("RG-04")
def test_a_mailbox_alone_never_removes_a_factor(app, client, ada):
    """Reset, link, change of address and undo: each way still meets the second step."""
    before = [row.id for row in rows(app, Credential)]

    def by_mail():
        asked = client.post("/auth/login/link", {"email": ADA}).json["login_token"]
        form = {"login_token": asked, "code": letter(client, ADA)["code"]}
        return client.post("/auth/login/link/verify", form).json["status"]

    met = [by_mail()]
    change_email(client, ada.tokens)
    assert client.post("/auth/email/undo", {"token": undo_token(client)}).status_code == 204
    met.append(by_mail())
    assert choose_password(client, token=reset_mail(client)["token"]).status_code == 204
    ada.password = NEW
    met += [client.log_in(ada)["status"], by_mail()]

    assert met == ["mfa_required"] * 4
    assert [row.id for row in rows(app, Credential)] == before
    refused = client.post("/auth/mfa/factors", {"kind": "totp"})
    assert refused.status_code == 401


@pytest.mark.requirement("RG-04")
def test_an_old_mailbox_does_not_remove_what_replaced_a_lost_factor(app, client, ada, wait):
    """The new phone was set up by proving the old one, so it is the owner's."""
    change_email(client, ada.tokens)
    [old] = rows(app, Credential, kind="totp")
    wait(seconds=30)
    client.enrol_totp(ada, "New phone")
    ada.tokens = client.renew(ada.tokens)
    removed = client.as_(ada.tokens).delete(f"/auth/mfa/factors/{old.id}")
    assert removed.status_code == 204

    assert client.post("/auth/email/undo", {"token": undo_token(client)}).status_code == 204
    assert choose_password(client, token=reset_mail(client)["token"]).status_code == 204

    ada.password = NEW
    assert is_asked(client, ada)
