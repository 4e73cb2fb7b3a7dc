"""What bad input gets: the right 4xx with its code, and nothing changed."""

import json
from itertools import product

import pytest

from tests.surface.conftest import FORMS, other_than, verdict

MALFORMED = (400, "malformed_json")
AMBIGUOUS = (400, "malformed_request")
TOO_LARGE = (413, "payload_too_large")
INVALID = (422, "validation_failed")
KIBIBYTE = 1024
CREDENTIALS = json.dumps({"identifier": "nobody@example.com", "password": "wrong"})
FIELDS = [
    (door, field)
    for door, form in FORMS.items()
    for field, value in form.items()
    if isinstance(value, str) and field != "factor_id"  # the answers of passkeys have own tests
]
IDS = [door for door, form in FORMS.items() if "factor_id" in form]
FLAGS = [(door, field) for door, form in FORMS.items() for field in form if form[field] is True]
OBJECTS = [
    (door, field)
    for door, form in FORMS.items()
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


def with_value(door, text, field=None):
    """Write a door's form as JSON in which a field, the first by default, has this text."""
    field = field or next(iter(FORMS[door]))
    return json.dumps(FORMS[door] | {field: "@@"}).replace('"@@"', text)


def codes(answer):
    """Return the codes of each refused field."""
    return {field: [e["code"] for e in errors] for field, errors in answer.json["errors"].items()}


# Fields


def test_the_doors_are_all_that_the_document_knows(app):
    document = app.test_client().get("/openapi.json").json
    schemas = document["components"]["schemas"]

    fields = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if "requestBody" in operation:
                reference = operation["requestBody"]["content"]["application/json"]["schema"]
                schema = schemas[reference["$ref"].rpartition("/")[2]]
                fields[method.upper(), path] = set(schema["properties"])

    assert fields == {door: set(form) for door, form in FORMS.items()}


@pytest.mark.requirement("AP-03")
def test_an_unknown_field_is_refused_by_name(knock):
    answers = {door: knock(door, json.dumps(form | {"admin": 1})) for door, form in FORMS.items()}

    assert other_than(INVALID, answers) == {}
    assert all(codes(answer) == {"admin": ["unknown_field"]} for answer in answers.values())


@pytest.mark.requirement("AP-03")
def test_a_value_of_another_type_is_never_converted(knock):
    values = ["5", "1.5", "true", "[]", '["text"]', "{}", '{"$ne": ""}']

    answers = {
        (door, field, value): knock(door, with_value(door, value, field))
        for (door, field), value in product(FIELDS, values)
    }

    assert other_than(INVALID, answers) == {}
    said = {(field, *codes(answer)[field]) for (_, field, _), answer in answers.items()}
    assert said == {(field, "invalid_type") for _, field in FIELDS}


@pytest.mark.requirement("AP-03")
def test_an_id_is_a_uuid_and_nothing_else(knock):
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

    answers = {
        (door, value): knock(door, with_value(door, value, "factor_id"))
        for door, value in product(IDS, values)
    }

    assert other_than(INVALID, answers) == {}
    assert all(codes(answer)["factor_id"] == ["invalid"] for answer in answers.values())


@pytest.mark.requirement("AP-03")
def test_a_flag_is_true_or_false_and_nothing_else(knock):
    values = ["0", "1", "1.0", '"true"', '"on"', '""', "[]", "[true]", "{}"]

    answers = {
        (door, field, value): knock(door, with_value(door, value, field))
        for (door, field), value in product(FLAGS, values)
    }

    assert other_than(INVALID, answers) == {}
    assert all(codes(a)[field] == ["invalid_type"] for (_, field, _), a in answers.items())


@pytest.mark.requirement("AP-03")
def test_what_is_no_object_is_no_answer_of_a_passkey(knock):
    values = ["5", "true", "[]", '"text"', '[{"id": "AAAA"}]', "null"]

    answers = {
        (door, field, value): knock(door, with_value(door, value, field))
        for (door, field), value in product(OBJECTS, values)
    }

    assert other_than(INVALID, answers) == {}
    assert all(field in codes(answer) for (_, field, _), answer in answers.items())


@pytest.mark.requirement("AP-03")
def test_null_is_refused_where_it_empties_nothing(knock):
    fields = [(door, field) for door, field in FIELDS if door != ("PATCH", "/auth/me")]

    answers = {
        (door, field): knock(door, with_value(door, "null", field)) for door, field in fields
    }

    assert other_than(INVALID, answers) == {}
    assert all(codes(answer) == {field: ["null"]} for (_, field), answer in answers.items())


@pytest.mark.requirement("AP-03")
def test_text_that_is_too_long_is_refused_and_never_cut(knock):
    long = json.dumps("x" * 9000)

    answers = {(door, field): knock(door, with_value(door, long, field)) for door, field in FIELDS}

    assert other_than(INVALID, answers) == {}
    assert all("too_long" in codes(answer)[field] for (_, field), answer in answers.items())


@pytest.mark.requirement("AP-03")
def test_text_that_no_database_can_keep_is_refused(knock):
    texts = [r'"a\u0000b"', r'"\ud800"', r'"a\udfff"', r'"\udc00\ud800"']

    answers = {
        (door, field, text): knock(door, with_value(door, text, field))
        for (door, field), text in product(FIELDS, texts)
    }

    assert other_than(INVALID, answers) == {}
    said = {(field, *codes(answer)[field]) for (_, field, _), answer in answers.items()}
    assert said == {(field, "unprintable") for _, field in FIELDS}


@pytest.mark.requirement("AP-03")
def test_a_strange_key_is_an_unknown_field(knock):
    keys = [r"\u0000", r"\ud800", "", "__proto__", "email[]", "Email"]

    answers = {
        (door, key): knock(door, f'{{"{key}": "x", {json.dumps(FORMS[door])[1:]}')
        for door, key in product(FORMS, keys)
    }

    assert other_than(INVALID, answers) == {}
    assert all([*codes(answer).values()] == [["unknown_field"]] for answer in answers.values())


@pytest.mark.requirement("AP-03")
def test_a_number_in_the_address_is_digits_in_its_range(ada):
    limits = ["0", "-1", "101", "1.5", "1_0", "\u0665", "+5", " 5", "1e1", "ten", "", "9" * 5000]

    answers = {limit: ada.get("/auth/sessions", query_string={"limit": limit}) for limit in limits}

    assert other_than(INVALID, answers) == {}
    assert all(codes(answer).keys() == {"limit"} for answer in answers.values())


# Bodies


@pytest.mark.requirement("AP-03")
def test_a_body_that_is_no_object_is_refused(knock):
    bodies = ["null", "[]", '[{"identifier": "x"}]', '"text"', "5", "true"]

    answers = {(door, body): knock(door, body) for door, body in product(FORMS, bodies)}

    assert other_than(INVALID, answers) == {}
    assert all(codes(answer).keys() == {"body"} for answer in answers.values())


@pytest.mark.requirement("AP-03")
def test_without_a_body_every_required_field_is_missed(knock):
    optional = {("POST", "/auth/logout"), ("POST", "/auth/refresh"), ("PATCH", "/auth/me")}
    of_a_kind = {("POST", "/auth/mfa/factors/{factor_id}/confirm")}  # the factor says what it needs

    answers = {door: knock(door, "") for door in FORMS.keys() - optional - of_a_kind}

    assert other_than(INVALID, answers) == {}
    said = [
        code for answer in answers.values() for found in codes(answer).values() for code in found
    ]
    assert {*said} == {"required", "one_way"}


@pytest.mark.requirement("AP-03", "AP-11")
def test_a_key_that_stands_twice_is_refused(knock):
    bodies = {door: json.dumps(form) for door, form in FORMS.items()}

    same = {door: knock(door, f"{body[:-1]}, {body[1:]}") for door, body in bodies.items()}
    inner = {door: knock(door, '{"name": {"a": 1, "a": 1}}') for door in FORMS}
    escaped = {door: knock(door, r'{"name": "a", "nam\u0065": "b"}') for door in FORMS}

    assert other_than(MALFORMED, same) == {}
    assert other_than(MALFORMED, inner) == {}
    assert other_than(MALFORMED, escaped) == {}


@pytest.mark.requirement("AP-03")
def test_a_number_that_others_would_read_differently_is_refused(knock):
    numbers = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000]

    answers = {(door, n): knock(door, with_value(door, n)) for door, n in product(FORMS, numbers)}

    assert other_than(MALFORMED, answers) == {}


@pytest.mark.requirement("AP-03")
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_thirty_two_levels_are_read_and_the_next_is_refused(knock, opening, closing):
    below = opening * 31 + "1" + closing * 31  # the form itself is the first level

    read = {door: knock(door, with_value(door, below)) for door in FORMS}
    refused = {door: knock(door, with_value(door, opening + below + closing)) for door in FORMS}

    assert other_than(INVALID, read) == {}
    assert other_than(MALFORMED, refused) == {}


@pytest.mark.requirement("AP-03")
def test_a_body_of_nothing_but_depth_is_refused(knock):
    bodies = ["[" * 65_000, '{"a":' * 13_000, "[" * 32_000 + "]" * 32_000]

    answers = {(door, body[:2]): knock(door, body) for door, body in product(FORMS, bodies)}

    assert other_than(MALFORMED, answers) == {}


@pytest.mark.requirement("AP-03")
def test_a_hundred_thousand_levels_are_too_large_to_be_read(knock):
    assert other_than(TOO_LARGE, {door: knock(door, "[" * 100_000) for door in FORMS}) == {}


@pytest.mark.requirement("AP-03")
def test_what_is_not_json_is_refused(knock):
    answers = {(door, body): knock(door, body) for door, body in product(FORMS, NOT_JSON)}

    assert other_than(MALFORMED, answers) == {}


@pytest.mark.requirement("AP-03")
def test_json_is_utf_8_and_nothing_else(knock):
    answers = {(door, body): knock(door, body) for door, body in product(FORMS, NOT_UTF_8)}

    assert other_than(MALFORMED, answers) == {}


@pytest.mark.requirement("AP-03")
def test_a_body_may_have_64_kibibytes(client):
    body = CREDENTIALS.ljust(64 * KIBIBYTE)

    answer = client.post("/auth/login", data=body, content_type="application/json")

    assert verdict(answer) == (401, "invalid_credentials")


@pytest.mark.requirement("AP-03")
@pytest.mark.parametrize("size", [64 * KIBIBYTE + 1, 10 * KIBIBYTE * KIBIBYTE])
def test_a_larger_body_is_refused_even_if_it_would_be_right(knock, size):
    bodies = {door: json.dumps(form).ljust(size) for door, form in FORMS.items()}

    assert other_than(TOO_LARGE, {door: knock(door, body) for door, body in bodies.items()}) == {}


# What stands twice


@pytest.mark.requirement("AP-11")
def test_a_parameter_that_stands_twice_in_the_address_is_refused_everywhere(ada):
    paths = ["/auth/sessions", "/auth/me", "/dev/mailbox", "/health/live", "/nowhere"]
    queries = ["limit=1&limit=1", "to=a&to=b", "x=&x=", "%6cimit=1&limit=2"]

    answers = {(p, q): ada.get(p, query_string=q) for p, q in product(paths, queries)}

    assert other_than(AMBIGUOUS, answers) == {}


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
def test_a_header_that_must_be_single_is_refused_when_it_was_sent_twice(app, ada, name, value):
    token = ada.get("/auth/me").request.headers["Authorization"].removeprefix("Bearer ")
    twice = ", ".join([value.format(token=token)] * 2)  # as servers join repeated ones

    answer = app.test_client().get("/auth/me", headers={name: twice})

    assert verdict(answer) == AMBIGUOUS
