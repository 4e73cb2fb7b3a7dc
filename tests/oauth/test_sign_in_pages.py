"""The pages between an authorization request and its answer, as a browser without scripts."""

import re
from urllib.parse import urlsplit

import pytest

from models import OAuthConsent, OAuthGrant, PairwiseSubject, Session
from tests.parallel import run_in_parallel
from tests.rows import audited, rows

CONSENT = {"consent": "once"}


@pytest.fixture
def ada(make_user):
    return make_user(email="ada@example.com")


def path_of(page):
    return urlsplit(page.url).path


def sign_in_at(party, user, page):
    return party.browser.submit(page, {"identifier": user.email, "password": user.password})


def error_of(party, **parameters):
    return party.read_answer(party.start(**parameters))["error"]


@pytest.mark.requirement("OA-18", "OA-21")
def test_consent_says_who_asks_for_what_and_for_how_long(app, make_relying_party, ada):
    party = make_relying_party(**CONSENT, terms_uri="https://shop.example.com/terms")

    page = sign_in_at(party, ada, party.start())

    for text in (
        "Shop",
        "Read your e-mail address",
        "30 days",
        "shop.example.com/terms",
        ada.email,
    ):
        assert text in page.text, text
    assert page.response.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in page.response.headers["Content-Security-Policy"]
    assert page.response.headers["Cache-Control"] == "no-store"
    assert {status for method, _, status in party.browser.trail if method == "POST"} == {303}
    assert rows(app, OAuthGrant) == []


@pytest.mark.requirement("OA-18")
def test_consent_is_remembered_until_more_is_asked_for(app, make_relying_party, ada):
    party = make_relying_party(**CONSENT)
    party.authorize(ada, scope="openid email")

    again = party.authorize(scope="openid email")
    more = party.start(scope="openid email phone")
    asked_again = party.start(scope="openid email", prompt="consent")

    assert "code" in again
    assert (path_of(more), path_of(asked_again)) == ("/auth/consent", "/auth/consent")
    assert error_of(party, scope="openid email phone", prompt="none") == "consent_required"
    assert [sorted(row.scopes) for row in rows(app, OAuthConsent)] == [["email", "openid"]]


@pytest.mark.requirement("OA-18")
def test_unverified_client_asks_each_time_and_a_user_may_deny(app, make_relying_party, ada):
    party = make_relying_party(consent="always")
    party.authorize(ada)

    page = party.start()
    denied = party.read_answer(party.browser.submit(page, {}, "deny"))

    assert path_of(page) == "/auth/consent"
    assert denied["error"] == "access_denied"
    assert len(rows(app, OAuthGrant)) == 1


@pytest.mark.requirement("OA-18")
def test_consent_without_the_csrf_token_of_the_session_changes_nothing(
    app, make_relying_party, ada
):
    party = make_relying_party(**CONSENT)
    page = sign_in_at(party, ada, party.start())
    form = page.forms[0]
    target = f"{party.issuer}{form.action}"
    fields = [*form.fields, ("decision", "accept")]
    without = [(name, value) for name, value in fields if name != "csrf_token"]
    forged = [*without, ("csrf_token", "0" * 64)]

    for sent, origin in (
        (without, party.issuer),
        (forged, party.issuer),
        (fields, "https://e.example"),
        (fields, "null"),
    ):
        answer = party.browser.post(target, sent, origin)
        assert answer.response.status_code == 403, (sent, origin)

    assert rows(app, OAuthGrant) == rows(app, OAuthConsent) == []


@pytest.mark.settings(GATEHOUSE_SIGN_IN_FORM="identifier-first")
def test_password_is_asked_for_after_the_identifier_of_any_account(relying_party, ada):
    hinted = relying_party.start(login_hint=ada.email)
    first = relying_party.start()
    pages = [
        relying_party.browser.submit(first, {"identifier": identifier})
        for identifier in (ada.email, "eve@example.com")
    ]
    end = relying_party.browser.submit(pages[0], {"password": ada.password})

    assert "password" not in first.text.split("</form>")[0].lower()
    own, foreign = (re.sub(r"nonce-?=?\"?[\w-]+|value=\"[^\"]*\"", "", page.text) for page in pages)
    assert own == foreign
    assert "code" in relying_party.read_answer(end)
    assert ada.email in hinted.text
    assert 'name="password"' in hinted.text


@pytest.mark.settings(GATEHOUSE_PAGES="off", GATEHOUSE_FRONTEND_URL="https://front.example")
def test_without_pages_an_application_gets_an_error_instead_of_a_page(relying_party):
    assert error_of(relying_party) == "login_required"
    assert relying_party.browser.visit(f"{relying_party.issuer}/login").response.status_code == 404
    logout = relying_party.browser.visit(f"{relying_party.issuer}/oauth2/logout")
    assert "You are signed out" in logout.text


@pytest.mark.requirement("OP-02")
def test_prompt_none_shows_no_page(relying_party, ada):
    assert error_of(relying_party, prompt="none") == "login_required"
    relying_party.authorize(ada)

    assert "code" in relying_party.read_answer(relying_party.start(prompt="none"))
    assert error_of(relying_party, prompt="none", max_age=0) in ("login_required",)


@pytest.mark.requirement("OP-02")
def test_session_whose_access_cookie_expired_is_found(relying_party, ada, wait):
    relying_party.authorize(ada)
    wait(hours=1)

    assert "code" in relying_party.read_answer(relying_party.start(prompt="none"))


@pytest.mark.requirement("OP-02", "MF-12")
def test_prompt_login_authenticates_again_in_the_same_session(app, relying_party, ada, wait):
    first = relying_party.sign_in(ada)["claims"]
    wait(seconds=60)

    page = relying_party.start(prompt="login")
    wrong = relying_party.browser.submit(page, {"password": "wrong"})
    back = relying_party.browser.submit(wrong, {"password": ada.password})
    second = relying_party.read_tokens(
        relying_party.exchange(relying_party.read_answer(back)["code"])
    )["claims"]

    assert path_of(page) == "/auth/confirm"
    assert wrong.response.status_code == 401
    assert second["auth_time"] >= first["auth_time"] + 60
    assert (second["sub"], second["sid"]) == (first["sub"], first["sid"])
    assert len(rows(app, Session)) == 1


@pytest.mark.requirement("OP-02")
def test_max_age_asks_again_only_when_the_sign_in_is_older(relying_party, ada, wait):
    relying_party.authorize(ada)
    wait(seconds=120)

    assert "code" in relying_party.read_answer(relying_party.start(max_age=10_000))
    assert path_of(relying_party.start(max_age=60)) == "/auth/confirm"


@pytest.mark.requirement("OP-02")
def test_hint_names_the_user_who_has_to_sign_in(relying_party, make_user, ada):
    hint = relying_party.sign_in(ada)["id_token"]
    eve = make_user(email="eve@example.com")

    assert "code" in relying_party.authorize(prompt="none", id_token_hint=hint)
    relying_party.browser.cookies.clear()
    relying_party.authorize(eve)
    assert error_of(relying_party, prompt="none", id_token_hint=hint) == "login_required"
    page = relying_party.start(id_token_hint=hint)
    assert path_of(page) == "/login"
    answer = relying_party.read_answer(sign_in_at(relying_party, eve, page))
    assert answer["error"] == "login_required"


@pytest.mark.requirement("OP-02")
def test_hint_of_another_client_or_changed_is_refused(make_relying_party, ada):
    shop, other = make_relying_party(), make_relying_party(id="other", name="Other")
    hint = shop.sign_in(ada)["id_token"]
    head, body, tail = hint.split(".")

    assert error_of(other, id_token_hint=hint) == "invalid_request"
    for wrong in (f"{head}.{body[:-2]}AA.{tail}", f"{head}.{body}.", f"{head}.{body}.{tail[::-1]}"):
        assert error_of(shop, prompt="none", id_token_hint=wrong) == "invalid_request"
    assert "code" in shop.authorize(prompt="none", id_token_hint=hint)


@pytest.mark.requirement("OP-02")
def test_hints_fill_in_the_form_and_choose_the_language(relying_party):
    page = relying_party.start(login_hint="ada@example.com", ui_locales="de")

    assert page.forms[0].values()["identifier"] == "ada@example.com"
    assert 'lang="de"' in page.text


@pytest.mark.requirement("OP-02")
def test_select_account_offers_the_account_and_another_one(relying_party, ada):
    relying_party.authorize(ada)

    page = relying_party.start(prompt="select_account")

    assert (path_of(page), "ada@example.com" in page.text) == ("/auth/choose-account", True)
    assert "code" in relying_party.read_answer(relying_party.browser.submit(page, {}))
    other = '{"id_token": {"sub": {"value": "x"}}}'
    assert error_of(relying_party, prompt="none", claims=other) == "login_required"


@pytest.mark.requirement("OP-02")
def test_create_leads_to_the_registration(relying_party):
    page = relying_party.start(prompt="create")

    assert path_of(page) == "/register"
    assert page.response.status_code == 200


@pytest.mark.requirement("MF-12", "OP-02")
def test_level_is_reached_by_a_second_factor_or_refused(make_relying_party, client, ada, make_user):
    party, weak = make_relying_party(), make_user(email="eve@example.com")
    client.log_in(ada)
    client.enrol_totp(ada)

    tokens = party.sign_in(ada, acr_values="aal2")
    essential = '{"id_token": {"acr": {"essential": true, "value": "aal2"}}}'
    party.browser.cookies.clear()
    refused = party.authorize(weak, claims=essential)

    assert (tokens["claims"]["acr"], "otp" in tokens["claims"]["amr"]) == ("aal2", True)
    assert refused["error"] == "unmet_authentication_requirements"


def test_sealed_request_that_is_changed_or_old_is_refused_kindly(relying_party, wait):
    page = relying_party.start()
    sealed = page.forms[0].values()["request"]
    for wrong in (sealed[:-1], f"{sealed[:-4]}AAAA", "x", "%00", sealed * 20):
        shown = relying_party.browser.visit(f"{relying_party.issuer}/login?request={wrong}")
        assert (shown.response.status_code, shown.response.mimetype) == (400, "text/html"), wrong
    wait(hours=2)

    old = relying_party.browser.visit(f"{relying_party.issuer}/login?request={sealed}")

    assert (old.response.status_code, "took too long" in old.text) == (400, True)


def test_session_that_ended_between_the_pages_gives_no_code(app, make_relying_party, client, ada):
    party = make_relying_party(**CONSENT)
    page = sign_in_at(party, ada, party.start())
    client.as_(client.log_in(ada)).post("/auth/logout", {"scope": "others"})

    after = party.browser.submit(page, {})

    assert path_of(after) == "/login"
    assert rows(app, OAuthGrant) == []


def test_wrong_password_is_shown_on_the_form_and_opens_no_session(app, relying_party, ada):
    page = relying_party.start()
    wrong = relying_party.browser.submit(page, {"identifier": ada.email, "password": "wrong"})

    assert (wrong.response.status_code, path_of(wrong)) == (401, "/auth/sign-in")
    assert wrong.forms[0].values()["identifier"] == ada.email
    assert "wrong" not in str(wrong.forms[0].values().get("password", ""))
    assert [event.name for event in audited(app, "login.failed")] == ["login.failed"]
    assert rows(app, Session) == []


@pytest.mark.stores
def test_parallel_approvals_each_get_a_code_and_share_one_subject(app, make_relying_party, ada):
    party = make_relying_party(subject_type="pairwise", sector="shop.example.com")
    sign_in_at(party, ada, party.start())
    url = party.authorization_url(prompt="none")

    pages = run_in_parallel(*[lambda: party.browser.open(url)] * 20)

    assert all("code=" in page.response.headers["Location"] for page in pages)
    grants = rows(app, OAuthGrant)
    assert len({grant.subject for grant in grants}) == len(rows(app, PairwiseSubject)) == 1
    assert len({grant.sid for grant in grants}) == 1
