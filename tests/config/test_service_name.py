"""`GATEHOUSE_SERVICE_NAME`: its default, and every place where users see it."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.client import User
from tests.config.conftest import read_problems, read_settings

NAME = "Harbour & Söhne"
DEVELOPMENT = {"GATEHOUSE_ENV": "development"}
PAGE = {"Accept": "text/html"}
with_name = pytest.mark.settings(GATEHOUSE_SERVICE_NAME=NAME)


def enrol_factor(client, kind):
    """Return the response that starts the enrolment of a factor."""
    user = client.sign_up(User("ada@example.com"))
    return client.as_(client.log_in(user)).post("/auth/mfa/factors", {"kind": kind}).json


def read_title(client, path):
    return re.search("<title>(.*)</title>", client.get(path, headers=PAGE).text)[1]


def test_service_name_is_by_default_the_host_of_the_public_url_or_gatehouse_in_development():
    assert (
        read_settings(GATEHOUSE_PUBLIC_URL="https://id.example.com:8443").service_name
        == "id.example.com"
    )
    assert read_settings(**DEVELOPMENT).service_name == "Gatehouse"
    assert read_settings(GATEHOUSE_SERVICE_NAME=NAME).service_name == NAME
    assert read_settings(GATEHOUSE_SERVICE_NAME=NAME, **DEVELOPMENT).service_name == NAME


def test_service_name_that_no_app_can_show_stops_the_start():
    for name in ("a:b", "two\nlines", "x" * 65, "\u202eno"):
        assert read_problems(GATEHOUSE_SERVICE_NAME=name) == [
            "GATEHOUSE_SERVICE_NAME must be printable, without a colon, and 64 characters at most."
        ], name


@with_name
def test_service_name_is_in_the_signature_of_mails(client):
    client.register("ada@example.com")

    [mail] = client.mailbox()
    assert mail["text"].endswith(f"\n\n{NAME}")
    assert "Harbour &amp; Söhne</p>" in mail["html"]


@with_name
def test_service_name_is_in_the_title_of_pages(client):
    pages = ("/login", "/forgot-password", "/docs", "/errors", "/dev/mailbox")

    assert [read_title(client, page).split(" · ")[-1] for page in pages] == [
        "Harbour &amp; Söhne"
    ] * 5


@with_name
def test_service_name_is_the_issuer_in_authenticator_apps(client):
    uri = urlsplit(enrol_factor(client, "totp")["uri"])

    assert parse_qs(uri.query)["issuer"] == [NAME]
    assert uri.path == "/Harbour%20%26%20S%C3%B6hne:ada%40example.com"


@with_name
def test_service_name_is_the_name_of_the_webauthn_relying_party(client):
    assert enrol_factor(client, "passkey")["public_key"]["rp"]["name"] == NAME


def test_service_name_is_gatehouse_in_development(client):
    uri = urlsplit(enrol_factor(client, "totp")["uri"])

    assert parse_qs(uri.query)["issuer"] == ["Gatehouse"]
    assert read_title(client, "/login").endswith(" · Gatehouse")


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
def test_service_name_is_rejected_as_a_password_and_accepted_within_one(client, password, status):
    response = client.post("/auth/register", {"email": "ada@example.com", "password": password})

    assert response.status_code == status
    if status == 422:
        assert response.json["errors"]["password"][0]["code"] == "password_service_name"


@pytest.mark.requirement("PW-07")
def test_service_name_of_another_service_is_accepted_as_a_password(client):
    assert client.register("ada@example.com", "L1ghth0use-Keepers-2026").status_code == 202
