"""A page of one step with a form; errors show it again, with what was typed but never a secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flask import Response, request

from gatehouse.captcha import service as captcha
from gatehouse.captcha.service import CaptchaRequired
from gatehouse.core.errors import ApiError, ValidationFailed
from gatehouse.pages.error_sentences import describe_error, describe_fields
from gatehouse.pages.form_pages import render_form_page
from gatehouse.pages.security_headers import current_locale
from gatehouse.pages.sign_in.state import SignIn
from gatehouse.web.request_context import RequestContext, request_context

CAPTCHA = "captcha"


@dataclass(frozen=True)
class StepPage:
    """A page of one step: its template, and the sign-in that it belongs to."""

    template: str
    sign_in: SignIn | None = None
    variables: Mapping[str, object] = field(default_factory=dict)
    captcha_action: str = ""
    """What a CAPTCHA is required for, if it may be."""

    def render(self, error: ApiError | None = None, notice: str = "") -> Response:
        """Render the page, after an error with its sentences at their fields."""
        errors = self._place(error) if error else {}
        message = describe_error(error) if error and not errors else ""
        shared = {
            "client": self.sign_in.client if self.sign_in else None,
            "typed": request.form,
            "notice": notice,
            "errors": errors,
            "message": message,
            "needs_captcha": needs_captcha(self.captcha_action, error),
        }
        target = self.sign_in.target if self.sign_in else ""
        return render_form_page(self.template, {**shared, **self.variables}, target=target)

    def _place(self, error: ApiError) -> dict[str, list[str]]:
        """Return the sentences about fields; those about one that the form has not are no such."""
        found = describe_fields(error)
        is_about_form = isinstance(error, ValidationFailed)
        return {name: each for name, each in found.items() if is_about_form or name in request.form}


def needs_captcha(action: str, error: ApiError | None) -> bool:
    """Return whether the next attempt needs a CAPTCHA: always, or as this one did."""
    is_always = bool(action) and captcha.is_always_required(action)
    return is_always or isinstance(error, CaptchaRequired) or CAPTCHA in request.form


def page_context() -> RequestContext:
    """Return the request's context in the language of its page, for messages and sentences."""
    return replace(request_context(), accept_language=current_locale().tag)
