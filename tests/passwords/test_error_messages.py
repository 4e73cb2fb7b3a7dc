"""Messages for rejected passwords, in the language of the user or browser."""

import pytest

from gatehouse.core.i18n import load_language
from gatehouse.passwords import policy
from gatehouse.passwords.policy import PasswordRejected
from gatehouse.settings.languages import LANGUAGES
from tests.account.conftest import request_reset_mail
from tests.client import PASSWORD, User
from tests.mail_links import read_link_token

ADA = "ada@example.com"
GERMAN = {"Accept-Language": "de-AT, en;q=0.5"}
SHORT = ("password_too_short", "Verwenden Sie mindestens 15 Zeichen.")


def read_error(response):
    """Return code and message of the only error of the password."""
    [error] = response.json["errors"]["password"]
    assert response.status_code == 422
    return error["code"], error["message"]


@pytest.mark.parametrize(
    ("password", "code", "sentence"),
    [
        ("short", *SHORT),
        ("x" * 257, "password_too_long", "Verwenden Sie höchstens 256 Zeichen."),
        (
            "ada@example.com",
            "password_personal",
            "Dieses Passwort ist fast Ihr Name, Ihre E-Mail-Adresse oder der Name dieses Dienstes.",
        ),
    ],
)
def test_registration_error_is_in_the_language_of_the_browser(client, password, code, sentence):
    form = {"email": ADA, "password": password}

    german = client.post("/auth/register", form, headers=GERMAN)
    english = client.post("/auth/register", form)

    assert read_error(german) == (code, sentence)
    assert read_error(english)[0] == code
    assert read_error(english)[1] != sentence


def test_reset_error_is_in_the_language_of_the_browser_and_the_link_stays_valid(client, make_user):
    make_user(email=ADA)
    form = {"token": request_reset_mail(client)["token"], "password": "short"}

    german = client.post("/auth/password/reset", form, headers=GERMAN)
    english = client.post("/auth/password/reset", form)

    assert read_error(german) == SHORT
    assert read_error(english) == ("password_too_short", "Use at least 15 characters.")


def test_invitation_error_is_in_the_language_of_the_browser(app, client):
    app.test_cli_runner().invoke(args=["users", "invite", ADA])
    form = {"token": read_link_token(client, ADA), "password": "short"}

    assert read_error(client.post("/auth/invitation", form, headers=GERMAN)) == SHORT


def test_change_error_is_in_the_language_of_the_user_before_that_of_the_browser(client):
    form = {"current_password": PASSWORD, "password": "short"}
    ada = client.sign_up(User(ADA), locale="fr")
    bob = client.sign_up(User("bob@example.com"))

    responses = [
        client.as_(client.log_in(user)).post("/auth/password/change", form, headers=GERMAN)
        for user in (ada, bob)
    ]

    assert [read_error(response) for response in responses] == [
        ("password_too_short", "Utilisez au moins 15 caractères."),
        SHORT,
    ]


def test_messages_have_their_numbers_in_every_language():
    for tag in LANGUAGES:
        translate = load_language(tag).gettext
        short = PasswordRejected("password_too_short", least=15).translated(translate)
        long = PasswordRejected("password_too_long", most=policy.MAX_LENGTH).translated(translate)

        assert "15" in short, tag
        assert str(policy.MAX_LENGTH) in long, tag
        assert "%" not in short + long, tag
