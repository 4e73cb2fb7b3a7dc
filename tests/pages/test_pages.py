"""The hosted pages, over HTTP and in a real browser."""

import hashlib
import re
from pathlib import Path

import pytest

from gatehouse.pages.mailbox import MAILBOX_CSP
from gatehouse.pages.security_headers import CSP
from tests.client import PASSWORD, User
from tests.pages.conftest import policy_of
from tests.pages.links import ADA, create_invitation_link, create_registration_link, path_of

pytestmark = pytest.mark.settings(GATEHOUSE_WORKERS="1")  # a browser keeps one busy

UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"
HOSTILE_AGENT = "<svg onload=alert(1)> evil.example"
ROOT = Path(__file__).parents[2]
VENDORED = ROOT / "gatehouse/pages/static/swagger-ui"
FORM_CSP = CSP.replace("form-action 'none'", "form-action 'self' https:")
POLICIES = {"/dev/mailbox": MAILBOX_CSP, "/register": FORM_CSP}
INLINE = re.compile(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", re.IGNORECASE)


# The API reference


def test_docs_page_renders_under_the_strict_policy_without_other_origins(live, tab):
    tab.open(f"{live.url}/docs")
    tab.page.locator(".opblock-summary").first.click()
    tab.page.get_by_role("button", name="Try it out").wait_for()

    assert policy_of(live.get("/docs")) == CSP
    assert tab.console_errors == []
    assert tab.requests_to_others(live.url) == []


def test_vendored_files_have_the_documented_hashes():
    readme = VENDORED.joinpath("README.md").read_text()
    documented = dict(re.findall(r"^\| ([\w.-]+) \| ([0-9a-f]{64}) \|$", readme, re.MULTILINE))

    files = [file for file in VENDORED.iterdir() if file.name != "README.md"]
    assert documented == {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files
    }


# E-mail verification


def test_link_token_is_neither_logged_nor_in_the_history(live, tab):
    link = create_registration_link(live.client)
    page, _, secret = link.partition("#")

    tab.open(link)
    tab.field("Password").fill(PASSWORD)
    tab.press("Confirm this e-mail address")
    tab.expect_status("Your e-mail address is confirmed.")

    log = live.log.read_text()
    assert tab.page.url == page
    assert '"/verify-email/<uuid:request_id>"' in log
    assert secret not in log


def test_verification_page_explains_a_wrong_password_and_accepts_the_right_one(live, tab):
    tab.open(create_registration_link(live.client))

    tab.field("Password").fill("not the one I chose")
    tab.press("Confirm this e-mail address")
    tab.expect_status("not the password that you chose")
    tab.field("Password").fill(PASSWORD)
    tab.press("Confirm this e-mail address")

    tab.expect_status("Your e-mail address is confirmed.")


def test_link_without_its_fragment_is_reported_and_sends_nothing(live, tab):
    tab.open(live.url + path_of(create_registration_link(live.client)))

    tab.expect_status("This link is incomplete.")
    assert tab.page.get_by_role("button", name="Confirm this e-mail address").is_disabled()


@pytest.mark.requirement("PW-14")
def test_password_field_is_masked_can_be_shown_and_accepts_paste(live, tab):
    tab.open(create_registration_link(live.client))
    field = tab.field("Password")
    masked = field.get_attribute("type")
    tab.page.evaluate("text => navigator.clipboard.writeText(text)", PASSWORD)

    field.press("Control+V")
    tab.press("Show the password")

    assert (masked, field.get_attribute("autocomplete")) == ("password", "current-password")
    assert (field.input_value(), field.get_attribute("type")) == (PASSWORD, "text")


def test_unknown_user_agent_is_shown_in_neither_page_nor_email(client):
    link = create_registration_link(client, headers={"User-Agent": HOSTILE_AGENT})

    page, mail = client.get(path_of(link)).text, client.mailbox()[0]

    assert "an unknown device" in page
    assert "evil.example" not in page + mail["text"] + mail["html"]


def test_verification_page_shows_time_ip_address_and_device(client):
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    link = create_registration_link(client, headers={"User-Agent": agent})

    page = client.get(path_of(link)).text

    for fact in ("127.0.0.1", "Firefox on Linux", client.mailbox()[0]["created_at"][:10]):
        assert fact in page


@pytest.mark.requirement("SE-12")
def test_page_of_a_link_without_its_secret_shows_no_address(app, client):
    """The path of a link is in the logs of servers and proxies, its fragment is not."""
    links = [create_registration_link(client)]
    app.test_cli_runner().invoke(args=["users", "invite", "guest@invited.example"])
    links.append(client.mailbox(to="guest@invited.example")[0]["variables"]["link"])
    bob = client.sign_up(User("bob@old.example"))
    client.post("/auth/password/forgot", {"email": bob.email})
    links.append(client.mailbox(to=bob.email)[0]["variables"]["link"])
    mine = client.as_(client.log_in(bob))
    mine.post("/auth/email/change", {"email": "bob@new.example"})
    mail = client.mailbox(to="bob@new.example")[0]["variables"]
    links.append(mail["link"])
    pages = {link: client.get(path_of(link)) for link in links}
    mine.post("/auth/email/verify", {"email": "bob@new.example", "code": mail["code"]})
    link = client.mailbox(to="bob@old.example")[0]["variables"]["link"]
    pages[link] = client.get(path_of(link))

    names = [path_of(link).split("/")[1] for link in pages]
    assert names == [
        *("verify-email", "accept-invitation", "reset-password", "confirm-email", "undo-email")
    ]
    for link, page in pages.items():
        assert page.status_code == 200, link
        assert not re.search(r"\w@\w|\.example", page.text), link


# Invitation


def test_invitation_page_sets_a_password(live, tab):
    tab.open(create_invitation_link(live))
    field = tab.field("New password")
    purpose = field.get_attribute("autocomplete")

    field.fill("too short")
    tab.press("Accept the invitation")
    tab.expect_status("15")
    field.fill(PASSWORD)
    tab.press("Accept the invitation")
    tab.expect_status("Your account is ready. You can sign in now.")

    assert purpose == "new-password"
    assert live.client.log_in(User(ADA))["status"] == "authenticated"


# All pages


def test_link_that_was_used_looks_like_an_unknown_one(client):
    link = create_registration_link(client)
    client.verify(ADA)

    used, unknown = (client.get(path) for path in (path_of(link), f"/verify-email/{UNKNOWN_ID}"))

    assert text_without_nonce(used) == text_without_nonce(unknown)


def text_without_nonce(page):
    return re.sub(r'nonce="[\w-]{43}"', "", page.text)


def test_pages_are_never_cached_and_only_existing_files_are(client):
    pages = ["/docs", path_of(create_registration_link(client)), "/dev/mailbox", "/assets/no.css"]

    cache_control = {path: client.get(path).headers["Cache-Control"] for path in pages}
    with client.get("/assets/pages.css") as file:
        asset_cache_control = file.headers["Cache-Control"]

    assert cache_control == dict.fromkeys(pages, "no-store")
    assert asset_cache_control == "public, max-age=86400"


def test_pages_have_nothing_inline_and_the_content_security_policy(client):
    link = create_registration_link(client)
    paths = [
        "/docs",
        path_of(link),
        f"/verify-email/{UNKNOWN_ID}",
        "/dev/mailbox",
        "/errors",
        "/",
        "/register",
    ]

    for path in paths:
        page = client.get(path, headers={"Accept": "text/html"})
        is_link = path.startswith("/verify-email/")
        assert policy_of(page) == POLICIES.get(path, FORM_CSP if is_link else CSP), path
        assert not INLINE.search(page.text), path
