"""Links in messages start with a configured URL, whatever host a request names."""

import pytest

from tests.client import PASSWORD

ADA = "ada@example.com"
HOSTILE_HEADERS = [
    {"Host": "evil.example"},
    {"X-Forwarded-Host": "evil.example"},
    {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher", "X-Forwarded-Port": "1"},
    {"Forwarded": "host=evil.example;proto=http"},
    {"X-Original-Host": "evil.example", "X-Host": "evil.example"},
]
PUBLIC_URL = "https://id.example.com"


def register(client, headers):
    """Register and return the message."""
    client.post("/auth/register", {"email": ADA, "password": PASSWORD}, headers=headers)
    return client.mailbox(to=ADA)[0]


@pytest.mark.requirement("RG-10")
@pytest.mark.settings(GATEHOUSE_PUBLIC_URL=PUBLIC_URL, GATEHOUSE_TRUSTED_HOPS="1")
@pytest.mark.parametrize("headers", HOSTILE_HEADERS)
def test_link_host_is_not_taken_from_a_request_header(client, headers):
    response = client.post("/auth/register", {"email": ADA, "password": PASSWORD}, headers=headers)

    messages = client.mailbox(to=ADA)
    assert (response.status_code, len(messages)) == (202, 1)
    assert messages[0]["variables"]["link"].startswith(f"{PUBLIC_URL}/verify-email/")
    assert "evil" not in messages[0]["text"] + messages[0]["html"]


@pytest.mark.settings(GATEHOUSE_PUBLIC_URL=PUBLIC_URL)
def test_link_without_a_front_end_opens_a_hosted_page(client):
    message = register(client, {})

    path, _, token = message["variables"]["link"].partition("#")
    assert path.startswith(f"{PUBLIC_URL}/verify-email/")
    assert client.get(path.removeprefix(PUBLIC_URL)).status_code == 200
    assert len(token) == 43


@pytest.mark.settings(
    GATEHOUSE_PUBLIC_URL=PUBLIC_URL, GATEHOUSE_FRONTEND_URL="https://App.example.com/account/"
)
@pytest.mark.parametrize("headers", [{}, *HOSTILE_HEADERS])
def test_link_with_a_front_end_opens_its_page_with_the_token_in_the_fragment(client, headers):
    message = register(client, headers)

    page, _, token = message["variables"]["link"].partition("#")
    response = client.post("/auth/email/verify", {"token": token, "password": PASSWORD})
    assert page == "https://app.example.com/account/verify-email"
    assert "https://app.example.com/account/verify-email" in message["text"]
    assert "evil" not in message["text"] + message["html"]
    assert response.status_code == 200
