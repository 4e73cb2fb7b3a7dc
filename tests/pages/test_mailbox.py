"""The developer mailbox: JSON for clients, HTML for browsers, absent in production."""

import os

import pytest
from playwright.sync_api import expect

from gatehouse.core import clock
from gatehouse.database.session import db, write_transaction
from gatehouse.messaging import outbox
from gatehouse.messaging.message import MessageRequest
from gatehouse.web.request_context import NO_REQUEST
from tests.client import PASSWORD
from tests.pages.conftest import ONE_WORKER

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FIELDS = {"id", "channel", "to", "subject", "text", "html", "template", "variables", "created_at"}
UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"
HOSTILE = "<svg onload=alert(1)>{{7*7}}"


def test_mailbox_lists_messages_newest_first_with_all_fields(client):
    client.register("ada@example.com")
    client.register("bob@example.com")

    newest, oldest = client.mailbox()

    assert (newest["to"], oldest["to"]) == ("bob@example.com", "ada@example.com")
    assert set(newest) == FIELDS
    assert newest["variables"]["code"] in newest["text"]
    assert newest["variables"]["link"] in newest["html"]
    assert newest["created_at"].endswith("Z")


def test_mailbox_filters_by_recipient_in_any_case(client):
    client.register("ada@example.com")
    client.register("bob@example.com")

    assert [item["to"] for item in client.mailbox(to="ADA@Example.com")] == ["ada@example.com"]


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        (FIREFOX, "text/html"),
    ],
)
def test_mailbox_is_html_for_browsers_and_json_for_other_clients(client, accept, media_type):
    response = client.get("/dev/mailbox", headers={"Accept": accept} if accept else {})

    assert (response.status_code, response.mimetype) == (200, media_type)


def test_mailbox_can_be_emptied(client):
    client.register("ada@example.com")

    response = client.delete("/dev/mailbox")

    assert (response.status_code, response.data) == (204, b"")
    assert client.mailbox() == []


@pytest.mark.settings(
    GATEHOUSE_ENV="production",
    GATEHOUSE_PUBLIC_URL="https://id.example.com",
    GATEHOUSE_BCRYPT_COST=None,
)
@pytest.mark.parametrize("path", ["", f"/{UNKNOWN_ID}", f"/{UNKNOWN_ID}/qr.svg"])
@pytest.mark.parametrize("method", ["get", "delete"])
def test_mailbox_does_not_exist_in_production(client, method, path):
    response = getattr(client, method)(f"/dev/mailbox{path}")

    assert (response.status_code, response.json["code"]) == (404, "not_found")


@pytest.mark.settings(
    GATEHOUSE_ENV="production",
    GATEHOUSE_PUBLIC_URL="https://id.example.com",
    GATEHOUSE_BCRYPT_COST=None,
)
def test_mailbox_is_not_in_the_openapi_document_of_production(client):
    assert "/dev/mailbox" not in client.get("/openapi.json").json["paths"]


def test_mailbox_is_in_the_openapi_document_of_development(client):
    client.register("ada@example.com")
    document = client.get("/openapi.json").json

    operations = document["paths"]["/dev/mailbox"]
    message = document["components"]["schemas"]["Message"]
    assert operations.keys() == {"get", "delete"}
    assert message["properties"].keys() == set(message["required"]) == FIELDS
    assert client.mailbox()[0].keys() == FIELDS


@pytest.mark.requirement("AP-09")
def test_mailbox_escapes_values_and_links_only_to_http_urls(app, client):
    hostile = dict.fromkeys(("code", "asked", "address", "device"), HOSTILE)
    hostile |= {"link": "javascript:alert(1)", "code_link": "", "expires": clock.now()}
    with app.app_context(), write_transaction():
        outbox.put(MessageRequest(f"{HOSTILE}@example.com", "verify_email", hostile), NO_REQUEST)
        db.session.commit()

    page = client.get("/dev/mailbox", headers={"Accept": FIREFOX}).text
    mail = client.mailbox()[0]["html"]

    assert "&lt;svg onload=alert(1)&gt;{{7*7}}@example.com" in page
    assert "<svg" not in page + mail
    assert "&lt;svg onload=alert(1)&gt;{{7*7}}" in mail
    assert 'href="javascript:' not in page


@pytest.mark.settings(**ONE_WORKER)
def test_mailbox_page_updates_copies_filters_and_empties(live, tab):
    live.client.register("ada@example.com")
    tab.open(f"{live.url}/dev/mailbox")
    messages = tab.page.get_by_role("navigation").get_by_role("link")
    article = tab.page.get_by_role("article")
    expect(messages).to_have_count(1)

    live.client.register("bob@example.com")
    expect(messages).to_have_count(2)  # without a reload
    expect(messages.first).to_contain_text("bob@example.com")
    expect(article).to_contain_text("bob@example.com")  # the newest, until one is selected
    tab.field("Search").fill("ADA@")
    expect(messages).to_have_count(1)
    messages.click()
    expect(article).to_contain_text("ada@example.com")
    tab.field("Search").fill("")
    expect(messages).to_have_count(2)
    expect(article).to_contain_text("ada@example.com")
    tab.press("Copy code")
    variables = live.client.mailbox(to="ada@example.com")[0]["variables"]
    tab.expect_status(f"Copied {variables['code']}.")
    copied_code = tab.page.evaluate("navigator.clipboard.readText()")
    shown_link = article.get_by_role("link").get_attribute("href")
    mail = tab.page.frame_locator("article:visible iframe")
    expect(mail.get_by_text(variables["code"])).to_be_visible()
    article.get_by_text("QR code of the link").click()
    code_is_drawn = "() => document.querySelector('article:not([hidden]) .qr').naturalWidth > 0"
    tab.page.wait_for_function(code_is_drawn)
    if folder := os.environ.get("SCREENSHOTS"):
        tab.page.screenshot(path=f"{folder}/desktop.png", full_page=True)
    tab.press("Empty the mailbox")
    expect(tab.page.get_by_text("No messages yet")).to_be_visible()

    assert (copied_code, shown_link) == (variables["code"], variables["link"])
    assert live.client.mailbox() == []
    assert tab.console_errors == []
    assert tab.requests_to_others(live.url) == []


@pytest.mark.settings(**ONE_WORKER)
def test_mailbox_page_works_on_a_phone_and_by_keyboard(live, tab):
    live.client.register("ada@example.com")
    tab.page.set_viewport_size({"width": 360, "height": 780})
    tab.open(f"{live.url}/dev/mailbox")
    message = tab.page.get_by_role("navigation").get_by_role("link")
    expect(message).to_be_visible()
    expect(tab.page.get_by_role("article")).to_have_count(0)

    message.press("Enter")
    expect(tab.page.get_by_role("article")).to_be_focused()
    is_list_hidden = message.is_hidden()
    width = tab.page.evaluate("document.documentElement.scrollWidth")
    focused = []
    for _ in range(4):
        tab.page.keyboard.press("Tab")
        focused.append(tab.page.evaluate("document.activeElement.textContent.trim().slice(0, 8)"))
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert tab.page.evaluate(outline) == "solid"
    tab.page.keyboard.press("Enter")
    if folder := os.environ.get("SCREENSHOTS"):
        tab.page.set_viewport_size({"width": 390, "height": 844})
        tab.page.screenshot(path=f"{folder}/phone.png")

    is_qr_code_open = tab.page.locator("details").first.get_attribute("open") is not None
    tab.page.get_by_role("link", name="Back to the list").click()
    expect(message).to_be_visible()

    assert (width <= 360, is_list_hidden, is_qr_code_open) == (True, True, True)
    assert focused == ["Back to ", "Copy cod", "http://l", "QR code "]
    assert tab.console_errors == []


@pytest.mark.settings(**ONE_WORKER)
def test_mailbox_frame_is_readable_in_light_and_dark_mode(live, tab):
    live.client.register("ada@example.com")
    seen = {}

    for scheme in ("light", "dark"):
        tab.page.emulate_media(color_scheme=scheme)
        tab.open(f"{live.url}/dev/mailbox")
        heading = tab.page.frame_locator("iframe").get_by_role("heading")
        text_color = heading.evaluate("it => getComputedStyle(it).color")
        background = tab.page.locator("iframe").evaluate(
            "it => getComputedStyle(it).backgroundColor"
        )
        seen[scheme] = (text_color, background)

    assert seen == {
        "light": ("rgb(0, 0, 0)", "rgba(0, 0, 0, 0)"),
        "dark": ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"),
    }


def test_mailbox_frame_has_no_scripts_and_cannot_be_embedded_elsewhere(client):
    client.register("ada@example.com")
    [item] = client.mailbox()

    mail = client.get(f"/dev/mailbox/{item['id']}")
    qr_code = client.get(f"/dev/mailbox/{item['id']}/qr.svg")
    missing = client.get("/dev/mailbox/01890000-0000-7000-8000-000000000000")

    policy = mail.headers["Content-Security-Policy"]
    assert mail.text == item["html"]
    assert policy.startswith("default-src 'none';")
    assert policy.endswith("frame-ancestors 'self'; sandbox")
    assert "script-src" not in policy
    assert qr_code.mimetype == "image/svg+xml"
    assert missing.status_code == 404


@pytest.mark.settings(GATEHOUSE_DEV_FIXED_CODES="Ann@example.com=12345678, +4915112345678=1234")
def test_mailbox_codes_of_test_users_can_be_fixed_by_a_setting(client):
    client.register("ann@example.com")
    client.register("bob@example.com")
    form = {"email": "ann@example.com", "code": "12345678", "password": PASSWORD}

    anns = client.post("/auth/email/verify", form)
    bobs = client.post("/auth/email/verify", form | {"email": "bob@example.com"})

    assert (anns.status_code, bobs.status_code) == (200, 401)
