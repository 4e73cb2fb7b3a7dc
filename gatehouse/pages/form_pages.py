"""Pages with forms that browsers submit by themselves, so that they work without scripts.

Browsers check `form-action` along the redirects after a form, too: the policy of these pages names
the address of the application that the user goes back to (see decision 54).
"""

import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from flask import Blueprint, Response, g, make_response, redirect, render_template, request
from marshmallow import EXCLUDE, Schema, ValidationError

from gatehouse.core.errors import ApiError, ValidationFailed
from gatehouse.pages.error_sentences import describe_error
from gatehouse.pages.security_headers import CSP, nonce, register_security_headers
from gatehouse.web.error_formats import ErrorFormat
from gatehouse.web.fields import format_field_errors

FORM = "application/x-www-form-urlencoded"
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
ORIGIN = re.compile(r"http://[a-z0-9.-]+(:[0-9]+)?")
Render = Callable[[ApiError], Response]


def create_blueprint(name: str, error_format: ErrorFormat | None = None) -> Blueprint:
    """Return a blueprint of pages; its errors are pages, too."""
    blueprint = Blueprint(name, __name__)
    blueprint.error_format = error_format or PAGE  # type: ignore[attr-defined] # web.error_formats
    register_security_headers(blueprint)
    blueprint.after_request(_let_script_follow)
    return blueprint


def _let_script_follow(response: Response) -> Response:
    """Name the target of a redirect to `enhance.js`, which cannot see it otherwise.

    A browser follows redirects of a script's request by itself (Fetch standard, HTTP fetch).
    """
    if response.status_code == 303 and request.headers.get("X-Requested-With") == "fetch":
        response.headers["X-Location"] = response.headers.pop("Location")
        response.status_code = 204
        response.set_data(b"")
    return response


def render_form_page(
    template: str, variables: Mapping[str, object], *, status: int = 200, target: str = ""
) -> Response:
    """Render a page with a form; `target` is the address that a redirect after it leads to.

    The referrer policy lets browsers name their origin when they submit the form: under
    `no-referrer` they would send `Origin: null` (Fetch standard, append a request Origin header).
    """
    response = make_response(render_template(f"pages/{template}.html", **variables), status)
    actions = " ".join(filter(None, ("'self' https:", _source_of(target))))
    policy = CSP.format(nonce=nonce()).replace("form-action 'none'", f"form-action {actions}")
    response.headers["Content-Security-Policy"] = policy
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _source_of(target: str) -> str:
    """Return a source expression (CSP 3 section 2.3.1) for an address that is not https."""
    parts = urlsplit(target)
    if parts.scheme == "http":
        origin = f"http://{parts.netloc}"
        return origin if ORIGIN.fullmatch(origin) else "http:"  # no expression for IPv6
    is_private = parts.scheme != "https" and SCHEME.fullmatch(parts.scheme)
    return f"{parts.scheme}:" if is_private else ""


def see_other(url: str) -> Response:
    """Redirect with GET whatever the method was (RFC 9700 section 4.12)."""
    return make_response(redirect(url, 303))


def load_form(schema: type[Schema], **members: object) -> object:
    """Load the fields of the request's form, and these members, with a schema of the API.

    Raises:
        ValidationFailed: a field is missing or invalid.
    """
    sent = {name: value for name, value in request.form.items() if value}
    return load_members(schema, {**sent, **members})


def load_members(schema: type[Schema], members: Mapping[str, object]) -> object:
    """Load these members with a schema of the API, which ignores others.

    Raises:
        ValidationFailed: a member is missing or invalid.
    """
    try:
        return schema().load(members, unknown=EXCLUDE)
    except ValidationError as error:
        raise ValidationFailed(format_field_errors(error.messages)) from None


def show_errors_with(render: Render) -> None:
    """Show errors of this request on the form that it came from.

    They are rendered by the error handlers, after the rollback and the error's audit event.
    """
    g.render_error = render


def _render_error(error: ApiError) -> Response:
    render: Render = g.pop("render_error", render_error_page)
    response = render(error)
    if response.status_code < 300:  # unless the error is answered by a redirect
        response.status_code = error.status
    return response


def render_error_page(error: ApiError) -> Response:
    """Show an error that the user can do nothing about on the page before."""
    return render_form_page("sign_in_error", {"message": describe_error(error)})


PAGE = ErrorFormat("text/html", "Page", _render_error)
"""Errors of pages: a page."""
