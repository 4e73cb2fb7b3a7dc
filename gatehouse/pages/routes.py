"""The hosted pages: API reference, address verification and invitation. A GET consumes nothing."""

from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template
from werkzeug.wrappers import Response

import config
from gatehouse.accounts import invitation, registration
from gatehouse.pages.policy import guard

pages = Blueprint(
    "pages",
    __name__,
    static_folder="static",
    static_url_path="/assets",
    template_folder="templates",
)
pages.after_request(guard)


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


@pages.get("/verify-email/<uuid:request_id>")
def verify_email(request_id: UUID) -> tuple[str, int]:
    """Say when and from where a registration was asked; a button there proves the address.

    The secret of the link stays in the URL's fragment, which no server and no log ever sees.
    """
    pending = registration.describe(request_id)
    if pending is None:
        return _gone()
    return render_template("pages/verify_email.html", pending=pending), 200


@pages.get("/accept-invitation/<uuid:request_id>")
def accept_invitation(request_id: UUID) -> tuple[str, int]:
    """Ask an invited person for a password; a button there accepts the invitation."""
    pending = invitation.describe(request_id)
    if pending is None:
        return _gone()
    return render_template("pages/invitation.html", pending=pending), 200


def _gone() -> tuple[str, int]:
    """Used, expired, replaced and invented links look alike."""
    return render_template("pages/gone.html"), 404
