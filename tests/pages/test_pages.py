"""The hosted pages, on the wire and in a real browser."""

import hashlib
import re
from pathlib import Path

import pytest

from gatehouse.pages.mailbox import WITH_FRAMES
from gatehouse.pages.security_headers import CSP
from tests.client import PASSWORD, User
from tests.pages.conftest import policy_of
from tests.pages.links import ADA, invitation_link, path_of, registration_link

pytestmark = pytest.mark.settings(GATEHOUSE_WORKERS="1")  # a browser keeps one busy

STRANGER = "01890000-0000-7000-8000-000000000000"
HOSTILE = "{{7*7}}&lt@example.com"  # an address that a careless page would turn into 49<
STRANGE_AGENT = "<svg onload=alert(1)> evil.example"
ROOT = Path(__file__).parents[2]
VENDORED = ROOT / "gatehouse/pages/static/swagger-ui"
INLINE = re.compile(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", re.IGNORECASE)


# The reference


def test_the_reference_renders_under_the_strict_policy_and_asks_nobody_else(live, tab):
    tab.open(f"{live.url}/docs")
    tab.page.locator(".opblock-summary").first.click()
    tab.page.get_by_role("button", name="Try it out").wait_for()

    assert policy_of(live.get("/docs")) == CSP
    assert tab.complaints == []
    assert tab.foreign_requests(live.url) == []


def test_the_bare_address_leads_to_the_reference(client):
    answer = client.get("/")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/docs")


def test_what_is_vendored_is_what_its_readme_says():
    readme = VENDORED.joinpath("README.md").read_text()
    told = dict(re.findall(r"^\| ([\w.-]+) \| ([0-9a-f]{64}) \|$", readme, re.MULTILINE))

    files = [file for file in VENDORED.iterdir() if file.name != "README.md"]
    assert told == {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


# The page that proves an address


def test_the_secret_of_a_link_stays_out_of_log_and_history(live, tab):
    link = registration_link(live.client)
    page, _, secret = link.partition("#")

    tab.open(link)
    tab.field("Password").fill(PASSWORD)
    tab.press("Confirm this e-mail address")
    tab.reads("Your e-mail address is verified.")

    log = live.log.read_text()
    assert tab.page.url == page
    assert '"/verify-email/<uuid:request_id>"' in log
    assert secret not in log


def test_a_wrong_password_is_explained_and_the_right_one_still_works(live, tab):
    tab.open(registration_link(live.client))

    tab.field("Password").fill("not the one I chose")
    tab.press("Confirm this e-mail address")
    tab.reads("this is not the password that was chosen when registering")
    tab.field("Password").fill(PASSWORD)
    tab.press("Confirm this e-mail address")

    tab.reads("Your e-mail address is verified.")


def test_a_link_without_its_fragment_says_so_and_sends_nothing(live, tab):
    tab.open(live.url + path_of(registration_link(live.client)))

    tab.reads("This link is incomplete.")
    assert tab.page.get_by_role("button").is_disabled()


@pytest.mark.requirement("PW-14")
def test_passwords_are_masked_shown_on_demand_and_may_be_pasted(live, tab):
    tab.open(registration_link(live.client))
    field = tab.field("Password")
    masked = field.get_attribute("type")
    tab.page.evaluate("text => navigator.clipboard.writeText(text)", PASSWORD)

    field.press("Control+V")
    tab.field("Show the password").check()

    assert (masked, field.get_attribute("autocomplete")) == ("password", "current-password")
    assert (field.input_value(), field.get_attribute("type")) == (PASSWORD, "text")


@pytest.mark.requirement("AP-09")
def test_what_a_stranger_wrote_is_shown_as_text(live, tab):
    live.client.post("/auth/register", {"email": HOSTILE, "password": PASSWORD})

    tab.open(live.client.mailbox()[0]["variables"]["link"])

    assert HOSTILE in tab.page.get_by_role("definition").all_inner_texts()
    assert tab.complaints == []


def test_the_name_of_an_unknown_program_reaches_neither_page_nor_mail(client):
    link = registration_link(client, headers={"User-Agent": STRANGE_AGENT})

    page, mail = client.get(path_of(link)).text, client.mailbox()[0]

    assert "an unknown device" in page
    assert "evil.example" not in page + mail["text"] + mail["html"]


def test_the_page_says_when_and_from_where_and_for_whom_it_was_asked(client):
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    link = registration_link(client, headers={"User-Agent": agent})

    page = client.get(path_of(link)).text

    for fact in (ADA, "127.0.0.1", "Firefox on Linux", client.mailbox()[0]["created_at"][:10]):
        assert fact in page


# The page that accepts an invitation


def test_an_invited_person_chooses_a_password_and_signs_in(live, tab):
    tab.open(invitation_link(live))
    field = tab.field("New password")

    field.fill("too short")
    tab.press("Accept the invitation")
    tab.reads("15")
    field.fill(PASSWORD)
    tab.press("Accept the invitation")
    tab.reads("Your account is ready. You can sign in now.")

    assert field.get_attribute("autocomplete") == "new-password"
    assert live.client.log_in(User(ADA))["status"] == "authenticated"


# All of them


@pytest.mark.parametrize("page", ["verify-email", "accept-invitation"])
def test_a_link_that_nobody_sent_is_no_longer_valid(client, page):
    answer = client.get(f"/{page}/{STRANGER}")

    assert answer.status_code == 404
    assert "This link is no longer valid" in answer.text


def test_a_used_link_looks_like_one_that_nobody_sent(client):
    link = registration_link(client)
    client.verify(ADA)

    assert client.get(path_of(link)).text == client.get(f"/verify-email/{STRANGER}").text


def test_pages_are_never_kept_and_only_found_files_are(client):
    pages = ["/docs", path_of(registration_link(client)), "/dev/mailbox", "/assets/no.css"]

    kept = {path: client.get(path).headers["Cache-Control"] for path in pages}
    with client.get("/assets/pages.css") as file:
        kept_file = file.headers["Cache-Control"]

    assert kept == dict.fromkeys(pages, "no-store")
    assert kept_file == "public, max-age=86400"


def test_no_page_holds_anything_inline_and_each_has_the_policy(client):
    link = registration_link(client)
    paths = [
        "/docs",
        path_of(link),
        f"/verify-email/{STRANGER}",
        "/dev/mailbox",
        "/errors",
        "/account",
    ]

    for path in paths:
        page = client.get(path, headers={"Accept": "text/html"})
        assert policy_of(page) == (WITH_FRAMES if path == "/dev/mailbox" else CSP)
        assert not INLINE.search(page.text), path
