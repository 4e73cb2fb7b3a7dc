"""Requests generated from the OpenAPI document get the documented responses."""

from contextlib import suppress
from functools import cache
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import positive_data_acceptance

from gatehouse.core import clock
from gatehouse.database.pages import Position
from gatehouse.users.identifiers import parse_email
from gatehouse.web import pagination

OPERATIONS = [
    "GET /.well-known/oauth-authorization-server",
    "GET /.well-known/openid-configuration",
    "GET /oauth2/userinfo",
    "POST /oauth2/introspect",
    "POST /oauth2/revoke",
    "POST /oauth2/token",
    "POST /oauth2/userinfo",
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
    "DELETE /auth/me",
    "POST /auth/me/restore",
    "GET /auth/me/history",
    "GET /auth/me/export",
    "POST /auth/login/mfa/challenge",
    "POST /auth/login/mfa",
    "POST /auth/login/mfa/enrolment",
    "POST /auth/login/mfa/enrolment/confirm",
    "POST /auth/reauthenticate/challenge",
    "GET /auth/federation",
    "POST /auth/federation/complete",
    "POST /auth/federation/{provider}/nonce",
    "POST /auth/federation/{provider}/token",
    "GET /auth/identities",
    "POST /auth/identities",
    "POST /auth/identities/complete",
    "DELETE /auth/identities/{identity_id}",
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
    "GET /auth/grants",
    "DELETE /auth/grants/{grant_id}",
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
    "POST /admin/users/{user_id}/impersonate",
    "POST /admin/users/{user_id}/disable",
    "POST /admin/users/{user_id}/enable",
    "POST /admin/users/{user_id}/unlock",
    "POST /admin/users/{user_id}/verify-email",
    "POST /admin/users/{user_id}/reset-password",
    "POST /admin/users/{user_id}/revoke-sessions",
    "POST /admin/users/{user_id}/reset-mfa",
    "GET /admin/users/{user_id}/sessions",
    "GET /admin/users/{user_id}/grants",
    "DELETE /admin/users/{user_id}/grants/{grant_id}",
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
    "GET /admin/profile-schema",
    "PUT /admin/profile-schema",
    "GET /admin/users/{user_id}/roles",
    "PUT /admin/users/{user_id}/roles",
    "POST /admin/users/bulk",
    "GET /admin/audit",
    "GET /admin/users/{user_id}/identities",
    "GET /admin/users/{user_id}/risk",
    "GET /admin/service-accounts",
    "POST /admin/service-accounts",
    "GET /admin/service-accounts/{account_id}",
    "PATCH /admin/service-accounts/{account_id}",
    "DELETE /admin/service-accounts/{account_id}",
    "GET /admin/service-accounts/{account_id}/keys",
    "POST /admin/service-accounts/{account_id}/keys",
    "GET /admin/service-accounts/{account_id}/keys/{key_id}",
    "DELETE /admin/service-accounts/{account_id}/keys/{key_id}",
    "POST /admin/service-accounts/{account_id}/keys/{key_id}/rotate",
    "GET /admin/clients",
    "POST /admin/clients",
    "GET /admin/clients/{client_id}",
    "PATCH /admin/clients/{client_id}",
    "DELETE /admin/clients/{client_id}",
    "GET /admin/clients/{client_id}/secrets",
    "POST /admin/clients/{client_id}/secrets",
    "DELETE /admin/clients/{client_id}/secrets/{secret_id}",
    "POST /admin/clients/{client_id}/secrets/{secret_id}/rotate",
    "GET /admin/resources",
    "POST /admin/resources",
    "GET /admin/resources/{resource_id}",
    "PATCH /admin/resources/{resource_id}",
    "DELETE /admin/resources/{resource_id}",
    "GET /admin/hooks",
    "POST /admin/hooks",
    "GET /admin/hooks/{hook_id}",
    "PATCH /admin/hooks/{hook_id}",
    "DELETE /admin/hooks/{hook_id}",
    "POST /admin/hooks/{hook_id}/rotate-secret",
    "GET /admin/hooks/{hook_id}/deliveries",
    "POST /admin/hooks/{hook_id}/replay",
    "POST /admin/hooks/{hook_id}/test",
]

SIGNED_MEMBERS = {"credential", "passkey"}
"""Members with bytes that an authenticator signs, which nothing can generate: such data, though it
matches the schema, may be rejected (no positive_data_acceptance)."""
DECLARED_MEMBERS = {"attributes"}
"""What the operator's profile schema accepts, and not the document: here, no attribute."""

OF_CLIENTS = {
    *("POST /oauth2/token", "POST /oauth2/revoke"),
    *("POST /oauth2/introspect", "POST /oauth2/userinfo"),
}
"""Which of their parameters belong together depends on the grant and the method of the client, and
no field of a form may be sent twice."""

CURSORS: list[str] = []
"""A cursor of the list that is tested, as only the service can make one."""


def is_accepted_email(text):
    """Return whether an address is accepted: no quoted local part, no encoded word (RFC 2047)."""
    with suppress(ValueError):
        return bool(parse_email(text))
    return False


FORMATS = {
    "email": st.emails().filter(is_accepted_email),
    "password": st.sampled_from(["seven green lanterns", "an unlikely phrase 42"]),
    "phone": st.integers(0, 99_999_999).map("+49 151 {:08}".format),
    "cursor": st.builds(CURSORS.__getitem__, st.just(0)),
    "idempotency-key": st.uuids().map(str),
}
"""Values of the formats that JSON Schema does not know, or knows otherwise: addresses that can be
mailed to, the policy of passwords, numbers that can exist, cursors that were handed out, keys that
were not used before."""
for name, strategy in FORMATS.items():
    schemathesis.openapi.format(name, strategy)


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


@pytest.fixture
def cursor(app, client, access_token, operation):
    """A cursor of the sessions, or the history, of the user with the access token."""
    user_id = client.as_(access_token).get("/auth/me").json["id"]
    with app.app_context():
        of_history = operation == "GET /auth/me/history"
        purpose = f"history {user_id}" if of_history else f"own sessions {user_id}"
        CURSORS[:] = [pagination.encode_cursor(purpose, Position(clock.now(), uuid4()))]


@pytest.mark.parametrize("operation", OPERATIONS)
@given(data=st.data())
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_operation_responds_as_documented(document, access_token, cursor, operation, data):
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
    members = set(case.body) if isinstance(case.body, dict) else set()
    is_judged_later = not (SIGNED_MEMBERS | DECLARED_MEMBERS).isdisjoint(members)
    is_judged_later |= operation in OF_CLIENTS
    excluded = [positive_data_acceptance] if is_judged_later else []

    case.call_and_validate(headers=headers, excluded_checks=excluded)
