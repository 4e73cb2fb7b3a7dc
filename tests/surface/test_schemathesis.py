"""Requests generated from the OpenAPI document get the documented responses."""

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
    "POST /auth/email/verify/code",
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
    "GET /auth/mfa/reset",
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
    "GET /dev/mailbox",
    "DELETE /dev/mailbox",
    "GET /admin/permissions",
    "GET /admin/users",
    "POST /admin/users",
    "GET /admin/users/{user_id}",
    "PATCH /admin/users/{user_id}",
    "DELETE /admin/users/{user_id}",
    "POST /admin/users/{user_id}/restore",
    "POST /admin/users/{user_id}/disable",
    "POST /admin/users/{user_id}/enable",
    "POST /admin/users/{user_id}/unlock",
    "POST /admin/users/{user_id}/verify-email",
    "POST /admin/users/{user_id}/reset-password",
    "POST /admin/users/{user_id}/revoke-sessions",
    "POST /admin/users/{user_id}/reset-mfa",
    "GET /admin/users/{user_id}/sessions",
    "GET /admin/users/{user_id}/factors",
    "GET /admin/users/{user_id}/audit",
    "POST /admin/permissions",
    "GET /admin/permissions/{name}",
    "PATCH /admin/permissions/{name}",
    "DELETE /admin/permissions/{name}",
    "GET /admin/roles",
    "POST /admin/roles",
    "GET /admin/roles/{name}",
    "PATCH /admin/roles/{name}",
    "DELETE /admin/roles/{name}",
    "GET /admin/users/{user_id}/roles",
    "PUT /admin/users/{user_id}/roles",
]

STRICTER_THAN_THE_SCHEMA = {
    "POST /auth/register": "a password or a passkey, the policy, and a number that exists",
    "POST /auth/invitation": "the password policy",
    "POST /auth/password/change": "the password policy",
    "POST /auth/email/verify": "one of two ways, complete",
    "POST /auth/email/resend": "one body per Idempotency-Key",
    "POST /auth/login/link": "an e-mail address or a number, and a number that exists",
    "POST /auth/login/link/verify": "one of two ways",
    "POST /auth/login/mfa": "a factor that is selected in one way",
    "POST /auth/mfa/factors": "a supported kind of factor",
    "POST /auth/login/mfa/enrolment": "a supported kind of factor",
    "POST /auth/reauthenticate": "exactly one credential",
    "POST /auth/password/forgot": "an e-mail address or a number, and a number that exists",
    "POST /auth/mfa/recovery": "an e-mail address or a number, and a number that exists",
    "POST /auth/mfa/recovery/verify": "one of two credentials",
    "POST /auth/password/reset": "one of three ways, complete; the password policy",
    "POST /auth/email/change": "one body per Idempotency-Key",
    "POST /auth/phone": "a number that exists",
    "POST /auth/phone/verify": "a number that exists",
    "POST /auth/passkeys/authentication/verify": "a valid assertion",
    "POST /auth/passkeys/registration/verify": "a valid attestation",
    "GET /auth/sessions": "a cursor of this service",
}
"""Operations that reject some data that their schema allows: no positive_data_acceptance."""


@pytest.fixture
def document(app):
    return load_document(app)


@cache
def load_document(app):
    """Load the document once, as its generators are cached in it.

    Bounds of thousands of characters are removed: with them, patterns take long to compile.
    test_input.py tests strings that are too long.
    """
    document = schemathesis.openapi.from_wsgi("/openapi.json", app)
    for schema in iterate_objects(document.raw_schema):
        if schema.get("maxLength", 0) > 1024:
            del schema["maxLength"]
    return document


def iterate_objects(node):
    """Yield every object within a document."""
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node:
        if isinstance(inner, dict | list):
            yield from iterate_objects(inner)


def test_operations_are_those_of_the_document(document):
    results = [result.ok() for result in document.get_all_operations()]

    assert {operation.label for operation in results} == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
@given(data=st.data())
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_operation_responds_as_documented(document, access_token, operation, data):
    method, path = operation.split(" ")
    operation_spec = document[path][method]
    case = data.draw(
        operation_spec.as_strategy(generation_mode=data.draw(st.sampled_from(GenerationMode)))
    )
    needs_token = operation_spec.definition.raw.get("security")
    token_omitted = case.meta.is_negative_at(ParameterLocation.HEADER)  # generated without a token
    headers = (
        {"Authorization": f"Bearer {access_token}"} if needs_token and not token_omitted else {}
    )
    excluded = [positive_data_acceptance] if operation in STRICTER_THAN_THE_SCHEMA else []

    case.call_and_validate(headers=headers, excluded_checks=excluded)
