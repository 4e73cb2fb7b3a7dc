"""The page that the `type` of every problem document leads to: what each code means."""

from flask import Blueprint, render_template

from gatehouse.core.errors import catalogue, explanation
from gatehouse.pages.security_headers import guard

errors = Blueprint("errors", __name__)
guard(errors)


@errors.get("/errors")
def explain() -> str:
    """List every error; its code is its anchor."""
    return render_template("pages/errors.html", kinds=catalogue(), explanation=explanation)
