"""Whatever one can do for oneself at /auth, the account pages do, within the same limits."""

PAGES = {
    "GET /auth/me": "/account/profile",
    "PATCH /auth/me": "/auth/account/profile",
    "POST /auth/email/change": "/auth/account/email",
    "POST /auth/email/verify": "/auth/account/email/verify",
    "POST /auth/phone": "/auth/account/phone",
    "POST /auth/phone/verify": "/auth/account/phone/verify",
    "DELETE /auth/phone": "/auth/account/phone/remove",
    "POST /auth/password/change": "/auth/account/password",
    "POST /auth/password/forgot": "/auth/account/password/link",
    "GET /auth/mfa/factors": "/account/factors",
    "POST /auth/mfa/factors": "/auth/account/factors",
    "POST /auth/mfa/factors/<uuid:factor_id>/confirm": (
        "/auth/account/factors/<uuid:factor_id>/confirm"
    ),
    "DELETE /auth/mfa/factors/<uuid:factor_id>": "/auth/account/factors/<uuid:factor_id>/remove",
    "POST /auth/mfa/recovery-codes": "/auth/account/factors/recovery-codes",
    "GET /auth/mfa/reset": "/account/factors",
    "DELETE /auth/mfa/reset": "/auth/account/factors/reset/cancel",
    "POST /auth/passkeys/registration/options": "/account/factors",
    "POST /auth/passkeys/registration/verify": "/account/factors",
    "GET /auth/me/export": "/auth/account/data/export",
    "DELETE /auth/me": "/auth/account/data/delete",
    "POST /auth/reauthenticate": "/auth/confirm",
    "POST /auth/reauthenticate/challenge": "/auth/confirm/factor",
    "GET /auth/sessions": "/account/sessions",
    "DELETE /auth/sessions/<uuid:session_id>": "/auth/account/sessions/<uuid:session_id>/end",
    "GET /auth/devices": "/account/sessions",
    "DELETE /auth/devices/<uuid:device_id>": "/auth/account/devices/<uuid:device_id>/forget",
    "GET /auth/grants": "/account/applications",
    "DELETE /auth/grants/<uuid:grant_id>": "/auth/account/applications/<uuid:grant_id>/end",
    "GET /auth/identities": "/account/identities",
    "POST /auth/identities": "/auth/account/identities",
    "DELETE /auth/identities/<uuid:identity_id>": (
        "/auth/account/identities/<uuid:identity_id>/remove"
    ),
    "GET /auth/me/history": "/account/history",
    "POST /auth/refresh": "/auth/account/continue",
    "POST /auth/logout": "/auth/account/sign-out",
}
"""Where the pages do what an operation does."""
WITHOUT_A_PAGE = {"POST /auth/identities/complete"}
"""Only front ends of the operator exchange a code: our page needs none."""


def test_form_has_the_limits_of_its_operation(app):
    adapter = app.url_map.bind("localhost")
    some_id = "01900000-0000-7000-8000-000000000000"

    def limit_of(method, rule):
        for name in ("session_id", "device_id", "grant_id", "factor_id", "identity_id"):
            rule = rule.replace(f"<uuid:{name}>", some_id)
        endpoint, _ = adapter.match(rule, method)
        return getattr(app.view_functions[endpoint], "limit", None)

    for operation, page in PAGES.items():
        method, path = operation.split()
        is_form = page.startswith("/auth/") and not page.endswith("/continue")
        if is_form:
            assert limit_of("POST", page) == limit_of(method, path), operation
        else:
            assert adapter.match(page, "GET"), operation


def test_no_operation_of_a_session_is_forgotten(app):
    mine = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/auth/")
        and hasattr(app.view_functions[rule.endpoint], "guarded")
        and not hasattr(app.view_functions[rule.endpoint], "permission")
    }

    assert mine <= set(PAGES) | WITHOUT_A_PAGE
