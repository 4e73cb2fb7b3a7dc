"""The page of all error codes, to which the `type` of a problem document (RFC 9457) links."""

from flask import Blueprint, render_template

from gatehouse.core.errors import all_errors, default_detail
from gatehouse.pages.security_headers import register_security_headers

errors = Blueprint("errors", __name__)
register_security_headers(errors)


@errors.get("/errors")
def list_errors() -> str:
    """Show all errors; the code of an error is its anchor."""
    return render_template("pages/errors.html", errors=all_errors(), default_detail=default_detail)
