"""The developer mailbox: JSON for clients, a page for people, nothing in production."""

import os

import pytest
from playwright.sync_api import expect

from gatehouse.core import clock
from gatehouse.database.session import db, writing
from gatehouse.messaging import outbox
from gatehouse.messaging.message import Letter
from gatehouse.web.request_context import NOBODY
from tests.pages.conftest import ONE_WORKER

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FIELDS = {"id", "channel", "to", "subject", "text", "html", "template", "variables", "created_at"}
SOMETHING = "01890000-0000-7000-8000-000000000000"
HOSTILE = "<svg onload=alert(1)>{{7*7}}"


def test_messages_come_newest_first_with_everything_a_developer_needs(client):
    client.register("ada@example.com")
    client.register("bob@example.com")

    newest, oldest = client.mailbox()

    assert (newest["to"], oldest["to"]) == ("bob@example.com", "ada@example.com")
    assert set(newest) == FIELDS
    assert newest["variables"]["code"] in newest["text"]
    assert newest["variables"]["link"] in newest["html"]
    assert newest["created_at"].endswith("Z")


def test_messages_to_one_address_are_found_in_any_case(client):
    client.register("ada@example.com")
    client.register("bob@example.com")

    assert [item["to"] for item in client.mailbox(to="ADA@Example.com")] == ["ada@example.com"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        (FIREFOX, "text/html"),
    ],
)
def test_browsers_get_a_page_and_everyone_else_json(client, accept, kind):
    answer = client.get("/dev/mailbox", headers={"Accept": accept} if accept else {})

    assert (answer.status_code, answer.mimetype) == (200, kind)


def test_an_emptied_mailbox_is_empty(client):
    client.register("ada@example.com")

    answer = client.delete("/dev/mailbox")

    assert (answer.status_code, answer.data) == (204, b"")
    assert client.mailbox() == []


@pytest.mark.settings(
    GATEHOUSE_ENV="production",
    GATEHOUSE_PUBLIC_URL="https://id.example.com",
    GATEHOUSE_BCRYPT_COST=None,
)
@pytest.mark.parametrize("path", ["", f"/{SOMETHING}", f"/{SOMETHING}/qr.svg"])
@pytest.mark.parametrize("method", ["get", "delete"])
def test_production_has_no_mailbox(client, method, path):
    answer = getattr(client, method)(f"/dev/mailbox{path}")

    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


@pytest.mark.requirement("AP-09")
def test_page_and_mail_show_values_as_text_and_the_page_links_to_the_web_only(app, client):
    hostile = dict.fromkeys(("code", "asked", "address", "device"), HOSTILE)
    hostile |= {"link": "javascript:alert(1)", "expires": clock.now()}
    with app.app_context(), writing():
        outbox.put(Letter(f"{HOSTILE}@example.com", "verify_email", hostile), NOBODY)
        db.session.commit()

    page = client.get("/dev/mailbox", headers={"Accept": FIREFOX}).text
    mail = client.mailbox()[0]["html"]

    assert "&lt;svg onload=alert(1)&gt;{{7*7}}@example.com" in page
    assert "<svg" not in page + mail
    assert "&lt;svg onload=alert(1)&gt;{{7*7}}" in mail
    assert 'href="javascript:' not in page


@pytest.mark.settings(**ONE_WORKER)
def test_the_page_shows_what_comes_and_a_developer_copies_filters_and_empties(live, tab):
    live.client.register("ada@example.com")
    tab.open(f"{live.url}/dev/mailbox")
    articles = tab.page.get_by_role("article")
    expect(articles).to_have_count(1)

    live.client.register("bob@example.com")
    expect(articles).to_have_count(2)  # without a reload
    expect(articles.first).to_contain_text("bob@example.com")
    tab.field("Recipient").fill("ADA@")
    expect(articles).to_have_count(1)
    tab.press("Copy code")
    variables = live.client.mailbox(to="ada@example.com")[0]["variables"]
    tab.reads(f"Copied {variables['code']}.")
    copied = tab.page.evaluate("navigator.clipboard.readText()")
    linked = tab.page.get_by_role("link").get_attribute("href")
    mail = tab.page.frame_locator("article:visible iframe")
    expect(mail.get_by_text(variables["code"])).to_be_visible()
    tab.page.locator("article:visible summary").click()
    code_is_drawn = "() => document.querySelector('article:not([hidden]) .qr').naturalWidth > 0"
    tab.page.wait_for_function(code_is_drawn)
    if folder := os.environ.get("SCREENSHOTS"):
        tab.page.screenshot(path=f"{folder}/desktop.png", full_page=True)
    tab.press("Empty the mailbox")
    expect(tab.page.get_by_text("No messages yet")).to_be_visible()

    assert (copied, linked) == (variables["code"], variables["link"])
    assert live.client.mailbox() == []
    assert tab.complaints == []
    assert tab.foreign_requests(live.url) == []


@pytest.mark.settings(**ONE_WORKER)
def test_the_page_fits_a_phone_and_the_keyboard(live, tab):
    live.client.register("ada@example.com")
    tab.page.set_viewport_size({"width": 360, "height": 780})
    tab.open(f"{live.url}/dev/mailbox")
    expect(tab.page.get_by_role("article")).to_have_count(1)

    width = tab.page.evaluate("document.documentElement.scrollWidth")
    focused = []
    for _ in range(5):
        tab.page.keyboard.press("Tab")
        focused.append(tab.page.evaluate("document.activeElement.textContent.trim().slice(0, 8)"))
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert tab.page.evaluate(outline) == "solid"
    tab.page.keyboard.press("Enter")
    if folder := os.environ.get("SCREENSHOTS"):
        tab.page.set_viewport_size({"width": 390, "height": 844})
        tab.page.screenshot(path=f"{folder}/phone.png")

    assert width <= 360
    assert focused == ["", "Empty th", "Copy cod", "http://l", "QR code "]
    assert tab.page.locator("details").get_attribute("open") is not None
    assert tab.complaints == []


@pytest.mark.settings(**ONE_WORKER)
def test_a_framed_mail_can_be_read_by_day_and_by_night(live, tab):
    live.client.register("ada@example.com")
    seen = {}

    for scheme in ("light", "dark"):
        tab.page.emulate_media(color_scheme=scheme)
        tab.open(f"{live.url}/dev/mailbox")
        heading = tab.page.frame_locator("iframe").get_by_role("heading")
        ink = heading.evaluate("it => getComputedStyle(it).color")
        paper = tab.page.locator("iframe").evaluate("it => getComputedStyle(it).backgroundColor")
        seen[scheme] = (ink, paper)

    assert seen == {
        "light": ("rgb(0, 0, 0)", "rgba(0, 0, 0, 0)"),
        "dark": ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"),
    }


def test_a_mail_is_framed_without_scripts_and_by_nobody_else(client):
    client.register("ada@example.com")
    [item] = client.mailbox()

    mail = client.get(f"/dev/mailbox/{item['id']}")
    drawing = client.get(f"/dev/mailbox/{item['id']}/qr.svg")
    missing = client.get("/dev/mailbox/01890000-0000-7000-8000-000000000000")

    policy = mail.headers["Content-Security-Policy"]
    assert mail.text == item["html"]
    assert policy.startswith("default-src 'none';")
    assert policy.endswith("frame-ancestors 'self'; sandbox")
    assert "script-src" not in policy
    assert drawing.mimetype == "image/svg+xml"
    assert missing.status_code == 404


@pytest.mark.settings(GATEHOUSE_DEV_FIXED_CODES="Ann@example.com=12345678, +4915112345678=1234")
def test_test_users_have_codes_that_no_test_has_to_look_up(client):
    client.register("ann@example.com")
    client.register("bob@example.com")
    proof = {"email": "ann@example.com", "code": "12345678"}

    anns = client.post("/auth/email/verify", proof)
    bobs = client.post("/auth/email/verify", proof | {"email": "bob@example.com"})

    assert (anns.status_code, bobs.status_code) == (200, 401)
