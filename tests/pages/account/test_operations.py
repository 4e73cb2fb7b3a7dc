"""Whatever one can do for oneself at /auth, the account pages do, within the same limits."""

SIGN_IN = "part of signing in, or of what follows from a mailed link"
SCRIPT = "called by the scripts of the pages: passkeys need them"
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
    "GET /auth/sessions": "/account/sessions",
    "DELETE /auth/sessions/<uuid:session_id>": "/auth/account/sessions/<uuid:session_id>/end",
    "GET /auth/devices": "/account/sessions",
    "DELETE /auth/devices/<uuid:device_id>": "/auth/account/devices/<uuid:device_id>/forget",
    "GET /auth/grants": "/account/applications",
    "DELETE /auth/grants/<uuid:grant_id>": "/auth/account/applications/<uuid:grant_id>/end",
    "GET /auth/me/history": "/account/history",
    "POST /auth/refresh": "/auth/account/continue",
    "POST /auth/logout": "/auth/account/sign-out",
}
"""Where the pages do what an operation does."""


def test_form_has_the_limits_of_its_operation(app):
    adapter = app.url_map.bind("localhost")
    some_id = "01900000-0000-7000-8000-000000000000"

    def limit_of(method, rule):
        for name in ("session_id", "device_id", "grant_id", "factor_id"):
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
