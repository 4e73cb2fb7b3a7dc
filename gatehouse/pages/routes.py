"""The hosted pages: reference, account, and where mails lead. A GET consumes nothing."""

from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

import config
from gatehouse.account import (
    email_change,
    email_change_revert,
    invitation,
    password_reset,
    registration,
)
from gatehouse.core.log import log
from gatehouse.login.methods import link
from gatehouse.mfa import reset
from gatehouse.pages.security_headers import REPORTS, guard
from gatehouse.web.rate_limits import limited
from gatehouse.web.request_validation import takes

LONGEST_REPORT = 1000  # characters that the log keeps of what anybody may send

pages = Blueprint(
    "pages",
    __name__,
    static_folder="static",
    static_url_path="/assets",
    template_folder="templates",
)
guard(pages)


@pages.app_url_defaults
def name_the_version(endpoint: str, values: dict[str, Any]) -> None:
    """Let browsers fetch the assets of a new version at once, though they keep them for a day."""
    if endpoint == "pages.static":
        values["v"] = config.VERSION


@pages.get("/")
def front() -> Response:
    """Lead people who open the bare address to the API reference."""
    return redirect("/docs", 302)


@pages.get("/docs")
def docs() -> str:
    """Show the OpenAPI document in Swagger UI."""
    return render_template("pages/docs.html")


@pages.get("/.well-known/change-password")
def change_password() -> Response:
    """Lead password managers to where a password is changed (W3C, well-known change-password)."""
    return redirect("/forgot-password", 302)


@pages.get("/forgot-password")
def forgot_password() -> str:
    """Ask for an address, then for the code that was mailed there and a new password."""
    return render_template("pages/forgot_password.html")


@pages.get("/account")
def account() -> str:
    """Let people sign in, and see and change what they prove themselves with."""
    return render_template("pages/account.html")


@pages.get("/verify-email/<uuid:request_id>")
def verify_email(request_id: UUID) -> tuple[str, int]:
    """Say when and from where a registration was asked; a button there proves the address.

    The secret of the link stays in the URL's fragment, which no server and no log ever sees.
    """
    return _page("verify_email", registration.describe(request_id))


@pages.get("/accept-invitation/<uuid:request_id>")
def accept_invitation(request_id: UUID) -> tuple[str, int]:
    """Ask an invited person for a password; a button there accepts the invitation."""
    return _page("invitation", invitation.describe(request_id))


@pages.get("/reset-password/<uuid:request_id>")
def reset_password(request_id: UUID) -> tuple[str, int]:
    """Ask for a new password; a button there sets it."""
    return _page("reset_password", password_reset.describe(request_id))


@pages.get("/confirm-email/<uuid:request_id>")
def confirm_email(request_id: UUID) -> tuple[str, int]:
    """Ask for the password; a button there makes a new address the account's."""
    return _page("confirm_email", email_change.describe(request_id))


@pages.get("/undo-email/<uuid:request_id>")
def undo_email(request_id: UUID) -> tuple[str, int]:
    """Say what the address was and is; a button there gives the account its old one back."""
    return _page("revert_email_change", email_change_revert.describe(request_id))


@pages.get("/cancel-mfa-reset/<uuid:request_id>")
def cancel_mfa_reset(request_id: UUID) -> tuple[str, int]:
    """Say when the second factors of an account go; a button there keeps them."""
    return _page("cancel_mfa_reset", reset.describe(request_id))


@pages.get("/login-link/<uuid:request_id>")
def login_link(request_id: UUID) -> tuple[str, int]:
    """Show the code of a link that was opened elsewhere than where it was asked for."""
    return _page("login_link", link.describe(request_id))


@pages.post(REPORTS)
@limited("report")
@takes("application/csp-report", "application/reports+json")
def take_report() -> tuple[str, int]:
    """Write down what a browser says it refused on one of our pages (CSP 3 section 5)."""
    report = request.get_data(as_text=True)[:LONGEST_REPORT]
    log().warning("A browser refused content of a page.", report=report)
    return "", 204


def _page(name: str, pending: object | None) -> tuple[str, int]:
    """Write a page about what waits; used, expired, replaced and invented links look alike."""
    if pending is None:
        return render_template("pages/link_expired.html"), 404
    return render_template(f"pages/{name}.html", pending=pending), 200
