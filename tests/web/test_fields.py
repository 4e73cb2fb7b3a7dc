"""What clients read when a field is wrong."""

import pytest
from marshmallow import Schema, fields

from gatehouse.web.fields import LIBRARY_MESSAGES

FIELDS = (fields.Field, fields.String, fields.Boolean, fields.Integer, fields.List, fields.UUID)


def test_replaced_sentences_are_those_of_the_library():
    written = {"Invalid input type.", "Unknown field.", "Not a valid mapping type."}
    for kind in (Schema, fields.Nested, fields.Dict, *FIELDS):
        written |= {str(text) for text in getattr(kind, "default_error_messages", {}).values()}
        written |= {str(text) for text in getattr(kind, "_default_error_messages", {}).values()}

    assert LIBRARY_MESSAGES.keys() <= written


@pytest.mark.parametrize(
    ("sent", "errors"),
    [
        ({}, {"identifier": "This field is required.", "password": "This field is required."}),
        (
            {"identifier": "ann", "password": "x", "pasword": "x"},
            {"pasword": "There is no such field. Did you mean password?"},
        ),
        ({"identifier": "ann", "password": 1}, {"password": "Send a string."}),
        (
            {"identifier": None, "password": "x"},
            {"identifier": "Leave this field out instead of sending null."},
        ),
        ([], {"body": "Send a JSON object."}),
    ],
)
def test_error_of_a_field_says_what_to_send(client, sent, errors):
    response = client.post("/auth/login", json=sent)

    assert response.status_code == 422
    assert {name: one["message"] for name, [one] in response.json["errors"].items()} == errors
