"""Every form of the account pages: what it does, and who may send it."""

import re

import pytest
import sqlalchemy as sa

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.database.session import db
from gatehouse.users import profile_schema_store
from gatehouse.web.request_context import NO_REQUEST
from models import Device, OAuthClient, OAuthConsent, Session
from models import User as UserRow
from tests.oauth.conftest import add_row, client_columns
from tests.oauth.grants import authorize_grant
from tests.pages.account.conftest import ORIGIN, path_of, status_of
from tests.rows import audited, rows

SOME_ID = "01900000-0000-7000-8000-000000000000"


def forms(app):
    """Return the paths of all forms of the account pages, each with an id of nothing."""
    return sorted(
        re.sub(r"<uuid:\w+>", SOME_ID, rule.rule).removeprefix("/auth/account/")
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/auth/account/") and "POST" in rule.methods
    )


def test_form_without_a_session_leads_to_the_sign_in(app, new_browser):
    for form in forms(app):
        shown = new_browser().post(f"{ORIGIN}/auth/account/{form}", {}, ORIGIN)

        assert path_of(shown) == "/login", form


@pytest.mark.requirement("SE-12")
def test_form_of_another_session_or_another_site_changes_nothing(app, new_browser, make_user):
    ada, eve = new_browser(), new_browser()
    ada.sign_in(make_user())
    eve.sign_in(make_user())
    token = eve.token()
    before = [(one.id, one.ended_at) for one in rows(app, Session)]

    for form in forms(app):
        for given in ({"csrf_token": token}, {}, {"csrf_token": ""}):
            refused = ada.post(f"{ORIGIN}/auth/account/{form}", given, ORIGIN)
            assert refused.response.status_code == 403, form
        given = {"csrf_token": ada.token()}
        refused = ada.post(f"{ORIGIN}/auth/account/{form}", given, "https://evil.example")
        assert refused.response.status_code == 403, form
    assert [(one.id, one.ended_at) for one in rows(app, Session)] == before


def test_forms_work_with_an_expired_access_cookie(app, account, make_user):
    account.sign_in(make_user())
    token = account.token()
    account.forget("access")

    shown = account.post(
        f"{ORIGIN}/auth/account/profile", {"csrf_token": token, "name": "Ada"}, ORIGIN
    )

    assert status_of(shown) == "Your changes are saved."
    assert rows(app, UserRow)[0].name == "Ada"


def test_id_of_another_user_is_like_one_that_does_not_exist(app, new_browser, make_user):
    ada, eve = new_browser(), new_browser()
    ada.sign_in(make_user())
    eve.sign_in(make_user())
    foreign = str(rows(app, Session)[0].id)

    for form in [form for form in forms(app) if SOME_ID in form]:
        answers = {
            (shown.response.status_code, status_of(shown))
            for one in (SOME_ID, foreign)
            for shown in [eve.send_form(form.replace(SOME_ID, one))]
        }
        assert {status for status, _ in answers} <= {404, 401}, form
        assert len(answers) == 1, form
    assert [one.ended_at for one in rows(app, Session)] == [None, None]


def test_profile_form_changes_and_clears_fields_and_keeps_what_was_typed(app, account, make_user):
    make_user(username="taken")
    account.sign_in(make_user())

    taken = account.send_form("profile", name="Ada", username="taken", locale="de")
    wrong = account.send_form("profile", name="Ada", username="a b")
    saved = account.send_form("profile", name="Ada", username="ada", locale="de")
    cleared = account.send_form("profile", name="", username="ada", locale="")

    assert (taken.response.status_code, 'value="taken"' in taken.text) == (409, True)
    assert (wrong.response.status_code, 'aria-invalid="true"' in wrong.text) == (422, True)
    assert status_of(saved) == "Ihre Änderungen sind gespeichert."  # in the language just chosen
    assert status_of(cleared) == "Your changes are saved."
    [user] = rows(app, UserRow, username="ada")
    assert (user.name, user.locale) == (None, None)


def test_profile_page_has_the_operators_attributes(app, account, make_user):
    both = {"x-gatehouse": {"read": ["user", "administrator"], "write": ["user"]}}
    readable = {"x-gatehouse": {"read": ["user"]}}
    attributes = {
        "nickname": {"type": "string", "maxLength": 20, "title": "Nickname", **both},
        "size": {"enum": ["S", "M"], **both},
        "age": {"type": "integer", "minimum": 18, **both},
        "member": {"type": "boolean", **both},
        "team": {"type": "string", **readable},
        "note": {"type": "string"},
    }
    with app.app_context():
        schema = {"type": "object", "properties": attributes}
        profile_schema_store.replace_schema(schema, NO_REQUEST)
        db.session.commit()
    user = make_user()
    account.sign_in(user)
    page = account.page("profile")
    given = {
        "nickname": "Ace",
        "size": "M",
        "age": "36",
        "member": "true",
        "team": "A",
        "note": "x",
    }

    saved = account.send_form(
        "profile", **{f"attributes.{name}": value for name, value in given.items()}
    )
    wrong = account.send_form("profile", **{"attributes.age": "7"})
    removed = account.send_form("profile", **{"attributes.nickname": ""})

    names = set(re.findall(r'name="attributes\.(\w+)"', page.text))
    assert names == {"nickname", "size", "age", "member"}
    assert status_of(saved) == status_of(removed) == "Your changes are saved."
    assert (wrong.response.status_code, 'value="7"' in wrong.text) == (422, True)
    [row] = rows(app, UserRow, email=user.email)
    assert row.attributes == {"size": "M", "age": 36, "member": True}


def test_sessions_are_listed_and_ended(app, account, client, make_user):
    user = make_user()
    for _ in range(3):
        newest = client.log_in(user)
    add_row(app, OAuthClient(**client_columns()))
    authorize_grant(app, "shop", newest["access_token"])
    account.sign_in(user)
    page = account.page("sessions")
    first = str(rows(app, Session)[0].id)

    one = account.send_form(f"sessions/{first}/end", "sessions")
    again = account.send_form(f"sessions/{first}/end", "sessions")
    rest = account.send_form("sessions/end-others", "sessions")

    assert page.text.count("this session") == 1
    assert page.text.count("Applications: Shop") == 1
    assert page.text.count('/end"') == 3
    assert (status_of(one), again.response.status_code) == ("That session has ended.", 404)
    assert status_of(rest) == "All your other sessions have ended."
    reasons = [row.end_reason for row in rows(app, Session)]
    assert reasons == ["ended_by_user", "logout_others", "logout_others", None]


def test_remembered_device_is_forgotten(app, account, client, make_user):
    user = make_user(factors=["totp"])
    challenge = client.log_in(user)
    client.complete_mfa(user, challenge, remember_device=True)
    user.secret = ""
    form = {"code": user.recovery_codes[0]}
    account.submit(choose_recovery_code(account, user), form)
    [device] = [row for row in rows(app, Device) if row.remembered_until]

    shown = account.send_form(f"devices/{device.id}/forget", "sessions")

    assert status_of(shown) == "That device asks for your second factor again."
    assert [row.remembered_until for row in rows(app, Device) if row.remembered_until] == []
    assert len(audited(app, "factor.device_trust_revoked")) == 1


def choose_recovery_code(account, user):
    """Return the page of the second step that asks for a recovery code."""
    page = account.sign_in(user, "sessions")
    [form] = [one for one in page.forms if one.action == "/auth/sign-in/factor"]
    return account.send(page, form, form.fields)


def test_access_of_an_application_is_revoked(app, account, make_user):
    user = make_user()
    with app.app_context():
        db.session.add(OAuthClient(**client_columns(name="Shop & Co")))
        db.session.flush()
        owner = db.session.scalar(sa.select(UserRow.id).where(UserRow.email == user.email))
        consent = {"scopes": ["email"], "resources": [], "client_id": "shop"}
        db.session.add(OAuthConsent(user_id=owner, **consent))
        db.session.commit()
    account.sign_in(user)
    page = account.page("applications")
    [form] = [one for one in page.forms if "/applications/" in one.action]

    shown = account.send(page, form, form.fields)
    again = account.send(page, form, form.fields)

    assert "Shop &amp; Co" in page.text
    assert "Read your e-mail address" in page.text
    assert status_of(shown) == "That application no longer has access to your account."
    assert again.response.status_code == 404
    assert rows(app, OAuthConsent) == []


def test_history_is_in_plain_words_and_leads_on_to_older_entries(app, account, make_user):
    account.sign_in(make_user())
    user_id = rows(app, UserRow)[0].id
    with app.app_context():
        for _ in range(51):
            record(events.Login.FAILED, NO_REQUEST, user_id=user_id)
        db.session.commit()

    page = account.page("history")
    [older] = re.findall(r'href="(/account/history\?cursor=[^"]+)"', page.text)

    assert page.text.count("A sign-in failed: the password was wrong.") >= 4
    assert account.visit(ORIGIN + older).response.status_code == 200
    forged = account.visit(f"{ORIGIN}/account/history?cursor=forged")
    assert forged.text.count("<time") == page.text.count("<time")
