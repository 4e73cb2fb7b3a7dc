"""Every route is guarded or public on purpose, and the document says what there is."""

import re

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gatehouse.core.errors import catalogue

PUBLIC = {
    "/.well-known/jwks.json": "public keys",
    "/.well-known/webauthn": "where passkeys of this domain are used, for every browser",
    "/": "leads to the reference",
    "/accept-invitation/<uuid:request_id>": "a page; its secret is in the fragment",
    "/account": "a page; its scripts ask the doors",
    "/assets/<path:filename>": "files of the pages",
    "/auth/captcha": "a riddle, for whoever is asked to solve one",
    "/auth/csrf": "tells whoever holds a session's cookies what its writes need",
    "/auth/email/resend": "open to everyone; always the same answer",
    "/auth/email/undo": "takes the secret of the old address",
    "/auth/email/verify": "proves an address, by code or by link and password",
    "/auth/invitation": "takes the invitation's secret",
    "/auth/login": "takes the password",
    "/auth/login/link": "open to everyone; always the same answer",
    "/auth/login/link/code": "takes the secret of a link",
    "/auth/login/link/verify": "takes the link or its code, and the token of who asked",
    "/auth/password/forgot": "open to everyone; always the same answer",
    "/auth/password/reset": "takes a code or a link's secret",
    "/auth/login/mfa": "takes the login's token and a factor",
    "/auth/login/mfa/challenge": "takes the login's token",
    "/auth/login/mfa/enrolment": "takes the login's token, and sets a first factor up",
    "/auth/login/mfa/enrolment/confirm": "takes the login's token and a first proof",
    "/auth/logout": "takes either token, and judges it itself",
    "/auth/passkeys/authentication/options": "names nobody",
    "/auth/passkeys/authentication/verify": "takes the signature of a passkey",
    "/auth/refresh": "takes the refresh token",
    "/auth/register": "open to everyone",
    "/auth/register/options": "open to everyone; always the same answer",
    "/auth/mfa/recovery": "open to everyone; always the same answer",
    "/auth/mfa/recovery/verify": "takes a code and another proof, and the token of who asked",
    "/auth/mfa/reset/cancel": "takes the secret of the notice",
    "/cancel-mfa-reset/<uuid:request_id>": "a page; its secret is in the fragment",
    "/confirm-email/<uuid:request_id>": "a page; its secret is in the fragment",
    "/forgot-password": "a page with a form",
    "/login-link/<uuid:request_id>": "a page; its secret is in the fragment",
    "/reset-password/<uuid:request_id>": "a page; its secret is in the fragment",
    "/undo-email/<uuid:request_id>": "a page; its secret is in the fragment",
    "/.well-known/change-password": "leads to where a password is changed",
    "/csp-reports": "takes what browsers refused on our pages, into the log",
    "/dev/mailbox": "development only",
    "/dev/mailbox/<uuid:message_id>": "development only",
    "/dev/mailbox/<uuid:message_id>/qr.svg": "development only",
    "/docs": "the reference",
    "/doctor/proxy": "takes the operator's proof; without it there is nothing",
    "/errors": "the list of errors",
    "/gateway/verify": "judges the bearer token itself: it is the hottest path",
    "/health/live": "says only that the process runs",
    "/health/ready": "says only whether requests can be served",
    "/metrics": "has a token of its own",
    "/openapi.json": "the document",
    "/tokens/status/<number>": "revocations, for everyone who verifies tokens",
    "/verify-email/<uuid:request_id>": "a page; its secret is in the fragment",
}
"""Every address that a stranger may ask, and why."""

UNDOCUMENTED = {
    "/",
    "/account",
    "/docs",
    "/errors",
    "/dev/mailbox",
    "/openapi.json",
    "/doctor/proxy",
    "/csp-reports",
    "/forgot-password",
    "/.well-known/change-password",
}
PAGES = (
    "/assets/",
    "/dev/mailbox/",
    "/verify-email/",
    "/accept-invitation/",
    "/login-link/",
    "/cancel-mfa-reset/",
    "/reset-password/",
    "/confirm-email/",
    "/undo-email/",
)
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


@pytest.fixture
def document(app):
    return app.test_client().get("/openapi.json").json


def operations(document):
    """Yield method, path and description of every operation."""
    for path, found in document["paths"].items():
        for method in found.keys() & {name.lower() for name in METHODS}:
            yield method.upper(), path, found[method]


def routes(app):
    """Return method and path, as OpenAPI writes it, of every route."""
    return {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods & METHODS
    }


def test_every_route_is_guarded_or_public_on_purpose(app):
    open_to_all = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if not hasattr(app.view_functions[rule.endpoint], "guarded")
    }

    assert open_to_all == set(PUBLIC)


def test_what_is_guarded_refuses_a_stranger_before_it_reads_anything(app):
    client = app.test_client()
    guarded = [rule for rule in app.url_map.iter_rules() if rule.rule not in PUBLIC]

    for rule in guarded:
        path = re.sub(r"<uuid:\w+>", "01900000-0000-7000-8000-000000000000", rule.rule)
        for method in rule.methods & METHODS:
            answer = client.open(path, method=method, json={"unknown": 1})

            assert (answer.status_code, answer.json["code"]) == (401, "token_missing"), path
    assert len(guarded) >= 5


@pytest.mark.settings(GATEHOUSE_ENV="production", GATEHOUSE_BCRYPT_COST=None)
@pytest.mark.settings(GATEHOUSE_PUBLIC_URL="https://id.example.com")
def test_production_has_no_route_for_developers(app):
    assert [rule.rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/dev/")] == []


def test_the_document_is_valid(document):
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


def test_every_operation_of_the_document_exists(app, document):
    documented = {(method, path) for method, path, _ in operations(document)}

    assert documented <= routes(app)


def test_every_route_but_the_pages_stands_in_the_document(app, document):
    documented = {(method, path) for method, path, _ in operations(document)}
    missing = {path for _, path in routes(app) - documented} - {"/gateway/verify"}

    assert {path for path in missing if not path.startswith(PAGES)} == UNDOCUMENTED
    assert ("GET", "/gateway/verify") in documented  # which says that any method is answered


def test_the_document_wants_a_token_exactly_where_a_guard_does(app, document):
    guarded = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if hasattr(app.view_functions[rule.endpoint], "guarded")
        for method in rule.methods & METHODS
    }

    secured = {(m, path) for m, path, about in operations(document) if about.get("security")}

    assert guarded <= secured
    assert secured - guarded <= {(m, "/gateway/verify") for m in METHODS} | {("GET", "/metrics")}


def test_every_refusal_in_the_document_is_one_of_the_catalogue(document):
    known = {(kind.status, kind.code) for kind in catalogue()}

    said = set()
    for _, _, about in operations(document):
        for status, response in about["responses"].items():
            codes = re.findall(r"^- `(\w+)`: ", response.get("description", ""), re.M)
            said |= {(int(status), code) for code in codes}

    assert said <= known
    assert len(said) > 10


def test_every_operation_has_a_name_of_its_own_and_a_sentence(document):
    names = [about["operationId"] for _, _, about in operations(document)]

    assert len(names) == len(set(names))
    assert all(about["summary"] for _, _, about in operations(document))
