"""The first page of a sign-in, which later steps show again when the sign-in has to begin anew."""

from flask import Response, request

import config
from gatehouse.captcha import service as captcha
from gatehouse.captcha.service import CaptchaRequired
from gatehouse.core.errors import ApiError
from gatehouse.pages.error_sentences import describe_error
from gatehouse.pages.form_pages import render_form_page
from gatehouse.pages.security_headers import sealed_request
from gatehouse.pages.sign_in.state import SignIn, current_url

CAPTCHA = "captcha"


def render_sign_in(sign_in: SignIn | None, error: ApiError | None = None) -> Response:
    """Render the sign-in page, after an error with its sentence and what was typed."""
    hint = sign_in.pending.request.login_hint if sign_in else ""
    variables = {
        "client": sign_in.client if sign_in else None,
        "sealed": sealed_request(),
        "identifier": request.form.get("identifier", hint),
        "message": describe_error(error) if error else "",
        "needs_captcha": _needs_captcha(error),
        "next_url": current_url(),
    }
    return render_form_page("sign_in", variables, target=sign_in.target if sign_in else "")


def _needs_captcha(error: ApiError | None) -> bool:
    """Return whether the next attempt needs a CAPTCHA: always, or as this one did."""
    is_always = config.settings().captcha_login == captcha.ALWAYS
    return is_always or isinstance(error, CaptchaRequired) or CAPTCHA in request.form
