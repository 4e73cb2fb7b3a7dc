"""Every route is guarded or deliberately public, and the OpenAPI document is complete."""

import re

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gatehouse.core.errors import all_errors
from tests.tokens.forgery import case

PAGE_OF_SESSION = "a page; takes the session of its cookies, else the sign-in"
FORM_OF_SESSION = "takes the session of its cookies and its CSRF token"
PUBLIC = {
    "/.well-known/jwks.json": "public keys",
    "/.well-known/webauthn": "where passkeys of this domain are used, for every browser",
    "/": "a page that says what runs here",
    "/accept-invitation/<uuid:request_id>": "a page; its token is in the URL fragment",
    "/account": PAGE_OF_SESSION,
    "/account/data": PAGE_OF_SESSION,
    "/account/factors": PAGE_OF_SESSION,
    "/account/profile": PAGE_OF_SESSION,
    "/account/sessions": PAGE_OF_SESSION,
    "/account/email": PAGE_OF_SESSION,
    "/account/phone": PAGE_OF_SESSION,
    "/account/password": PAGE_OF_SESSION,
    "/account/applications": PAGE_OF_SESSION,
    "/account/identities": PAGE_OF_SESSION,
    "/account/history": PAGE_OF_SESSION,
    "/auth/account/continue": "renews the cookies of the session, else the sign-in",
    "/auth/account/<name>": "redirects to the page of a form",
    "/auth/account/<name>/<path:_rest>": "redirects to the page of a form",
    "/auth/account/sign-out": FORM_OF_SESSION,
    "/auth/account/factors": FORM_OF_SESSION,
    "/auth/account/factors/<uuid:factor_id>/confirm": FORM_OF_SESSION,
    "/auth/account/factors/<uuid:factor_id>/remove": FORM_OF_SESSION,
    "/auth/account/factors/recovery-codes": FORM_OF_SESSION,
    "/auth/account/factors/reset/cancel": FORM_OF_SESSION,
    "/auth/account/data/export": FORM_OF_SESSION,
    "/auth/account/data/delete": FORM_OF_SESSION,
    "/auth/account/email": FORM_OF_SESSION,
    "/auth/account/email/verify": FORM_OF_SESSION,
    "/auth/account/phone": FORM_OF_SESSION,
    "/auth/account/phone/verify": FORM_OF_SESSION,
    "/auth/account/phone/remove": FORM_OF_SESSION,
    "/auth/account/password": FORM_OF_SESSION,
    "/auth/account/password/link": FORM_OF_SESSION,
    "/auth/account/profile": FORM_OF_SESSION,
    "/auth/account/sessions/<uuid:session_id>/end": FORM_OF_SESSION,
    "/auth/account/sessions/end-others": FORM_OF_SESSION,
    "/auth/account/devices/<uuid:device_id>/forget": FORM_OF_SESSION,
    "/auth/account/applications/<uuid:grant_id>/end": FORM_OF_SESSION,
    "/auth/account/identities": FORM_OF_SESSION,
    "/auth/account/identities/<uuid:identity_id>/remove": FORM_OF_SESSION,
    "/assets/<path:filename>": "static files of the pages",
    "/assets/branding/theme.css": "the operator's colours",
    "/assets/branding/<string:picture>": "the operator's pictures",
    "/oauth2/authorize": "begins the authorization of an application; shows nothing of a user",
    "/auth/authorize": "continues it with the session of the cookies, or shows the sign-in",
    "/login": "a page with a form",
    "/auth/sign-in": "takes the password, as /auth/login",
    "/auth/sign-in/identifier": "shows the form for the password; looks nothing up",
    "/auth/sign-in/factor": "takes the login's token",
    "/auth/sign-in/code": "takes the login's token and a factor",
    "/auth/sign-in/enrolment": "takes the login's token, and enrols a first factor",
    "/auth/sign-in/enrolment/code": "takes the login's token and a first code",
    "/auth/confirm": "a page; takes the session of its cookies, else the sign-in",
    "/auth/confirm/factor": "a page; takes the session of its cookies, else the sign-in",
    "/auth/choose-account": "a page; takes the session of its cookies, else the sign-in",
    "/consent": "redirects to /auth/consent",
    "/auth/consent": "a page; takes the session of its cookies, else the sign-in",
    "/oauth2/token": "takes the credentials of an application",
    "/oauth2/revoke": "takes the credentials of an application",
    "/oauth2/introspect": "takes the credentials of an application",
    "/oauth2/userinfo": "takes an access token of an application",
    "/.well-known/openid-configuration": "what applications need to know, for all of them",
    "/.well-known/oauth-authorization-server": "the same for OAuth 2.0",
    "/oauth2/logout": "checks the request of an application; changes nothing",
    "/auth/end-session": "a page; signs the session of its cookies out",
    "/auth/federation": "the providers to sign in with",
    "/auth/federation/<name>": "sends the browser to a provider",
    "/auth/federation/<name>/callback": "takes the answer of a provider, and a cookie",
    "/auth/federation/complete": "takes the code of a front end",
    "/auth/federation/<provider>/nonce": "a random value",
    "/auth/federation/<provider>/token": "takes the ID token of a provider",
    "/auth/captcha": "a CAPTCHA challenge, before any login",
    "/auth/csrf": "the CSRF token of the session in the cookies",
    "/auth/email/resend": "open to all clients; always the same response",
    "/auth/email/undo": "takes the token sent to the old e-mail address",
    "/auth/email/verify": "verifies an e-mail address, by code or by link and password",
    "/auth/email/verify/code": "takes the token of a link",
    "/auth/invitation": "takes the token of the invitation",
    "/auth/login": "takes the password",
    "/auth/login/link": "open to all clients; always the same response",
    "/auth/login/link/code": "takes the token of a link",
    "/auth/login/link/verify": "takes the link or its code, and the login token",
    "/auth/password/forgot": "open to all clients; always the same response",
    "/auth/password/reset": "takes a code or the token of a link",
    "/auth/login/mfa": "takes the login's token and a factor",
    "/auth/login/mfa/challenge": "takes the login's token",
    "/auth/login/mfa/enrolment": "takes the login's token, and enrols a first factor",
    "/auth/login/mfa/enrolment/confirm": "takes the login's token and a first code",
    "/auth/logout": "takes either token, and verifies it itself",
    "/auth/passkeys/authentication/options": "contains no user data",
    "/auth/passkeys/authentication/verify": "takes the signature of a passkey",
    "/auth/refresh": "takes the refresh token",
    "/auth/register": "open to all clients",
    "/auth/register/options": "open to all clients; always the same response",
    "/auth/mfa/recovery": "open to all clients; always the same response",
    "/auth/mfa/recovery/verify": "takes a code, another credential, and the recovery token",
    "/auth/me/restore": "takes the token of the e-mail about the deletion",
    "/auth/mfa/reset/cancel": "takes the token of the notification",
    "/cancel-mfa-reset/<uuid:request_id>": "a page; its token is in the URL fragment",
    "/confirm-email/<uuid:request_id>": "a page; its token is in the URL fragment",
    "/forgot-password": "a page with a form, as /auth/password/forgot",
    "/forgot-password/code": "takes a code, as /auth/password/reset",
    "/login-link/<uuid:request_id>": "a page; its token is in the URL fragment",
    "/trouble": "a page with links",
    "/login/link": "a page with a form, as /auth/login/link",
    "/auth/sign-in/link": "takes the code and the login token, as /auth/login/link/verify",
    "/mfa-recovery": "a page with a form, as /auth/mfa/recovery",
    "/mfa-recovery/code": "takes two proofs, as /auth/mfa/recovery/verify",
    "/register": "a page with a form, as /auth/register",
    "/register/code": "takes a code, as /auth/email/verify",
    "/register/resend": "open to all clients, as /auth/email/resend",
    "/reset-password/<uuid:request_id>": "a page; its token is in the URL fragment",
    "/restore-account/<uuid:request_id>": "a page; its token is in the URL fragment",
    "/undo-email/<uuid:request_id>": "a page; its token is in the URL fragment",
    "/.well-known/change-password": "redirects to the page that changes a password",
    "/csp-reports": "logs what browsers blocked on our pages",
    "/dev/mailbox": "development only",
    "/dev/mailbox/<uuid:message_id>": "development only",
    "/dev/mailbox/<uuid:message_id>/qr.svg": "development only",
    "/docs": "the API reference",
    "/doctor/proxy": "takes the operator's token; otherwise not found",
    "/errors": "the list of errors",
    "/gateway/verify": "verifies the bearer token itself, for speed",
    "/health/live": "reports only that the process runs",
    "/health/ready": "reports only whether requests can be served",
    "/metrics": "takes its own token",
    "/openapi.json": "the OpenAPI document",
    "/tokens/status/<number>": "revocations, for all resource servers",
    "/sign-up-code/<uuid:request_id>": "a page; its token is in the URL fragment",
    "/verify-email/<uuid:request_id>": "a page; its token is in the URL fragment",
}
"""Every route that needs no access token, and the reason."""

SECRET_NAME = re.compile(r"token|code|password|secret|key|credential", re.IGNORECASE)
"""In the name of a parameter: its value would get into logs and histories."""

UNDOCUMENTED = {
    "/",
    "/oauth2/authorize",
    "/auth/authorize",
    "/login",
    "/auth/sign-in",
    "/auth/sign-in/identifier",
    "/auth/sign-in/factor",
    "/auth/sign-in/code",
    "/auth/sign-in/enrolment",
    "/auth/sign-in/enrolment/code",
    "/auth/confirm",
    "/auth/confirm/factor",
    "/auth/choose-account",
    "/auth/federation/{name}",
    "/auth/federation/{name}/callback",
    "/consent",
    "/auth/consent",
    "/oauth2/logout",
    "/auth/end-session",
    "/account",
    "/docs",
    "/errors",
    "/trouble",
    "/login/link",
    "/auth/sign-in/link",
    "/mfa-recovery",
    "/mfa-recovery/code",
    "/register",
    "/register/code",
    "/register/resend",
    "/openapi.json",
    "/doctor/proxy",
    "/csp-reports",
    "/forgot-password",
    "/forgot-password/code",
    "/.well-known/change-password",
}
PAGES = (
    "/assets/",
    "/dev/mailbox/",
    "/sign-up-code/",
    "/verify-email/",
    "/accept-invitation/",
    "/login-link/",
    "/cancel-mfa-reset/",
    "/reset-password/",
    "/restore-account/",
    "/confirm-email/",
    "/undo-email/",
    "/account/",
    "/auth/account/",
)
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


@pytest.fixture
def document(app):
    return app.test_client().get("/openapi.json").json


def operations(document):
    """Yield method, path and operation object of every operation."""
    for path, methods in document["paths"].items():
        for method in methods.keys() & {name.lower() for name in METHODS}:
            yield method.upper(), path, methods[method]


def routes(app):
    """Return method and OpenAPI path of every route."""
    return {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods & METHODS
    }


def test_route_is_guarded_or_listed_as_public(app):
    public = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if not hasattr(app.view_functions[rule.endpoint], "guarded")
    }

    assert public == set(PUBLIC)


def test_guarded_route_rejects_a_missing_token_before_it_reads_the_body(app):
    client = app.test_client()
    guarded = [rule for rule in app.url_map.iter_rules() if rule.rule not in PUBLIC]

    for rule in guarded:
        path = re.sub(r"<uuid:\w+>", "01900000-0000-7000-8000-000000000000", rule.rule)
        for method in rule.methods & METHODS:
            response = client.open(path, method=method, json={"unknown": 1})

            assert (response.status_code, response.json["code"]) == (401, "token_missing"), path
    assert len(guarded) >= 5


@pytest.mark.requirement("CF-01", "CF-06")
@pytest.mark.settings(GATEHOUSE_ENV="production", GATEHOUSE_BCRYPT_COST=None)
@pytest.mark.settings(GATEHOUSE_PUBLIC_URL="https://id.example.com")
def test_development_routes_do_not_exist_in_production(app):
    assert [rule.rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/dev/")] == []


def test_document_is_valid(document):
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


@pytest.mark.requirement("SE-12")
def test_url_has_no_parameter_for_a_secret(document):
    """Tokens and codes are sent in bodies and headers; those of mailed links are in fragments."""
    harmless = {"limit", "cursor", "action", "to"}
    names = {
        parameter["name"]
        for path in document["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
        for parameter in operation.get("parameters", ())
        if parameter.get("in") == "query"
    }
    ids = {"key_id", "secret_id"}
    parts = {part for path in document["paths"] for part in re.findall(r"{(\w+)}", path)}

    assert not {name for name in names if SECRET_NAME.search(name)}
    assert not {part for part in parts - ids if SECRET_NAME.search(part)}
    assert names >= harmless - {"to"}


def test_documented_operation_exists(app, document):
    documented = {(method, path) for method, path, _ in operations(document)}

    assert documented <= routes(app)


def test_route_is_documented_unless_it_is_a_page(app, document):
    documented = {(method, path) for method, path, _ in operations(document)}
    missing = {path for _, path in routes(app) - documented} - {"/gateway/verify"}

    assert {path for path in missing if not path.startswith(PAGES)} == UNDOCUMENTED
    assert ("GET", "/gateway/verify") in documented  # which documents any method


def test_document_requires_a_token_where_a_guard_does(app, document):
    guarded = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if hasattr(app.view_functions[rule.endpoint], "guarded")
        for method in rule.methods & METHODS
    }

    secured = {
        (method, path)
        for method, path, operation in operations(document)
        if operation.get("security") and {} not in operation["security"]
    }

    unguarded = {(method, "/gateway/verify") for method in METHODS} | {("GET", "/auth/csrf")}
    assert guarded <= secured
    assert secured - guarded <= unguarded


def test_documented_errors_are_in_the_error_catalogue(document):
    known = {(kind.status, kind.code) for kind in all_errors()}

    documented = set()
    for _, _, operation in operations(document):
        for status, response in operation["responses"].items():
            codes = re.findall(r"^- `(\w+)`: ", response.get("description", ""), re.M)
            documented |= {(int(status), code) for code in codes}

    assert documented <= known
    assert len(documented) > 10


def test_operation_has_a_unique_name_and_a_summary(document):
    names = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(names) == len(set(names))
    assert all(operation["summary"] for _, _, operation in operations(document))


VERBS = {
    "GET": {"read", "list", "search", "check", "export", "verify"},
    "PATCH": {"update"},
    "PUT": {"replace"},
    "DELETE": {"delete", "end", "forget", "remove", "revoke", "cancel"},
}
"""Beginnings of the names of operations, by method; a POST is named for what it does."""


def test_operation_is_named_with_the_verb_of_its_kind(document):
    """One word means one thing: who knows one operation can guess the name of another."""
    for method, path, operation in operations(document):
        name = operation["operationId"]
        verb = name.partition("_")[0]
        content = operation["responses"].get("200", {}).get("content", {})
        answer = str(content.get("application/json", {}).get("schema", {}).get("$ref", ""))
        with case(operation=f"{method} {path}", name=name):
            assert verb in VERBS.get(method, {verb})
            assert not answer.endswith("Page") or verb in ("list", "search")


def test_login_by_each_method_documents_that_it_may_be_rejected(document):
    paths = ["/auth/login", "/auth/login/link/verify", "/auth/passkeys/authentication/verify"]

    for path in paths:
        forbidden = document["paths"][path]["post"]["responses"]["403"]["description"]
        assert "`login_refused`" in forbidden, path
