"""The developer mailbox: JSON for clients, a page for people, nothing in production."""

import pytest
from playwright.sync_api import expect

from gatehouse.delivery import outbox
from gatehouse.delivery.message import Letter
from gatehouse.foundation.database import db, writing
from gatehouse.foundation.visitor import NOBODY

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FIELDS = {"id", "channel", "to", "subject", "text", "html", "template", "variables", "created_at"}
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
@pytest.mark.parametrize("method", ["get", "delete"])
def test_production_has_no_mailbox(client, method):
    answer = getattr(client, method)("/dev/mailbox")

    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


@pytest.mark.requirement("AP-09")
def test_page_and_mail_show_values_as_text_and_the_page_links_to_the_web_only(app, client):
    hostile = {"code": HOSTILE, "link": "javascript:alert(1)", "expires": HOSTILE}
    hostile |= dict.fromkeys(("asked", "address", "device"), HOSTILE)
    with app.app_context(), writing():
        outbox.put(Letter(f"{HOSTILE}@example.com", "verify_email", hostile), NOBODY)
        db.session.commit()

    page = client.get("/dev/mailbox", headers={"Accept": FIREFOX}).text
    mail = client.mailbox()[0]["html"]

    assert "&lt;svg onload=alert(1)&gt;{{7*7}}@example.com" in page
    assert "<svg" not in page + mail
    assert "&lt;svg onload=alert(1)&gt;{{7*7}}" in mail
    assert 'href="javascript:' not in page


def test_a_developer_copies_the_code_follows_the_link_and_empties_the_box(live, tab):
    live.client.register("ada@example.com")
    live.client.register("bob@example.com")
    variables = live.client.mailbox(to="ada@example.com")[0]["variables"]

    tab.open(f"{live.url}/dev/mailbox")
    tab.field("Only to").fill("ADA@example.com")
    tab.press("Show")
    expect(tab.page.get_by_role("article")).to_have_count(1)
    tab.press("Copy code")
    tab.reads(f"Copied {variables['code']}.")
    copied = tab.page.evaluate("navigator.clipboard.readText()")
    linked = tab.page.get_by_role("link").get_attribute("href")
    tab.press("Empty the mailbox")
    expect(tab.page.get_by_text("Nothing here yet")).to_be_visible()

    assert (copied, linked) == (variables["code"], variables["link"])
    assert live.client.mailbox() == []
    assert tab.complaints == []


@pytest.mark.settings(GATEHOUSE_DEV_FIXED_CODES="Ann@example.com=12345678, +4915112345678=1234")
def test_test_users_have_codes_that_no_test_has_to_look_up(client):
    client.register("ann@example.com")
    client.register("bob@example.com")
    proof = {"email": "ann@example.com", "code": "12345678"}

    anns = client.post("/auth/email/verify", proof)
    bobs = client.post("/auth/email/verify", proof | {"email": "bob@example.com"})

    assert (anns.status_code, bobs.status_code) == (200, 401)
