"""`GATEHOUSE_SERVICE_NAME`: what people call the service, wherever it tells them its name."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from config import ConfigurationError
from tests.client import User
from tests.config.conftest import read

NAME = "Harbour & Söhne"
DEVELOPMENT = {"GATEHOUSE_ENV": "development"}
PAGE = {"Accept": "text/html"}
named = pytest.mark.settings(GATEHOUSE_SERVICE_NAME=NAME)


def enrol(client, kind):
    """Return what begins a factor of a kind."""
    user = client.sign_up(User("ada@example.com"))
    return client.as_(client.log_in(user)).post("/auth/mfa/factors", {"kind": kind}).json


def title(client, path):
    return re.search("<title>(.*)</title>", client.get(path, headers=PAGE).text)[1]


def test_it_is_the_host_of_the_public_url_and_in_development_the_products_name():
    assert read(GATEHOUSE_PUBLIC_URL="https://id.example.com:8443").service_name == "id.example.com"
    assert read(**DEVELOPMENT).service_name == "Gatehouse"
    assert read(GATEHOUSE_SERVICE_NAME=NAME).service_name == NAME
    assert read(GATEHOUSE_SERVICE_NAME=NAME, **DEVELOPMENT).service_name == NAME


@pytest.mark.parametrize("name", ["a:b", "two\nlines", "x" * 65, "\u202eno"])
def test_a_name_that_no_app_could_show_stops_the_start(name):
    with pytest.raises(ConfigurationError) as refused:
        read(GATEHOUSE_SERVICE_NAME=name)

    assert str(refused.value) == (
        "GATEHOUSE_SERVICE_NAME must be printable, without a colon, and 64 characters at most."
    )


@named
def test_letters_are_signed_with_it_in_both_parts(client):
    client.register("ada@example.com")

    [mail] = client.mailbox()
    assert mail["text"].endswith(f"\n\n{NAME}")
    assert "Harbour &amp; Söhne</p>" in mail["html"]


@named
def test_it_is_in_the_title_of_every_page(client):
    pages = ("/account", "/forgot-password", "/docs", "/errors", "/dev/mailbox")

    assert [title(client, page).split(" · ")[-1] for page in pages] == ["Harbour &amp; Söhne"] * 5


@named
def test_an_authenticator_app_shows_it_as_the_issuer(client):
    uri = urlsplit(enrol(client, "totp")["uri"])

    assert parse_qs(uri.query)["issuer"] == [NAME]
    assert uri.path == "/Harbour%20%26%20S%C3%B6hne:ada%40example.com"


@named
def test_a_browser_shows_it_when_a_passkey_is_made(client):
    assert enrol(client, "passkey")["public_key"]["rp"]["name"] == NAME


def test_without_a_name_of_its_own_it_is_called_gatehouse_in_development(client):
    uri = urlsplit(enrol(client, "totp")["uri"])

    assert parse_qs(uri.query)["issuer"] == ["Gatehouse"]
    assert title(client, "/account").endswith(" · Gatehouse")


@pytest.mark.requirement("PW-07")
@pytest.mark.settings(GATEHOUSE_SERVICE_NAME="Lighthouse Keepers")
@pytest.mark.parametrize(
    ("password", "status"),
    [
        ("Lighthouse Keepers", 422),
        ("lighthousekeepers!!!", 422),
        ("L1ghth0use-Keepers-2026", 422),
        ("gatehousegatehouse", 422),
        ("the lighthouse keepers row home at dawn", 202),
    ],
)
def test_the_services_name_is_no_password_and_may_be_in_one(client, password, status):
    answer = client.post("/auth/register", {"email": "ada@example.com", "password": password})

    assert answer.status_code == status
    if status == 422:
        assert answer.json["errors"]["password"][0]["code"] == "password_service_name"


@pytest.mark.requirement("PW-07")
def test_another_services_name_may_be_a_password_here(client):
    assert client.register("ada@example.com", "L1ghth0use-Keepers-2026").status_code == 202
