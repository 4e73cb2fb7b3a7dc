"""Header injection by profile fields and e-mail addresses, up to a mail server (AP-10)."""

from __future__ import annotations

import pytest

from gatehouse.messaging import routing, worker
from tests.client import PASSWORD, Client
from tests.mail_server import run_mail_server

pytestmark = pytest.mark.requirement("AP-10")

ADA = "ada@example.com"
LINE_BREAKS = ["\r\n", "\n", "\r", "\0", "\u2028", "\u0085", "%0d%0a", "=?utf-8?q?=0D=0A?="]
HEADER = "Bcc: eve@example.com"


@pytest.fixture(scope="module")
def mail_server():
    with run_mail_server() as server:
        yield server


@pytest.fixture
def server(mail_server):
    """Return a mail server that has received nothing."""
    mail_server.handler.received.clear()
    return mail_server


@pytest.fixture
def sending_app(settings_environment, server, application_pool):
    """Return an application that sends its e-mails to the server."""
    url = {"SMTP_URL": f"insecure-smtp://127.0.0.1:{server.port}"}
    with application_pool.acquire(settings_environment | url) as app:
        yield app
        for channel in routing.get_router(app).channels_by_type["email"]:
            channel.close()


@pytest.fixture
def client(sending_app):
    return Client(sending_app.test_client)


@pytest.fixture
def deliver(sending_app, server):
    """Return a function that delivers what is due and returns what the server received."""

    def deliver():
        with sending_app.app_context():
            delivery_worker = worker.create_worker(sending_app)
            while delivery_worker.deliver_due():
                pass
        return server.handler.received

    return deliver


def are_unchanged(mails, recipient=ADA):
    """Return whether all mails have only the one recipient and the usual headers."""
    names = {"from", "to", "subject", "date", "message-id", "auto-submitted"}
    names |= {"mime-version", "content-type"}
    return all(
        received.recipients == [recipient]
        and received.mail["To"] == recipient
        and {name.lower() for name in received.mail} == names
        for received in mails
    )


def test_email_with_a_line_break_or_a_second_address_is_rejected(client, deliver):
    for suffix in (*LINE_BREAKS, "> SIZE=1 ", ",eve@example.com,", " eve@example.com "):
        response = client.register(f"ada@example.com{suffix}{HEADER}")

        assert response.status_code == 422, repr(suffix)
    assert deliver() == []


@pytest.mark.parametrize("member", ["name", "username", "phone"])
def test_profile_fields_add_no_header_to_an_email(client, deliver, member):
    emails = [f"user{number}@example.com" for number in range(len(LINE_BREAKS))]
    for email, line_break in zip(emails, LINE_BREAKS, strict=True):
        client.register(email, **{member: f"+49 151 12345678{line_break}{HEADER}"})
        client.register(email)  # so that one e-mail at least is sent if the first is rejected

    mails = deliver()

    for email in emails:
        received = [mail for mail in mails if mail.mail["To"] == email]
        assert received != [], email
        assert are_unchanged(received, email), email
    assert {tuple(mail.recipients) for mail in mails} == {(email,) for email in emails}


def test_markup_in_name_and_user_agent_is_escaped_in_an_email(client, deliver):
    agent = {"User-Agent": "<script>alert(1)</script> X\u00ff", "Accept-Language": "de, <b>"}
    form = {"email": ADA, "password": PASSWORD, "name": "<b>Ada</b>, eve@example.com;"}

    response = client.post("/auth/register", form, headers=agent)

    [received] = deliver()
    assert response.status_code == 202
    assert are_unchanged([received])
    assert "<script>" not in received.mail.get_body(("html",)).get_content()
