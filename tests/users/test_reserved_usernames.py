"""Usernames that would let a user pose as the service or its staff."""

import pytest

from models import OneTimeCode, User
from tests.rows import rows

RESERVED = ["admin", "Root", "SUPPORT", "post.master", "ad_min", "s-e-c-u-r-i-t-y", "no-reply"]
TAKEN = (409, "username_taken")


def test_username_of_the_staff_cannot_be_registered(app, client):
    responses = {name: client.register("eve@example.com", username=name) for name in RESERVED}

    problems = {name: (each.status_code, each.json["code"]) for name, each in responses.items()}
    assert problems == dict.fromkeys(RESERVED, TAKEN)
    assert rows(app, OneTimeCode) == []


@pytest.mark.settings(GATEHOUSE_SERVICE_NAME="Acme Sign-In")
def test_username_of_the_service_cannot_be_registered(client):
    for name in ("acme-sign-in", "AcmeSignin", "gatehouse"):
        response = client.register("eve@example.com", username=name)

        assert (response.status_code, response.json["code"]) == TAKEN, name
    assert client.register("eve@example.com", username="acme-fan").status_code == 202


def test_username_of_the_staff_cannot_be_chosen_later(app, client, make_user):
    eve = client.as_(client.log_in(make_user(username="eve")))

    for name in RESERVED:
        response = eve.patch("/auth/me", {"username": name})

        assert (response.status_code, response.json["code"]) == TAKEN, name
    assert [user.username for user in rows(app, User)] == ["eve"]


def test_username_that_became_reserved_stays_with_its_user(client, make_user):
    old = client.as_(client.log_in(make_user(username="admin")))

    response = old.patch("/auth/me", {"username": "Admin", "name": "Ada"})

    assert (response.status_code, response.json["username"]) == (200, "Admin")


def test_username_that_contains_a_reserved_word_is_accepted(client):
    for name in ("badminton", "grassroots", "supportive", "admin7"):
        assert client.register(f"{name}@example.com", username=name).status_code == 202, name
