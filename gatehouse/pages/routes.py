"""The hosted pages: API reference, account, and the targets of mailed links (GET is safe).

The path of a mailed link is in logs, the secret in its fragment is not: so a page shows no address.
"""

from uuid import UUID

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

import config
from gatehouse.account import (
    deletion,
    email_change,
    email_change_revert,
    invitation,
    password_reset,
    pending_registration,
)
from gatehouse.core.log import logger
from gatehouse.login.methods import link
from gatehouse.mfa import reset
from gatehouse.pages.security_headers import REPORTS_PATH, register_security_headers
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_validation import accepts

MAX_REPORT_LENGTH = 1000  # characters that are logged of a report, which any client may send

pages = Blueprint(
    "pages",
    __name__,
    static_folder="static",
    static_url_path="/assets",
    template_folder="templates",
)
register_security_headers(pages)


@pages.app_url_defaults
def add_asset_version(endpoint: str, values: dict[str, object]) -> None:
    """Add the version to asset URLs, since browsers cache assets for a day."""
    if endpoint == "pages.static":
        values["v"] = config.VERSION


@pages.get("/")
def home() -> str:
    """Say what runs here, and link to the account and to the API reference."""
    return render_template("pages/home.html", development=config.settings().development)


@pages.get("/docs")
def docs() -> str:
    """Show the OpenAPI document in Swagger UI."""
    return render_template("pages/docs.html")


@pages.get("/.well-known/change-password")
def change_password() -> Response:
    """Redirect password managers to the password page (W3C, well-known change-password)."""
    return redirect("/forgot-password", 302)


@pages.get("/account")
def account() -> str:
    """Show the account page: sign in, and manage password and factors."""
    return render_template("pages/account.html")


@pages.get("/account/data")
def account_data() -> str:
    """Show the page of one's own data: what is stored, and the export to download."""
    return render_template("pages/account_data.html")


@pages.get("/verify-email/<uuid:request_id>")
def verify_email(request_id: UUID) -> tuple[str, int]:
    """Show when and from where a registration was requested, with a button to verify the e-mail.

    The token stays in the URL fragment, which no server and no log receives.
    """
    return _render_link_page("verify_email", pending_registration.find_pending(request_id))


@pages.get("/sign-up-code/<uuid:request_id>")
def sign_up_code(request_id: UUID) -> tuple[str, int]:
    """Show the code of a sign-up with a passkey, after a button is pressed."""
    return _render_link_page("sign_up_code", pending_registration.find_pending(request_id))


@pages.get("/accept-invitation/<uuid:request_id>")
def accept_invitation(request_id: UUID) -> tuple[str, int]:
    """Show an invitation, with a form that sets a password and accepts it."""
    return _render_link_page("invitation", invitation.find_pending(request_id))


@pages.get("/reset-password/<uuid:request_id>")
def reset_password(request_id: UUID) -> tuple[str, int]:
    """Show the form for a new password."""
    return _render_link_page("reset_password", password_reset.find_pending(request_id))


@pages.get("/confirm-email/<uuid:request_id>")
def confirm_email(request_id: UUID) -> tuple[str, int]:
    """Show an e-mail change, with a form that takes the password and confirms it."""
    return _render_link_page("confirm_email", email_change.find_pending(request_id))


@pages.get("/undo-email/<uuid:request_id>")
def revert_email_change(request_id: UUID) -> tuple[str, int]:
    """Show when the e-mail address was changed, with a button to revert the change."""
    return _render_link_page("revert_email_change", email_change_revert.find_pending(request_id))


@pages.get("/cancel-mfa-reset/<uuid:request_id>")
def cancel_mfa_reset(request_id: UUID) -> tuple[str, int]:
    """Show when the second factors of an account will be removed, with a button to keep them."""
    return _render_link_page("cancel_mfa_reset", reset.find_pending(request_id))


@pages.get("/restore-account/<uuid:request_id>")
def restore_account(request_id: UUID) -> tuple[str, int]:
    """Show when a deleted account is erased, with a button to restore it."""
    return _render_link_page("restore_account", deletion.find_pending(request_id))


@pages.get("/login-link/<uuid:request_id>")
def login_link(request_id: UUID) -> tuple[str, int]:
    """Show the login code of a link that was opened on another device than it was requested on."""
    return _render_link_page("login_link", link.find_pending(request_id))


@pages.post(REPORTS_PATH)
@rate_limit("report")
@accepts("application/csp-report", "application/reports+json")
def record_csp_report() -> tuple[str, int]:
    """Log a browser's report of blocked content on a hosted page (CSP 3 section 5)."""
    report = request.get_data(as_text=True)[:MAX_REPORT_LENGTH]
    logger().warning("A browser blocked content of a page.", report=report)
    return "", 204


def _render_link_page(name: str, pending: object | None) -> tuple[str, int]:
    """Render the page of a link; used, expired, replaced and invalid links look the same."""
    if pending is None:
        return render_template("pages/link_expired.html", name=name), 404
    return render_template(f"pages/{name}.html", pending=pending), 200
