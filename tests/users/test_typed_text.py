"""Codes and identifiers are typed and pasted with spaces; passwords are taken as they are."""

import pytest

from gatehouse.core.typed_text import normalize_code, strip_invisible
from tests.client import PASSWORD
from tests.mail_links import token_of

FULL_WIDTH = {ord(str(digit)): 0xFF10 + digit for digit in range(10)}
NUMBER = "+4915112345678"


def spaced(code):
    """Return a code as it is read aloud, between spaces that are not ASCII."""
    return f"\u00a0{code[:3]} {code[3:5]}\u200b\u2009{code[5:]}\ufeff "


def newest(client, to):
    return client.mailbox(to=to)[0]["variables"]


@pytest.mark.requirement("RG-08")
def test_identifier_between_spaces_is_the_same_one_at_every_step_of_an_account(client):
    email, padded = "ada@example.com", " \u200bada@example.com\u00a0"
    sign_up = {"email": padded, "password": PASSWORD, "username": " ada ", "phone": f" {NUMBER} "}
    token = client.post("/auth/register", sign_up).json["registration_token"]
    proof = {"registration_token": token, "code": spaced(newest(client, email)["code"])}
    verified = client.post("/auth/email/verify", {"email": padded, **proof})
    copied = f"\u202a{NUMBER}\u202c"  # as from the contacts of a phone

    for identifier in (padded, "ada\u3000", copied):
        response = client.post("/auth/login", {"identifier": identifier, "password": PASSWORD})

        assert response.status_code == 200, identifier
    assert verified.status_code == 200
    assert response.json["user"]["username"] == "ada"


def test_password_keeps_its_spaces(client, make_user):
    user = make_user(password=f" {PASSWORD}")

    for password, status in ((PASSWORD, 401), (f" {PASSWORD} ", 401), (f" {PASSWORD}", 200)):
        form = {"identifier": user.email, "password": password}
        assert client.post("/auth/login", form).status_code == status


def test_code_of_an_app_is_accepted_with_spaces_and_in_full_width_digits(client, make_user, wait):
    user = make_user(factors=["totp"])

    for write in (spaced, lambda code: code.translate(FULL_WIDTH)):
        challenge = client.log_in(user)
        form = {"mfa_token": challenge["mfa_token"], "factor": "totp", "code": write(user.totp())}
        assert client.post("/auth/login/mfa", form).status_code == 200
        wait(minutes=1)


def test_recovery_code_is_accepted_with_the_dashes_that_phones_make(client, make_user):
    user = make_user(factors=["totp"])
    challenge = client.log_in(user)
    typed = " " + user.recovery_codes[0].upper().replace("-", " \u2013 ") + " "

    form = {"mfa_token": challenge["mfa_token"], "factor": "recovery_codes", "code": typed}

    assert client.post("/auth/login/mfa", form).status_code == 200


def test_login_and_reset_codes_are_accepted_with_spaces(client, make_user):
    user = make_user()
    login_token = client.post("/auth/login/link", {"email": f" {user.email} "}).json["login_token"]
    code = spaced(newest(client, user.email)["code"])
    logged_in = client.post("/auth/login/link/verify", {"login_token": login_token, "code": code})
    client.post("/auth/password/forgot", {"email": f"{user.email}\u00a0"})
    message = newest(client, user.email)
    form = {"email": f" {user.email}", "code": spaced(message["code"]), "password": PASSWORD * 2}
    reset = client.post("/auth/password/reset", form)

    assert (logged_in.status_code, reset.status_code) == (200, 204)
    assert token_of(message["link"]) != message["code"]


def test_text_of_spaces_only_is_blank(client, make_user):
    tokens = client.log_in(make_user())
    for name in (" ", "\u00a0\u200b", "\u3000"):
        response = client.as_(tokens).patch("/auth/me", {"name": name})

        assert response.status_code == 422
        assert [one["code"] for one in response.json["errors"]["name"]] == ["blank"]


def test_spaces_are_removed_around_identifiers_and_everywhere_in_codes():
    assert strip_invisible("\ufeff a\u00a0b \u202c") == "a\u00a0b"
    assert normalize_code("\uff11\uff12 3\u20134-5\u00a0\u200b6") == "123456"
