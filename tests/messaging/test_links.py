"""Links start with what the settings say, whatever a request says about its host."""

import pytest

from tests.client import PASSWORD

ADA = "ada@example.com"
POISON = [
    {"Host": "evil.example"},
    {"X-Forwarded-Host": "evil.example"},
    {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher", "X-Forwarded-Port": "1"},
    {"Forwarded": "host=evil.example;proto=http"},
    {"X-Original-Host": "evil.example", "X-Host": "evil.example"},
]
HOME = "https://id.example.com"


def registered(client, headers):
    client.post("/auth/register", {"email": ADA, "password": PASSWORD}, headers=headers)
    return client.mailbox(to=ADA)[0]


@pytest.mark.requirement("RG-10")
@pytest.mark.settings(GATEHOUSE_PUBLIC_URL=HOME, GATEHOUSE_TRUSTED_HOPS="1")
@pytest.mark.parametrize("headers", POISON)
def test_no_header_chooses_where_a_letter_leads(client, headers):
    answer = client.post("/auth/register", {"email": ADA, "password": PASSWORD}, headers=headers)

    written = client.mailbox(to=ADA)
    assert (answer.status_code, len(written)) == (202, 1)
    assert written[0]["variables"]["link"].startswith(f"{HOME}/verify-email/")
    assert "evil" not in written[0]["text"] + written[0]["html"]


@pytest.mark.settings(GATEHOUSE_PUBLIC_URL=HOME)
def test_without_a_front_end_a_link_leads_to_our_own_page(client):
    letter = registered(client, {})

    path, _, token = letter["variables"]["link"].partition("#")
    assert path.startswith(f"{HOME}/verify-email/")
    assert client.get(path.removeprefix(HOME)).status_code == 200
    assert len(token) == 43


@pytest.mark.settings(
    GATEHOUSE_PUBLIC_URL=HOME, GATEHOUSE_FRONTEND_URL="https://App.example.com/account/"
)
@pytest.mark.parametrize("headers", [{}, *POISON])
def test_with_a_front_end_a_link_leads_to_its_page_with_the_token_in_the_fragment(client, headers):
    letter = registered(client, headers)

    page, _, token = letter["variables"]["link"].partition("#")
    proof = client.post("/auth/email/verify", {"token": token, "password": PASSWORD})
    assert page == "https://app.example.com/account/verify-email"
    assert "an account at app.example.com" in letter["text"]
    assert "evil" not in letter["text"] + letter["html"]
    assert proof.status_code == 200
