"""Every page, found in the URL map: its policy, its forms, its fields, and what is in its URLs."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import cycle
from urllib.parse import urlencode, urljoin, urlsplit

import pytest

from tests.client import User
from tests.oauth.form_browser import FormBrowser

SOME_ID = "01890000-0000-7000-8000-000000000000"
NOT_FOR_PEOPLE = re.compile(r"/assets/.*|/dev/mailbox.*|/docs|/errors|/csp-reports")
UNTYPED = {"hidden", "submit", "button", "checkbox", "radio"}
LOGIN_FORMS = re.compile(r"/auth/sign-in.*|/login.*|/register.*|/forgot-password.*|/mfa-recovery.*")
"""Forms that work without a session: the origin of the request protects them.

Forms without an action are those of scripts, which send them to the API."""
ADDRESSES = ("page", "next", "return_to", "redirect_uri", "post_logout_redirect_uri")
ADDRESSES += ("continue", "url", "target_link_uri", "r", "done", "ui_locales", "login_hint")
"""Parameters that name an address or a page, here or at other services."""
HOSTILE = (
    *(
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/%5Cevil.example",
        "https:evil.example",
    ),
    *("https:///evil.example", "https://localhost:8000@evil.example", "///evil.example/%2e%2e"),
    *("/\tevil.example", "/\t/evil.example", "\n//evil.example", "//evil.example\r\nX: y"),
    *("javascript:alert(1)//evil.example", "data:text/html,evil.example", "%2f%2fevil.example"),
    *("https://localhost:8000.evil.example", "//evil\u3002example", "\u2025//evil.example"),
    *("/account//evil.example", ".evil.example", "@evil.example", ":@evil.example/"),
)
INLINE = re.compile(r"<style|\sstyle=|\son\w+=|javascript:", re.IGNORECASE)
LOADING = ("script", "img", "source", "iframe", "audio", "video", "link", "object", "embed")
HEADERS = {
    "X-Frame-Options": "DENY".__eq__,
    "Cache-Control": "no-store".__eq__,
    "X-Content-Type-Options": "nosniff".__eq__,
    "Referrer-Policy": ("no-referrer", "same-origin").__contains__,
}
AUTOCOMPLETE = {
    *("off", "username", "username webauthn", "email", "tel", "name", "one-time-code"),
    *("current-password", "new-password", "language", "given-name", "family-name", "nickname"),
}


class Elements(HTMLParser):
    """The elements of a page, each with the form that it is in."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def all(self, *tags):
        return [attributes for tag, attributes in self.found if tag in tags]


def list_rules(app):
    """Return the GET rules of pages for people."""
    return {
        rule.rule
        for rule in app.url_map.iter_rules()
        if app.view_functions[rule.endpoint].__module__.startswith("gatehouse.pages")
        and "GET" in rule.methods
        and not NOT_FOR_PEOPLE.fullmatch(rule.rule)
    }


def is_page(response):
    return response.mimetype == "text/html" and response.status_code in (200, 400, 404, 422)


def collect(app, browser, query=""):
    """Yield every rule and what it shows to this browser."""
    for rule in sorted(list_rules(app)):
        yield rule, browser.open(browser.origin + path_of(rule) + query)


def path_of(rule):
    """Return a path that fits a rule."""
    return re.sub(r"<[^>]*>", lambda found: SOME_ID if "uuid" in found[0] else "profile", rule)


@pytest.fixture
def browsers(app, make_relying_party, make_user):
    """Browsers by the name of their state, each with the query of its sign-in."""
    make_user(email="ada@example.com")
    party = make_relying_party(consent="once")
    sealed = party.browser.visit(party.authorization_url())
    signed_in = make_relying_party(party.client)
    page = signed_in.browser.visit(signed_in.authorization_url())
    ada = User("ada@example.com")
    consent = signed_in.browser.submit(page, {"identifier": ada.email, "password": ada.password})
    anonymous = make_relying_party(party.client).browser
    return {
        "anonymous": (anonymous, ""),
        "anonymous, for an application": (party.browser, f"?{urlsplit(sealed.url).query}"),
        "signed in": (signed_in.browser, ""),
        "signed in, for an application": (signed_in.browser, f"?{urlsplit(consent.url).query}"),
    }


@pytest.fixture
def pages(app, browsers):
    """All pages in all states: the state, the rule and the page."""
    answers = [
        (state, rule, answer)
        for state, (browser, query) in browsers.items()
        for rule, answer in collect(app, browser, query)
    ]
    found = [item for item in answers if is_page(item[2].response)]
    shown = {rule for _, rule, _ in found}
    for _, rule, answer in answers:
        assert rule in shown or answer.redirects(), f"{rule} shows no page that can be tested"
    return found


def find_policy_faults(page):
    """Yield what is wrong with the headers of a page, and with what it loads."""
    policy = page.response.headers["Content-Security-Policy"]
    nonce = re.search(r"script-src 'nonce-([\w-]{43})';", policy)
    expected = ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'")
    yield from (f"without {directive}" for directive in expected if directive not in policy)
    if not nonce or "unsafe-" in policy or INLINE.search(page.text):
        yield "scripts or styles inline"
    headers = page.response.headers
    yield from (
        f"{name} is {headers[name]}" for name in HEADERS if not HEADERS[name](headers[name])
    )
    elements = Elements(page.text)
    loaded = [a.get("src") or a.get("href") or "" for a in elements.all(*LOADING)]
    yield from (f"loads {url}" for url in loaded if urlsplit(url).netloc)
    scripts = elements.all("script")
    yield from (f"no nonce: {a}" for a in scripts if not nonce or a.get("nonce") != nonce[1])


def find_field_faults(page):
    """Yield what hinders password managers, phones and pasting (PW-14)."""
    for attributes in Elements(page.text).all("input"):
        kind, name = attributes.get("type", "text"), attributes.get("name", "")
        autocomplete = attributes.get("autocomplete", "")
        if kind in UNTYPED:
            continue
        if autocomplete not in AUTOCOMPLETE:
            yield f"autocomplete of {name} is {autocomplete!r}"
        is_secret = autocomplete.endswith("-password")
        if is_secret != (kind == "password"):
            yield f"type of {name} is {kind} with {autocomplete}"
        if is_secret and (attributes.get("value") or int(attributes.get("maxlength", "64")) < 64):
            yield f"{name} has a value, or is too short for a password manager"
        if autocomplete == "one-time-code" and not {"inputmode", "autocapitalize"} & {*attributes}:
            yield f"no keyboard of a phone for {name}"
        if any(key.startswith("on") for key in attributes):
            yield f"a handler of {name}, which may hinder pasting"


def urls_of(page):
    """Return all addresses in the elements of a page."""
    found = Elements(page.text).found
    return [
        given[name] for _, given in found for name in ("href", "src", "action") if name in given
    ]


def find_url_faults(page, secrets):
    """Yield URLs of the page that have a credential, and forms that would put one into a URL."""
    yield from (url for url in urls_of(page) if any(secret in url for secret in secrets))
    for attributes in Elements(page.text).all("form"):
        if attributes.get("method", "").lower() != "post":
            yield f"a form with {attributes.get('method')}"
        if not urljoin(page.url, attributes.get("action", "")).startswith("http://localhost:8000/"):
            yield f"a form to {attributes['action']}"


@pytest.mark.requirement("PW-14", "AP-05")
def test_every_page_is_strict_fits_password_managers_and_has_no_credential_in_a_url(
    browsers, pages
):
    secrets = {
        value for browser, _ in browsers.values() for value, _ in browser.cookies.values() if value
    }

    faults = {}
    for state, rule, page in pages:
        found = [*find_policy_faults(page), *find_field_faults(page)]
        found += find_url_faults(page, secrets)
        if found:
            faults[f"{rule} {state}"] = found

    assert faults == {}
    assert len(pages) > 40
    assert len(secrets) >= 3


@pytest.mark.requirement("SE-10")
def test_every_form_of_a_signed_in_user_needs_its_csrf_token(browsers, pages):
    browser, _ = browsers["signed in"]
    forms = {
        form.action: (page, form)
        for state, _, page in pages
        if state.startswith("signed in")
        for form in page.forms
        if form.action and not LOGIN_FORMS.fullmatch(urlsplit(form.action).path)
    }

    for action, (page, form) in forms.items():
        assert "csrf_token" in form.values(), action
        for token in ("", "0" * 64):
            fields = form.values() | {"csrf_token": token}
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = browser.open(urljoin(page.url, action), fields, "POST", **headers)
            assert answer.response.status_code == 403, (action, token)
    assert len(forms) >= 2


@pytest.mark.requirement("PW-14")
def test_answers_to_empty_forms_have_the_same_fields_and_policy(browsers, pages):
    browser, _ = browsers["anonymous"]
    forms = {
        form.action: (page, form)
        for state, _, page in pages
        if state == "anonymous"
        for form in page.forms
        if form.action
    }

    for action, (page, form) in forms.items():
        answer = browser.send(page, form, [])
        if answer.response.mimetype == "text/html":
            found = [*find_policy_faults(answer), *find_field_faults(answer)]
            assert found == [], action
    assert "/auth/sign-in" in forms


def test_pages_that_need_a_token_in_their_form_show_it_in_no_url(client, make_user, relying_party):
    ada = make_user(email="ada@example.com")
    client.log_in(ada)
    client.enrol_totp(ada)
    browser: FormBrowser = relying_party.browser
    page = browser.visit(relying_party.authorization_url())

    second = browser.submit(page, {"identifier": ada.email, "password": ada.password})

    [token] = set(re.findall(r'name="mfa_token" value="([^"]+)"', second.text))
    assert [*find_policy_faults(second), *find_field_faults(second)] == []
    assert [*find_url_faults(second, {token, ada.password})] == []
    assert token not in second.url


def leads_elsewhere(browser, answer):
    """Return whether a browser would leave the service, as it resolves addresses (URL standard)."""
    location = answer.response.headers.get("Location", "")
    cleaned = re.sub(r"[\t\r\n]", "", location).strip().replace("\\", "/")
    return bool(cleaned) and not browser.is_here(urljoin(answer.url, cleaned))


@pytest.mark.requirement("GW-05")
def test_no_parameter_of_any_page_leads_or_links_to_another_site(app, browsers):
    for value, state in zip(HOSTILE, cycle(("anonymous", "signed in")), strict=False):
        browser, _ = browsers[state]
        query = "?" + urlencode(dict.fromkeys(ADDRESSES, value))
        for rule, answer in collect(app, browser, query):
            assert not leads_elsewhere(browser, answer), (rule, value)
            if answer.response.mimetype == "text/html":
                assert [url for url in urls_of(answer) if "evil" in url] == [], (rule, value)


@pytest.mark.requirement("GW-05")
def test_no_field_of_the_sign_in_leads_to_another_site(make_user, make_relying_party):
    ada = make_user(email="ada@example.com")
    browser = make_relying_party().browser

    for value in HOSTILE:
        fields = {"identifier": ada.email, "password": ada.password} | dict.fromkeys(
            ADDRESSES[1:], value
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": browser.origin}
        answer = browser.open(
            f"{browser.origin}/auth/sign-in", urlencode(fields), "POST", **headers
        )
        assert answer.response.status_code in (303, 400, 422), value
        assert not leads_elsewhere(browser, answer), value
