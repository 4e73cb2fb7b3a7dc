"""Hostile names, addresses and numbers, through the whole product to a mail server: AP-10."""

from __future__ import annotations

import pytest

from gatehouse.messaging import routing, worker
from tests.client import PASSWORD, Client
from tests.mail_server import serving_mail

pytestmark = pytest.mark.requirement("AP-10")

ADA = "ada@example.com"
BREAKS = ["\r\n", "\n", "\r", "\0", "\u2028", "\u0085", "%0d%0a", "=?utf-8?q?=0D=0A?="]
HEADER = "Bcc: eve@example.com"


@pytest.fixture(scope="module")
def post_office():
    with serving_mail() as server:
        yield server


@pytest.fixture
def server(post_office):
    """Lend a mail server that has got nothing yet."""
    post_office.handler.received.clear()
    return post_office


@pytest.fixture
def house(settings_environment, server, applications):
    """Lend an application whose mails go to the server."""
    url = {"SMTP_URL": f"insecure-smtp://127.0.0.1:{server.port}"}
    with applications.lend(settings_environment | url) as app:
        yield app
        for channel in routing.routes(app).by_kind["email"]:
            channel.close()


@pytest.fixture
def visitor(house):
    return Client(house.test_client)


@pytest.fixture
def arrived(house, server):
    """Deliver what is due; return what arrived."""

    def arrived():
        with house.app_context():
            courier = worker.courier(house)
            while courier.deliver_due():
                pass
        return server.handler.received

    return arrived


def are_harmless(mails, recipient=ADA):
    """Tell whether each of some mails is for one person, and nobody added a line to it."""
    known = {"from", "to", "subject", "date", "message-id", "auto-submitted"}
    known |= {"mime-version", "content-type"}
    return all(
        received.recipients == [recipient]
        and received.mail["To"] == recipient
        and {name.lower() for name in received.mail} == known
        for received in mails
    )


@pytest.mark.parametrize("line", [*BREAKS, "> SIZE=1 ", ",eve@example.com,", " eve@example.com "])
def test_a_hostile_address_gets_no_mail_and_nor_does_anybody_else(visitor, arrived, line):
    answer = visitor.register(f"ada@example.com{line}{HEADER}")

    assert answer.status_code == 422
    assert arrived() == []


@pytest.mark.parametrize("line", BREAKS)
@pytest.mark.parametrize("member", ["name", "username", "phone"])
def test_what_a_person_calls_themselves_adds_no_line_to_a_mail(visitor, arrived, member, line):
    visitor.register(ADA, **{member: f"+49 151 12345678{line}{HEADER}"})
    visitor.register(ADA)  # the second one asks without it, so one mail at least is written

    mails = arrived()

    assert mails != []
    assert are_harmless(mails)


def test_markup_and_a_hostile_browser_are_text_in_a_mail(visitor, arrived):
    agent = {"User-Agent": "<script>alert(1)</script> X\u00ff", "Accept-Language": "de, <b>"}
    form = {"email": ADA, "password": PASSWORD, "name": "<b>Ada</b>, eve@example.com;"}

    answer = visitor.post("/auth/register", form, headers=agent)

    [received] = arrived()
    assert answer.status_code == 202
    assert are_harmless([received])
    assert "<script>" not in received.mail.get_body(("html",)).get_content()
