"""The first page of a sign-in, which later steps show again when the sign-in has to begin anew."""

from flask import Response, request

import config
from gatehouse.core.errors import ApiError
from gatehouse.federation import registry
from gatehouse.pages.error_sentences import describe_error
from gatehouse.pages.form_pages import render_form_page
from gatehouse.pages.security_headers import sealed_request
from gatehouse.pages.sign_in.state import SignIn, current_url
from gatehouse.pages.sign_in.step_page import needs_captcha

TOGETHER = "together"


def render_sign_in(
    sign_in: SignIn | None,
    error: ApiError | None = None,
    *,
    notice: str = "",
    identifier: str = "",
) -> Response:
    """Render the sign-in page, after an error with its sentence and what was typed.

    After another page it says what was done there, and has the identifier filled in.
    """
    hint = sign_in.pending.request.login_hint if sign_in else ""
    identifier = identifier or request.form.get("identifier", hint)
    variables = {
        "client": sign_in.client if sign_in else None,
        "sealed": sealed_request(),
        "identifier": identifier,
        "asks_password": bool(identifier) or config.settings().sign_in_form == TOGETHER,
        "notice": notice,
        "message": describe_error(error) if error else "",
        "needs_captcha": needs_captcha("login", error),
        "providers": registry.list_providers(),
        "next_url": current_url(),
    }
    return render_form_page("sign_in", variables, target=sign_in.target if sign_in else "")
