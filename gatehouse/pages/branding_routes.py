"""The operator's pictures and colours, below `/assets/branding`; browsers cache them for a day."""

from flask import Blueprint, Response

import config
from gatehouse.core.errors import NotFound
from gatehouse.pages.branding import render_theme
from gatehouse.pages.security_headers import register_security_headers
from gatehouse.settings.branding import Picture

PICTURES = ("logo", "logo_dark", "background")
PICTURE_CSP = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
"""Of an SVG that is opened by itself: its own styles, and nothing else."""

branding = Blueprint("branding", __name__, url_prefix="/assets/branding")
register_security_headers(branding)


@branding.get("/theme.css")
def show_theme() -> Response:
    """Show the stylesheet with the operator's colours."""
    settings = config.settings()
    return Response(render_theme(settings.accent_color, settings.background), mimetype="text/css")


@branding.get("/<string:picture>")
def show_picture(picture: str) -> Response:
    """Show a picture of the operator's."""
    found = getattr(config.settings(), picture) if picture in PICTURES else None
    if not isinstance(found, Picture):
        raise NotFound
    response = Response(found.content, mimetype=found.media_type)
    response.headers["Content-Security-Policy"] = PICTURE_CSP
    return response
