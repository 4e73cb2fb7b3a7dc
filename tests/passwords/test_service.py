"""Passwords over HTTP, in every flow that sets one: used unchanged, or rejected with a reason."""

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from gatehouse.passwords import blocklist
from models import Password
from tests.client import User
from tests.rows import rows

LANTERNS = "seven green lanterns by the harbour, " * 7
EIGHTY_BYTES = "seven green lanterns by the harbour and no one at home, said the captain Ishmael"
COMPOSED = "caf\xe9 au lait s'il vous pla\xeet"
DECOMPOSED = "cafe\u0301 au lait s'il vous plai\u0302t"
LIGATURE, PLAIN_TEXT = "\ufb01fteen purple finches", "fifteen purple finches"
UNUSUAL = {
    "digits only": "739201846520917",
    "lower case only": "tzgkwpqxhvbnrdf",
    "emoji": "😀😁😂🤣😃😄😅😆😉😊😋😎😍😘🥰",
    "spaces": "  spaces  at both ends  ",
    "another script": "пятнадцать зелёных фонарей",
    "every printable ASCII character": "".join(chr(0x20 + n * 37 % 95) for n in range(95)),
}
LISTED = [entry for entry in blocklist._ranks() if len(entry) >= 15][:50]


def read_error(response):
    return response.status_code, response.json["errors"]["password"][0]["code"]


@pytest.mark.requirement("PW-01")
def test_password_of_fifteen_characters_is_accepted_and_of_fourteen_rejected(flow):
    rejected = flow.set("tzgkwpqxhvbnrd")
    accepted = flow.set("tzgkwpqxhvbnrdf")

    assert read_error(rejected) == (422, "password_too_short")
    assert accepted.status_code in (200, 204)


@pytest.mark.requirement("PW-02")
def test_password_of_256_characters_is_used_completely_and_one_more_rejected(flow):
    rejected = flow.set(LANTERNS[:256] + "!")
    accepted = flow.set(LANTERNS[:255] + "!")

    assert read_error(rejected) == (422, "password_too_long")
    assert accepted.status_code in (200, 204)
    assert flow.log_in(LANTERNS[:255] + "!") == 200
    assert flow.log_in(LANTERNS[:255] + "?") == flow.log_in(LANTERNS[:255]) == 401


@pytest.mark.requirement("PW-02")
def test_password_of_64_characters_is_accepted(flow):
    assert flow.set(LANTERNS[:63] + "!").status_code in (200, 204)
    assert flow.log_in(LANTERNS[:63] + "!") == 200


@pytest.mark.stores
@pytest.mark.requirement("PW-03")
def test_password_is_compared_completely_and_unchanged(flow):
    flow.set(EIGHTY_BYTES)

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
    assert flow.log_in(EIGHTY_BYTES) == 200
    assert [flow.log_in(other) for other in others[:4]] == [401] * 4
    assert flow.log_in(EIGHTY_BYTES) == 200  # so that the lockout evaluates the others too
    assert [flow.log_in(other) for other in others[4:]] == [401] * 3


@pytest.mark.requirement("PW-04")
@pytest.mark.parametrize("password", UNUSUAL.values(), ids=UNUSUAL)
def test_password_of_any_printable_characters_is_accepted(client, make_user, password):
    user = make_user(email="ada@example.com", password=password)

    assert client.log_in(user)["status"] == "authenticated"


@pytest.mark.requirement("PW-05")
@pytest.mark.parametrize(
    ("chosen", "typed", "status"),
    [
        (COMPOSED, DECOMPOSED, 200),
        (DECOMPOSED, COMPOSED, 200),
        (LIGATURE, PLAIN_TEXT, 401),
        (PLAIN_TEXT, LIGATURE, 401),
    ],
)
def test_passwords_that_are_canonically_equal_are_the_same_and_similar_ones_are_not(
    flow, chosen, typed, status
):
    flow.set(chosen)

    assert flow.log_in(chosen) == 200
    assert flow.log_in(typed) == status


@pytest.mark.requirement("PW-06")
def test_password_of_the_blocklist_is_rejected_with_the_reason(flow):
    responses = [flow.set(password) for password in LISTED]

    assert len(responses) == 50
    assert {read_error(response) for response in responses} == {(422, "password_blocklisted")}
    assert all(response.json["errors"]["password"][0]["message"] for response in responses)
    assert flow.log_in(LISTED[0]) == 401
    assert flow.set("another long phrase instead").status_code in (200, 204)


@pytest.mark.requirement("PW-07")
def test_password_like_the_users_email_is_rejected(flow):
    response = flow.set("ada@example.com!")

    assert read_error(response) == (422, "password_personal")


def test_password_with_control_characters_is_rejected(flow):
    untypable = ["seven green\0 lanterns", "seven green\n lanterns", "\ud800" * 15]

    responses = [flow.set(password) for password in untypable]

    assert [response.status_code for response in responses] == [422] * 3
    assert [response.json["errors"].keys() for response in responses] == [{"password"}] * 3


@pytest.mark.requirement("PW-10")
def test_password_hints_and_secret_questions_are_in_no_form(client):
    document = client.get("/openapi.json").json

    fields = set(find_property_names(document)) - {"token_type_hint"}  # RFC 7009 section 2.1

    assert {"password", "current_password", "code"} <= fields
    for field in fields:
        assert not any(word in field.lower() for word in ("hint", "question", "answer", "reminder"))


def find_property_names(node):
    """Yield the property names of all schemas in a part of an OpenAPI document."""
    if isinstance(node, list):
        for item in node:
            yield from find_property_names(item)
    if isinstance(node, dict):
        properties = node.get("properties", {})
        yield from properties if isinstance(properties, dict) else ()
        for item in node.values():
            yield from find_property_names(item)


@pytest.mark.stores
@pytest.mark.requirement("PW-11")
def test_password_hashes_have_their_own_salt_and_parameters(app, client):
    for name in ("ada", "bob"):
        client.sign_up(User(f"{name}@example.com"))

    one, other = rows(app, Password)

    assert one.hash[:7] == other.hash[:7] == "$2b$04$"
    assert one.hash[7:29] != other.hash[7:29]


@pytest.mark.stores
@pytest.mark.requirement("PW-12")
def test_database_contains_the_id_of_the_pepper_and_not_the_pepper(app, make_user):
    make_user()

    [stored] = rows(app, Password)
    pepper = app.extensions["gatehouse.settings"].password_peppers.keys["test"]

    assert stored.pepper == "test"
    with app.app_context():
        dump = [tuple(row) for row in db.session.execute(sa.select(Password.__table__))]
    assert pepper.hex() not in repr(dump)
    assert repr(pepper) not in repr(dump)
