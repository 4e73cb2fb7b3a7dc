"""What is told about a password that is refused, in the language of who chose it."""

import pytest

from gatehouse.core.i18n import language
from gatehouse.passwords import policy
from gatehouse.passwords.policy import PasswordRefused
from gatehouse.settings.languages import LANGUAGES
from tests.account.conftest import reset_mail
from tests.client import PASSWORD, User
from tests.letters import link_token

ADA = "ada@example.com"
GERMAN = {"Accept-Language": "de-AT, en;q=0.5"}
SHORT = ("password_too_short", "Verwenden Sie mindestens 15 Zeichen.")


def told(answer):
    """Return the code and the sentence of the one thing that is wrong with a password."""
    [error] = answer.json["errors"]["password"]
    assert answer.status_code == 422
    return error["code"], error["message"]


@pytest.mark.parametrize(
    ("password", "code", "sentence"),
    [
        ("short", *SHORT),
        ("x" * 257, "password_too_long", "Verwenden Sie höchstens 256 Zeichen."),
        (
            "ada@example.com",
            "password_personal",
            "Dieses Passwort ist Ihr Name, Ihre Adresse oder der Name dieses Dienstes, "
            "kaum verändert.",
        ),
    ],
)
def test_who_registers_is_told_in_the_language_that_their_browser_accepts(
    client, password, code, sentence
):
    form = {"email": ADA, "password": password}

    german = client.post("/auth/register", form, headers=GERMAN)
    english = client.post("/auth/register", form)

    assert told(german) == (code, sentence)
    assert told(english)[0] == code
    assert told(english)[1] != sentence


def test_who_resets_a_password_is_told_so_and_the_link_stays_good(client, make_user):
    make_user(email=ADA)
    form = {"token": reset_mail(client)["token"], "password": "short"}

    german = client.post("/auth/password/reset", form, headers=GERMAN)
    english = client.post("/auth/password/reset", form)

    assert told(german) == SHORT
    assert told(english) == ("password_too_short", "Use at least 15 characters.")


def test_who_is_invited_is_told_so(app, client):
    app.test_cli_runner().invoke(args=["users", "invite", ADA])
    form = {"token": link_token(client, ADA), "password": "short"}

    assert told(client.post("/auth/invitation", form, headers=GERMAN)) == SHORT


def test_who_changes_a_password_is_told_in_their_own_language_before_the_browsers(client):
    form = {"current_password": PASSWORD, "password": "short"}
    ada = client.sign_up(User(ADA), locale="fr")
    bob = client.sign_up(User("bob@example.com"))

    answers = [
        client.as_(client.log_in(user)).post("/auth/password/change", form, headers=GERMAN)
        for user in (ada, bob)
    ]

    assert [told(answer) for answer in answers] == [
        ("password_too_short", "Utilisez au moins 15 caractères."),
        SHORT,
    ]


@pytest.mark.parametrize("tag", LANGUAGES)
@pytest.mark.parametrize(
    ("code", "about"),
    [("password_too_short", {"least": 15}), ("password_too_long", {"most": policy.MAXIMUM})],
)
def test_numbers_are_filled_in_in_every_language(code, about, tag):
    sentence = PasswordRefused(code, **about).said(language(tag).say)

    assert str(*about.values()) in sentence
    assert "%" not in sentence
