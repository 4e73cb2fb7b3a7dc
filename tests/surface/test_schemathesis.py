"""The document is true: whatever is generated from it is answered as it says."""

from functools import cache

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import positive_data_acceptance

OPERATIONS = [
    "POST /auth/register",
    "POST /auth/register/options",
    "POST /auth/email/verify",
    "POST /auth/invitation",
    "POST /auth/login",
    "POST /auth/login/link",
    "POST /auth/login/link/verify",
    "POST /auth/login/link/code",
    "POST /auth/refresh",
    "POST /auth/logout",
    "GET /auth/csrf",
    "GET /auth/me",
    "PATCH /auth/me",
    "POST /auth/login/mfa/challenge",
    "POST /auth/login/mfa",
    "POST /auth/login/mfa/enrolment",
    "POST /auth/login/mfa/enrolment/confirm",
    "POST /auth/reauthenticate/challenge",
    "POST /auth/reauthenticate",
    "POST /auth/passkeys/authentication/options",
    "POST /auth/passkeys/authentication/verify",
    "GET /.well-known/webauthn",
    "GET /auth/mfa/factors",
    "POST /auth/mfa/factors",
    "POST /auth/mfa/factors/{factor_id}/confirm",
    "DELETE /auth/mfa/factors/{factor_id}",
    "POST /auth/mfa/recovery-codes",
    "POST /auth/mfa/recovery",
    "POST /auth/mfa/recovery/verify",
    "POST /auth/mfa/reset/cancel",
    "DELETE /auth/mfa/reset",
    "POST /auth/passkeys/registration/options",
    "POST /auth/passkeys/registration/verify",
    "GET /auth/captcha",
    "GET /auth/devices",
    "DELETE /auth/devices/{device_id}",
    "GET /auth/sessions",
    "DELETE /auth/sessions/{session_id}",
    "POST /auth/password/change",
    "POST /auth/password/forgot",
    "POST /auth/password/reset",
    "POST /auth/email/resend",
    "POST /auth/email/change",
    "POST /auth/email/undo",
    "POST /auth/phone",
    "DELETE /auth/phone",
    "POST /auth/phone/verify",
    "GET /.well-known/jwks.json",
    "GET /tokens/status/{number}",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
    "GET /gateway/verify",
]

MORE_THAN_A_SCHEMA_SAYS = {
    "POST /auth/register": "a password or a passkey, the policy, and a number that exists",
    "POST /auth/invitation": "the password's policy",
    "POST /auth/password/change": "the password's policy",
    "POST /auth/email/verify": "one of two ways, whole",
    "POST /auth/email/resend": "an Idempotency-Key comes with one body only",
    "POST /auth/login/link": "one of two addresses, and a number that exists",
    "POST /auth/login/link/verify": "one of two ways",
    "POST /auth/login/mfa": "a factor that is named in one way",
    "POST /auth/mfa/factors": "a kind of factor that there is",
    "POST /auth/login/mfa/enrolment": "a kind of factor that there is",
    "POST /auth/reauthenticate": "one proof, and no more",
    "POST /auth/password/forgot": "one of two addresses, and a number that exists",
    "POST /auth/mfa/recovery": "one of two addresses, and a number that exists",
    "POST /auth/mfa/recovery/verify": "one of two proofs",
    "POST /auth/password/reset": "one of three ways, whole; the password's policy",
    "POST /auth/email/change": "an Idempotency-Key comes with one body only",
    "POST /auth/phone": "a number that exists",
    "POST /auth/phone/verify": "a number that exists",
    "POST /auth/passkeys/authentication/verify": "a signature of a passkey",
    "POST /auth/passkeys/registration/verify": "a passkey that answers a challenge",
    "GET /auth/sessions": "a cursor is one that the service made",
}
"""Here even data that the schema allows can be refused: positive_data_acceptance is left out."""


@pytest.fixture
def document(app):
    return document_of(app)


@cache
def document_of(app):
    """Return the document; what was made for one of its schemas serves the next operation, too.

    Bounds of thousands of characters are left out: with them, its patterns take long to compile.
    What is longer than they allow is refused in test_input.py.
    """
    document = schemathesis.openapi.from_wsgi("/openapi.json", app)
    for schema in objects_in(document.raw_schema):
        if schema.get("maxLength", 0) > 1024:
            del schema["maxLength"]
    return document


def objects_in(node):
    """Yield every object of a document."""
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node:
        if isinstance(inner, dict | list):
            yield from objects_in(inner)


def test_the_operations_are_those_of_the_document(document):
    found = [result.ok() for result in document.get_all_operations()]

    assert {operation.label for operation in found} == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
@given(data=st.data())
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_an_operation_answers_as_the_document_says(document, member, operation, data):
    method, path = operation.split(" ")
    described = document[path][method]
    case = data.draw(
        described.as_strategy(generation_mode=data.draw(st.sampled_from(GenerationMode)))
    )
    secured = described.definition.raw.get("security")
    without = case.meta.is_negative_at(ParameterLocation.HEADER)  # the token itself is left out
    headers = {"Authorization": f"Bearer {member}"} if secured and not without else {}
    left_out = [positive_data_acceptance] if operation in MORE_THAN_A_SCHEMA_SAYS else []

    case.call_and_validate(headers=headers, excluded_checks=left_out)
