"""The developer mailbox: all e-mails and SMS. Registered in development only."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any
from uuid import UUID

import segno
from flask import Blueprint, Response, abort, jsonify, make_response, render_template, request

from gatehouse.core import clock
from gatehouse.database.session import commits, write_transaction
from gatehouse.messaging import outbox
from gatehouse.pages.security_headers import CSP, nonce, register_security_headers

MAX_MESSAGES = 100  # on the page; JSON has all
MAILBOX_CSP = CSP.replace("default-src 'none';", "default-src 'none'; frame-src 'self';")
MAIL_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox"
)
"""E-mails are shown as in mail clients: with their own styles, without scripts and origin."""

mailbox = Blueprint("mailbox", __name__)
register_security_headers(mailbox)


@mailbox.get("/dev/mailbox")
def list_messages() -> Response:
    """List the messages, newest first: HTML for browsers, JSON for other clients.

    `?to=` filters by recipient, in any case.
    """
    to = request.args.get("to")
    response = (
        _render_page(to)
        if _prefers_html()
        else jsonify(items=[*map(_serialize, outbox.list_messages(to))])
    )
    response.vary.add("Accept")
    return response


@mailbox.get("/dev/mailbox/<uuid:message_id>")
def show_html(message_id: UUID) -> Response:
    """Show the HTML part of an e-mail, in a frame of the mailbox page."""
    response = make_response(_require_message(message_id)["html"])
    response.headers["Content-Security-Policy"] = MAIL_CSP
    response.headers["X-Frame-Options"] = "SAMEORIGIN"  # like frame-ancestors in MAIL_CSP
    return response


@mailbox.get("/dev/mailbox/<uuid:message_id>/qr.svg")
def show_qr_code(message_id: UUID) -> Response:
    """Show the link of a message as a QR code, for phones."""
    link = _require_message(message_id)["variables"].get("link") or abort(404)
    picture = BytesIO()
    segno.make(str(link), error="l").save(picture, kind="svg", scale=4, light="#ffffff")
    return Response(picture.getvalue(), mimetype="image/svg+xml")


@mailbox.delete("/dev/mailbox")
@commits
def delete_messages() -> tuple[str, int]:
    """Delete all messages."""
    with write_transaction():
        outbox.delete_all_messages()
    return "", 204


def _prefers_html() -> bool:
    """Return whether the client accepts text/html explicitly; `*/*` (curl) means JSON."""
    media_types = ["application/json", "text/html"]
    return request.accept_mimetypes.best_match(media_types) == "text/html"


def _render_page(to: str | None) -> Response:
    page = render_template(
        "pages/mailbox.html", items=outbox.list_messages(to, MAX_MESSAGES), to=to, most=MAX_MESSAGES
    )
    response = make_response(page)
    response.headers["Content-Security-Policy"] = MAILBOX_CSP.format(nonce=nonce())
    return response


def _require_message(message_id: UUID) -> dict[str, Any]:
    return outbox.get_message(message_id) or abort(404)


def _serialize(item: Mapping[str, Any]) -> dict[str, Any]:
    """Format the time as RFC 3339 in UTC."""
    return {**item, "created_at": clock.format_rfc3339(item["created_at"])}
