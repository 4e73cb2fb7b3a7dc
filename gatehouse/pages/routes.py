"""The hosted pages: API reference, account, and the targets of mailed links (GET is safe).

The path of a mailed link is in logs, the secret in its fragment is not: so a page shows no address.
"""

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

import config
from gatehouse.core.log import logger
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


@pages.post(REPORTS_PATH)
@rate_limit("report")
@accepts("application/csp-report", "application/reports+json")
def record_csp_report() -> tuple[str, int]:
    """Log a browser's report of blocked content on a hosted page (CSP 3 section 5)."""
    report = request.get_data(as_text=True)[:MAX_REPORT_LENGTH]
    logger().warning("A browser blocked content of a page.", report=report)
    return "", 204
