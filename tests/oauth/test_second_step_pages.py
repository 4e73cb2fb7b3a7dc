"""The second step of a sign-in, enrolment and reauthentication, in a browser without scripts."""

import re
from urllib.parse import urlsplit

import pyotp
import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from models import OAuthClient, OAuthGrant, Session
from tests.captcha.conftest import solve_captcha
from tests.client import User
from tests.oauth.relying_party import answer_of
from tests.parallel import run_in_parallel
from tests.rows import audited, rows

SECRET = re.compile(r'<code id="secret">([A-Z2-7]+)</code>')
ESSENTIAL_AAL2 = '{"id_token": {"acr": {"essential": true, "value": "aal2"}}}'


@pytest.fixture
def ada(make_user, client):
    """A user with an authenticator app and recovery codes."""
    user = make_user(email="ada@example.com")
    client.log_in(user)
    client.enrol_totp(user)
    return user


@pytest.fixture
def disable_client(app):
    """Disable a client, as an operator does."""

    def disable(client_id):
        with app.app_context():
            change = sa.update(OAuthClient).where(OAuthClient.id == client_id)
            db.session.execute(change.values(enabled=False))
            db.session.commit()

    return disable


def path_of(page):
    return urlsplit(page.url).path


def enter_password(party, user, page):
    return party.browser.submit(page, {"identifier": user.email, "password": user.password})


def send_with_captcha(party, page, answer, **typed):
    """Send the sign-in form with an answer, as the script of the page does."""
    form = page.forms[0]
    fields = [(name, typed.get(name, value)) for name, value in form.fields]
    return party.browser.send(page, form, [*fields, ("captcha", answer)])


def form_to(page, action, **fields):
    """Return the one form of a page with this action and these hidden fields."""
    [form] = [
        form
        for form in page.forms
        if form.action == action and fields.items() <= form.values().items()
    ]
    return form


def is_back(party, page):
    return "code" in (answer_of(page, party.redirect_uri) or {})


@pytest.mark.requirement("OP-02")
def test_second_step_takes_the_code_of_the_app(app, relying_party, ada):
    page = enter_password(relying_party, ada, relying_party.start())
    wrong = relying_party.browser.submit(page, {"code": "000000"})
    back = relying_party.browser.submit(wrong, {"code": ada.totp()})

    assert path_of(page) == "/auth/sign-in"
    assert (wrong.response.status_code, rows(app, OAuthGrant)[:0]) == (401, [])
    assert is_back(relying_party, back)
    assert rows(app, OAuthGrant)[0].amr == ["pwd", "otp", "mfa"]


def test_recovery_code_completes_the_sign_in(relying_party, ada):
    page = enter_password(relying_party, ada, relying_party.start())

    form = form_to(page, "/auth/sign-in/factor")  # the only other one
    chosen = relying_party.browser.send(page, form, form.fields)
    back = relying_party.browser.submit(chosen, {"code": ada.recovery_codes[0]})

    assert 'inputmode="numeric"' in page.text
    assert 'inputmode="numeric"' not in chosen.text
    assert is_back(relying_party, back)


def test_each_of_two_apps_with_one_name_can_be_chosen(relying_party, client, ada):
    ada.tokens = client.renew(ada.tokens)
    client.enrol_totp(ada)

    page = enter_password(relying_party, ada, relying_party.start())

    chosen = form_to(page, "/auth/sign-in/code").values()["factor_id"]
    others = [form for form in page.forms if form.action == "/auth/sign-in/factor"]
    ids = {form.values().get("factor_id") for form in others} - {None}
    assert len(ids | {chosen}) == 3  # and the recovery codes


def test_code_that_is_sent_twice_leads_on_to_the_application(relying_party, ada):
    page = enter_password(relying_party, ada, relying_party.start())
    form = form_to(page, "/auth/sign-in/code")
    fields = [(name, value or ada.totp()) for name, value in form.fields]
    relying_party.browser.send(page, form, fields)

    again = relying_party.browser.send(page, form, fields)

    assert is_back(relying_party, again)


@pytest.mark.settings(GATEHOUSE_MFA="required")
def test_enrolment_that_the_policy_requires_ends_with_recovery_codes(app, relying_party, make_user):
    eve = make_user(email="eve@example.com")
    page = enter_password(relying_party, eve, relying_party.start())
    assert "Set up a second factor" in page.text
    assert rows(app, Session) == []

    form = form_to(page, "/auth/sign-in/enrolment", kind="totp")
    begun = relying_party.browser.send(page, form, form.fields)
    [secret] = SECRET.findall(begun.text)
    wrong = relying_party.browser.submit(begun, {"code": "000000"})
    shown = relying_party.browser.submit(wrong, {"code": pyotp.TOTP(secret).now()})

    assert (wrong.response.status_code, shown.response.status_code) == (401, 200)
    assert len(re.findall(r"<li>([^<]+)</li>", shown.text)) >= 8
    assert secret not in wrong.text + shown.text
    [following] = re.findall(r'href="(/auth/authorize\?request=[^"]+)"', shown.text)
    back = relying_party.browser.visit(relying_party.issuer + following)
    assert is_back(relying_party, back)
    assert [grant.acr for grant in rows(app, OAuthGrant)] == ["aal2"]


@pytest.mark.requirement("MF-12", "OP-02")
def test_session_whose_second_factor_is_too_old_steps_up(app, relying_party, ada, wait):
    relying_party.authorize(ada)
    wait(hours=25)

    refused = relying_party.read_answer(relying_party.start(prompt="none", claims=ESSENTIAL_AAL2))
    page = relying_party.start(claims=ESSENTIAL_AAL2)
    wrong = relying_party.browser.submit(page, {"code": "000000"})
    back = relying_party.browser.submit(wrong, {"code": ada.totp()})
    tokens = relying_party.exchange(relying_party.read_answer(back)["code"])

    assert refused["error"] == "interaction_required"
    assert (path_of(page), wrong.response.status_code) == ("/auth/confirm", 401)
    assert relying_party.read_tokens(tokens)["claims"]["acr"] == "aal2"
    assert len({grant.authorized_session_id for grant in rows(app, OAuthGrant)}) == 1


@pytest.mark.requirement("SE-06")
def test_disabled_user_signs_in_nowhere(app, sign_in_as, relying_party, make_user):
    admin, user = sign_in_as("admin", email="root@example.com"), make_user(email="eve@example.com")
    page = relying_party.start()
    consented = relying_party.authorize(user)
    [account] = admin.get("/admin/users", query_string={"q": "eve@example.com"}).json["items"]
    path = f"/admin/users/{account['id']}"
    assert admin.post(f"{path}/disable", {"reason": "left"}).status_code < 300

    shown = enter_password(relying_party, user, page)
    silent = relying_party.read_answer(relying_party.start(prompt="none"))
    redeemed = relying_party.exchange(consented["code"])

    assert (shown.response.status_code, "disabled" in shown.text) == (403, True)
    assert silent["error"] == "login_required"
    assert (redeemed.status_code, redeemed.json["error"]) == (400, "invalid_grant")
    assert {event.name for event in audited(app, "login.refused")} == {"login.refused"}


@pytest.mark.requirement("OA-18")
def test_consent_with_the_csrf_token_of_another_session_changes_nothing(
    app, make_relying_party, make_user
):
    shop = make_relying_party(consent="once")
    other = make_relying_party(shop.client)
    ada, eve = make_user(email="ada@example.com"), make_user(email="eve@example.com")
    page = enter_password(shop, ada, shop.start())
    foreign = enter_password(other, eve, other.start()).forms[0].values()["csrf_token"]
    form = page.forms[0]
    fields = [(name, foreign if name == "csrf_token" else value) for name, value in form.fields]

    answer = shop.browser.send(page, form, [*fields, ("decision", "accept")])

    assert answer.response.status_code == 403
    assert rows(app, OAuthGrant) == []


@pytest.mark.requirement("RL-02")
def test_wrong_passwords_on_the_page_lock_as_in_the_api(app, relying_party, make_user):
    user = make_user(email="ada@example.com")
    page = relying_party.start()
    for _ in range(12):
        page = relying_party.browser.submit(page, {"identifier": user.email, "password": "wrong"})

    right = enter_password(relying_party, user, page)

    assert (page.response.status_code, right.response.status_code) == (429, 429)
    assert "Too many" in right.text
    assert rows(app, Session) == []


def test_request_of_an_application_that_was_disabled_meanwhile_is_refused(
    app, relying_party, make_user, disable_client
):
    page = relying_party.start()
    disable_client("shop")

    shown = enter_password(relying_party, make_user(email="ada@example.com"), page)

    assert (shown.response.status_code, "disabled" in shown.text) == (400, True)
    assert rows(app, OAuthGrant) == []


@pytest.mark.stores
@pytest.mark.requirement("OA-18")
def test_consents_in_parallel_are_one(app, make_relying_party, make_user):
    party = make_relying_party(consent="once")
    page = enter_password(party, make_user(email="ada@example.com"), party.start())
    form = page.forms[0]
    data = dict([*form.fields, ("decision", "accept")])
    url = f"{party.issuer}{form.action}"

    def accept():
        return party.browser.open(url, data, "POST", Origin=party.issuer)

    pages = run_in_parallel(*[accept] * 20)

    assert {page.response.status_code for page in pages} == {303}
    assert len(rows(app, OAuthGrant)) == 20
    assert party.read_answer(party.start(prompt="none"))["code"]


@pytest.mark.requirement("OA-14")
def test_errors_have_the_mode_that_the_client_asks_for(relying_party):
    for mode in ("query", "fragment", "form_post"):
        page = relying_party.start(prompt="none", response_mode=mode)

        answer = relying_party.read_answer(page)
        assert answer["error"] == "login_required", mode


def test_user_that_claims_name_has_to_sign_in(relying_party, make_user, client):
    ada, eve = make_user(email="ada@example.com"), make_user(email="eve@example.com")
    subject = client.log_in(ada)["user"]["id"]
    claims = f'{{"id_token": {{"sub": {{"value": "{subject}"}}}}}}'
    relying_party.authorize(eve)

    silent = relying_party.read_answer(relying_party.start(prompt="none", claims=claims))
    page = relying_party.start(claims=claims)

    assert silent["error"] == "login_required"
    assert path_of(page) == "/login"
    assert is_back(relying_party, enter_password(relying_party, ada, page))


def test_person_without_a_request_comes_to_the_account(relying_party, make_user):
    user: User = make_user(email="ada@example.com")
    page = relying_party.browser.visit(f"{relying_party.issuer}/login")

    after = enter_password(relying_party, user, page)

    assert path_of(after) == "/account"


@pytest.mark.requirement("RL-08")
@pytest.mark.settings(GATEHOUSE_CAPTCHA_LOGIN="after_failures", GATEHOUSE_CAPTCHA_COST="5")
def test_captcha_on_the_page_is_solved_before_each_attempt_and_explained(
    app, client, relying_party, make_user
):
    ada, page = make_user(email="ada@example.com"), relying_party.start()
    assert "<noscript>" not in page.text
    for _ in range(3):
        page = relying_party.browser.submit(page, {"identifier": ada.email, "password": "wrong"})
    asked = enter_password(relying_party, ada, page)

    right = {"identifier": ada.email, "password": ada.password}
    answer = solve_captcha(client)
    wrong = send_with_captcha(relying_party, asked, answer, **right | {"password": "wrong"})
    again = send_with_captcha(relying_party, asked, answer, **right)
    back = send_with_captcha(relying_party, asked, solve_captcha(client), **right)

    assert (asked.response.status_code, "robot" in asked.text) == (403, True)
    for shown in (asked, wrong):
        assert 'data-captcha="login"' in shown.text
        assert "<noscript>" in shown.text
    assert (wrong.response.status_code, again.response.status_code) == (401, 403)
    assert is_back(relying_party, back)
    assert len(rows(app, Session)) == 1
