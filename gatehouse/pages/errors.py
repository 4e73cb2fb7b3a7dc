"""The page of all error codes, to which the `type` of a problem document (RFC 9457) links."""

import re

from flask import Blueprint, render_template
from markupsafe import Markup, escape

from gatehouse.core.errors import ApiError, all_errors, default_detail
from gatehouse.pages.security_headers import register_security_headers

errors = Blueprint("errors", __name__)
register_security_headers(errors)
CODE_SPAN = re.compile("`([^`]+)`")


@errors.get("/errors")
def list_errors() -> str:
    """Show all errors; the code of an error is its anchor."""
    return render_template("pages/errors.html", errors=all_errors(), describe=describe)


def describe(error: type[ApiError]) -> Markup:
    """Return an error's sentences as HTML, with code spans (`...`) marked up as code."""
    sentences = " ".join(filter(None, (default_detail(error), error.next)))
    return Markup(CODE_SPAN.sub(r"<code>\1</code>", escape(sentences)))  # noqa: S704 # escaped
