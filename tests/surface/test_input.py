"""Invalid input: the documented 4xx with its code, and no change in the database."""

import json
from itertools import product

import pytest

from tests.surface.conftest import FORMS, read_problem, unexpected_problems

MALFORMED_JSON = (400, "malformed_json")
MALFORMED_REQUEST = (400, "malformed_request")
TOO_LARGE = (413, "payload_too_large")
INVALID = (422, "validation_failed")
KIBIBYTE = 1024
CREDENTIALS = json.dumps({"identifier": "nobody@example.com", "password": "wrong"})
OTHER_FORMATS = (
    *("factor_id", "session_id", "owner_id", "until", "expires_at", "since", "event_id"),
    *("operation", "service_account_id"),
)
FIELDS = [
    (endpoint, field)
    for endpoint, form in FORMS.items()
    for field, value in form.items()
    if isinstance(value, str) and field not in OTHER_FORMATS  # `credential` has its own tests
]
IDS = [
    (endpoint, field)
    for endpoint, form in FORMS.items()
    for field in ("factor_id", "session_id", "owner_id", "event_id", "service_account_id")
    if field in form
]
FLAGS = [
    (endpoint, field) for endpoint, form in FORMS.items() for field in form if form[field] is True
]
OBJECTS = [
    (endpoint, field)
    for endpoint, form in FORMS.items()
    for field, value in form.items()
    if isinstance(value, dict)
]

NOT_JSON = [
    "{",
    "{}{}",
    "{} x",
    "{'name': 1}",
    '{"name": "a",}',
    '{"name": "a\nb"}',
    '{"name": "a\0b"}',
    '{"name": 01}',
    '{"name": "\\x"}',
    "// note\n{}",
    " ",
    "undefined",
]
NOT_UTF_8 = [
    b'{"name": "\xff"}',
    b'{"name": "\xc0\xaf"}',  # an overlong slash
    b'{"name": "\xed\xa0\x80"}',  # a surrogate, encoded
    b'{"name": "\xe4"}',  # Latin-1
    '{"name": "a"}'.encode("utf-16"),
    '{"name": "a"}'.encode("utf-32-be"),
    b'\xef\xbb\xbf{"name": "a"}',  # a byte order mark, RFC 8259 section 8.1
]


def with_value(endpoint, text, field=None):
    """Return an endpoint's form as JSON with this raw text in a field (default: the first)."""
    field = field or next(iter(FORMS[endpoint]))
    return json.dumps(FORMS[endpoint] | {field: "@@"}).replace('"@@"', text)


def error_codes(response):
    """Return the error codes of each rejected field."""
    return {field: [e["code"] for e in errors] for field, errors in response.json["errors"].items()}


# Fields


def test_forms_cover_every_documented_body(app):
    document = app.test_client().get("/openapi.json").json
    schemas = document["components"]["schemas"]

    fields = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation["requestBody"]["content"] if "requestBody" in operation else {}
            if "application/json" in content:  # forms of applications may have unknown fields
                reference = content["application/json"]["schema"]
                fields[method.upper(), path] = members_of(reference, schemas)

    assert fields == {endpoint: set(form) for endpoint, form in FORMS.items()}


def members_of(reference, schemas):
    """Return the names of the members of a body, in whichever way it is filled in."""
    schema = schemas[reference["$ref"].rpartition("/")[2]]
    ways = [members_of(way, schemas) for way in schema.get("oneOf", ())]
    return set().union(*ways, schema.get("properties", ()))


@pytest.mark.requirement("AP-03")
def test_unknown_field_is_rejected(send_invalid):
    responses = {
        endpoint: send_invalid(endpoint, json.dumps(form | {"admin": 1}))
        for endpoint, form in FORMS.items()
    }

    assert unexpected_problems(INVALID, responses) == {}
    assert all(
        error_codes(response) == {"admin": ["unknown_field"]} for response in responses.values()
    )


@pytest.mark.requirement("AP-03")
def test_value_of_another_type_is_rejected(send_invalid):
    values = ["5", "1.5", "true", "[]", '["text"]', "{}", '{"$ne": ""}']

    responses = {
        (endpoint, field, value): send_invalid(endpoint, with_value(endpoint, value, field))
        for (endpoint, field), value in product(FIELDS, values)
    }

    assert unexpected_problems(INVALID, responses) == {}
    found_codes = {
        (field, *error_codes(response)[field]) for (_, field, _), response in responses.items()
    }
    assert found_codes == {(field, "invalid_type") for _, field in FIELDS}


@pytest.mark.requirement("AP-03")
def test_id_must_be_a_uuid(send_invalid):
    values = [
        "5",
        "true",
        "[]",
        "{}",
        '""',
        '"1"',
        '"../1"',
        r'"\u0000"',
        r'"\ud800"',
        '"' + "0" * 9000 + '"',
    ]

    responses = {
        (endpoint, field, value): send_invalid(endpoint, with_value(endpoint, value, field))
        for (endpoint, field), value in product(IDS, values)
    }

    assert unexpected_problems(INVALID, responses) == {}
    assert all(
        error_codes(response)[field] == ["invalid"] for (_, field, _), response in responses.items()
    )


@pytest.mark.requirement("AP-03")
def test_boolean_must_be_true_or_false(send_invalid):
    values = ["0", "1", "1.0", '"true"', '"on"', '""', "[]", "[true]", "{}"]

    responses = {
        (endpoint, field, value): send_invalid(endpoint, with_value(endpoint, value, field))
        for (endpoint, field), value in product(FLAGS, values)
    }

    assert unexpected_problems(INVALID, responses) == {}
    assert all(error_codes(a)[field] == ["invalid_type"] for (_, field, _), a in responses.items())


@pytest.mark.requirement("AP-03")
def test_passkey_response_must_be_an_object(send_invalid):
    values = ["5", "true", "[]", '"text"', '[{"id": "AAAA"}]', "null"]

    responses = {
        (endpoint, field, value): send_invalid(endpoint, with_value(endpoint, value, field))
        for (endpoint, field), value in product(OBJECTS, values)
        if (endpoint[0], field, value) != ("PATCH", "jwks", "null")  # which clears it
    }

    assert unexpected_problems(INVALID, responses) == {}
    assert all(field in error_codes(response) for (_, field, _), response in responses.items())


@pytest.mark.requirement("AP-03")
def test_null_is_rejected_except_to_clear_a_field(send_invalid):
    fields = [(endpoint, field) for endpoint, field in FIELDS if endpoint[0] != "PATCH"]

    responses = {
        (endpoint, field): send_invalid(endpoint, with_value(endpoint, "null", field))
        for endpoint, field in fields
    }

    assert unexpected_problems(INVALID, responses) == {}
    assert all(
        error_codes(response) == {field: ["null"]} for (_, field), response in responses.items()
    )


@pytest.mark.requirement("AP-03")
def test_string_that_is_too_long_is_rejected(send_invalid):
    long = json.dumps("x" * 20_000)

    responses = {
        (endpoint, field): send_invalid(endpoint, with_value(endpoint, long, field))
        for endpoint, field in FIELDS
    }

    assert unexpected_problems(INVALID, responses) == {}
    assert all(
        "too_long" in error_codes(response)[field] for (_, field), response in responses.items()
    )


@pytest.mark.requirement("AP-03")
def test_string_that_databases_cannot_store_is_rejected(send_invalid):
    texts = [r'"a\u0000b"', r'"\ud800"', r'"a\udfff"', r'"\udc00\ud800"']

    responses = {
        (endpoint, field, text): send_invalid(endpoint, with_value(endpoint, text, field))
        for (endpoint, field), text in product(FIELDS, texts)
    }

    assert unexpected_problems(INVALID, responses) == {}
    found_codes = {
        (field, *error_codes(response)[field]) for (_, field, _), response in responses.items()
    }
    assert found_codes == {(field, "unprintable") for _, field in FIELDS}


@pytest.mark.requirement("AP-03")
def test_unusual_key_is_an_unknown_field(send_invalid):
    keys = [r"\u0000", r"\ud800", "", "__proto__", "email[]", "Email"]

    responses = {
        (endpoint, key): send_invalid(
            endpoint, f'{{"{key}": "x", {json.dumps(FORMS[endpoint])[1:]}'
        )
        for endpoint, key in product(FORMS, keys)
    }

    assert unexpected_problems(INVALID, responses) == {}
    assert all(
        [*error_codes(response).values()] == [["unknown_field"]] for response in responses.values()
    )


@pytest.mark.requirement("AP-03")
def test_limit_parameter_must_be_digits_within_its_range(ada):
    limits = ["0", "-1", "101", "1.5", "1_0", "\u0665", "+5", " 5", "1e1", "ten", "", "9" * 5000]

    responses = {
        limit: ada.get("/auth/sessions", query_string={"limit": limit}) for limit in limits
    }

    assert unexpected_problems(INVALID, responses) == {}
    assert all(error_codes(response).keys() == {"limit"} for response in responses.values())


# Bodies


@pytest.mark.requirement("AP-03")
def test_body_must_be_an_object(send_invalid):
    bodies = ["null", "[]", '[{"identifier": "x"}]', '"text"', "5", "true"]

    responses = {
        (endpoint, body): send_invalid(endpoint, body) for endpoint, body in product(FORMS, bodies)
    }

    assert unexpected_problems(INVALID, responses) == {}
    assert all(error_codes(response).keys() == {"body"} for response in responses.values())


@pytest.mark.requirement("AP-03")
def test_missing_body_reports_the_required_fields(send_invalid):
    optional = {("POST", "/auth/logout"), ("POST", "/auth/refresh"), ("PATCH", "/auth/me")}
    optional |= {("POST", "/admin/service-accounts/{account_id}/keys/{key_id}/rotate")}
    optional |= {("POST", "/admin/hooks/{hook_id}/rotate-secret")}
    optional |= {("POST", "/admin/clients/{client_id}/secrets")}
    optional |= {("POST", "/admin/clients/{client_id}/secrets/{secret_id}/rotate")}
    optional |= {
        endpoint for endpoint, form in FORMS.items() if form.keys() - {"session_id"} == {"reason"}
    }
    of_a_kind = {
        ("POST", "/auth/mfa/factors/{factor_id}/confirm")
    }  # the required fields depend on the factor

    responses = {
        endpoint: send_invalid(endpoint, "") for endpoint in FORMS.keys() - optional - of_a_kind
    }

    assert unexpected_problems(INVALID, responses) == {}
    found_codes = [
        code
        for response in responses.values()
        for found in error_codes(response).values()
        for code in found
    ]
    assert {*found_codes} == {"required", "invalid_combination"}


@pytest.mark.requirement("AP-03")
def test_missing_body_is_rejected_where_every_field_is_optional(send_invalid):
    response = send_invalid(("PATCH", "/auth/me"), "")

    assert read_problem(response) == INVALID
    assert error_codes(response) == {"body": ["required"]}


@pytest.mark.requirement("AP-03", "AP-11")
def test_duplicate_json_key_is_rejected(send_invalid):
    bodies = {endpoint: json.dumps(form) for endpoint, form in FORMS.items()}

    same = {
        endpoint: send_invalid(endpoint, f"{body[:-1]}, {body[1:]}")
        for endpoint, body in bodies.items()
    }
    inner = {endpoint: send_invalid(endpoint, '{"name": {"a": 1, "a": 1}}') for endpoint in FORMS}
    escaped = {
        endpoint: send_invalid(endpoint, r'{"name": "a", "nam\u0065": "b"}') for endpoint in FORMS
    }

    assert unexpected_problems(MALFORMED_JSON, same) == {}
    assert unexpected_problems(MALFORMED_JSON, inner) == {}
    assert unexpected_problems(MALFORMED_JSON, escaped) == {}


@pytest.mark.requirement("AP-03")
def test_json_number_that_parsers_read_differently_is_rejected(send_invalid):
    numbers = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000]

    responses = {
        (endpoint, n): send_invalid(endpoint, with_value(endpoint, n))
        for endpoint, n in product(FORMS, numbers)
    }

    assert unexpected_problems(MALFORMED_JSON, responses) == {}


@pytest.mark.requirement("AP-03")
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_json_deeper_than_32_levels_is_rejected(send_invalid, opening, closing):
    below = opening * 31 + "1" + closing * 31  # the form itself is the first level

    read = {endpoint: send_invalid(endpoint, with_value(endpoint, below)) for endpoint in FORMS}
    rejected = {
        endpoint: send_invalid(endpoint, with_value(endpoint, opening + below + closing))
        for endpoint in FORMS
    }

    assert unexpected_problems(INVALID, read) == {}
    assert unexpected_problems(MALFORMED_JSON, rejected) == {}


@pytest.mark.requirement("AP-03")
def test_extremely_nested_json_is_rejected(send_invalid):
    bodies = ["[" * 65_000, '{"a":' * 13_000, "[" * 32_000 + "]" * 32_000]

    responses = {
        (endpoint, body[:2]): send_invalid(endpoint, body)
        for endpoint, body in product(FORMS, bodies)
    }

    assert unexpected_problems(MALFORMED_JSON, responses) == {}


@pytest.mark.requirement("AP-03")
def test_hundred_thousand_levels_exceed_the_body_limit(send_invalid):
    assert (
        unexpected_problems(
            TOO_LARGE, {endpoint: send_invalid(endpoint, "[" * 100_000) for endpoint in FORMS}
        )
        == {}
    )


@pytest.mark.requirement("AP-03")
def test_invalid_json_is_rejected(send_invalid):
    responses = {
        (endpoint, body): send_invalid(endpoint, body)
        for endpoint, body in product(FORMS, NOT_JSON)
    }

    assert unexpected_problems(MALFORMED_JSON, responses) == {}


@pytest.mark.requirement("AP-03")
def test_json_must_be_utf_8(send_invalid):
    responses = {
        (endpoint, body): send_invalid(endpoint, body)
        for endpoint, body in product(FORMS, NOT_UTF_8)
    }

    assert unexpected_problems(MALFORMED_JSON, responses) == {}


@pytest.mark.requirement("AP-03")
def test_body_of_64_kibibytes_is_accepted(client):
    body = CREDENTIALS.ljust(64 * KIBIBYTE)

    response = client.post("/auth/login", data=body, content_type="application/json")

    assert read_problem(response) == (401, "invalid_credentials")


@pytest.mark.requirement("AP-03")
@pytest.mark.parametrize("size", [64 * KIBIBYTE + 1, 10 * KIBIBYTE * KIBIBYTE])
def test_body_over_64_kibibytes_is_rejected(send_invalid, size):
    bodies = {endpoint: json.dumps(form).ljust(size) for endpoint, form in FORMS.items()}

    assert (
        unexpected_problems(
            TOO_LARGE, {endpoint: send_invalid(endpoint, body) for endpoint, body in bodies.items()}
        )
        == {}
    )


# Duplicates


@pytest.mark.requirement("AP-11")
def test_duplicate_query_parameter_is_rejected(ada):
    paths = ["/auth/sessions", "/auth/me", "/dev/mailbox", "/health/live", "/nowhere"]
    queries = ["limit=1&limit=1", "to=a&to=b", "x=&x=", "%6cimit=1&limit=2"]

    responses = {(p, q): ada.get(p, query_string=q) for p, q in product(paths, queries)}

    assert unexpected_problems(MALFORMED_REQUEST, responses) == {}


@pytest.mark.requirement("AP-11")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer {token}"),
        ("Content-Type", "application/json"),
        ("Host", "localhost:8000"),
        ("Origin", "http://localhost:8000"),
        ("X-Request-Id", "one"),
    ],
)
def test_joined_duplicate_header_is_rejected(app, ada, name, value):
    token = ada.get("/auth/me").request.headers["Authorization"].removeprefix("Bearer ")
    twice = ", ".join([value.format(token=token)] * 2)  # as servers join repeated ones

    response = app.test_client().get("/auth/me", headers={name: twice})

    assert read_problem(response) == MALFORMED_REQUEST
