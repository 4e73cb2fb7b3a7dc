"""Passwords over HTTP, on every path that sets one: taken whole, or refused with the reason."""

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from gatehouse.passwords import blocklist
from models import Password
from tests.client import User
from tests.rows import rows

LANTERNS = "seven green lanterns by the harbour, " * 7
EIGHTY_BYTES = "seven green lanterns by the harbour and nobody at home, said the captain Ishmael"
COMPOSED = "caf\xe9 au lait s'il vous pla\xeet"
DECOMPOSED = "cafe\u0301 au lait s'il vous plai\u0302t"
LIGATURE, LETTERS = "\ufb01fteen purple finches", "fifteen purple finches"
UNUSUAL = {
    "digits only": "739201846520917",
    "lower case only": "tzgkwpqxhvbnrdf",
    "emoji": "😀😁😂🤣😃😄😅😆😉😊😋😎😍😘🥰",
    "spaces": "  spaces  at both ends  ",
    "another script": "пятнадцать зелёных фонарей",
    "every printable ASCII character": "".join(chr(0x20 + n * 37 % 95) for n in range(95)),
}
LISTED = [entry for entry in blocklist._ranks() if len(entry) >= 15][:50]


def reason(answer):
    return answer.status_code, answer.json["errors"]["password"][0]["code"]


@pytest.mark.requirement("PW-01")
def test_fifteen_characters_are_enough_and_fourteen_are_not(path):
    refused = path.set("tzgkwpqxhvbnrd")
    accepted = path.set("tzgkwpqxhvbnrdf")

    assert reason(refused) == (422, "password_too_short")
    assert accepted.status_code in (200, 204)


@pytest.mark.requirement("PW-02")
def test_a_password_of_256_characters_is_taken_whole_and_one_more_is_refused(path):
    refused = path.set(LANTERNS[:256] + "!")
    accepted = path.set(LANTERNS[:255] + "!")

    assert reason(refused) == (422, "password_too_long")
    assert accepted.status_code in (200, 204)
    assert path.log_in(LANTERNS[:255] + "!") == 200
    assert path.log_in(LANTERNS[:255] + "?") == path.log_in(LANTERNS[:255]) == 401


@pytest.mark.requirement("PW-02")
def test_a_password_of_64_characters_is_accepted(path):
    assert path.set(LANTERNS[:63] + "!").status_code in (200, 204)
    assert path.log_in(LANTERNS[:63] + "!") == 200


@pytest.mark.stores
@pytest.mark.requirement("PW-03")
def test_the_whole_password_is_compared_as_it_was_sent(path):
    path.set(EIGHTY_BYTES)

    others = [
        EIGHTY_BYTES[:72],
        f"{EIGHTY_BYTES[:72]}BARTLEBY",
        EIGHTY_BYTES.swapcase(),
        EIGHTY_BYTES.lower(),
        f"{EIGHTY_BYTES} ",
        f" {EIGHTY_BYTES}",
        EIGHTY_BYTES.replace(" ", "  ", 1),
    ]

    assert len(EIGHTY_BYTES.encode()) == 80
    assert path.log_in(EIGHTY_BYTES) == 200
    assert [path.log_in(other) for other in others[:4]] == [401] * 4
    assert path.log_in(EIGHTY_BYTES) == 200  # so that the lockout evaluates the others too
    assert [path.log_in(other) for other in others[4:]] == [401] * 3


@pytest.mark.requirement("PW-04")
@pytest.mark.parametrize("password", UNUSUAL.values(), ids=UNUSUAL)
def test_any_printable_characters_in_any_composition_are_accepted(client, make_user, password):
    user = make_user(email="ada@example.com", password=password)

    assert client.log_in(user)["status"] == "authenticated"


@pytest.mark.requirement("PW-05")
@pytest.mark.parametrize(
    ("chosen", "typed", "status"),
    [
        (COMPOSED, DECOMPOSED, 200),
        (DECOMPOSED, COMPOSED, 200),
        (LIGATURE, LETTERS, 401),
        (LETTERS, LIGATURE, 401),
    ],
)
def test_canonically_equal_passwords_are_the_same_and_similar_ones_are_not(
    path, chosen, typed, status
):
    path.set(chosen)

    assert path.log_in(chosen) == 200
    assert path.log_in(typed) == status


@pytest.mark.requirement("PW-06")
def test_what_attackers_try_first_is_refused_and_the_reason_is_told(path):
    answers = [path.set(password) for password in LISTED]

    assert len(answers) == 50
    assert {reason(answer) for answer in answers} == {(422, "password_blocklisted")}
    assert all(answer.json["errors"]["password"][0]["message"] for answer in answers)
    assert path.log_in(LISTED[0]) == 401
    assert path.set("another long phrase instead").status_code in (200, 204)


@pytest.mark.requirement("PW-07")
def test_ones_own_address_hardly_changed_is_refused(path):
    answer = path.set("ada@example.com!")

    assert reason(answer) == (422, "password_personal")


def test_what_no_keyboard_types_is_no_password(path):
    untypable = ["seven green\0 lanterns", "seven green\n lanterns", "\ud800" * 15]

    answers = [path.set(password) for password in untypable]

    assert [answer.status_code for answer in answers] == [422] * 3
    assert [answer.json["errors"].keys() for answer in answers] == [{"password"}] * 3


@pytest.mark.requirement("PW-10")
def test_no_field_of_any_form_asks_for_a_hint_or_a_secret_question(client):
    document = client.get("/openapi.json").json

    fields = set(property_names(document))

    assert {"password", "current_password", "code"} <= fields
    for field in fields:
        assert not any(word in field.lower() for word in ("hint", "question", "answer", "reminder"))


def property_names(node):
    """Yield the names of the properties of all schemas in a part of an OpenAPI document."""
    if isinstance(node, list):
        for item in node:
            yield from property_names(item)
    if isinstance(node, dict):
        properties = node.get("properties", {})
        yield from properties if isinstance(properties, dict) else ()
        for item in node.values():
            yield from property_names(item)


@pytest.mark.stores
@pytest.mark.requirement("PW-11")
def test_each_hash_has_a_salt_of_its_own_and_keeps_its_parameters(app, client):
    for name in ("ada", "bob"):
        client.sign_up(User(f"{name}@example.com"))

    one, other = rows(app, Password)

    assert one.hash[:7] == other.hash[:7] == "$2b$04$"
    assert one.hash[7:29] != other.hash[7:29]


@pytest.mark.stores
@pytest.mark.requirement("PW-12")
def test_the_database_holds_the_name_of_the_pepper_and_not_the_pepper(app, make_user):
    make_user()

    [stored] = rows(app, Password)
    pepper = app.extensions["gatehouse.settings"].password_peppers.keys["test"]

    assert stored.pepper == "test"
    with app.app_context():
        dump = [tuple(row) for row in db.session.execute(sa.select(Password.__table__))]
    assert pepper.hex() not in repr(dump)
    assert repr(pepper) not in repr(dump)
